r"""Reads the equations in any text and checks them exactly; says nothing about what it only half understands.

    She has 5 apples * 2 = 10 apples        RIGHT
    9 * 2 = $<<9*2=18>>18 a day             RIGHT (GSM8K's calculator marks are checked too)
    10 / 3 = 3.33                           RIGHT (rounded, or cut off, at the digits that are printed)
    7 / 2 = 3                               UNKNOWN (rounded on purpose, or wrong?)
    2x + 3 = 7                              nothing is read

A text becomes a string of kinds, one character a token, so that one linear regular expression finds the equations in
it; only those are evaluated (`counterform.verify.exact`).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import NamedTuple

from counterform.types import Mark
from counterform.verify.exact import NUMBER, Number, Unreadable, evaluate, shown

MAX_TEXT = 4_000
"""Characters of one step that are read."""
FLOAT_NOISE = Fraction(1, 10**12)
"""Relative; calculators print 0.47119999999999995."""
ROUNDED_INPUT = Fraction(1, 200)
"""Relative; 3.33 * 3 = 10, where 3.33 stands for 10 / 3."""
LONG_UNIT = 3
"""Words. "1/4 as much money as a manicure = $100" is no equation."""

# A single letter is never taken into a run of words, so that "3 books x 2" keeps its sign; "2x" and "3apples" are one
# token (a variable), "2x3" and "5kg" are not.
_LETTER = "[a-zA-Zµ-ÖØ-öø-῿⺀-퟿]"
_TOKEN = re.compile(
    rf"{_LETTER}+(?:[ -]{_LETTER}{{2,}}|['’]{_LETTER}+| a(?= ))*"
    rf"|[$£€]{{0,2}}(?:\d{{1,4}} \d{{1,4}}/\d{{1,4}}(?![\d/.])|(?>{NUMBER})"
    rf"(?:(?![xX]\s*[$£€(.\d])(?:{_LETTER}(?!{_LETTER})|{_LETTER}{{4,}}))?)"
    r"|\*\*|\S"
)
_KINDS = {sign: sign for sign in "+-*/^()%="} | {"−": "-", "–": "-", "÷": "/", "**": "^"}
_KINDS |= dict.fromkeys(("x", "X", "×", "·", "∗", "⋅", "times", "multiplied by"), "x")
_KINDS |= dict.fromkeys(("of", "of the", "of his", "of her", "of their", "of its", "of those", "of these"), "f")
_PRODUCT = re.compile(r"(?<=[\d)])\(")

_UNITS = r"(?:/?w)*+"
_TERM = rf"-?\({{0,20}}+-?n%?{_UNITS}\)*+{_UNITS}"
_EXPRESSION = rf"{_TERM}(?:(?:[-+*/^x]|(?<=%)f|(?<=/n)f){_TERM})*+"
# Not a whole expression, so not read: "y + 3 = 7", "his car + 3 = 7", "3 = 5x"; and a minus after a word may be a dash.
_GOES_ON = r"[vx%f]|[-+*/^]+[n(vx]|[+*/^]w"
_CHAIN = re.compile(
    rf"(?<![-+*/^x%v])(?<![-+*/^]w)(?<!f)(?!(?<=[wnv)])-){_EXPRESSION}(?:={_EXPRESSION}(?!{_GOES_ON}))+"
)
_FIRST_TERM = re.compile(rf"-?n%?{_UNITS}")
_PERCENT_OF = re.compile(r"n%[fx*]n=n")

_MARK = re.compile(rf"<<([^<>]{{1,300}})>>(?:\s?[$£€]?(-?(?>{NUMBER}))(?!\s?\d|\s?/\s?\d))?")
"""A calculator mark and the number printed after it."""
_PLAIN = r"(?:\d{1,8}(?:\.\d{1,4})?|\.\d{1,4})"
_SIMPLE_MARK = re.compile(
    rf"({_PLAIN}(?:[-+]{_PLAIN}){{1,20}}|{_PLAIN}(?:\*{_PLAIN}){{1,2}}|{_PLAIN}/(?=[\d.]*[1-9]){_PLAIN})=(-?\d{{1,12}}(?:\.\d{{1,6}})?)"
)
_UNIT = re.compile(r"\.0+(?=[-+*/=a-zA-Z])|(?:/?[a-zA-Z]++)++(?=[-+*/=])")
_PART_OF_MORE = tuple("0123456789.,/%+-*()^")
_BULLETS = ("-", "*", "•", "–")
_BULLET = re.compile(r"[-*•–]\s+")
_DOUBTFUL = re.compile(
    r"\b(?:and|or|as|in|twice|half|double|triple|third|quarter|fourth|fifth|than|less|fewer|by|another|dozen|hundred|"
    r"thousand|[mb]illion|sum|difference|product|average|ratio|squared?|cubed|root|to|from|plus|minus|divided|over|"
    r"remainder|remaining|one|two|three|four|five|six|seven|eight|nine|ten|both|about|approximately|cents?)\b"
)
"""Words that may change what an equation beside them means."""
_NO_UNIT = re.compile(r"\b(?:is|was|are|were|ha[sd]|have|equals|gives|because|since|if|when|so|that|with)\b")
_MEASURES = re.compile(
    r"\b(?:second|sec|minute|min|hour|hr|day|week|month|year|inch|inche|feet|foot|ft|yard|mile|meter|metre|cm|mm|km|m|kg|"
    r"gram|g|pound|lb|ounce|oz|cup|pint|quart|gallon|liter|litre|ml|dollar|cent|percent)s?\b"
)
_CONVERSIONS = {2, 3, 4, 7, 12, 16, 24, 30, 36, 52, 60, 100, 365, 1000, 3600, 5280}
_LATEX = {r"\times": "*", r"\cdot": "*", r"\div": "/", r"\%": "%", r"\$": "$", r"\left": "", r"\right": "", r"\,": " "}
_LATEX_COMMAND = re.compile(r"\\(?:times|cdot|div|left|right)(?![^\W\d_])|\\[%$,]")
_LATEX_MIXED = re.compile(r"(?<![\d.,}])(\d{1,4})\s?\\[dt]?frac ?\{ ?(\d{1,4}) ?\} ?\{ ?(\d{1,4}) ?\}")
_LATEX_VARIABLE = re.compile(r"\\(?:pi|theta|alpha|beta|gamma|delta|lambda|mu|phi|omega|sigma|infty)(?![^\W\d_])")
_SUBSCRIPT = re.compile(r"[^\W\d_]?\s?_(?:\{[^{}]{0,20}\}|[^\W_])")
_VARIABLE = " ξ "
_LATEX_FRACTION = re.compile(r"\\[dt]?frac ?\{([^{}]*)\} ?\{([^{}]*)\}")
_LATEX_WRAPPED = re.compile(r"\\(?:boxed|text|mathrm|mathbf) ?\{([^{}]*)\}")


class Side(NamedTuple):
    """One side of an equation: the kinds of its tokens, and the tokens."""

    kinds: str
    tokens: list[str]

    def __str__(self) -> str:
        return shown(self.kinds, self.tokens)

    @property
    def computes(self) -> bool:
        """Whether it is more than one number."""
        return self.kinds.count("n") > 1

    @property
    def words(self) -> list[str]:
        """Its units, and whatever else stands between its numbers."""
        return [token.casefold() for kind, token in zip(self.kinds, self.tokens, strict=True) if kind == "w"]

    @property
    def numbers(self) -> list[str]:
        """Its numbers as printed."""
        return [token for kind, token in zip(self.kinds, self.tokens, strict=True) if kind == "n"]

    def value(self, percent: int = 100) -> Number:
        """What it is worth; a percent sign divides by `percent`. Raises Unreadable."""
        return evaluate(self.kinds, self.tokens, percent)


class Claim(NamedTuple):
    """One equation that was read."""

    mark: Mark
    left: str = ""
    """Where it is wrong: the side that computes, as written but for its units."""
    value: Number = 0
    """Where it is wrong: what that side is worth."""


_HOLDS = Claim(Mark.RIGHT)
_OPEN = Claim(Mark.UNKNOWN)


def claims(text: str) -> list[Claim]:
    """Every equation in the text that can be read, calculator marks first."""
    text = text[:MAX_TEXT]
    if "=" not in text:
        return []
    if "<<" not in text:
        return _read(text)
    found: list[Claim] = []
    around, at, unread = "", 0, text.count("=")
    for mark in _MARK.finditer(text):
        found += _read_mark(mark)
        unread -= mark[1].count("=") + _is_twin(text, mark)
        around += text[at : mark.start()]
        at = mark.end(1) + len(">>")
    return found + _read(around + text[at:]) if unread else found


def _read_mark(mark: re.Match[str]) -> list[Claim]:
    """What `<<9*2=18>>18` says: that 9 * 2 is 18, and that 18 is the result."""
    content, printed = mark.groups()
    simple = _SIMPLE_MARK.fullmatch(content) if printed else None
    if simple:  # most marks are, and right; only the others need a real reading
        left, result = simple.groups()
        same = printed == result or _trimmed(printed) == _trimmed(result)
        if same and _simple_value(left) == Decimal(result):
            return [_HOLDS]
    found = _read(content)
    computed, _, result = content.rpartition("=")
    if printed and printed != result and _is_misprint(result, printed):
        found.append(Claim(Mark.WRONG, str(Side(*_tokens(computed))), Side(*_tokens(result)).value()))
    return found


def _is_misprint(result: str, printed: str) -> bool:
    says, after = Side(*_tokens(result)), Side(*_tokens(printed))
    try:
        return not says.computes and _agreement(says.value(), after) is Mark.WRONG
    except Unreadable:
        return False


def _trimmed(number: str) -> str:
    return (number.rstrip("0").rstrip(".") if "." in number else number).replace(",", "")


def _simple_value(text: str) -> Decimal | int:
    """Numbers added, multiplied, or one divided: exact in 28 digits, or not equal to any short result."""
    if "*" in text:
        return prod(map(Decimal, text.split("*")))
    above, slash, below = text.partition("/")
    return Decimal(above) / Decimal(below) if slash else sum(map(Decimal, text.replace("-", "+-").split("+")))


def _is_twin(text: str, mark: re.Match[str]) -> bool:
    """Whether the equation before a mark is the mark's own, but for units: `9 * 2 eggs = $<<9*2=18>>18`."""
    computed = mark.group(1).partition("=")[0]
    before = text[max(0, mark.start() - 6 * len(computed) - 16) : mark.start()]
    before = before.replace(" x ", "*").replace(" ", "").replace("$", "")
    if not before.endswith(f"{computed}="):
        before = _UNIT.sub("", before)
        if not before.endswith(f"{computed}="):
            return False
    return not before[: -len(computed) - 1].endswith(_PART_OF_MORE)


