"""A drafted rule held against the words of the sentences that it quotes.

Every number, text, field, tool and role of the rule has to come from the sentence, and every bound, value and exception of the
sentence has to be in the rule. No model is asked, so a draft whose examples are wrong in the same way as its code stands here alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

import msgspec

from counterform.guard.drafting import reading, tools_meant
from counterform.guard.drafting.cases import Case
from counterform.guard.drafting.language import Refused
from counterform.guard.drafting.parts import BESIDE, NEGATIVE, Parts, once, parts_of
from counterform.guard.drafting.reading import Mention
from counterform.guard.drafting.sentences import Sentence
from counterform.guard.drafting.toolbox import Toolbox

_ROLES = {
    "user": {"user", "customer", "member", "passenger", "client", "patron", "reader"},
    "assistant": {"agent", "assistant", "you", "your"},
}
_MEANS = {"amount": {"dollar", "euro", "pound", "cent", "usd", "eur", "price", "cost", "fee", "sum"}}
"""What a field holds that sentences call by its unit."""
_GENERIC = frozenset(
    [
        "id",
        "ids",
        "name",
        "number",
        "type",
        "list",
        "value",
        "total",
        "new",
        "details",
        "info",
        "method",
        "of",
        "the",
        "a",
    ]
)
_PLAIN = frozenset(("yes", "no", "user", "assistant", "true", "false"))
_EXCEPTIONS = r"\b(?:unless|except(?: for| if| when)?|other than|excluding|apart from|or if|only if|only when)\b"
_FILLERS = frozenset(
    [
        "the",
        "a",
        "an",
        "is",
        "are",
        "be",
        "been",
        "was",
        "were",
        "has",
        "have",
        "had",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "of",
        "to",
        "in",
        "on",
        "for",
        "by",
        "with",
        "and",
        "or",
        "not",
        "no",
        "any",
        "all",
        "each",
        "you",
        "your",
        "they",
        "them",
        "their",
        "can",
        "could",
        "will",
        "would",
        "should",
        "must",
        "may",
        "do",
        "does",
        "if",
        "when",
        "then",
        "there",
        "at",
        "as",
        "from",
        "only",
        "always",
        "never",
    ]
)


def check(rule: ast.FunctionDef, quoted: Sequence[Sentence], background: Sequence[Sentence], box: Toolbox) -> None:
    """Raises Refused, with the words that do not fit, where the rule and its sentences are not about the same."""
    parts = parts_of(rule, box)
    _Check(parts, quoted, background, box).all()


def check_examples(parts: Parts, quoted: Sequence[Sentence], cases: Sequence[Case]) -> None:
    """Raises Refused where a value of examples stands in the sentence, and the rule does not look for it: `gift_card_1` and "gift card"."""
    for case in cases:
        for text in _leaves(msgspec.to_builtins(case)):
            stem = re.sub(r"[_ ]?\d+$", "", text)
            several = 2 <= len(reading.words(stem)) <= 4
            if (
                several
                and stem not in parts.texts
                and any(reading.has_phrase(s.text, stem) for s in quoted if case.user != text)
            ):
                raise Refused(f"the sentence speaks of {' '.join(reading.words(stem))!r}, and its code leaves that out")


class _Check:
    def __init__(self, parts: Parts, quoted: Sequence[Sentence], background: Sequence[Sentence], box: Toolbox) -> None:
        self.parts, self.box, self.quoted, self.background = parts, box, quoted, background
        self.text = " ; ".join(sentence.text for sentence in quoted)
        self.around = " ; ".join([self.text, *(sentence.text for sentence in background)])
        self.headings = " ; ".join(dict.fromkeys(" ; ".join(sentence.headings[-2:]) for sentence in quoted))
        self.mentions = [
            m for sentence in [*quoted, *background] for m in reading.mentions(sentence.number, sentence.text)
        ]
        self.values = once([*parts.texts, *(value for values in box.values().values() for value in values)])

    def all(self) -> None:
        self.has_a_condition()
        self.numbers_are_said()
        self.texts_are_said()
        self.fields_are_said()
        self.values_are_of_their_field()
        self.roles_are_said()
        tools_meant.check(self.parts.tools, self.text, self.headings, self.box)
        self.nothing_is_left_out()

    def has_a_condition(self) -> None:
        """A rule that is broken by every call of its tools is one only where the sentence forbids them."""
        parts = self.parts
        if not (parts.numbers or parts.texts or parts.fields or parts.roles) and not self.forbids_all():
            raise Refused("its code has no condition but the tool, and the sentence does not forbid it altogether")

    def forbids_all(self) -> bool:
        return any(
            reading.FORBIDS.search(s.text) and not reading.NEEDS.search(s.text) for s in self.quoted
        ) and not any(True for s in self.quoted for _ in _exceptions(s.text))

    def numbers_are_said(self) -> None:
        for node, beside, unit in self.parts.numbers:
            if self.mentioned(node, beside, unit) or (
                node.value == 0 and unit not in (BESIDE, NEGATIVE) and reading.says_nothing(self.text)
            ):
                continue
            raise Refused(f"its code has {_number(node.value)}{_of(beside, unit)}, and the sentence does not say so")

    def mentioned(self, node: ast.Constant, beside: Sequence[str], unit: str) -> list[Mention]:
        """Where the sentences say this number of these things."""
        assert isinstance(node.value, int | float)
        # call.beside counts the other calls: "one call" is none beside it.
        value = abs(float(node.value)) + (unit == BESIDE)
        return [m for m in self.mentions if m.means(value) and self.fits(m, beside, unit)]

    def fits(self, mention: Mention, beside: Sequence[str], unit: str) -> bool:
        if unit and unit != BESIDE and not reading.alike(mention.after, unit.rstrip("s")):
            return False
        named = [text for text in beside if text in self.parts.texts and text not in _PLAIN and not reading.times(text)]
        if named:
            whole = (
                next(s for s in self.quoted if s.number == mention.sentence).text
                if self.is_quoted(mention)
                else mention.clause
            )
            inner, outer = named[-1], named[:-1]
            return reading.has_phrase(mention.clause, inner, self.values) and all(
                reading.has_phrase(whole, text, self.values) for text in outer
            )
        others = {m.value for m in self.mentions if m.is_bound} - {mention.value}
        fields = [
            word for text in beside if text in self.parts.fields for word in reading.words(text) if word not in _GENERIC
        ]
        # Where a sentence has one number, it cannot be another's.
        return (
            not others
            or not fields
            or bool(unit)
            or reading.shares_word(fields, reading.words(mention.clause))
            or mention.boundary == ""
        )

    def is_quoted(self, mention: Mention) -> bool:
        return any(sentence.number == mention.sentence for sentence in self.quoted)

    def texts_are_said(self) -> None:
        said = set[str]().union(*(reading.times(s) for s in (self.around,)))
        for text in self.parts.texts:
            if (
                not text
                or (text in _PLAIN and text not in self.parts.spoken)
                or text.replace("T", " ") in said
                or reading.has_phrase(self.around, text)
            ):
                continue
            raise Refused(f"its code compares with {text!r}, and the sentence does not say that")

    def fields_are_said(self) -> None:
        there = reading.words(f"{self.around} ; {self.headings}")
        values = self.box.values()
        for field in self.parts.fields:
            own = [word for word in reading.words(field) if word not in _GENERIC] or reading.words(field)
            if (
                reading.shares_word(own, there)
                or _MEANS.get(field, set()) & set(there)
                or any(reading.has_phrase(self.text, value) for value in values.get(field, ()))
            ):
                continue
            raise Refused(f"its code looks at {field!r}, and the sentence does not speak of it")

    def values_are_of_their_field(self) -> None:
        """A value of one field's `enum` is not compared with another field."""
        for fields, texts in self.parts.compared:
            for text in texts:
                own = [field for field, values in self.box.values().items() if text in values]
                if own and text not in _PLAIN and fields and not set(own) & set(fields):
                    raise Refused(
                        f"its code compares {', '.join(fields)} with {text!r}, which is a value of {own[0]!r}"
                    )

    def roles_are_said(self) -> None:
        there = reading.words(self.around)
        for role in self.parts.roles:
            other = next(name for name in _ROLES if name != role)
            near = [
                (place, name) for name, names in _ROLES.items() for place, word in enumerate(there) if word in names
            ]
            if not any(name == role for _, name in near):
                raise Refused(
                    f"its code looks at what the {role} said, and the sentence speaks of the {other}"
                    if near
                    else f"its code looks at what the {role} said, and the sentence does not"
                )
            for text in self.parts.spoken:
                if self.speakers(text) - {role, ""}:
                    raise Refused(
                        f"its code looks for {text!r} in what the {role} said, and the sentence has the {other} say it"
                    )

    def speakers(self, text: str) -> set[str]:
        """Of the sentences that name a text, who is spoken of last before it."""
        found = set()
        for sentence in [*self.quoted, *self.background]:
            there, wanted = reading.words(sentence.text), reading.words(text)
            places = [at for at in range(len(there)) if there[at : at + len(wanted)] == wanted]
            before = there[: places[0]] if places and wanted else []
            found.add(next((role for word in reversed(before) for role, names in _ROLES.items() if word in names), ""))
        return found

    def nothing_is_left_out(self) -> None:
        used = {m for node, beside, unit in self.parts.numbers for m in self.mentioned(node, beside, unit)}
        for mention in self.mentions:
            implied = (
                mention.value == 1
                and mention.boundary == "at most"
                and any(node.value == 0 for node, _, _ in self.parts.numbers)
            )
            if (
                mention.is_bound
                and self.is_quoted(mention)
                and mention not in used
                and not implied
                and not self.is_present(mention)
            ):
                raise Refused(
                    f"the sentence says {mention.clause.strip()!r}, and its code leaves the {_number(mention.value)} out"
                )
        own = [word for text in (*self.parts.texts, *self.parts.fields) for word in reading.words(text)]
        for sentence in self.quoted:
            for value in self.demanded(sentence):
                if not any(reading.words(text) == reading.words(value) for text in self.parts.texts):
                    raise Refused(f"the sentence speaks of {value!r}, and its code leaves that out")
            for exception in _exceptions(sentence.text):
                content = [word for word in reading.words(exception) if word not in _FILLERS]
                if content and not reading.shares_word(content, own):
                    raise Refused(f"the sentence says {exception.strip()!r}, and its code leaves that out")

    def is_present(self, mention: Mention) -> bool:
        """`can only be called once`: a rule that looks whether something is there at all needs no number."""
        return mention.value == 1 and mention.boundary == "at most" and not self.parts.numbers

    def demanded(self, sentence: Sentence) -> Iterator[str]:
        """What a sentence puts in quotes; values that it names, of several words or of a field that the rule looks at."""
        yield from (text for text in reading.quoted(sentence.text) if "e.g" not in sentence.text)
        for text in self.parts.texts:
            yield from (
                other
                for other in _beside(sentence.text, text)
                if reading.words(text)[-1:] == other.split()[-1:]
                and not set(other.split()) & {"or", "and", ",", "the", "a"}
            )
        for field, values in self.box.values().items():
            yield from (
                value
                for value in values
                if len(reading.words(value)) > 1 and reading.has_phrase(sentence.text, value, self.values)
            )
            if field in self.parts.fields or any(value in self.parts.texts and value not in _PLAIN for value in values):
                yield from (
                    value
                    for value in values
                    if value not in _PLAIN and reading.has_phrase(sentence.text, value, self.values)
                )


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)


def _beside(text: str, value: str) -> Iterator[str]:
    """What a sentence sets beside a value by `or`, `and` or a comma: gift card or credit card."""
    wanted, there = reading.words(value), [word for part in re.split(r"[^\w,]+", text) for word in _with_comma(part)]
    size = len(wanted)
    for at in range(len(there) - size + 1):
        if size < 2 or there[at : at + size] != wanted:
            continue
        before, after = at - 1, at + size
        if before - size >= -1 and there[before] in ("or", "and", ","):
            yield " ".join(there[before - size : before])
        if after < len(there) and there[after] in ("or", "and", ","):
            yield " ".join(there[after + 1 : after + 1 + size])


def _with_comma(part: str) -> list[str]:
    return [*reading.words(part), *([","] if part.endswith(",") else [])]


def _exceptions(text: str) -> Iterator[str]:
    for found in re.finditer(_EXCEPTIONS, text, re.IGNORECASE):
        yield re.split(r"[,;.()]", text[found.start() :], maxsplit=1)[0]


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _of(beside: Sequence[str], unit: str) -> str:
    about = f" for {', '.join(dict.fromkeys(beside))}" if beside else ""
    return f" {unit}{about}" if unit else about
