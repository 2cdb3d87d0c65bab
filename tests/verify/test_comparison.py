"""Pairs of answers on either side of a rule of comparison: what a broken rule would grade otherwise."""

import pytest

from counterform.types import Mark, Problem
from counterform.verify.answer import grade_answer

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


def graded(key, answer, asked="?"):
    return grade_answer(key, answer, Problem(id="p", prompt=asked, answer=key))[0]


@pytest.mark.parametrize(
    ("key", "answer", "mark"),
    [
        ("x = 5", "X = 5", R),
        ("x = 5", "x = 6", W),
        ("x = 5", "X = 6", W),
        ("x = 5", "y = 5", U),
        ("y = 5", "x = 5", U),
        ("x = 5", "y = 6", U),
        ("y = 5", "x = 6", U),
    ],
)
def test_a_name_counts_in_any_case_of_its_letter(key, answer, mark):
    assert graded(key, answer) is mark


@pytest.mark.parametrize(("number", "mark"), [("6", W), ("7", R), ("8", W)])
def test_a_number_in_words_is_that_number_and_no_other(number, mark):
    assert graded("seven", number) is mark
    assert graded(number, "seven") is mark


@pytest.mark.parametrize(
    ("key", "answer", "mark"),
    [
        ("105", "one hundred and five", R),
        ("105", "One hundred and five.", R),
        ("105", "one hundred and five apples", R),
        ("one hundred and five", "105", R),
        ("104", "one hundred and five", W),
        ("1001", "one thousand and one", R),
        ("2,320", "two thousand three hundred and twenty", R),
        ("1205000", "one million two hundred and five thousand", R),
        ("2, 3", "two and three", R),
        ("5", "two and three", W),
        ("20, 1", "twenty and one", R),
        ("100, 200", "one hundred and two hundred", R),
        ("300", "one hundred and two hundred", W),
    ],
)
def test_an_and_within_a_number_in_words_makes_no_list(key, answer, mark):
    assert graded(key, answer) is mark


@pytest.mark.parametrize(
    ("key", "answer", "mark"),
    [
        ("1; 50%", "50; 1", U),
        ("[1, 50%]", "[50, 1]", W),
        ("(1, 2)", "[1, 2]", U),
        ("(1, 3)", "[1, 2]", W),
        ("[1, 2)", "[1, 2]", W),
        (r"(1, \infty)", r"[1, \infty)", W),
        (r"(1, \infty)", r"[1, \infty]", W),
        ("(1, 2)", "(2, 1)", W),
        ("(1, 2)", "(1, 3)", W),
        ("(1, 2)", "1, 2", U),
        (r"\{1, 2\}", "2, 1", R),
        ("1, 2", "2, 1", U),
        ("1, 2", "1, 3", W),
    ],
)
def test_brackets_and_order(key, answer, mark):
    """A pair has an order and a set has none; a list may be meant as either."""
    assert graded(key, answer) is mark


def test_an_order_that_the_question_does_not_want():
    assert graded("1, 2", "2, 1", "Find all values.") is R
    assert graded("1, 2", "2, 1", "Find all values in increasing order.") is not R


@pytest.mark.parametrize(
    ("key", "answer", "asked", "mark"),
    [
        ("50%", "60%", "?", W),
        ("50%", "50", "?", U),
        ("50%", "0.5", "?", R),
        ("50%", "0.6", "?", W),
        ("50%", "60", "?", W),
        ("50%", "50", "What percentage is it?", R),
        ("50%", "60", "What percentage is it?", W),
        ("5 kg", "5 hours", "?", U),
        ("5 kg", "6 hours", "?", W),
        ("2 hours", "120 minutes", "?", R),
        ("2 hours", "130 minutes", "?", W),
    ],
)
def test_per_cent_and_units(key, answer, asked, mark):
    assert graded(key, answer, asked) is mark


@pytest.mark.parametrize(
    ("with_unit", "bare"),
    [("2 hours", "120"), ("120 minutes", "2"), ("3 km", "3000"), ("3000 m", "3"), ("1 day", "24")],
)
def test_a_bare_number_that_another_unit_would_make_equal_is_not_wrong(with_unit, bare):
    """From the smaller unit to the larger and back, on either side."""
    assert graded(with_unit, bare) is U
    assert graded(bare, with_unit) is U
    assert graded(with_unit, f"{bare}7") is W