def _read(text: str) -> list[Claim]:
    kinds, tokens = _tokens(text)
    found = []
    for chain in _CHAIN.finditer(kinds):
        at, sides = chain.start(), []
        for side in chain.group().split("="):
            sides.append(Side(side, tokens[at : at + len(side)]))
            at += len(side) + 1
        for left, right in pairwise(sides):
            claim = _claim(left, right)
            if claim is None:
                continue
            if claim.mark is Mark.WRONG and _surroundings_matter(kinds, tokens, *chain.span()):
                claim = _OPEN
            found.append(claim)
    return found


def _tokens(text: str) -> tuple[str, list[str]]:
    """The text as kinds, one character a token, and the tokens themselves.

    n number, % percent, x "times", f "of", v a variable's letters, w words, a sign as itself, "," anything else.
    """
    if "_" in text:
        text = _SUBSCRIPT.sub(_VARIABLE, text)
    if "\\" in text:
        text = _LATEX_MIXED.sub(r" \1 \2/\3 ", _LATEX_VARIABLE.sub(_VARIABLE, text.replace("{,}", ",")))
        text = _LATEX_COMMAND.sub(lambda command: _LATEX[command.group()], text)
        text = _LATEX_WRAPPED.sub(r" \1 ", _LATEX_FRACTION.sub(r"((\1)/(\2))", text))
    if "(" in text:
        text = _PRODUCT.sub("*(", text)
    bullet = _BULLET.match(text) if text[:1] in _BULLETS else None
    tokens = _TOKEN.findall(text, bullet.end() if bullet else 0)
    return "".join(map(_kind, tokens)), tokens


