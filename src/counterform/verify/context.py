"""What stands around an equation and may change what it means: reasons to call nothing wrong."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from counterform.verify.exact import Number
from counterform.verify.expressions import Side, kind_of
from counterform.verify.forms import Form, Value
from counterform.verify.measures import measure, ratios_of
from counterform.verify.tokens import Tokens

LONG = 2_000
"""Characters of a step that may have been cut off."""
LONG_UNIT = 3
"""Words. "1/4 as much money as a manicure = $100" is no equation."""
MANY = 200
"""Letters that are remembered."""
ROUNDED_INPUT = Fraction(1, 200)
"""Relative; 3.33 * 3 = 10, where 3.33 stands for 10 / 3."""
ROUGHLY = Fraction(3, 20)
"""Relative; how far "about" reaches."""
SO = frozenset(("so", "then", "thus", "hence", "therefore", "so that", "and so", "this means", "which means"))
"""Words that draw one equation from another."""

_DOUBTFUL = re.compile(
    r"\b(?:and|or|as|in|twice|half|double|triple|third|quarter|fourth|fifth|than|less|fewer|by|another|dozen|hundred|"
    r"thousand|[mb]illion|sum|difference|product|average|mean|ratio|squared?|cubed|root|to|from|plus|minus|divided|over|"
    r"remainder|remaining|cube|square|reciprocal|opposite|one|two|three|four|five|six|seven|eight|nine|ten|both|about|approximately|cents?|mod|modulo|"
    r"logarithm|log|factorial|choose|percent|negative)\b"
)
"""Words that may change what an equation beside them means."""
_NO_UNIT = re.compile(
    r"\b(?:is|was|are|were|ha[sd]|have|equals|gives|because|since|if|when|so|that|with|after|before|until|below|above|between|at|on)\b"
)
_ELSEWHERE = re.compile(
    r"\bmod(?:ulo|ular|ulus)?\b|\\[bp]?mod|≡|\\equiv|\bbase[- _]?(?:\d|two|three|four|five|six|seven|eight|nine|ten|twelve|"
    r"sixteen|b\b)|\bbinary\b|\boctal\b|\bhexadecimal\b|o['’]clock|\bclock\b|\b\d\s?[ap]\.?m\b|\bcongruent\b|\bresidue\b|\bremainders?\b|"
    r"\boperat(?:ion|or)\b|\bdefin(?:e[sd]?|ition)\b|\bdigits?\b|\bstrings?\b|\bconcatenat|\bxor\b|\bbitwise\b",
    re.IGNORECASE,
)
"""Signs of another arithmetic than that of numbers: remainders, bases, clocks, operators of the problem's own."""
_SUPPOSED = re.compile(
    r"\b(?:suppos\w+|assum\w+|hypothe\w+|let(?:['’]s| us) (?:say|try|test|guess|suppose|assume|pretend|imagine)|imagine|pretend|"
    r"whether|contradict\w*|impossible|incorrect\w*|wrong\w*|mistake\w*|error|erroneous|false|absurd|cannot|can['’]t|not|"
    r"n['’]t|never|instead of|rather than|fails?|too (?:small|large|big|high|low|much|many|few)|claim\w*|said|says?|thinks?|"
    r"thought|believes?|guess\w*|try|trying|tried|unless|otherwise|would need|would have to|want\w*|must equal|"
    r"should equal|need\w* to (?:be|equal)|solve|no solution|misread\w*|typo|testing|tested|maybe|perhaps|"
    r"possibly|neither|is it true|wrote|writes|written|case (?:\d|[ivx]+\b|[a-z]:)|had (?:it|he|she|they|there|we|this|that))\b|\\ne|≠|!=|n't\b|[✗✘❌]"
)
"""Signs that an equation is weighed, tried or denied, and not said."""
_ASKED = re.compile(r"\W*(?:is|are|am|does|do|did|can|could|would|will|should|was|were|has|have) ")
_ROUGH = re.compile(
    r"\b(?:approx\w*|about|around|roughly|nearly|almost|round\w*|estimat\w*|closest|nearest)\b|[≈~]|\\approx"
)
_IF = re.compile(r"\b(?:if|when|assuming|provided)\b(?![^,;:]*(?:\bthen\b|[,;:]))")
_HUNDREDS = re.compile(r"[%¢]|\bcents?\b|\bpercent")
_CALENDAR = frozenset((4, 7, 12, 24, 30, 52, 60, 100, 365, 3600))
"""Ratios that units of time are converted with, besides those between two of one kind."""
_METRIC = frozenset((1000, 1_000_000))
_LINKS = frozenset(
    ("because", "so", "then", "since", "thus", "hence", "therefore", "giving", "making", "meaning", "total")
)
_CONVERTING = frozenset(
    ("3", "4", "7", "12", "16", "24", "30", "36", "52", "60", "100", "365", "1000", "1,000", "5280")
)
_LAYOUT = re.compile(r"\\[!,;: ]|[{}$£€,\s-]|\\boxed")
_NO_DIGITS = re.compile(r"\D")
_WHOLE = re.compile(r"\d+(?!\.?\d)")
_SHARES = ("n/n", "d{n}{n}", "dn")
_TAKEN_OF = re.compile(
    r"\b(?:mean|average|median|product|difference|ratio|root|square|cube|remainder|half|third|quarter|twice|double)\b"
)
_COUNTED = re.compile(r"[a-z]+")
_OPERAND = re.compile(r"[nv)}]B?S|SB?[nv({]|[vw][*xm]v|v[*xm]w")
"""A sign whose meaning is not known, between what it is applied to; or one between letters, as it is defined."""
_OF = re.compile(
    r"(?<!\btotal)(?<!\bcost)(?<!\bamount)(?<!\bprofit)(?<!\bprice)(?<!\bsum)(?<!\bbase)(?<!\brate)(?<!\bspeed)(?<!\bdistance)"
    r"(?<!\barea)(?<!\bvolume)(?<!\bweight)(?<!\blength)(?<!\bscore)(?<!\bincome)(?<!\bfee) of(?: the)?$"
)
"""Words after which a sum may be taken something of."""


