"""A drafted rule held against the words of the sentences that it quotes.

Every number, text, field, tool and role of the rule has to come from the sentence, and every bound, value and exception of the
sentence has to be in the rule. No model is asked, so a draft whose examples are wrong in the same way as its code stands here alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from counterform.guard.drafting import reading
from counterform.guard.drafting.cases import Case
from counterform.guard.drafting.language import Refused, hints
from counterform.guard.drafting.reading import Mention
from counterform.guard.drafting.sentences import Sentence
from counterform.guard.drafting.toolbox import Tool, Toolbox

_ACTIONS = tuple(
    frozenset(group.split())
    for group in (
        "book create place",
        "update modify change edit",
        "cancel",
        "return",
        "exchange swap",
        "delete remove",
        "add insert",
        "send offer issue give grant compensate",
        "refund reimburse",
        "transfer escalate",
        "pay charge",
        "lend borrow loan",
        "renew extend",
        "waive forgive",
    )
)
_ROLES = {"user": {"user", "customer", "member", "passenger", "client", "patron", "reader"}, "assistant": {"agent", "assistant", "you", "your"}}
_MEANS = {"amount": {"dollar", "euro", "pound", "cent", "usd", "eur", "price", "cost", "fee", "sum"}}
"""What a field holds that sentences call by its unit."""
_GENERIC = frozenset("id ids name number type list value total new details info method of the a".split())
_PLAIN = frozenset(("yes", "no", "user", "assistant", "true", "false"))
BESIDE = "calls beside it"
"""The unit of `call.beside`."""
NEGATIVE = "below zero"
"""The unit of a number with a minus."""
_EXCEPTIONS = r"\b(?:unless|except(?: for| if| when)?|other than|excluding|apart from|or if|only if|only when)\b"
_FILLERS = frozenset(
    "the a an is are be been was were has have had it its this that these those of to in on for by with and or not no any all each you your "
    "they them their can could will would should must may do does if when then there at as from only always never".split()
)


class Parts(Struct, frozen=True):
    """The constants of a rule, by what they are for."""

    numbers: tuple[tuple[ast.Constant, tuple[str, ...], str], ...]
    """(constant, texts that stand beside it, unit) of each number."""
    texts: tuple[str, ...]
    """What is compared with; none of the names below."""
    fields: tuple[str, ...]
    tools: tuple[str, ...]
    """Those of which calls are judged."""
    roles: tuple[str, ...]
    compared: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """(fields, texts) of each comparison of a field with a text."""
    spoken: tuple[str, ...]
    """Texts that are looked for in what somebody said."""


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
            if several and stem not in parts.texts and any(reading.has_phrase(s.text, stem) for s in quoted if case.user != text):
                raise Refused(f"the sentence speaks of {' '.join(reading.words(stem))!r}, and its code leaves that out")


def parts_of(rule: ast.FunctionDef, box: Toolbox) -> Parts:
    """What the rule's constants are for."""
    skipped = hints(rule)
    keys = {id(node): key for parent in ast.walk(rule) for node, key in _keys(parent)}
    looked_up = {id(node) for parent in ast.walk(rule) for node in _looked_up(parent)}
    roles = {id(node): str(node.value) for parent in ast.walk(rule) for node in _role_nodes(parent)}
    numbers, texts, fields, tools = list[tuple[ast.Constant, tuple[str, ...], str]](), list[str](), list[str](), list[str]()
    for node, beside, unit in _constants(rule, (), ""):
        if id(node) in skipped or node.value is None or isinstance(node.value, bool):
            continue
        if isinstance(node.value, int | float):
            numbers.append((node, beside, unit))
        elif id(node) in roles or id(node) in looked_up:
            continue
        elif id(node) in keys:
            fields.append(str(node.value))
        elif node.value in box.tools:
            tools.append(str(node.value))
        else:
            texts.append(str(node.value))
    return Parts(tuple(numbers), _once(texts), _once(fields), _once(tools), _once(roles.values()), _compared(rule), _once(_spoken(rule)))


