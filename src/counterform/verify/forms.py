"""Exact values: rational numbers, and sums of products of square roots and letters that nobody has given a value.

A number stays an `int` or a `Fraction`; only what has roots or letters is a `Form`. Square roots of different square-free
numbers are linearly independent over the rationals, so two forms without letters are equal only if their terms are.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial, isqrt, sqrt

from counterform.verify.exact import Number, Unreadable

MAX_BITS = 4_096
"""Of any result on the way; without it, powers of powers never end."""
MAX_TERMS = 40
MAX_POWER = 64
MAX_FACTORIAL = 200
MAX_RADICAND = 10**8
"""Of a root that is not whole: it is taken apart by trial division."""

Monomial = tuple[tuple[str, int], ...]
"""Symbols with their exponents, in order. A root is written as its sign and a prime, "√3"."""
_ROOT = "√"


class Form:
    """A sum of rational multiples of monomials, of which at least one is not the number 1."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Monomial, Number]) -> None:
        self.terms = terms

    @property
    def has_letters(self) -> bool:
        """Whether a letter is in it, so that its value is not known."""
        return any(not symbol.startswith(_ROOT) for monomial in self.terms for symbol, _ in monomial)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __str__(self) -> str:
        parts = []
        for monomial, factor in self.terms.items():
            symbols = [
                f"sqrt({symbol[1:]})" if symbol.startswith(_ROOT) else symbol if power == 1 else f"{symbol}^{power}"
                for symbol, power in monomial
            ]
            parts.append(" * ".join([str(factor)] * (factor != 1 or not symbols) + symbols))
        return " + ".join(parts)

    def __float__(self) -> float:
        total = 0.0
        for monomial, factor in self.terms.items():
            value = float(factor)
            for symbol, power in monomial:
                value *= sqrt(int(symbol[1:])) ** power
            total += value
        return total


Value = int | Fraction | Form


def letter(name: str) -> Form:
    """A letter that stands for any number."""
    return Form({((name, 1),): 1})


def added(left: Value, right: Value) -> Value:
    """The sum. Raises Unreadable beyond the bounds, as all of these do."""
    if not isinstance(left, Form) and not isinstance(right, Form):
        return _bounded(left + right)
    terms = dict(_terms(left))
    for monomial, factor in _terms(right).items():
        terms[monomial] = terms.get(monomial, 0) + factor
    return _made(terms)


def negative(value: Value) -> Value:
    """Minus the value."""
    return multiplied(-1, value) if isinstance(value, Form) else -value


def multiplied(left: Value, right: Value) -> Value:
    """The product."""
    if not isinstance(left, Form) and not isinstance(right, Form):
        return _bounded(left * right)
    ours, theirs = _terms(left), _terms(right)
    if len(ours) * len(theirs) > MAX_TERMS * MAX_TERMS:
        raise Unreadable
    terms: dict[Monomial, Number] = {}
    for one, factor in ours.items():
        for other, by in theirs.items():
            monomial, whole = _product(one, other)
            terms[monomial] = terms.get(monomial, 0) + factor * by * whole
    return _made(terms)


def divided(left: Value, right: Value) -> Value:
    """The quotient; only what is one term can divide."""
    if isinstance(right, Form):
        if len(right.terms) > 1:
            raise Unreadable
        [(monomial, factor)] = right.terms.items()
        inverse, below = [], Fraction(1)
        for symbol, power in monomial:
            if symbol.startswith(_ROOT):
                inverse.append((symbol, 1))
                below *= int(symbol[1:])
            else:
                inverse.append((symbol, -power))
        return multiplied(left, _made({tuple(inverse): 1 / (Fraction(factor) * below)}))
    if not right:
        raise Unreadable
    if isinstance(left, Form):
        return multiplied(left, 1 / Fraction(right))
    if isinstance(left, int) and isinstance(right, int) and not left % right:
        return left // right  # a fraction is several times slower
    return _bounded(Fraction(left) / right)