@lru_cache(maxsize=4096)
def _kind(token: str) -> str:
    """A token's kind by its looks alone; the same few come again and again."""
    if token in _KINDS:
        return _KINDS[token]
    if token[0].isalpha():
        return "w" if len(token) > 1 else "v"
    if token[-1].isdecimal():
        return "n"
    return "v" if token[-1].isalpha() else ","


def _claim(left: Side, right: Side) -> Claim | None:
    """What two sides of an equation say; None where neither computes anything or they cannot be read."""
    swapped = not left.computes  # 15 = 5 * 3
    if swapped:
        left, right = right, left
        if not left.computes:
            return None
    percents = "%" in left.kinds or "%" in right.kinds
    try:
        value = left.value()
        mark = _agreement(value, right)
        if percents and mark is not Mark.RIGHT:
            # "5 / 20 * 100 = 25%" takes the sign as a unit.
            as_unit = _agreement(left.value(percent=1), right, percent=1)
            certain = _PERCENT_OF.fullmatch(f"{left.kinds}={right.kinds}")
            mark = Mark.RIGHT if as_unit is Mark.RIGHT else mark if certain else Mark.UNKNOWN
        if mark is Mark.WRONG and (_means_something_else(left, right, value) or (swapped and right.words)):
            mark = Mark.UNKNOWN
    except Unreadable:
        return None
    if mark is Mark.WRONG:
        return Claim(mark, str(left), value)
    return _HOLDS if mark is Mark.RIGHT else _OPEN


