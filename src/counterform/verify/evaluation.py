"""Are two formulas the same? Exactly where they are rational, else to many digits at many points; bounded in size.

Rational formulas are evaluated with fractions at random points of many bits: equal there, they are equal but for a
chance below 1e-12 (Schwartz 1980, Zippel 1979). Others are evaluated by mpmath to 60 and to 120 digits: a difference
that stays is one, and a difference that shrinks with the precision is none.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from counterform.types import Mark
from counterform.verify.exact import Unreadable
from counterform.verify.formulas import Expression, Number, Symbol, renamed, symbols

MAX_BITS = 65_536
"""Of an exact value on the way."""
MAX_FACTORIAL = 3_000
DIGITS = (60, 120)
POINTS = 5
"""Points at which formulas with symbols are compared, of either sign."""
MOST_SYMBOLS = 12
_CONSTANTS = frozenset(("i", "e", "\\pi", "\\infty"))

Point = Mapping[str, Fraction]


def variables(found: Expression) -> frozenset[str]:
    """The symbols that stand for any number; i, e and pi do not."""
    return symbols(found) - _CONSTANTS


@lru_cache(maxsize=4096)
def same(key: Expression, answer: Expression) -> tuple[Mark, str]:
    """Whether two formulas have the same value wherever they have one, and why that cannot be told."""
    if key == answer:
        return Mark.RIGHT, ""
    if isinstance(key, Number) and isinstance(answer, Number):
        return (Mark.RIGHT if key.value == answer.value else Mark.WRONG), ""
    mine, theirs = variables(key), variables(answer)
    if len(mine | theirs) > MOST_SYMBOLS:
        return Mark.UNKNOWN, "a formula has too many symbols"
    mark, reason = _compared(key, answer, sorted(mine | theirs))
    if mark is Mark.WRONG and mine != theirs and len(mine) == len(theirs) <= 4 and _other_names(key, answer):
        return Mark.UNKNOWN, "the answer is the key with other letters"
    return mark, reason


def _other_names(key: Expression, answer: Expression) -> bool:
    """Whether the two are equal once the symbols are renamed."""
    names = sorted(variables(key))
    for order in itertools.permutations(sorted(variables(answer))):
        other = renamed(answer, dict(zip(order, names, strict=True)))
        if _compared(key, other, names)[0] is Mark.RIGHT:
            return True
    return False


def _compared(key: Expression, answer: Expression, names: list[str]) -> tuple[Mark, str]:
    try:
        mark = _exactly(key, answer, names)
        return mark, "the two are equal at some points only" if mark is Mark.UNKNOWN else ""
    except (Unreadable, ZeroDivisionError):
        return _numerically(key, answer, names)


def points(names: list[str]) -> Iterator[Point]:
    """Random positive points, the same in every run; the one point there is, where there are no symbols."""
    rng = random.Random(f"{names}")
    yield {name: Fraction(rng.randrange(1 << 22, 1 << 24)) for name in names}
    while names:
        yield {name: Fraction(rng.randrange(1 << 22, 1 << 24)) for name in names}


def _exactly(key: Expression, answer: Expression, names: list[str]) -> Mark:
    """The mark of two rational formulas. Raises Unreadable where one is not rational, or beyond the bounds."""
    if any(exact_value(key, point) != exact_value(answer, point) for point in itertools.islice(points(names), 2)):
        return Mark.WRONG
    negative = [{name: -value for name, value in point.items()} for point in itertools.islice(points(names), 1)]
    if any(exact_value(key, point) != exact_value(answer, point) for point in negative):
        return Mark.UNKNOWN  # a root or an absolute value
    return Mark.RIGHT


def exact_value(found: Expression, at: Point) -> Fraction:
    """The rational value at a point. Raises Unreadable or ZeroDivisionError."""
    if isinstance(found, Number):
        return found.value
    if isinstance(found, Symbol):
        if found.name not in at:
            raise Unreadable(found.name)
        return at[found.name]
    args = [exact_value(arg, at) for arg in found.args]
    value = _exact(found.name, args)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise Unreadable("a value beyond the bounds")
    return value


def _exact(name: str, args: list[Fraction]) -> Fraction:
    match name, args:
        case "add", [a, b]:
            return a + b
        case "negative", [a]:
            return -a
        case "multiply", [a, b]:
            return a * b
        case "divide", [a, b]:
            return a / b
        case "power", [a, b] if b.denominator == 1:
            if max(a.numerator.bit_length(), a.denominator.bit_length()) * abs(b) > MAX_BITS:
                raise Unreadable("a power beyond the bounds")
            return Fraction(a) ** int(b)
        case "root", [a, b] if b == 2 and a >= 0:
            above, below = math.isqrt(a.numerator), math.isqrt(a.denominator)
            if above * above == a.numerator and below * below == a.denominator:
                return Fraction(above, below)
        case "factorial", [a] if a.denominator == 1 and 0 <= a <= MAX_FACTORIAL:
            return Fraction(math.factorial(int(a)))
        case "binomial", [a, b] if a.denominator == b.denominator == 1 and 0 <= b <= a <= MAX_FACTORIAL:
            return Fraction(math.comb(int(a), int(b)))
        case "abs", [a]:
            return abs(a)
        case "floor", [a]:
            return Fraction(math.floor(a))
        case "ceil", [a]:
            return Fraction(math.ceil(a))
    raise Unreadable(name)


def _numerically(key: Expression, answer: Expression, names: list[str]) -> tuple[Mark, str]:
    """The mark of any two formulas; different at a positive point is different, equal must be equal at all."""
    alike, other = 0, False
    for at in range(POINTS if names else 1):
        positive = at % 2 == 0
        rng = random.Random(f"{names}{at}")
        point = {
            name: Fraction(rng.randrange(3_000, 30_000), 10_007) * (1 if positive or (place + at) % 4 == 2 else -1)
            for place, name in enumerate(names)
        }
        difference = _difference(key, answer, point)
        if difference is None:
            continue
        alike += not difference
        if difference and positive:
            return Mark.WRONG, ""
        other |= difference
    if other:
        return Mark.UNKNOWN, "the two are equal at some points only"
    if alike >= (3 if names else 1):
        return Mark.RIGHT, ""
    return Mark.UNKNOWN, "a formula cannot be evaluated"


def _difference(key: Expression, answer: Expression, point: Point) -> bool | None:
    """Whether the two differ at a point; None where that cannot be told."""
    import mpmath  # its import takes longer than a thousand comparisons of numbers

    sizes = []
    for digits in DIGITS:
        with mpmath.workdps(digits):
            try:
                mine, theirs = (_value(found, point, mpmath) for found in (key, answer))
            except (Unreadable, ZeroDivisionError, ValueError, OverflowError, TypeError):
                return None
            if not (mpmath.isfinite(mine) and mpmath.isfinite(theirs)):
                return None
            sizes.append((abs(mine - theirs), max(abs(mine), abs(theirs))))
    (coarse, _), (fine, size) = sizes
    noise = mpmath.mpf(10) ** (-DIGITS[0] + 10)
    if fine == coarse == 0 or (coarse and fine < coarse * noise):
        return False
    if fine <= size * mpmath.mpf(10) ** (-DIGITS[1] + 10):
        return False if size > noise else None
    if size < mpmath.mpf(10) ** (-DIGITS[0] + 20):
        return None  # a value, or what is left of a difference that should be none
    if coarse > size * noise and abs(coarse - fine) < fine / 100:
        return True
    return True if fine > size * mpmath.mpf(10) ** (-DIGITS[1] + 30) else None


def _value(found: Expression, at: Point, mp: Any) -> Any:
    """The value at a point, in mpmath's numbers. Raises Unreadable beyond the bounds."""
    if isinstance(found, Number):
        return mp.mpf(found.value.numerator) / found.value.denominator
    if isinstance(found, Symbol):
        if found.name in at:
            return mp.mpf(at[found.name].numerator) / at[found.name].denominator
        if found.name in ("i", "e", "\\pi"):
            return {"i": mp.mpc(0, 1), "e": mp.e + 0, "\\pi": mp.pi + 0}[found.name]
        raise Unreadable(found.name)
    args = [_value(arg, at, mp) for arg in found.args]
    if any(abs(arg) > mp.mpf(10) ** 3_000 for arg in args):
        raise Unreadable("a value beyond the bounds")
    return _applied(found.name, args, mp)


