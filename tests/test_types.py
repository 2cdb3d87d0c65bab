import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.types import Attempt, Completion, Graded, Mark, StepVerdict, Verdict

RIGHT, WRONG, UNKNOWN = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN
MENDED, BOTCHED, MUTTERED = (RIGHT, "mends"), (WRONG, "mends"), (UNKNOWN, "mends")


def verdict(*marks):
    steps = []
    for mark in marks:
        mark, mends = mark if isinstance(mark, tuple) else (mark, "")
        steps.append(StepVerdict(mark=mark, rule="rule", mends=bool(mends)))
    return Verdict(attempt_id="a", outcome=UNKNOWN, lenient=UNKNOWN, steps=tuple(steps), verifier="v")


@pytest.mark.parametrize(
    ("marks", "first_error", "process"),
    [
        ((), None, UNKNOWN),
        ((RIGHT, RIGHT), None, RIGHT),
        ((RIGHT, UNKNOWN), None, UNKNOWN),
        ((RIGHT, WRONG, RIGHT), 1, WRONG),
        ((UNKNOWN, WRONG), 1, WRONG),
        ((WRONG, WRONG), 0, WRONG),
        ((WRONG, MENDED, RIGHT), None, RIGHT),
        ((WRONG, MENDED, WRONG), 2, WRONG),
        ((WRONG, BOTCHED), 0, WRONG),
        ((WRONG, MUTTERED), 0, WRONG),
        ((RIGHT, BOTCHED), 1, WRONG),
        ((WRONG, MENDED, BOTCHED), 2, WRONG),
        ((WRONG, RIGHT, MENDED), 0, WRONG),
        ((MENDED,), None, RIGHT),
        ((UNKNOWN, WRONG, MENDED), None, UNKNOWN),
    ],
)
def test_first_error_and_process(marks, first_error, process):
    assert (verdict(*marks).first_error, verdict(*marks).process) == (first_error, process)


def test_an_error_mended_at_the_second_try_is_mended():
    assert verdict(WRONG, BOTCHED, MENDED).first_error is None


@given(st.lists(st.sampled_from([RIGHT, WRONG, UNKNOWN, MENDED, BOTCHED])))
def test_a_named_step_is_wrong_and_process_agrees(marks):
    graded = verdict(*marks)
    if graded.first_error is None:
        assert graded.process is not WRONG
    else:
        assert graded.steps[graded.first_error].mark is WRONG
        assert graded.process is WRONG


@given(st.lists(st.sampled_from([RIGHT, UNKNOWN])))
def test_unknown_is_never_wrong(marks):
    assert verdict(*marks).first_error is None
    assert verdict(*marks).process is not WRONG


def test_step_texts_are_the_spans():
    completion = Completion(text="One. Two.", tokens=2, finish="stop")
    steps = tuple(StepVerdict(mark=RIGHT, rule="rule", span=span) for span in ((0, 4), (5, 9)))
    graded = Graded(
        attempt=Attempt(id="a", problem_id="p", model="m", seed=0, completion=completion),
        verdict=Verdict(attempt_id="a", outcome=RIGHT, lenient=RIGHT, steps=steps, verifier="v"),
    )
    assert graded.step_texts == ["One.", "Two."]


@pytest.mark.parametrize("noun", [Completion(text="", tokens=0, finish="stop"), verdict(RIGHT)])
def test_nouns_are_frozen_and_hashable(noun):
    with pytest.raises(AttributeError):
        noun.text = "changed"
    assert len({noun, noun}) == 1