class _Check:
    def __init__(self, parts: Parts, quoted: Sequence[Sentence], background: Sequence[Sentence], box: Toolbox) -> None:
        self.parts, self.box, self.quoted, self.background = parts, box, quoted, background
        self.text = " ; ".join(sentence.text for sentence in quoted)
        self.around = " ; ".join([self.text, *(sentence.text for sentence in background)])
        self.headings = " ; ".join(dict.fromkeys(" ; ".join(sentence.headings[-2:]) for sentence in quoted))
        self.mentions = [m for sentence in [*quoted, *background] for m in reading.mentions(sentence.number, sentence.text)]
        self.values = _once([*parts.texts, *(value for values in box.values().values() for value in values)])

    def all(self) -> None:
        self.has_a_condition()
        self.numbers_are_said()
        self.texts_are_said()
        self.fields_are_said()
        self.values_are_of_their_field()
        self.roles_are_said()
        self.tools_are_meant()
        self.nothing_is_left_out()

    def has_a_condition(self) -> None:
        """A rule that is broken by every call of its tools is one only where the sentence forbids them."""
        parts = self.parts
        if not (parts.numbers or parts.texts or parts.fields or parts.roles) and not self.forbids_all():
            raise Refused("its code has no condition but the tool, and the sentence does not forbid it altogether")

    def forbids_all(self) -> bool:
        return any(reading.FORBIDS.search(s.text) and not reading.NEEDS.search(s.text) for s in self.quoted) and not any(
            True for s in self.quoted for _ in _exceptions(s.text)
        )

    def numbers_are_said(self) -> None:
        for node, beside, unit in self.parts.numbers:
            if self.mentioned(node, beside, unit) or (node.value == 0 and unit not in (BESIDE, NEGATIVE) and reading.says_nothing(self.text)):
                continue
            raise Refused(f"its code has {_number(node.value)}{_of(beside, unit)}, and the sentence does not say so")

    def mentioned(self, node: ast.Constant, beside: Sequence[str], unit: str) -> list[Mention]:
        """Where the sentences say this number of these things."""
        assert isinstance(node.value, int | float)
        # call.beside counts the other calls: "one call" is none beside it.
        value = abs(float(node.value)) + (unit == BESIDE)
        return [m for m in self.mentions if value in (m.value, m.value / 100 if m.percent else m.value) and self.fits(m, beside, unit)]

    def fits(self, mention: Mention, beside: Sequence[str], unit: str) -> bool:
        if unit and unit != BESIDE and not reading.alike(mention.after, unit.rstrip("s")):
            return False
        named = [text for text in beside if text in self.parts.texts and text not in _PLAIN and not reading.times(text)]
        if named:
            whole = next(s for s in self.quoted if s.number == mention.sentence).text if self.is_quoted(mention) else mention.clause
            inner, outer = named[-1], named[:-1]
            return reading.has_phrase(mention.clause, inner, self.values) and all(reading.has_phrase(whole, text, self.values) for text in outer)
        others = {m.value for m in self.mentions if m.is_bound} - {mention.value}
        fields = [word for text in beside if text in self.parts.fields for word in reading.words(text) if word not in _GENERIC]
        # Where a sentence has one number, it cannot be another's.
        return not others or not fields or bool(unit) or reading.shares_word(fields, reading.words(mention.clause)) or mention.boundary == ""

    def is_quoted(self, mention: Mention) -> bool:
        return any(sentence.number == mention.sentence for sentence in self.quoted)

    def texts_are_said(self) -> None:
        said = set[str]().union(*(reading.times(s) for s in (self.around,)))
        for text in self.parts.texts:
            if not text or (text in _PLAIN and text not in self.parts.spoken) or text.replace("T", " ") in said or reading.has_phrase(self.around, text):
                continue
            raise Refused(f"its code compares with {text!r}, and the sentence does not say that")

    def fields_are_said(self) -> None:
        there = reading.words(f"{self.around} ; {self.headings}")
        values = self.box.values()
        for field in self.parts.fields:
            own = [word for word in reading.words(field) if word not in _GENERIC] or reading.words(field)
            if reading.shares_word(own, there) or _MEANS.get(field, set()) & set(there) or any(reading.has_phrase(self.text, value) for value in values.get(field, ())):
                continue
            raise Refused(f"its code looks at {field!r}, and the sentence does not speak of it")

    def values_are_of_their_field(self) -> None:
        """A value of one field's `enum` is not compared with another field."""
        for fields, texts in self.parts.compared:
            for text in texts:
                own = [field for field, values in self.box.values().items() if text in values]
                if own and text not in _PLAIN and fields and not set(own) & set(fields):
                    raise Refused(f"its code compares {', '.join(fields)} with {text!r}, which is a value of {own[0]!r}")

    def roles_are_said(self) -> None:
        there = reading.words(self.around)
        for role in self.parts.roles:
            other = next(name for name in _ROLES if name != role)
            near = [(place, name) for name, names in _ROLES.items() for place, word in enumerate(there) if word in names]
            if not any(name == role for _, name in near):
                raise Refused(f"its code looks at what the {role} said, and the sentence speaks of the {other}" if near else f"its code looks at what the {role} said, and the sentence does not")
            for text in self.parts.spoken:
                if self.speakers(text) - {role, ""}:
                    raise Refused(f"its code looks for {text!r} in what the {role} said, and the sentence has the {other} say it")

    def speakers(self, text: str) -> set[str]:
        """Of the sentences that name a text, who is spoken of last before it."""
        found = set()
        for sentence in [*self.quoted, *self.background]:
            there, wanted = reading.words(sentence.text), reading.words(text)
            places = [at for at in range(len(there)) if there[at : at + len(wanted)] == wanted]
            before = there[: places[0]] if places and wanted else []
            found.add(next((role for word in reversed(before) for role, names in _ROLES.items() if word in names), ""))
        return found

    def tools_are_meant(self) -> None:
        used = self.parts.tools
        said, above = self.verbs(reading.words(self.text)), self.verbs(reading.words(self.headings))
        verbs = (said & above) or said or above  # "within 24 hours of booking", under "Cancel flight"
        if not verbs or not self.box.tools:
            return
        if not used:
            raise Refused(f"its code judges calls of every tool, and the sentence is about {' and '.join(sorted(verbs))}")
        for group in _ACTIONS:
            if verbs & group and not any(_verbs(name) & group for name in used):
                raise Refused(f"its code judges no call that is to {' or '.join(sorted(verbs & group))}, of which the sentence speaks")
        meant = [tool for tool in self.box.tools.values() if verbs & _verbs(tool.name)]
        for name in used:
            if not verbs & _verbs(name):
                raise Refused(f"its code judges calls of {name!r}, and the sentence is about {' and '.join(sorted(verbs))}")
        lowest = min(self.objects(self.box.tools[name]) for name in used)
        for tool in meant:
            if tool.name not in used and self.objects(tool) >= lowest and self.objects(tool) > 0:
                raise Refused(f"its code does not judge calls of {tool.name!r}, of which the sentence speaks as well")

    def verbs(self, there: Sequence[str]) -> frozenset[str]:
        """The actions of tools that these words speak of."""
        named = [group for group in _ACTIONS if reading.shares_word(group, there)]
        return frozenset(word for tool in self.box.tools for word in _verbs(tool) if any(word in group for group in named))

    def objects(self, tool: Tool) -> int:
        """How many of the things in a tool's name the sentence speaks of."""
        there = reading.words(self.text)
        return sum(reading.shares_word([word], there) for word in dict.fromkeys(reading.words(tool.name)) if word not in _verbs(tool.name) | {"user", "customer"})

    def nothing_is_left_out(self) -> None:
        used = {m for node, beside, unit in self.parts.numbers for m in self.mentioned(node, beside, unit)}
        for mention in self.mentions:
            implied = mention.value == 1 and mention.boundary == "at most" and any(node.value == 0 for node, _, _ in self.parts.numbers)
            if mention.is_bound and self.is_quoted(mention) and mention not in used and not implied and not self.is_present(mention):
                raise Refused(f"the sentence says {mention.clause.strip()!r}, and its code leaves the {_number(mention.value)} out")
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
                if reading.words(text)[-1:] == other.split()[-1:] and not set(other.split()) & {"or", "and", ",", "the", "a"}
            )
        for field, values in self.box.values().items():
            yield from (value for value in values if len(reading.words(value)) > 1 and reading.has_phrase(sentence.text, value, self.values))
            if field in self.parts.fields or any(value in self.parts.texts and value not in _PLAIN for value in values):
                yield from (value for value in values if value not in _PLAIN and reading.has_phrase(sentence.text, value, self.values))


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


