"""Words after a number: what is a unit, which are the same, and which nobody knows."""

import pytest

from counterform.types import Mark
from counterform.verify.answer import grade_answer
from counterform.verify.units import in_base_units, read_unit, same_dimension

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


@pytest.mark.parametrize(
    ("one", "other"),
    [("berries", "berry"), ("red apples", "red apple"), ("cows", "cow"), ("km/h", "km per hour"), ("m^2", "square m")],
)
def test_one_unit_in_two_writings(one, other):
    assert read_unit(one).dimensions == read_unit(other).dimensions
    assert grade_answer(f"5 {one}", f"5 {other}")[0] is R
    assert grade_answer(f"5 {one}", f"6 {other}")[0] is W


@pytest.mark.parametrize(
    ("one", "other"),
    [("red apples", "red pears"), ("berries", "pens"), ("cows", "pigs"), ("apples per box", "pears per box")],
)
def test_two_nouns_are_no_proof_of_the_same(one, other):
    assert read_unit(one).dimensions != read_unit(other).dimensions
    assert grade_answer(f"5 {one}", f"5 {other}")[0] is not R


@pytest.mark.parametrize("text", ["cow", "pen", "box", "apples", "red apples"])
def test_a_noun_is_a_unit_that_no_table_knows(text):
    unit = read_unit(text)
    assert unit is not None
    assert not unit.known


@pytest.mark.parametrize("text", ["ABC", "XY", "q", "half", "squared", "per box", "times"])
def test_what_could_change_a_value_is_no_unit(text):
    assert read_unit(text) is None


@pytest.mark.parametrize(
    ("derived", "base"),
    [("W", "J/s"), ("W", "kg m^2/s^3"), ("J", "N m"), ("J", "kg m^2/s^2"), ("N", "kg m/s^2")],
)
def test_a_derived_unit_is_its_base_units(derived, base):
    """The kind: a table of dimensions with one wrong exponent."""
    assert in_base_units(read_unit(derived)).dimensions == in_base_units(read_unit(base)).dimensions


def test_only_what_measures_the_same_is_of_the_same_dimension():
    """A unit with one more dimension is another one."""
    names = frozenset(("metre", "second", "unit-of-force"))
    assert [unit.shown for unit in same_dimension(read_unit("m"), names)] == ["metre"]
