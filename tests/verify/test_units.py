"""Words after a number: what is a unit, which are the same, and which nobody knows."""

import pytest

from counterform.types import Mark
from counterform.verify.answer import grade_answer
from counterform.verify.units import read_unit

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