def _constants(node: ast.AST, beside: tuple[str, ...], unit: str) -> Iterator[tuple[ast.Constant, tuple[str, ...], str]]:
    """Each constant with the texts that belong to it: of its row, its key, the thing that it is compared with; and its unit."""
    match node:
        case ast.Constant():
            yield node, beside, unit
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                own = (str(key.value),) if isinstance(key, ast.Constant) else ()
                yield from _constants(value, beside + own, unit)
                if key is not None:
                    yield from _constants(key, beside, unit)
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            unit = BESIDE if any(is_beside(side) for side in sides) else unit
            for at, side in enumerate(sides):
                around = tuple(text for other in sides[:at] + sides[at + 1 :] for text in _texts(other))
                yield from _constants(side, around + (tuple(_texts(side)) if not isinstance(side, ast.Constant) else ()), unit)
        case ast.Tuple(elts=items) if any(isinstance(item, ast.Constant) for item in items):
            own = tuple(text for item in items for text in _texts(item))
            for item in items:
                yield from _constants(item, beside + own, unit)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as number):
            yield number, beside, NEGATIVE
        case ast.Subscript(value=value, slice=ast.Constant(value=int()) | ast.UnaryOp(operand=ast.Constant())):
            yield from _constants(value, beside, unit)  # which item of a list: told apart by examples alone
        case ast.Call(func=ast.Name(id="timedelta"), keywords=keywords):
            for keyword in keywords:
                yield from _constants(keyword.value, beside, keyword.arg or "")
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _constants(child, beside, unit)