_DEFINES = re.compile(
    r"(?<![\w)])[a-zA-Z]\s*(\\[a-zA-Z]+|[^\w\s(){}=,.;:$'\"^_\\]{1,2})\s*[a-zA-Z](?!\w)[\s$]*(?:=|is defined|is the|means|denotes|stands for)"
)
_DEFINED_HERE = re.compile(
    r"(?<![\w)])([a-zA-Z])\s*(\\[a-zA-Z]+|[^\w\s(){}=,.;:$'\"^_\\]{1,2})\s*([a-zA-Z])(?!\w)[\s$]*(?:=|as|to be|means)([^.=]{1,60})"
)
_OPERATION = re.compile(r"\boperat(?:ion|or)s?\b[^.]{0,60}?(\\[a-zA-Z]+|[^\w\s(){}=,.;:$'\"^_\\])")


def defined_signs(prompt: str) -> frozenset[str]:
    """Signs between numbers that a problem gives a meaning of its own: "a * b = a^2 - b", "the operation # is"."""
    prompt = prompt[:20_000]
    if "perat" in prompt or "efine" in prompt:
        return frozenset((*_DEFINES.findall(prompt), *_OPERATION.findall(prompt)))
    return frozenset()


def defined_here(step: str) -> frozenset[str]:
    """Signs that an attempt says the meaning of itself: "Define a * b = a + 2b", with both letters in what it is."""
    if "efine" not in step and "means" not in step:
        return frozenset()
    return frozenset(
        sign
        for one, sign, other, meaning in _DEFINED_HERE.findall(step[:LONG])
        if {one, other} <= set(re.findall(r"[a-zA-Z]", meaning))
    )


def is_share(tokens: Tokens, side: Side) -> bool:
    """Whether a side may be no sum to be worked out before "is": "3/4 is 15"."""
    bare = tokens.kinds[side.start : side.end].replace("w", "")
    return not side.computes or (bare in _SHARES and "/" in tokens.texts[side.start : side.end]) or bare in _SHARES[1:]


def is_percent_of(kinds: str, side: Side) -> bool:
    """Whether a side is "20% of 50", which can be read in one way."""
    return re.fullmatch(r"n%w?[oxm*]nw?", kinds[side.start : side.end]) is not None


def is_sum_of_measures(kinds: str, side: Side) -> bool:
    """Whether a side is "2 hours + 30 minutes"."""
    return re.fullmatch(r"nw(?:[-+]nw)*", kinds[side.start : side.end]) is not None and _dimensions(side) == 1


