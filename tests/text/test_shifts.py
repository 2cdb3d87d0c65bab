import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.text.shifts import axis_and_level, metric_at, reading_and_shift, shifted, together, unseen, words_of
from counterform.types import Problem


@pytest.mark.parametrize(
    ("shift", "axis", "level"),
    [
        ("length 7", "length", "7"),
        ("composition reversed 2", "composition reversed", "2"),
        ("noise delete 20 %", "noise delete", "20 %"),
        ("vocabulary words", "vocabulary", "words"),
        ("hard", "shift", "hard"),
    ],
)
def test_a_label_says_axis_and_level(shift, axis, level):
    assert axis_and_level(shift) == (axis, level)


@given(st.sampled_from(["exact match, answer", "pass@1"]), st.text())
def test_a_metrics_name_is_read_back(reading, shift):
    assert reading_and_shift(metric_at(reading, shift)) == (reading, shift)


def test_the_levels_of_one_axis_are_corrected_together():
    assert together("exact match, answer @ length 7") == together("exact match, answer @ length 8")
    assert together("exact match, answer @ length 7") != together("exact match, whole @ length 7")
    assert together("exact match, answer @ length 7") != together("exact match, answer @ noise delete 5 %")
    assert together("pass@4") == "pass@4"


def test_a_shifted_problem_is_held_out_under_an_id_of_its_own():
    away = shifted(Problem(id="p", prompt="?", answer="1"), "noise delete 20 %", 0.25)
    assert (away.id, away.split, away.shift, away.distance) == ("p+noise-delete-20", "held_out", away.shift, 0.25)


def test_unseen_words_are_counted_without_case_or_marks():
    known = words_of(["Start with 7. Add 5.", "Double it."])
    assert unseen("start with 7, double IT!", known) == 0.0
    assert unseen("Begin with 8.", known) == pytest.approx(2 / 3)
    assert unseen("...", known) == 0.0
