from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.verify.expressions import parsed, written
from counterform.verify.tokens import tokens


def value_of(text: str):
    read = tokens(text)
    start = len(read.kinds) - len(read.kinds.lstrip("B"))
    side = parsed(read, start)
    return side.value if side and not read.kinds[side.end :].strip("B") else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("-3^2", -9),
        ("(2 + 3)(4)", 20),
        (r"$\frac12$", Fraction(1, 2)),
        (r"$\frac{14}3$", Fraction(14, 3)),
        (r"$2\frac{1}{2}$", Fraction(5, 2)),
        (r"$\sqrt{9 + 16}$", 5),
        (r"$\binom{5}{2}$", 10),
        ("5! / 3!", 20),
        ("20% of 50", 10),
        ("half of 30", 15),
        ("2.5 million", 2_500_000),
        (r"12,\!000", 12_000),
        ("1 2/3", Fraction(5, 3)),
        ("2 +", None),
        ("2 ^ 3 ^ 2", None),
        (r"$\frac123$", None),
        (r"$\sqrt12$", None),
        ("(2 + 3", None),
        ("f(2)", None),
        ("2 3", None),
        ("(" * 60 + "1" + ")" * 60, None),
    ],
)
def test_an_expression_has_one_value_or_none(text, value):
    assert value_of(text) == value


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 99)), min_size=1, max_size=6))
def test_signs_bind_as_in_any_language(terms):
    text = "7" + "".join(f" {sign} {number}" for sign, number in terms)
    assert value_of(text) == eval(text)


def test_a_side_is_written_without_its_words():
    read = tokens("5 apples * 2 apples/day")
    side = parsed(read, 0)
    assert side is not None
    assert written(read, side) == "5 * 2"
    assert side.rates


def test_units_that_differ_are_seen():
    assert parsed(tokens("2 hours + 30 minutes"), 0).mixed
    assert not parsed(tokens("2 apples + 1 apple"), 0).mixed
    assert parsed(tokens("2 hours + 30 minutes"), 0, converted=True).value == 9_000


def side_of(text: str):
    read = tokens(text)
    return parsed(read, len(read.kinds) - len(read.kinds.lstrip("B")))


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("2^10", False),
        ("2(3 + 4)", False),
        ("x(3 + 4)", True),
        (r"$x\frac{1}{2}$", False),
        (r"$x\sqrt{4}$", False),
        (r"$2\frac{1}{2}$", True),
        ("8 / 4 / 2", True),
        ("[3.7] + 1", True),
        ("(3.7) + 1", False),
    ],
)
def test_what_can_be_read_in_another_way_says_so(text, doubtful):
    side = side_of(text)
    assert side is not None
    assert side.doubtful is doubtful


@pytest.mark.parametrize("text", ["f^{-1}(3)", "x^{-1}(3)", "f^2(3)", "f(3)"])
def test_a_function_of_a_number_is_no_product(text):
    assert value_of(text) is None


def test_a_letter_may_stand_where_a_group_does():
    assert value_of(r"$\frac xy$") == value_of("x / y") is not None
    assert value_of(r"$\frac{x}{2}$") == value_of("x / 2") is not None


def test_depth_is_that_of_nesting_and_not_of_length():
    assert value_of("(" * 20 + "1" + ")" * 20) == 1
    assert value_of("1" + " * -1" * 40) == 1
    assert value_of(" + ".join(["(1 + 1)"] * 40)) == 80