def _texts(node: ast.AST) -> Iterator[str]:
    yield from (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str))


def _keys(node: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    """Constants that name a field."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(key)) as constant):
            yield constant, key
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)) as constant, *_]):
            yield constant, key
        case ast.Compare(left=ast.Constant(value=str(key)) as constant, ops=[ast.In() | ast.NotIn()], comparators=[ast.Attribute(attr="arguments")]):
            yield constant, key


def _looked_up(node: ast.AST) -> Iterator[ast.AST]:
    """What says which earlier answer is meant: tools that look up, and the arguments that they were asked with."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="state"), attr="last"), args=args, keywords=keywords):
            yield from args
            yield from (inner for keyword in keywords for inner in ast.walk(keyword.value))
        case ast.Compare(left=ast.Attribute(value=ast.Attribute(attr="call"), attr="name"), comparators=others):
            yield from (inner for other in others for inner in ast.walk(other))


def _role_nodes(node: ast.AST) -> Iterator[ast.Constant]:
    match node:
        case ast.Call(func=ast.Attribute(attr="said"), args=[ast.Constant(value="user" | "assistant") as constant]):
            yield constant
        case ast.Compare(comparators=[ast.Constant(value="user" | "assistant") as constant]):
            yield constant


def is_beside(node: ast.AST) -> bool:
    """Whether this is the number of other calls of the same message."""
    return isinstance(node, ast.Attribute) and node.attr == "beside"


def _compared(rule: ast.AST) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    found = []
    for node in ast.walk(rule):
        match node:
            case ast.Compare(left=ast.Subscript(slice=ast.Constant(value=str(field))), ops=[ast.Eq() | ast.NotEq() | ast.In() | ast.NotIn()], comparators=[right]):
                found.append(((field,), tuple(_texts(right)) if not isinstance(right, ast.Subscript) else ()))
    return tuple(found)


def _spoken(rule: ast.AST) -> Iterator[str]:
    for node in ast.walk(rule):
        calls = [inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)]
        if isinstance(node, ast.Compare) and any(call.attr == "said" for call in calls):
            yield from _texts(node.left)


def _verbs(tool: str) -> frozenset[str]:
    return frozenset(word for word in reading.words(tool) for group in _ACTIONS if word in group)


def _once(items: Iterator[str] | Sequence[str] | object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))  # type: ignore[call-overload,no-any-return]


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _of(beside: Sequence[str], unit: str) -> str:
    about = f" for {', '.join(dict.fromkeys(beside))}" if beside else ""
    return f" {unit}{about}" if unit else about