def _applied(name: str, args: list[Any], mp: Any) -> Any:
    a = args[0]
    match name:
        case "add":
            return a + args[1]
        case "negative":
            return -a
        case "multiply":
            return a * args[1]
        case "divide":
            return a / args[1]
        case "power":
            return _power(a, args[1], mp)
        case "root":
            return mp.sqrt(a) if args[1] == 2 else _root(a, args[1], mp)
        case "abs" | "floor" | "ceil":
            return {"abs": mp.fabs, "floor": mp.floor, "ceil": mp.ceil}[name](a)
        case "log" if len(args) == 2:
            return mp.log(a) / mp.log(args[1])
        case "ln" | "log10":
            return mp.log(a) if name == "ln" else mp.log10(a)
        case "log":
            raise Unreadable("a logarithm without a base")
        case "exp" if abs(a) < 5_000:
            return mp.exp(a)
        case "factorial" if mp.im(a) == 0 and 0 <= a <= MAX_FACTORIAL and a == mp.floor(mp.re(a)):
            return mp.factorial(a)
    function = _FUNCTIONS.get(name)
    if function is None or abs(a) > 10**9:
        raise Unreadable(name)
    return getattr(mp, function)(a)


_FUNCTIONS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "coth": "coth",
}  # fmt: skip


def _power(base: Any, exponent: Any, mp: Any) -> Any:
    if base == 0:
        if mp.re(exponent) <= 0:
            raise Unreadable("a power of zero")
        return base
    if abs(exponent) * (1 + abs(mp.log(abs(base)))) > 7_000:
        raise Unreadable("a power beyond the bounds")
    return base**exponent


def _root(a: Any, degree: Any, mp: Any) -> Any:
    if mp.im(degree) != 0 or degree != mp.floor(degree) or not 1 <= degree <= 1_000:
        raise Unreadable("a root of no whole degree")
    if mp.im(a) == 0 and mp.re(a) < 0:
        # The real root where there is one; which of the others is meant, nobody says.
        if int(degree) % 2 == 0:
            raise Unreadable("an even root of a negative number")
        return -mp.root(-a, int(degree))
    return mp.root(a, int(degree))
