import pytest

from counterform.metrics import Shift
from counterform.text.shifts import shift_of, shifted, unseen, words_of
from counterform.types import Problem


@pytest.mark.parametrize(
    ("label", "axis", "level"),
    [
        ("length 7", "length", "7"),
        ("composition reversed 2", "composition reversed", "2"),
        ("noise delete 20 %", "noise delete", "20 %"),
        ("vocabulary words", "vocabulary", "words"),
        ("hard", "", "hard"),
        ("shift hard", "shift", "hard"),
        ("%", "", "%"),
    ],
)
def test_a_label_says_axis_and_level_and_comes_back(label, axis, level):
    assert shift_of(label) == Shift(axis=axis, level=level)
    assert shift_of(label).label == label


def test_a_shifted_problem_is_held_out_under_an_id_of_its_own():
    shift = Shift(axis="noise delete", level="20 %", distance=0.25)
    away = shifted(Problem(id="p", prompt="?", answer="1"), shift)
    assert (away.id, away.split, away.shift) == ("p+noise-delete-20", "held_out", shift)


def test_unseen_words_are_counted_without_case_or_marks():
    known = words_of(["Start with 7. Add 5.", "Double it."])
    assert unseen("start with 7, double IT!", known) == 0.0
    assert unseen("Begin with 8.", known) == pytest.approx(2 / 3)
    assert unseen("...", known) == 0.0