def power(base: Value, exponent: Value) -> Value:
    """The power with a whole exponent, or with one half."""
    if exponent == Fraction(1, 2):
        return root(base)
    if not isinstance(exponent, int) or abs(exponent) > MAX_POWER or (exponent < 0 and not base):
        raise Unreadable
    if isinstance(base, Form):
        if abs(exponent) > 8 and len(base.terms) > 1:
            raise Unreadable
        result: Value = 1
        for _ in range(abs(exponent)):
            result = multiplied(result, base)
        return divided(1, result) if exponent < 0 else result
    if _bits(base) * abs(exponent) > MAX_BITS:
        raise Unreadable
    return _plain(Fraction(base) ** exponent)


def root(value: Value, degree: int = 2) -> Value:
    """The square root of a number that is not negative, exact; of higher degree only where it is rational."""
    if isinstance(value, Form) or value < 0:
        raise Unreadable
    above, below = value.numerator, value.denominator
    if degree != 2:
        return _plain(Fraction(_whole_root(above, degree), _whole_root(below, degree)))
    inside = above * below
    if isqrt(inside) ** 2 == inside:
        return _plain(Fraction(isqrt(inside), below))
    if inside > MAX_RADICAND:
        raise Unreadable
    outside, primes, divisor = 1, list[tuple[str, int]](), 2
    while divisor * divisor <= inside:
        while inside % (divisor * divisor) == 0:
            inside //= divisor * divisor
            outside *= divisor
        if inside % divisor == 0:
            inside //= divisor
            primes.append((f"{_ROOT}{divisor}", 1))
        divisor += 1
    if inside > 1:
        primes.append((f"{_ROOT}{inside}", 1))
    return _made({tuple(sorted(primes)): _plain(Fraction(outside, below))})


def factorial_of(value: Value) -> Value:
    """1 * 2 * ... up to a whole number."""
    if not isinstance(value, int) or not 0 <= value <= MAX_FACTORIAL:
        raise Unreadable
    return factorial(value)


def chosen(of: Value, some: Value) -> Value:
    """The binomial coefficient."""
    if not isinstance(of, int) or not isinstance(some, int) or not 0 <= some <= of <= MAX_FACTORIAL:
        raise Unreadable
    return comb(of, some)


def substituted(value: Value, known: dict[str, Number]) -> Value:
    """The value with those letters replaced that are known."""
    if not isinstance(value, Form):
        return value
    total: Value = 0
    for monomial, factor in value.terms.items():
        term: Value = factor
        for symbol, exponent in monomial:
            part: Value = known[symbol] if symbol in known else letter(symbol)
            if symbol.startswith(_ROOT):
                part = root(int(symbol[1:]))
            term = multiplied(term, power(part, exponent))
        total = added(total, term)
    return total


def _whole_root(value: int, degree: int) -> int:
    if not 2 <= degree <= 10 or value.bit_length() > 512:
        raise Unreadable
    nearest: float = float(value) ** (1 / degree)
    found = round(nearest)
    if found**degree != value:
        raise Unreadable
    return found


def _terms(value: Value) -> dict[Monomial, Number]:
    return value.terms if isinstance(value, Form) else {(): value}


def _made(terms: dict[Monomial, Number]) -> Value:
    kept = {monomial: _plain(factor) for monomial, factor in terms.items() if factor}
    if len(kept) > MAX_TERMS:
        raise Unreadable
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return Form(kept)


def _product(one: Monomial, other: Monomial) -> tuple[Monomial, int]:
    """The product of two monomials, and what comes out of roots of the same number."""
    if not one or not other:
        return one or other, 1
    powers, whole = dict(one), 1
    for symbol, exponent in other:
        total = powers.pop(symbol, 0) + exponent
        if symbol.startswith(_ROOT) and total == 2:
            whole *= int(symbol[1:])
        elif total:
            powers[symbol] = total
    if any(abs(exponent) > MAX_POWER for exponent in powers.values()):
        raise Unreadable
    return tuple(sorted(powers.items())), whole


def _plain(value: Number) -> Number:
    if _bits(value) > MAX_BITS:
        raise Unreadable
    return value.numerator if value.denominator == 1 else value


def _bounded(value: Number) -> Number:
    return value if isinstance(value, int) and -(1 << 64) < value < 1 << 64 else _plain(value)


def _bits(value: Number) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())
