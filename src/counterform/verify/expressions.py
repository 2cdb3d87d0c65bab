"""Parses an expression out of tokens and works it out exactly: a small recursive descent, bounded, nothing executed."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from counterform.verify import forms
from counterform.verify.exact import Number, Unreadable
from counterform.verify.forms import Form, Value
from counterform.verify.measures import DOLLAR, Measure, measure
from counterform.verify.tokens import Tokens, part

MAX_DIGITS = 30
MAX_DEPTH = 24

_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_STARTS = "n(-{drbvh"
_SEQUENCES = frozenset("fghpqstuFGHPQRSTNCVE")
"""Letters that may name a function where a parenthesis follows."""


class Side(NamedTuple):
    """One side of an equation, worked out."""

    value: Value
    start: int
    end: int
    """Its tokens are those from `start` up to `end`."""
    operations: int
    first: Value
    """The first term, of "8 + 4" the 8."""
    first_end: int
    numbers: tuple[str, ...]
    """As printed."""
    words: tuple[str, ...]
    """Units, and whatever else stands after its numbers."""
    doubtful: bool
    """It can be read in another way."""
    mixed: bool
    """Terms of a sum are of different units."""
    percents: bool
    rates: bool
    """A unit is "per" another."""

    @property
    def computes(self) -> bool:
        """Whether it is more than one number."""
        return self.operations > 0

    @property
    def measures(self) -> set[Measure]:
        """The units of measure in it, but for those of money before its numbers."""
        return {unit for words in self.words if (unit := measure(words))}

    @property
    def is_money(self) -> bool:
        """Whether one of its numbers is in dollars."""
        return any(printed[0] == "$" for printed in self.numbers)


def parsed(tokens: Tokens, start: int, *, percent: int = 100, converted: bool = False) -> Side | None:
    """The longest expression that begins at a token; None where there is none, or none within the bounds.

    percent: what a percent sign divides by. converted: each number counts in the smallest unit of its measure.
    """
    if start >= len(tokens.kinds) or tokens.kinds[start] not in _STARTS or tokens.texts[start].casefold() == "minus":
        return None
    parser = _Parser(tokens, start, percent, converted)
    try:
        return parser.side()
    except (Unreadable, IndexError):
        return None


@lru_cache(maxsize=8192)
def number(token: str) -> Number:
    """A printed number. Raises Unreadable."""
    token = token.lstrip("$£€").replace(",", "")
    if len(token) > MAX_DIGITS:
        raise Unreadable
    if token.isdecimal():
        return int(token)
    if "/" in token:
        whole, above, below = (int(digits) for digits in re.split("[ /]", token))
        if above >= below:
            raise Unreadable  # not a mixed number such as 2 1/2
        return whole + Fraction(above, below)
    whole_digits, _, decimals = token.partition(".")
    value = Fraction(int(whole_digits + decimals), 10 ** len(decimals))
    return value.numerator if value.denominator == 1 else value


class _Parser:
    def __init__(self, tokens: Tokens, start: int, percent: int, converted: bool) -> None:
        self._kinds = tokens.kinds + "\0\0"
        self._texts, self._glued = tokens.texts, tokens.glued
        self._start = self._at = start
        self._percent, self._converted = percent, converted
        self._depth = self._operations = 0
        self._first: tuple[Value, int] | None = None
        self._numbers: list[str] = []
        self._words: list[str] = []
        self._doubtful = self._mixed = self._percents = self._rates = False

    def side(self) -> Side:
        value = self._sum()
        assert self._first is not None
        return Side(
            value,
            self._start,
            self._at,
            self._operations,
            *self._first,
            tuple(self._numbers),
            tuple(self._words),
            self._doubtful,
            self._mixed,
            self._percents,
            self._rates,
        )

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable
        known = len(self._words)
        value = self._product()
        if self._first is None:
            self._first = value, self._at
        units = self._units(known)
        while (sign := self._kinds[self._at]) in "+-":
            if sign == "-" and self._kinds[self._at + 1] not in _STARTS:
                break  # a dash
            self._at += 1
            self._operations += 1
            known = len(self._words)
            term = self._product()
            value = forms.added(value, forms.negative(term) if sign == "-" else term)
            others = self._units(known)
            self._mixed = self._mixed or _differ(units, others)
            units = units or others
        self._depth -= 1
        return value

    def _units(self, since: int) -> tuple[str, ...]:
        return tuple(self._words[since:])

    def _product(self) -> Value:
        value, slashes = self._factor(), 0
        while True:
            kind = self._kinds[self._at]
            if kind in "*xm/":
                self._at += 1
                self._operations += 1
                # A star in LaTeX may be an operator that somebody defined; of a / b / c nobody knows what was meant.
                self._doubtful = self._doubtful or kind == "m" or (kind == "/" and slashes > 0)
                slashes += kind == "/"
                other = self._factor()
                value = forms.divided(value, other) if kind == "/" else forms.multiplied(value, other)
            elif kind == "o" and (self._kinds[self._at - 1] in "%h" or self._is_fraction()):
                self._at += 1
                self._operations += 1
                is_part = self._kinds[self._at - 2] == "h"
                value = forms.multiplied(value, self._factor())
                if is_part and self._kinds[self._at] in "+-":
                    raise Unreadable  # half of 20 + 5
            elif kind in "(vrdb" and self._is_joined(kind):
                self._operations += 1
                self._doubtful = self._doubtful or slashes > 0
                value = forms.multiplied(value, self._power())
            else:
                return value

    def _is_fraction(self) -> bool:
        r"""Whether what stands before "of" is "3/4" or \frac{3}{4}."""
        before = self._kinds[max(self._start, self._at - 3) : self._at]
        return before.endswith(("n/n", "}"))

    def _is_joined(self, kind: str) -> bool:
        """Whether what follows without a sign is multiplied."""
        before = self._kinds[self._at - 1]
        if kind == "(" and before in "n)}":
            self._doubtful = self._doubtful or not (self._glued[self._at] or before in ")}")
            return True
        if kind == "(" and before == "v":
            name = self._texts[self._at - 1]
            self._doubtful = True
            return len(name) == 1 and name not in _SEQUENCES
        return kind != "(" and before in "n)}v!"

    def _factor(self) -> Value:
        if self._kinds[self._at] == "-":
            self._at += 1
            return forms.negative(self._factor_within())
        return self._power()

    def _factor_within(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable
        value = self._factor()
        self._depth -= 1
        return value

    def _power(self) -> Value:
        base = self._atom()
        if self._kinds[self._at] not in "^E":
            return base
        sign = self._kinds[self._at]

        def is_function(exponent: Value) -> bool:
            """Whether a letter's power is applied to what follows: f^{-1}(3), f^2(x)."""
            return name in _SEQUENCES or (bool(name) and (not isinstance(exponent, int) or exponent < 0))

        name = self._texts[self._at - 1] if self._kinds[self._at - 1] == "v" else ""
        self._at += 1
        self._operations += 1
        kind = self._kinds[self._at]
        if kind == "n":
            text = self._texts[self._at]
            self._doubtful = self._doubtful or (sign == "E" and len(text) > 1)
            self._at += 1
            exponent: Value = number(text)
        elif kind in "({":
            exponent = self._group()
        elif kind == "-" and self._kinds[self._at + 1] == "n":
            exponent = forms.negative(number(self._texts[self._at + 1]))
            self._at += 2
        else:
            raise Unreadable
        if self._kinds[self._at] in "^E" or (self._kinds[self._at] == "(" and is_function(exponent)):
            raise Unreadable
        return self._with_units(self._after(forms.power(base, exponent)))

    def _atom(self) -> Value:
        kind, text = self._kinds[self._at], self._texts[self._at] if self._kinds[self._at] != "\0" else ""
        if kind == "n":
            self._at += 1
            self._numbers.append(text)
            value: Value = number(text)
            if self._kinds[self._at] == "d":
                value = self._mixed_number(value)
            value = self._with_units(self._after(value))
            if self._converted and text[0] == "$" and not self._rates:
                value = forms.multiplied(value, DOLLAR.factor)
            return value
        if kind in "({":
            return self._with_units(self._after(self._group()))
        self._at += 1
        if kind == "v":
            return self._after(forms.letter(text))
        if kind == "h":
            self._numbers.append(text)
            return part(text)
        if kind == "d":
            above = self._argument()
            self._operations += 1
            return self._with_units(self._after(forms.divided(above, self._argument())))
        if kind == "b":
            self._operations += 1
            return self._after(forms.chosen(self._argument(), self._argument()))
        if kind == "r":
            self._operations += 1
            return self._after(self._root())
        raise Unreadable

    def _root(self) -> Value:
        degree: Value = 2
        if self._kinds[self._at] == "(" and self._texts[self._at] == "[":
            degree = self._group()
        if not isinstance(degree, int):
            raise Unreadable
        if self._kinds[self._at] == "(" or self._texts[self._at - 1] == "√":
            # "√16" has one number under it; "sqrt 16" is not read.
            value = self._group() if self._kinds[self._at] == "(" else self._atom()
        else:
            value = self._argument()
        return forms.root(value, degree)

    def _group(self) -> Value:
        closes = ")" if self._kinds[self._at] == "(" else "}"
        self._doubtful = self._doubtful or self._texts[self._at] == "["  # [3.7] may be 3
        self._at += 1
        value = self._sum()
        if self._kinds[self._at] != closes:
            raise Unreadable
        self._at += 1
        return value

    def _argument(self) -> Value:
        r"""What a LaTeX command takes: a group in braces, or one digit or letter; of \\frac12 the 1, then the 2."""
        kind = self._kinds[self._at]
        if kind == "{":
            return self._group()
        if kind == "v":
            self._at += 1
            return forms.letter(self._texts[self._at - 1])
        text = self._texts[self._at]
        if kind != "n" or not text.isdecimal() or len(text) > 2:
            raise Unreadable
        if len(text) == 2:
            if self._kinds[self._at - 1] != "d":
                raise Unreadable
            self._texts = [*self._texts[: self._at], text[1], *self._texts[self._at + 1 :]]  # the other digit is left
            self._numbers.append(text)
            return int(text[0])
        self._at += 1
        self._numbers.append(text)
        return int(text)

    def _mixed_number(self, whole: Value) -> Value:
        r"""2\frac{1}{2}, which may have been meant as a product."""
        self._at += 1
        above, below = self._argument(), self._argument()
        self._doubtful = True
        if not all(isinstance(found, int) for found in (whole, above, below)):
            self._operations += 1
            return forms.multiplied(whole, forms.divided(above, below))
        return forms.added(whole, forms.divided(above, below))

    def _after(self, value: Value) -> Value:
        """Signs that stand after what they belong to."""
        while True:
            kind = self._kinds[self._at]
            if kind == "!":
                if self._kinds[self._at + 1] in "\0,Bw" and not self._operations:
                    return value  # "= 20!" may be a cry of joy
                self._at += 1
                self._operations += 1
                value = forms.factorial_of(value)
            elif kind == "%":
                self._at += 1
                self._percents = True
                value = forms.divided(value, self._percent)
            else:
                return value

    def _with_units(self, value: Value) -> Value:
        found: Measure | None = None
        if self._kinds[self._at] == "w":
            words = self._texts[self._at]
            self._at += 1
            scale, _, rest = words.partition(" ")
            if scale.casefold() in _SCALES:
                value = forms.multiplied(value, _SCALES[scale.casefold()])
                words = rest
            if words:
                self._words.append(words)
                found = measure(words)
        while self._kinds[self._at] == "/" and self._kinds[self._at + 1] == "w":
            self._words.append(self._texts[self._at + 1])
            self._rates = True
            self._at += 2
        if self._converted:
            if found is None or self._rates:
                return value
            value = forms.multiplied(value, found.factor)
        return value


