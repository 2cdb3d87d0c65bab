"""Exact arithmetic over tokens: numbers as printed, signs and parentheses. Bounded, and nothing is ever executed.

A token's kind is one character: n number, % percent, x "times", f "of", w words (passed over), ( ) + - * / ^ as
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

Number = int | Fraction

NUMBER = r"\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|\.\d+"
"""The pattern of a printed number: thousands may have commas."""
MAX_DIGITS = 30
MAX_POWER = 64
MAX_BITS = 4_096
"""Of any result on the way; without it, powers of powers never end."""

_PRECEDENCE = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "x": 2, "f": 2, "negative": 3, "^": 4}


class Unreadable(Exception):
    """The tokens are no expression, or one beyond the bounds."""


def evaluate(kinds: str, tokens: Sequence[str], percent: int = 100) -> Number:
    """What the expression is worth; a percent sign divides by `percent`. Raises Unreadable."""
    if kinds == "n":
        return _number(tokens[0])
    values: list[Number] = []
    signs: list[str] = []
    open_term = True
    for index, kind in enumerate(kinds):
        if kind == "n":
            values.append(_number(tokens[index]))
            open_term = False
        elif kind == "w" or (kind == "/" and kinds[index + 1 : index + 2] == "w"):
            continue
        elif kind == "%":
            values[-1] = _divided(values[-1], percent)
        elif kind == "(":
            signs.append(kind)
        elif kind == ")":
            while signs and signs[-1] != "(":
                _apply(signs.pop(), values)
            if not signs:
                raise Unreadable
            signs.pop()
        elif open_term:
            if kind != "-":
                raise Unreadable
            signs.append("negative")
        else:
            while signs and _PRECEDENCE[signs[-1]] >= _PRECEDENCE[kind] and kind != "^":
                _apply(signs.pop(), values)
            signs.append(kind)
            open_term = True
    while signs:
        _apply(signs.pop(), values)
    if len(values) != 1 or _size(values[0]) > MAX_BITS:
        raise Unreadable
    return values[0]


def decimal(value: Number) -> str:
    """The value as people write it: four decimals at most, or four digits where it is small."""
    if isinstance(value, int) or abs(value) >= 10**12:
        return str(round(value))
    return f"{float(value):.4f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{float(value):.4g}"


@lru_cache(maxsize=4096)
def _number(token: str) -> Number:
    token = token.lstrip("$£€").replace(",", "")
    if len(token) > MAX_DIGITS:
        raise Unreadable
    if token.isdecimal():
        return int(token)
    if "/" in token:
        whole, above, below = (int(part) for part in re.split("[ /]", token))
        if above >= below:
            raise Unreadable  # not a mixed number such as 2 1/2
        return whole + Fraction(above, below)
    whole_digits, _, decimals = token.partition(".")
    return _plain(Fraction(int(whole_digits + decimals), 10 ** len(decimals)))


def _apply(sign: str, values: list[Number]) -> None:
    if sign == "(" or len(values) < (1 if sign == "negative" else 2):
        raise Unreadable
    right = values.pop()
    if sign == "negative":
        values.append(-right)
        return
    left = values.pop()
    if sign in "+-*xf":
        result = left + right if sign == "+" else left - right if sign == "-" else left * right
        values.append(result if isinstance(result, int) else _plain(result))
    else:
        values.append(_divided(left, right) if sign == "/" else _power(left, right))


def _divided(left: Number, right: Number) -> Number:
    if not right:
        raise Unreadable
    if isinstance(left, int) and isinstance(right, int) and not left % right:
        return left // right  # a fraction is several times slower
    return _plain(Fraction(left) / right)


def _power(base: Number, exponent: Number) -> Number:
    if not isinstance(exponent, int) or abs(exponent) > MAX_POWER or (exponent < 0 and not base):
        raise Unreadable
    if _size(base) * abs(exponent) > MAX_BITS:
        raise Unreadable
    return _plain(Fraction(base) ** exponent)


def _plain(value: Fraction) -> Number:
    if value.denominator.bit_length() > MAX_BITS:
        raise Unreadable
    return value.numerator if value.denominator == 1 else value


def _size(value: Number) -> int:
    """Bits."""
    return max(value.numerator.bit_length(), value.denominator.bit_length())
