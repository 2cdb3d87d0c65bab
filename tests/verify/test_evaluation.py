"""Formulas on either side of being the same: by other names, at some points, of some degree."""

import pytest

from counterform.types import Mark
from counterform.verify.answer import grade_answer

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


@pytest.mark.parametrize(
    ("key", "answer", "mark"),
    [
        ("a^2 + b", "x^2 + y", U),
        ("a^2 + b", "y + x^2", U),
        ("a^2 + b", "x^2 - y", W),
        ("a + 2b", "b + 2a", W),
        (r"\sqrt{x^2}", "x", U),
        (r"\sqrt{x^2}", "|x|", R),
        (r"\ln(x^2)", r"2\ln x", U),
        (r"\sqrt{x} \sqrt{y}", r"\sqrt{xy}", U),
        (r"\sin^2 x + \cos^2 x", "1", R),
        (r"\sin^2 x + \cos^2 x", "2", W),
        (r"\binom{5}{5}", "1", R),
        (r"\binom{5}{0}", "1", R),
        (r"\binom{5}{2}", "10", R),
        (r"\binom{5}{2}", "20", W),
        ("4!", "24", R),
        (r"\sqrt{2} \cdot 3!", r"6\sqrt{2}", R),
        (r"\sqrt{2} \cdot 3!", r"5\sqrt{2}", W),
        (r"(\pi)!", "6", U),
        (r"\sqrt[3]{8}", "2", R),
        (r"\sqrt[3]{-8}", "-2", R),
        (r"\sqrt[4]{16}", "2", R),
        (r"\sqrt[3]{2}", r"\sqrt{2}", W),
        (r"\sqrt{2}", r"\sqrt[3]{2}", W),
        ("2^{1/3}", r"\sqrt[3]{2}", R),
        (r"\sqrt[3]{x^3}", "x", R),
        (r"\sqrt{2} + 1", "2.414", W),
        (r"\sqrt[4]{-16}", "2", U),
    ],
)
def test_two_formulas(key, answer, mark):
    assert grade_answer(key, answer)[0] is mark
