"""Are two amounts the same, each a number or formula with the unit, the currency, the percent sign or the base it is said in?"""

from __future__ import annotations

import functools
import itertools
import re
from fractions import Fraction

from counterform.types import Mark
from counterform.verify import units
from counterform.verify.evaluation import same, variables
from counterform.verify.formulas import Apply, Expression, Number, Symbol
from counterform.verify.values import Collection, Measure, Value

Grade = tuple[Mark, str]
"""A mark, and the reason where it is UNKNOWN."""

RIGHT: Grade = (Mark.RIGHT, "")
WRONG: Grade = (Mark.WRONG, "")
_RADIANS = Apply("divide", (Symbol("\\pi"), Number(Fraction(180))))
_COUNTING = re.compile(r"[CPA]_")
_SMALL_CHANGE = frozenset(("cent", "cents", "¢", "penny", "pennies", "pence", "dime", "dimes", "nickel", "nickels"))


def compare_measures(key: Measure, answer: Measure, asked: str) -> Grade:
    """The grade of a measure; `asked` (the problem) may say in which unit or base the answer is wanted."""
    if key.numeral != answer.numeral and (key.numeral or answer.numeral):
        return _numerals(key, answer, asked)
    mine, theirs = key.unit, answer.unit
    plain = _amounts(key.amount, answer.amount)
    if mine == theirs:
        return plain
    in_percent = mine.is_percent or theirs.is_percent
    if mine.dimensions == theirs.dimensions and (in_percent or (mine.shown and theirs.shown)):
        worth = same(_times(key.amount, mine.factor), _times(answer.amount, theirs.factor))
        if worth[0] is not Mark.WRONG or not in_percent:
            return worth
        if plain[0] is Mark.WRONG:
            return WRONG
        if "%" in units.mentioned(asked):
            return plain
        return Mark.UNKNOWN, "one is in per cent, and nothing says whether the other is"
    if mine.shown and theirs.shown:
        return _two_units(key, answer, plain)
    return _one_unit(key, answer, plain, asked)


def _amounts(key: Expression, answer: Expression) -> Grade:
    """A symbol whose value is said elsewhere, and a sign for what is computed (C_5^2), are no proof of another number."""
    grade = same(key, answer)
    if grade[0] is Mark.WRONG and any(map(_stands_for, (key, answer), (answer, key))):
        return Mark.UNKNOWN, "nothing says what the symbol stands for"
    return grade


def _stands_for(one: Expression, other: Expression) -> bool:
    """Whether the first may be a name, or another notation, for the second, which has no symbol."""
    names = variables(one)
    noted = len(names) == 1 and (_COUNTING.match(min(names)) or names == {"j"})
    return bool(names) and not variables(other) and (isinstance(one, Symbol) or bool(noted))


def _two_units(key: Measure, answer: Measure, plain: Grade) -> Grade:
    """Units of two kinds, which may come to the same: a litre is a cubic decimetre."""
    mine, theirs = units.in_base_units(key.unit), units.in_base_units(answer.unit)
    known = mine.known and theirs.known and not (mine.is_percent or theirs.is_percent)
    if known and mine.dimensions == theirs.dimensions:
        return same(_times(key.amount, mine.factor), _times(answer.amount, theirs.factor))
    if known and plain[0] is Mark.WRONG and not units.related(mine, theirs):
        return WRONG
    return Mark.UNKNOWN, f"the units differ: {mine.shown!r}, {theirs.shown!r}"


def _one_unit(key: Measure, answer: Measure, plain: Grade, asked: str) -> Grade:
    """Only one side says its unit, which the question may settle."""
    unit = key.unit if key.unit.shown else answer.unit
    if not unit.known:
        return plain
    if plain[0] is Mark.WRONG and variables(answer.amount if key.unit.shown else key.amount):
        return Mark.UNKNOWN, "one has a unit, and letters of the other may be one"
    said = units.mentioned(asked)
    asked_for = units.same_dimension(unit, said)
    if plain[0] is Mark.RIGHT:
        if key.unit.shown:
            return plain
        own = [other for other in asked_for if other.factor == unit.factor]
        if (asked_for and not own) or (answer.unit.shown in _SMALL_CHANGE and not own):
            return Mark.UNKNOWN, f"nothing says that {unit.shown!r} is the unit that is asked for"
        return plain
    if unit.dimensions == units.DEGREE.dimensions:
        in_radians = [
            Apply("multiply", (one.amount, _RADIANS)) if one.unit.shown else one.amount for one in (key, answer)
        ]
        if same(*in_radians)[0] is Mark.RIGHT:
            return Mark.UNKNOWN, "the two are equal in radians"
    for factor in units.factors(unit):
        scaled = (
            Measure(_times(answer.amount, answer.unit.factor / factor), units.NONE) if answer.unit.shown else answer
        )
        wanted = _times(key.amount, key.unit.factor / factor) if key.unit.shown else key.amount
        if factor != unit.factor and same(wanted, scaled.amount)[0] is Mark.RIGHT:
            return Mark.UNKNOWN, "the two are equal if another unit is meant"
    return plain


def _times(amount: Expression, factor: Fraction) -> Expression:
    if factor == 1:
        return amount
    if isinstance(amount, Number):
        return Number(amount.value * factor)
    return Apply("multiply", (amount, Number(factor)))


def _numerals(key: Measure, answer: Measure, asked: str) -> Grade:
    """A numeral of another base, beside one of a third base or a number that says no base."""
    worth = same(key.amount, answer.amount)
    if key.numeral and answer.numeral:
        return worth
    numeral, other = (key.numeral, answer.amount) if key.numeral else (answer.numeral, key.amount)
    digits = Number(Fraction(int(numeral))) if numeral.isdigit() else None
    if other == digits and re.search(r"\bbase|_\{?\d", asked):
        return RIGHT
    if worth[0] is Mark.WRONG and other != digits and not variables(other):
        return WRONG
    return Mark.UNKNOWN, "nothing says in which base the number is"


def compound(value: Value) -> Measure | None:
    """One quantity said in several units, the largest first: 5 dollars and 20 cents; None for any other collection."""
    if not isinstance(value, Collection) or value.brackets:
        return None
    parts = [item for item in value.items if isinstance(item, Measure) and item.unit.shown and item.unit.known]
    falling = all(one.unit.factor > other.unit.factor for one, other in itertools.pairwise(parts))
    if len(parts) < len(value.items) or len({part.unit.dimensions for part in parts}) > 1 or not falling:
        return None
    unit = parts[0].unit
    amounts = [_times(part.amount, part.unit.factor / unit.factor) for part in parts]
    return Measure(functools.reduce(lambda one, other: Apply("add", (one, other)), amounts), unit)