def _agreement(value: Number, stated: Side, percent: int = 100) -> Mark:
    """RIGHT where the stated side is the value, exactly or at the digits it is printed with.

    UNKNOWN where it may have been rounded up, or to a whole number, or its sign been left to the words ("120 less").
    """
    says = stated.value(percent)
    if value == says:
        return Mark.RIGHT
    if isinstance(value - says, Fraction) and _is_near(value, says, FLOAT_NOISE):
        return Mark.RIGHT
    if value == -says:
        return Mark.UNKNOWN
    if stated.computes:
        first = _FIRST_TERM.match(stated.kinds)  # "5 + 3 = 8 + 4 = 12": a running total
        if first and evaluate(first.group(), stated.tokens[: first.end()], percent) == value:
            return Mark.RIGHT
        return Mark.UNKNOWN if _is_near(value, says, ROUNDED_INPUT) else Mark.WRONG
    decimals = len(stated.numbers[0].partition(".")[2])
    away = (value - says) * 10**decimals
    if not -1 < away < 1:
        return Mark.WRONG
    near = -1 <= 2 * away <= 1 or (away > 0) == (value > 0)
    return Mark.RIGHT if decimals and near else Mark.UNKNOWN


def _means_something_else(left: Side, right: Side, value: Number) -> bool:
    """Whether an equation that does not hold as it was read may hold as it was meant."""
    bare = left.kinds.replace("/w", "").replace("w", "")
    if "n/n/n" in bare or ("/w" in left.kinds and ("/n" in bare or "/(" in bare)):
        return True  # "60 miles / 2 miles/hour"
    units = " , ".join(left.words)
    if _NO_UNIT.search(units) or _DOUBTFUL.search(units) or any(len(w.split()) > LONG_UNIT for w in left.words):
        return True
    says = right.value()
    if _is_near(value, says, ROUNDED_INPUT):
        return any(n[0] not in "$£€" and len(n.partition(".")[2]) > 1 for n in left.numbers)
    measured = value and says and _MEASURES.search(f"{units} {' '.join(right.words)}")
    return bool(measured) and not _CONVERSIONS.isdisjoint({value / Fraction(says), says / Fraction(value)})


def _is_near(value: Number, other: Number, share: Fraction) -> bool:
    return (value - other) ** 2 <= (value * share) ** 2


def _surroundings_matter(kinds: str, tokens: list[str], start: int, end: int) -> bool:
    """Whether words or numbers beside an equation may belong to it ("half of 20 + 5 = 15", "= 2 hours 30")."""
    if (start and kinds[start - 1] in "n)f") or kinds[end : end + 1] in ("n", "(", "-"):
        return True
    if start and kinds[start - 1] == "w":
        before = tokens[start - 1].casefold().split()
        if before[-1] == "of" and kinds[:start].endswith("nw"):
            return True  # 8 packs of 5 bags * 4
        if _DOUBTFUL.search(" ".join(before[-LONG_UNIT:])):
            return True
    if kinds[end - 1] == "w" and _DOUBTFUL.search(" ".join(tokens[end - 1].casefold().split()[:2])):
        return True
    return start > 0 and tokens[start - 1] in "<>≤≥≈~"
