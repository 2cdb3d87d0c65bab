import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.metrics import Shift as Away
from counterform.models.scripted import ScriptedModel
from counterform.probes.probe import HeldOut
from counterform.probes.shift import ANSWER, EDITS, EXACT, REASONING, WHOLE, Shift, parts
from counterform.problems.ledger import Ledger
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Graded, Mark, Problem
from counterform.verify.answer import Answers
from counterform.verify.steps import grade as verdicts_of

SPEC = ProbeSpec(samples=2, k=1)
READINGS = {(metric, condition) for metric in (EXACT, EDITS) for condition in (ANSWER, REASONING, WHOLE)}


@pytest.fixture(scope="module")
def away():
    family = Ledger(without=[["add", "double"]])
    home = family.generate(6, rng=np.random.default_rng(0))
    shifted = family.shifts(2, rng=np.random.default_rng(1), trained=home)
    return HeldOut(problems=tuple(home), attempts=(), shifted=tuple(shifted))


@pytest.fixture(scope="module")
def grade(away):
    answers, known = Answers(5.0), {p.id: p for p in (*away.problems, *away.shifted)}

    def graded(attempts):
        verdicts = verdicts_of(attempts, known, outcome=answers, steps=Ledger())
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    yield graded
    answers.close()


def read(away, grade, answer):
    """{(metric, condition, shift, problem id): reading} of a model that answers by the problem."""
    asked = {p.prompt: p for p in (*away.problems, *away.shifted)}
    model = ScriptedModel(lambda prompt, _: answer(asked[prompt]))
    readings = Shift(Bench(spec=SPEC, grade=grade))(model, away, arm="one", seed=0)
    return {(r.metric, r.condition, r.shift, r.item_id): r for r in readings}


def test_promises(away, grade):
    check_probe(
        Shift(Bench(spec=SPEC, grade=grade)),
        ScriptedModel(lambda _, sample: f"1 + 1 = {sample}. The answer is {sample}."),
        away,
    )


def test_a_solution_is_matched_at_home_and_at_every_shift(away, grade):
    readings = read(away, grade, lambda problem: problem.solution)
    assert {(metric, condition) for metric, condition, *_ in readings} == READINGS
    assert {shift for _, _, shift, _ in readings} == {None, *(p.shift for p in away.shifted)}
    for (metric, *_), reading in readings.items():
        assert reading.mark is Mark.RIGHT
        assert reading.value == float(metric == EXACT)


def test_a_right_answer_over_another_reasoning_shows(away, grade):
    readings = read(away, grade, lambda problem: f"I guess. The answer is {problem.answer}.")
    for (metric, condition, *_), reading in readings.items():
        if (metric, condition) == (EXACT, ANSWER):
            assert reading.value == 1.0
        elif condition == ANSWER or metric == EXACT:
            assert reading.value == 0.0
        else:
            assert 0.0 < reading.value <= 1.0


def test_without_a_worked_solution_only_the_answer_is_read(away, grade):
    bare = replace(away, problems=tuple(replace(p, solution=None) for p in away.problems), shifted=())
    found = {(metric, condition) for metric, condition, *_ in read(bare, grade, lambda p: p.solution)}
    assert found == {(EXACT, ANSWER), (EDITS, ANSWER)}


def test_home_is_asked_as_accuracy_asks(away, grade):
    from counterform.probes.accuracy import Accuracy

    model = ScriptedModel(lambda *_: "The answer is 1.")
    bench = Bench(spec=SPEC, grade=grade)
    Accuracy(bench)(model, away, arm="one", seed=0)
    calls = len(model.calls)
    Shift(bench)(model, away, arm="one", seed=0)
    assert len(model.calls) - calls == SPEC.samples * len(away.shifted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 + 5 = 12. The answer is 12.", ("7 + 5 = 12.", "12")),
        ("The answer is 12.", ("", "12")),
        ("He has 3.\nSo 3 + 2 = 5\n#### 5", ("He has 3. So 3 + 2 = 5", "5")),
        ("We add. Hence \\boxed{18}.", ("We add.", "18")),
        ("First 5.\nA: 18", ("First 5.", "18")),
        ("The answer is 3. Wait. The answer is 4.", ("The answer is 3. Wait.", "4")),
        ("no answer here", ("no answer here", "")),
        ("", ("", "")),
        ("It costs 1.5 euros. The answer is 1.5.", ("It costs 1.5 euros.", "1.5")),
    ],
)
def test_parts(text, expected):
    assert parts(text)[:2] == expected


@given(st.text())
def test_any_text_has_parts(text):
    assert all(isinstance(part, str) for part in parts(text))


@pytest.mark.parametrize("text", ["answer is " * 50_000, ". " * 100_000, "\\boxed{" * 50_000, " " * 200_000])
def test_hostile_texts_are_cut_in_bounded_time(text):
    started = time.monotonic()
    parts(text)
    assert time.monotonic() - started < 1


def test_baselines_stand_at_every_shift():
    train = [Problem(id=str(at), prompt="?", answer=answer) for at, answer in enumerate(["7", "7", "8"])]
    seven, eight = (Away(axis="length", level=level, distance=1.0) for level in "78")
    away = [replace(train[0], shift=seven), replace(train[2], shift=eight)]
    lines = {
        (line.metric, line.condition, line.shift, line.name): line.value
        for line in Shift(Bench()).baselines(
            train, HeldOut(problems=tuple(train[:1]), attempts=(), shifted=tuple(away))
        )
    }
    assert lines[EXACT, ANSWER, None, "majority"] == lines[EXACT, ANSWER, seven, "majority"] == 1.0
    assert lines[EXACT, ANSWER, eight, "majority"] == 0.0
    assert lines[EXACT, ANSWER, eight, "random"] == 0.5