def _differ(units: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether terms of a sum may be of different kinds: both have units, and not the same."""
    if units and others:
        return kind_of(units[0]) != kind_of(others[0])
    return bool(units or others) and any(measure(words) for words in (*units, *others))


def kind_of(words: str) -> object:
    """What a unit counts, in the singular."""
    word = words.split(maxsplit=1)[0].casefold()
    return measure(words) or word.removesuffix("s").removesuffix("e")


def written(tokens: Tokens, side: Side) -> str:
    """A side as it is written, without its words."""
    spaced: list[str] = []
    for index in range(side.start, side.end):
        kind, text = tokens.kinds[index], tokens.texts[index]
        if kind == "w" or (kind == "/" and tokens.kinds[index + 1 : index + 2] == "w"):
            continue
        spaced.append({"x": "*", "m": "*", "E": "^", "o": "of"}.get(kind, "/" if text == "\\div" else text))
    shown = " ".join(spaced)
    for tight in ("( ", "{ "):
        shown = shown.replace(tight, tight[0])
    for tight in (" )", " }", " %", " !"):
        shown = shown.replace(tight, tight[1])
    return shown.replace(" {", "{").replace("√ ", "√")


def is_known(value: Value) -> bool:
    """Whether a value has no letters."""
    return not isinstance(value, Form) or not value.has_letters
