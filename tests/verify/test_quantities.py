"""Numbers as people write them, with what stands around."""

import pytest

from counterform.types import Mark
from counterform.verify.answer import grade_answer

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


@pytest.mark.parametrize(
    ("key", "answer", "mark"),
    [
        ("-3.5", "-3 and a half", R),
        ("3.5", "3 and a half", R),
        ("-2.5", "-3 and a half", W),
        ("5000", "5k", U),
        ("5000", "$5k", R),
        ("4995", "$5k", W),
        ("3000000000", "$3B", R),
        ("2000000", "$2M", R),
        ("3", "2 3/3", U),
        ("2.75", "2 3/4", R),
        ("5", "$5 dollars", R),
        ("$5", "5 dollars", R),
        ("$5", "$5 kg", U),
        ("42", "42 (40 + 2)", R),
        ("42", "42 (40 + 3)", U),
        ("42", "42 (apples)", R),
        ("42", "42 (or 43)", U),
        ("42", "42 (half of it)", U),
        ("36000000", "3 dozen million", R),
        ("5", "she has 5", R),
        ("5", "twice 5", U),
    ],
)
def test_the_number_that_is_meant(key, answer, mark):
    assert grade_answer(key, answer)[0] is mark