def converts(side: Side) -> bool:
    """Whether one of a side's numbers is one that units are converted with: 180 minutes / 60."""
    return not _CONVERTING.isdisjoint(side.numbers)


def _dimensions(side: Side) -> int:
    found = [measure(words) for words in side.words]
    if len(found) != len(side.numbers) or None in found:
        return 0
    return len({unit.dimension for unit in found if unit})


class Apart(NamedTuple):
    """An equation that does not hold as it was read."""

    left: Side | None
    """The first side, unless it stands in another text."""
    right: Side
    one: Side
    """The side that computes."""
    other: Side
    value: Value
    says: Value
    spoken: bool
    """Whether "is" stands for "="."""


class Around:
    """A text, and whether its equations may hold as they were meant though they do not as they were read.

    cut: the text may go on where it ends.
    """

    def __init__(self, text: str, tokens: Tokens, *, cut: bool) -> None:
        self._text, self._lower, self._tokens, self._cut = text, text.casefold(), tokens, cut

    @cached_property
    def _forbids(self) -> bool:
        """Whether nothing in this text can be called wrong."""
        return (
            "?" in self._tokens.kinds
            or _ELSEWHERE.search(self._text) is not None
            or _SUPPOSED.search(self._lower) is not None
            or _OPERAND.search(self._tokens.kinds) is not None
            or _ASKED.match(self._lower) is not None
            or _IF.search(self._lower.partition("=")[0]) is not None
        )

    @cached_property
    def _is_rough(self) -> bool:
        return _ROUGH.search(self._lower) is not None

    @cached_property
    def _has_hundreds(self) -> bool:
        return _HUNDREDS.search(self._lower) is not None

    @cached_property
    def _results(self) -> frozenset[str]:
        """The whole numbers after equals signs, whatever the layout between their digits."""
        sides = _LAYOUT.sub("", self._text).split("=")[1:]
        return frozenset(number[0] for side in sides if (number := _WHOLE.match(side)))

    def doubts(self, apart: Apart) -> bool:
        """Whether an equation may hold as it was meant."""
        one, other = apart.one, apart.other
        if self._forbids:
            return True
        if apart.spoken and other.words and not _COUNTED.fullmatch(" ".join(other.words)):
            return True  # half of 30 is 2 more than
        if one.doubtful or other.doubtful:
            return True
        if self._has_strangers(one, other):
            return True  # 1 box + 6 = 18
        if other.computes and other.operations >= one.operations:
            return True  # a side that is written out further may be what a sign was defined as
        return self._is_part(apart) or self._words_matter(apart) or self._means_something_else(apart)

    def _has_strangers(self, one: Side, other: Side) -> bool:
        """Whether some terms of a sum have a unit, and others and the result do not."""
        kinds = self._tokens.kinds[one.start : one.end]
        if not one.words or len(one.words) == len(one.numbers) or not ("+" in kinds or "-" in kinds):
            return False
        return not other.words or kind_of(one.words[0]) != kind_of(other.words[0])

    def restates(self, hint: str) -> bool:
        """Whether what would be right is what the text says: then it was misread."""
        return _NO_DIGITS.sub("", hint.rpartition("=")[2]) in self._results

    def _is_part(self, apart: Apart) -> bool:
        """Whether what was read may be a part of a longer expression."""
        kinds, glued = self._tokens.kinds, self._tokens.glued
        end = apart.right.end
        after = kinds[end : end + 1]
        gone_on = kinds[end - 1] == "w" and " " not in self._tokens.texts[end - 1]
        if (after and after in "n(vS" and gone_on) or after in ("?", "-", "!") or (self._cut and end >= len(kinds) - 1):
            return True
        if after == "," and end + 1 < len(kinds) and kinds[end + 1] in "nv" and glued[end + 1]:
            return True  # 1,5
        if after == "B" and kinds[end : end + 4].lstrip("B")[:1] in tuple("%!^E*/+xmvnFSd-("):
            return True
        if after in (")", "}") and self._opened_by_more(end):
            return True
        if apart.left is None:
            return False
        start = apart.left.start
        before = kinds[start - 1 : start] if start else ""
        if self._cut and not start:
            return True
        if before == "," and start > 1 and kinds[start - 2] in "nv)}" and kinds[start] != "=":
            comma = self._tokens.texts[start - 1]
            return comma in ",;:" and (glued[start] or comma != ":" or glued[start - 1] is False)
        if before == "B":
            sooner = kinds[:start].rstrip("B")[-1:]
            return sooner in tuple("+-*/xm^EnFvdrbSo)") or (kinds[start] == "-" and start > 1)
        if before in ("(", "{"):
            return self._opened_by_more(start)
        return before in ("<", "?")

    def _opened_by_more(self, at: int) -> bool:
        """Whether the bracket around what ends at `at` belongs to a function, a power, an index."""
        kinds, depth = self._tokens.kinds, 0
        for index in range(at - 1, -1, -1):
            if kinds[index] in ")}":
                depth += 1
            elif kinds[index] in "({":
                if not depth:
                    return kinds[index - 1 : index] in tuple("vnFrdb)}^E") if index else False
                depth -= 1
        return True

    def _words_matter(self, apart: Apart) -> bool:
        """Whether words or numbers beside it may belong to it ("half of 20 + 5 = 15", "= 2 hours 30")."""
        kinds, texts, end = self._tokens.kinds, self._tokens.texts, apart.right.end
        if kinds[end : end + 1] == "w" or kinds[end - 1] == "w":
            after = texts[end] if kinds[end : end + 1] == "w" else texts[end - 1]
            if _DOUBTFUL.search(" ".join(after.casefold().split()[:2])):
                return True
        if apart.left is None or not apart.left.start or kinds[apart.left.start - 1] not in "wBi":
            return False
        if kinds[: apart.left.start].endswith("wi"):
            return _TAKEN_OF.search(texts[apart.left.start - 2].casefold()) is not None
        start = len(kinds[: apart.left.start].rstrip("B"))
        if not start or kinds[start - 1] != "w":
            return False
        before = texts[start - 1].casefold().split()
        if kinds[:start].endswith("nw") and (before[-1] == "of" or (len(before) == 1 and before[0] not in _LINKS)):
            return True  # 8 packs of 5 bags * 4
        nearest = " ".join(before[-LONG_UNIT:])
        return _DOUBTFUL.search(nearest) is not None or _OF.search(nearest) is not None

    def _means_something_else(self, apart: Apart) -> bool:
        one, other, value, says = apart.one, apart.other, apart.value, apart.says
        units = " , ".join(one.words).casefold()
        if one.rates and len(one.words) > 1 and "/" in self._between_rates(one):
            return True  # "60 miles / 2 miles/hour"
        if _NO_UNIT.search(units) or _DOUBTFUL.search(units) or any(len(w.split()) > LONG_UNIT for w in one.words):
            return True
        if isinstance(value, Form) or isinstance(says, Form):
            return any("." in printed for printed in (*one.numbers, *other.numbers)) or self._is_rough
        if value < 0 < says and one.operations == 1 and self._tokens.glued[one.end - 1]:
            return True  # 5-10 = 6 pages
        near = ROUGHLY if self._is_rough else ROUNDED_INPUT
        if (value - says) ** 2 <= (value * near) ** 2:
            return self._is_rough or any(n[0] not in "$£€" and len(n.partition(".")[2]) > 1 for n in one.numbers)
        return self._is_converted(one, other, value, says)

    def _is_converted(self, one: Side, other: Side, value: Number, says: Number) -> bool:
        if not value or not says:
            return False
        ratios = {value / Fraction(says), says / Fraction(value)}
        measured = {found for side in (one, other) for found in side.measures}
        if measured:
            times = any(found.dimension in ("time", "months") for found in measured)
            return not (ratios_of(measured) | (_CALENDAR if times else frozenset())).isdisjoint(ratios)
        if other.words and not _METRIC.isdisjoint(ratios):
            return True  # 0.5 * 4 = 2,000 mAh
        share = self._tokens.kinds[one.start : one.end] in _SHARES
        return 100 in ratios and (share or self._has_hundreds or "$" in "".join(other.numbers))

    def _between_rates(self, one: Side) -> str:
        kinds = self._tokens.kinds[one.start : one.end]
        return "/" if re.search(r"/[n(]", kinds) else ""
