r"""Reads the equations in any text and checks them exactly; says nothing about what it only half understands.

    She has 5 apples * 2 = 10 apples        RIGHT
    9 * 2 = $<<9*2=18>>18 a day             RIGHT (GSM8K's calculator marks are checked too)
    10 / 3 = 3.33                           RIGHT (rounded, or cut off, where it is printed)
    7 / 2 = 3                               UNKNOWN (rounded down on purpose, or wrong?)
    2x + 3 = 7                              nothing is read

A text becomes a string with one character a token, so that one regular expression finds the equations in it; only
those are evaluated, over integers and fractions, with bounded digits and powers. Nothing is ever executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from counterform.types import Mark

Number = int | Fraction

MAX_TEXT = 4_000
"""Characters of one step that are read."""
MAX_DIGITS = 30
MAX_POWER = 64
FLOAT_NOISE = Fraction(1, 10**9)
"""Relative; calculators print 0.47119999999999995."""

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_OPERATOR_WORD = r"(?:x|X|of|times|multiplied)\b"
_WORD = rf"(?!{_OPERATOR_WORD})[^\W\d_]+"
# A group's name is the token's kind, but for `sign` (itself) and the groups renamed in _KINDS.
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<n>[$£€]*(?:\d+[ ]\d+/\d+(?![\d/.])|{_NUMBER}))
  | (?P<sign>[-+/^)%=]|\*(?!\*))
  | (?P<times>[xX×·∗⋅](?=\s*[$£€(]*[\d.])|(?:times|multiplied[ ]by)\b(?=\s*[$£€(]*[\d.]))
  | (?P<f>of(?:[ ](?:the|his|her|their|its|those|these))?\b(?=\s*[$£€(]*[\d.]))
  | (?P<v>(?<=[\d)])[^\W\d_](?![^\W\d_]))
  | (?P<w>{_WORD}(?:['’ -]{_WORD})*)
  | (?P<product>(?<=[\d)])\()
  | (?P<open>\()
  | (?P<minus>[−–])
  | (?P<by>÷)
  | (?P<power>\*\*)
  | (?P<other>\S)
    )""",
    re.VERBOSE,
)
_KINDS = {"n": "n", "f": "f", "v": "v", "w": "w", "times": "*", "open": "(", "minus": "-", "by": "/", "power": "^"}
_KINDS |= {"other": ","}

_UNITS = r"(?:/?w)*+"
_TERM = rf"-?\(*+-?n%?{_UNITS}\)*+{_UNITS}"
_EXPRESSION = rf"{_TERM}(?:(?:[-+*/^]|(?<=%)f|(?<=/n)f){_TERM})*+"
# An expression that goes on in a way not understood is not read: "y + 3 = 7", "his car + 3 = 7", "3 = 5x", and a minus
# after a word may be a dash.
_GOES_ON = r"[v%f]|[-+*/^]+[n(v]|[+*/^]w"
_CHAIN = re.compile(
    rf"(?<![-+*/^f%v])(?<![-+*/^f]w)(?!(?<=[wnv)])-){_EXPRESSION}(?:={_EXPRESSION}(?!{_GOES_ON}))+"
)
_PRECEDENCE = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "f": 2, "~": 3, "^": 4}

_MARK = re.compile(r"<<([^<>]{1,300})>>")
_PRINTED = re.compile(rf"\s*[-−–]?[$£€]*(?:{_NUMBER})(?![\d/]|\.\d)")
_BULLET = re.compile(r"\s*(?:[-*•–]\s+)")


class Claim(NamedTuple):
    """One equation that was read."""

    left: str
    """The computed side, as written but for its units."""
    value: Number
    """What that side is worth."""
    mark: Mark


class _Unreadable(Exception):
    """Not an expression after all."""


class _Side(NamedTuple):
    """One side of an equation: its tokens and their kinds."""

    kinds: str
    tokens: list[str]

    @property
    def computes(self) -> bool:
        return self.kinds.count("n") > 1

    def value(self, *, percent: bool = True) -> Number:
        """What the side is worth; with `percent` false the sign % is taken as a unit."""
        return _evaluate(self.kinds, self.tokens, percent)

    def shown(self) -> str:
        signs = {"f": "of", "%": "%"}
        words = [signs.get(k) or (t if k == "n" else k) for k, t in zip(self.kinds, self.tokens, strict=True) if k != "w"]
        return " ".join(words).replace("( ", "(").replace(" )", ")").replace(" %", "%")

    def words(self) -> Iterator[str]:
        for kind, token in zip(self.kinds, self.tokens, strict=True):
            if kind == "w":
                yield from token.casefold().split()


