"""How answers are read that look alike: intervals, lists and frames."""

import pytest

from counterform.types import Mark
from counterform.verify import frames
from counterform.verify.answer import grade_answer

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


@pytest.mark.parametrize(
    ("key", "answer", "mark"),
    [
        (r"(1,2) \cup (3,4)", r"(1,2) \cup (3,4)", R),
        (r"(1,2) \cup [3,4)", r"(1, 2) \cup [3, 4)", R),
        (r"(1,2) \cup (3,4)", r"(1,2) \cup [3,4)", W),
        (r"[1,2) \cup (3,4)", r"(1,2) \cup (3,4)", W),
        (r"(1,2) \cup (3,4]", r"(1,2) \cup (3,4)", W),
        (r"x \in [1, 2]", "[1, 2]", R),
        (r"x \in (1, 2]", "[1, 2]", W),
        (r"x \in \{1, 2\}", r"\{2, 1\}", R),
        (r"2 \text{ and } 3", "2, 3", R),
        (r"2 \text{ cm}", "2 cm", R),
        (r"2 \text{ or } 3", "4 or 2", W),
        (r"\pm 2", "2, -2", R),
        (r"\pm 2, 5", "5, 2, -2", R),
        (r"\pm 2, 5", "-2, 2, 5", R),
        (r"\pm 2, 5", "2, 5", W),
        ("f(x) = 3", "3", U),
        (r"\frac{1}{0} \in A", "A", U),
        (r"\foo \in \{1, 2\}", r"\{1, 2\}", U),
        (r"\foo{ \in [1, 2]", "[1, 2]", U),
    ],
)
def test_what_stands_in_brackets_and_between_words(key, answer, mark):
    assert grade_answer(key, answer)[0] is mark


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (r"\boxed{5}", "5"),
        (r"$\boxed{5}$.", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{5} + 1", r"\boxed{5} + 1"),
        (r"\boxed{5}\boxed{6}", r"\boxed{5}\boxed{6}"),
        (" **12** ", "12"),
        ("0.33...", "0.33..."),
    ],
)
def test_a_frame_goes_where_it_holds_all(text, bare):
    assert frames.tidy(text) == bare
