"""Do two equations have the same solutions? Equal up to a factor: yes. A point on one that is not on the other: no."""

from __future__ import annotations

import cmath
import itertools
import random
from fractions import Fraction

from counterform.types import Mark
from counterform.verify.evaluation import exact_value, points, variables
from counterform.verify.exact import Unreadable
from counterform.verify.formulas import Apply, Expression, Number

Sides = tuple[Expression, Expression]
TRIES = 24
"""Starting points from which a solution is sought."""
_NEAR, _FAR = 1e-11, 1e-4
"""Relative residuals of what is a solution and of what is none."""


def same_solutions(key: Sides, answer: Sides) -> tuple[Mark, str]:
    """Whether two equations hold at the same real points."""
    mine, theirs = (Apply("add", (left, Apply("negative", (right,)))) for left, right in (key, answer))
    names = sorted(variables(mine) | variables(theirs))
    if not names or len(names) > 12:
        return Mark.UNKNOWN, "the equations cannot be compared"
    if _proportional(mine, theirs, names):
        return Mark.RIGHT, ""
    if _apart(mine, theirs, names) or _apart(theirs, mine, names):
        return Mark.WRONG, ""
    return Mark.UNKNOWN, "the equations cannot be compared"


def _proportional(mine: Expression, theirs: Expression, names: list[str]) -> bool:
    """Whether one is the other times a constant, at random points of many bits."""
    ratios: list[Fraction] = []
    try:
        for point in itertools.islice(points(names), 3):
            a, b = exact_value(mine, point), exact_value(theirs, point)
            if a == 0 or b == 0:
                return False
            ratios.append(a / b)
    except (Unreadable, ZeroDivisionError):
        return False
    return len(set(ratios)) == 1


def _apart(mine: Expression, theirs: Expression, names: list[str]) -> bool:
    """Whether a real solution of the first is none of the second."""
    rng = random.Random(f"{names}")
    own = sorted(variables(mine))
    for attempt in range(TRIES):
        if not own:
            return False
        unknown = own[attempt % len(own)]
        point = {name: rng.uniform(-4.0, 4.0) for name in names}
        if not _solve(mine, point, unknown):
            continue
        residual, size = _residual(theirs, point)
        if residual is not None and residual > _FAR * size:
            return True
    return False


def _solve(found: Expression, point: dict[str, float], unknown: str) -> bool:
    """Move one symbol to a real solution by the secant method; False where none is reached."""
    a, b = point[unknown], point[unknown] + 0.1
    for _ in range(60):
        point[unknown] = a
        at_a, size = _residual(found, point, signed=True)
        point[unknown] = b
        at_b, _ = _residual(found, point, signed=True)
        if at_a is None or at_b is None or abs(b) > 1e6:
            return False
        if abs(at_b) <= _NEAR * size:
            return True
        if at_a == at_b:
            return False
        a, b = b, b - at_b * (b - a) / (at_b - at_a)
    return False


def _residual(found: Expression, point: dict[str, float], signed: bool = False) -> tuple[float | None, float]:
    """The value, which is 0 at a solution, and the size of its terms; None where it is not real."""
    try:
        value, size = _value(found, point)
    except (Unreadable, ZeroDivisionError, OverflowError, ValueError, TypeError):
        return None, 1.0
    if abs(value.imag) > 1e-9 * max(1.0, size):
        return None, 1.0
    return (value.real if signed else abs(value.real)), max(1.0, size)


def _value(found: Expression, point: dict[str, float]) -> tuple[complex, float]:
    if isinstance(found, Number):
        return complex(float(found.value)), abs(float(found.value))
    if not isinstance(found, Apply):
        constants = {"e": cmath.e, "\\pi": cmath.pi, "i": 1j}
        if found.name not in point and found.name not in constants:
            raise Unreadable(found.name)
        value = complex(point.get(found.name, constants.get(found.name, 0)))
        return value, abs(value)
    args = [_value(arg, point) for arg in found.args]
    value = _applied(found.name, [arg for arg, _ in args])
    return value, max(abs(value), *(size for _, size in args)) if found.name in ("add", "negative") else abs(value)


def _applied(name: str, args: list[complex]) -> complex:
    match name, args:
        case "add", [a, b]:
            return a + b
        case "negative", [a]:
            return -a
        case "multiply", [a, b]:
            return a * b
        case "divide", [a, b]:
            return a / b
        case "power", [a, b]:
            return a ** (int(b.real) if b.imag == 0 and b.real == int(b.real) and abs(b.real) < 100 else b)
        case "root", [a, b]:
            return a ** (1 / b)
        case "abs", [a]:
            return complex(abs(a))
        case (("sin" | "cos" | "tan" | "exp" | "sinh" | "cosh" | "tanh"), [a]):
            return complex(getattr(cmath, name)(a))
        case "ln", [a]:
            return cmath.log(a)
    raise Unreadable(name)
