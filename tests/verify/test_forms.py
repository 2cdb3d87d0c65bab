from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.verify import forms
from counterform.verify.exact import Unreadable
from counterform.verify.forms import Form, letter

SMALL = st.fractions(min_value=-20, max_value=20, max_denominator=12)


@given(SMALL, SMALL, SMALL)
def test_letters_obey_the_laws_of_arithmetic(a, b, c):
    x, y = letter("x"), letter("y")
    one = forms.multiplied(forms.added(forms.multiplied(a, x), b), forms.added(y, c))
    other = forms.added(
        forms.multiplied(forms.multiplied(a, x), forms.added(y, c)), forms.multiplied(b, forms.added(y, c))
    )
    assert one == other
    assert forms.substituted(one, {"x": 2, "y": 3}) == (a * 2 + b) * (3 + c)
    assert forms.added(one, forms.negative(other)) == 0


@given(st.fractions(min_value=0, max_value=900, max_denominator=30))
def test_a_root_squared_is_the_number(value):
    root = forms.root(value)
    assert forms.power(root, 2) == value
    assert float(root) == pytest.approx(float(value) ** 0.5)


def test_roots_are_exact():
    assert forms.root(12) == forms.multiplied(2, forms.root(3))
    assert forms.root(Fraction(1, 2)) == forms.divided(forms.root(2), 2)
    assert forms.multiplied(forms.root(6), forms.root(10)) == forms.multiplied(2, forms.root(15))
    assert forms.divided(1, forms.root(3)) == forms.divided(forms.root(3), 3)
    assert forms.root(8, 3) == 2
    assert str(forms.root(12)) == "2 * sqrt(3)"
    assert not isinstance(forms.root(49), Form)


@pytest.mark.parametrize(
    "beyond",
    [
        lambda: forms.power(10**30, 64),
        lambda: forms.power(forms.power(letter("x"), 64), 64),
        lambda: forms.power(forms.added(letter("x"), letter("y")), 60),
        lambda: forms.root(10**9 + 7),
        lambda: forms.root(-4),
        lambda: forms.root(9, 3),
        lambda: forms.divided(1, 0),
        lambda: forms.divided(1, forms.added(letter("x"), 1)),
        lambda: forms.factorial_of(10**6),
        lambda: forms.factorial_of(Fraction(1, 2)),
        lambda: forms.chosen(2, 3),
        lambda: forms.power(0, -1),
        lambda: forms.power(2, letter("x")),
    ],
)
def test_what_is_beyond_the_bounds_is_unreadable(beyond):
    with pytest.raises(Unreadable):
        beyond()