def claims(text: str) -> list[Claim]:
    """Every equation in the text that can be read, calculator marks first."""
    text = text[:MAX_TEXT]
    if "=" not in text:
        return []
    found = []
    if "<<" in text:
        for mark in _MARK.finditer(text):
            found += _read(mark.group(1))
            found += _printed(text, mark)
        text = _MARK.sub("", text)
    if "\\" in text:
        text = _without_latex(text)
    return found + _read(text)


def _read(text: str) -> list[Claim]:
    kinds, tokens = _tokens(text)
    found = []
    for chain in _CHAIN.finditer(kinds):
        at = chain.start()
        sides = []
        for side in chain.group().split("="):
            sides.append(_Side(side, tokens[at : at + len(side)]))
            at += len(side) + 1
        for left, right in zip(sides, sides[1:]):
            claim = _claim(left, right, _Around(kinds, tokens, chain.start(), chain.end()))
            if claim is not None:
                found.append(claim)
    return found


def _tokens(text: str) -> tuple[str, list[str]]:
    """The text as kinds, one character a token, and the tokens themselves.

    n number, % percent, f "of", v a variable's letter, w words, a sign as itself, "," anything else.
    """
    kinds, tokens = [], []
    bullet = _BULLET.match(text)
    for match in _TOKEN.finditer(text, bullet.end() if bullet else 0):
        kind = match.lastgroup
        if kind is None:
            continue
        token = match.group(kind)
        if kind == "product":
            kinds.append("*")
            tokens.append("*")
            kind = "open"
        elif kind == "w" and len(token) == 1:
            kind = "v"
        kinds.append(token if kind == "sign" else _KINDS[kind])
        tokens.append(token)
    return "".join(kinds), tokens


class _Around(NamedTuple):
    """Where in the text an equation stands."""

    kinds: str
    tokens: list[str]
    start: int
    end: int

    def after_words(self) -> bool:
        return self.kinds[self.start - 1 : self.start] == "w"

    def doubtful(self) -> bool:
        """Whether the words or numbers beside the equation may belong to it ("half of 20 + 5 = 15")."""
        before, after = self.kinds[self.start - 1 : self.start], self.kinds[self.end : self.end + 1]
        if before in ("n", ")") or after in ("n", "(", "-"):
            return True
        words = self.tokens[self.start - 1].casefold().split()[-3:] if before == "w" else []
        last = self.tokens[self.end - 1].casefold().split()[:2] if self.kinds[self.end - 1] == "w" else []
        return not _DOUBTFUL.isdisjoint([*words, *last])


_DOUBTFUL = frozenset(
    """and or twice half double triple third quarter fourth fifth than less fewer by another dozen hundred thousand
    million billion sum difference product average ratio square squared cubed root to from plus minus divided over
    remainder remaining one two three four five six seven eight nine ten both about approximately cents cent
    """.split()
)


def _claim(left: _Side, right: _Side, around: _Around) -> Claim | None:
    swapped = not left.computes
    if swapped:
        left, right = right, left  # 15 = 5 * 3
    if not left.computes:
        return None
    try:
        value = left.value()
        mark = _agreement(value, right)
        if mark is not Mark.RIGHT and "%" in left.kinds + right.kinds:
            mark = _agreement(left.value(percent=False), right, percent=False)
            simple = re.fullmatch(r"n%[f*]n=n", f"{left.kinds}={right.kinds}")
            if mark is Mark.WRONG and not simple:
                mark = Mark.UNKNOWN
    except _Unreadable:
        return None
    if mark is Mark.WRONG and (
        around.doubtful()
        or _units_differ(left, right, value)
        or (swapped and ("w" in right.kinds or around.after_words()))
        or "n/n/n" in left.kinds
    ):
        mark = Mark.UNKNOWN
    return Claim(left.shown(), value, mark)


def _agreement(value: Number, stated: _Side, *, percent: bool = True) -> Mark:
    """RIGHT where the stated side is the value, rounded or cut off at the digits it is printed with.

    A whole number beside a value that is none is UNKNOWN: it may be rounded on purpose.
    """
    says = stated.value(percent=percent)
    if value == says:
        return Mark.RIGHT
    away = abs(value - says)
    if away <= abs(value) * FLOAT_NOISE:
        return Mark.RIGHT
    if stated.computes:
        first = re.match(rf"-?n%?{_UNITS}", stated.kinds)  # "5 + 3 = 8 + 4 = 12": a running total
        if first and _evaluate(first.group(), stated.tokens[: first.end()], percent) == value:
            return Mark.RIGHT
        return Mark.WRONG
    number = next(t for k, t in zip(stated.kinds, stated.tokens, strict=True) if k == "n")
    decimals = len(number.partition(".")[2])
    if decimals == 0 and isinstance(value, Fraction) and away < 1:
        return Mark.UNKNOWN
    return Mark.RIGHT if decimals and away * 10**decimals < 1 else Mark.WRONG


def _without_latex(text: str) -> str:
    return text


def _units_differ(left: _Side, right: _Side, value: Number) -> bool:
    return False


def _printed(text: str, mark: re.Match[str]) -> list[Claim]:
    """The number printed after a calculator mark must be the mark's result."""
    computed, _, result = mark.group(1).rpartition("=")
    printed = _PRINTED.match(text, mark.end())
    sides = [_Side(*_tokens(side)) for side in (result, computed)]
    if not printed or sides[0].kinds not in ("n", "-n"):
        return []
    says = _Side(*_tokens(printed.group()))
    agreement = _agreement(sides[0].value(), says)
    return [] if agreement is not Mark.WRONG else [Claim(sides[1].shown(), sides[0].value(), Mark.WRONG)]


def _number(token: str) -> Number:
    token = token.lstrip("$£€").replace(",", "")
    if len(token) > MAX_DIGITS:
        raise _Unreadable
    if "/" in token:
        whole, above, below = map(int, re.split("[ /]", token))
        if not above < below:
            raise _Unreadable
        return whole + Fraction(above, below)
    whole, _, decimals = token.partition(".")
    if not decimals.strip("0"):
        return int(whole or 0)
    return Fraction(int(whole + decimals), 10 ** len(decimals))


def _evaluate(kinds: str, tokens: list[str], percent: bool) -> Number:
    """Shunting-yard over numbers, signs and parentheses; words and the slash of a unit are passed over."""
    values: list[Number] = []
    signs: list[str] = []
    expects_number = True
    for index, kind in enumerate(kinds):
        if kind == "n":
            values.append(_number(tokens[index]))
            expects_number = False
        elif kind == "w" or (kind == "/" and kinds[index + 1 : index + 2] == "w"):
            continue
        elif kind == "%":
            if percent:
                values[-1] = _divided(values[-1], 100)
        elif kind == "(":
            signs.append(kind)
        elif kind == ")":
            while signs and signs[-1] != "(":
                _apply(signs.pop(), values)
            if not signs:
                raise _Unreadable
            signs.pop()
        elif expects_number:
            if kind != "-":
                raise _Unreadable
            signs.append("~")
        else:
            while signs and _PRECEDENCE[signs[-1]] >= _PRECEDENCE[kind] and kind != "^":
                _apply(signs.pop(), values)
            signs.append(kind)
            expects_number = True
    while signs:
        _apply(signs.pop(), values)
    if len(values) != 1:
        raise _Unreadable
    return values[0]


def _apply(sign: str, values: list[Number]) -> None:
    if sign == "(" or len(values) < (1 if sign == "~" else 2):
        raise _Unreadable
    right = values.pop()
    if sign == "~":
        values.append(-right)
        return
    left = values.pop()
    if sign == "+":
        values.append(left + right)
    elif sign == "-":
        values.append(left - right)
    elif sign in "*f":
        values.append(left * right)
    elif sign == "/":
        values.append(_divided(left, right))
    else:
        if not isinstance(right, int) or abs(right) > MAX_POWER or (right < 0 and not left):
            raise _Unreadable
        values.append(_plain(Fraction(left) ** right))


def _divided(left: Number, right: Number) -> Number:
    if not right:
        raise _Unreadable
    return _plain(Fraction(left) / right)


def _plain(value: Number) -> Number:
    return value.numerator if value.denominator == 1 else value
