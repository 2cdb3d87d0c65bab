import math

import pytest

from counterform.bench import Bench
from counterform.findings.calibration import CONFIDENCE, CONSISTENCY, JOINT, P_TRUE, TOLD, VERBALISED, derived
from counterform.models.scripted import ScriptedModel
from counterform.probes.trust import METHODS, Trust
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.text import wording
from counterform.types import Mark

SPEC = ProbeSpec(samples=4, trusted=6)


def solver(problems):
    """Right in three of four samples, wrong in the last."""
    solutions = {problem.prompt: problem.solution for problem in problems}

    def answer(prompt, sample):
        if prompt in solutions:
            return solutions[prompt] if sample < 3 else "The answer is 77."
        return "60" if "How likely" in prompt else "Because."

    return answer


def believes(own):
    """Trusts an answer of its own with `own`, any other with 0.5."""

    def logprob(prompt, end):
        share = own if wording.OWNERS["own"] in prompt else 0.5
        return math.log(share if end.endswith("right") else 1 - share) if end.startswith("Step") else -1.0

    return logprob


@pytest.fixture
def read(grade, items):
    def reader(model, spec=SPEC):
        return Trust(Bench(spec=spec, grade=grade))(model, items, arm="one", seed=0)

    return reader


def test_promises(grade, items, problems):
    answer = solver(problems)
    check_probe(Trust(Bench(spec=SPEC, grade=grade)), ScriptedModel(answer, logprob=believes(0.9)), items)
    check_probe(Trust(Bench(spec=SPEC, grade=grade)), ScriptedModel(answer), items)
    check_probe(Trust(Bench(spec=ProbeSpec(samples=1, k=1), grade=grade)), ScriptedModel(lambda prompt, _: ""), items)


def test_candidates_their_grades_and_how_often_they_are_given(read, problems):
    readings = read(ScriptedModel(solver(problems), logprob=believes(0.9)))
    first = problems[0].id
    rows = [r for r in readings if r.condition == CONSISTENCY and r.problem_id == first]
    assert [(r.mark, r.value) for r in rows] == [
        (Mark.RIGHT, 0.75),
        (Mark.WRONG, 0.25),
        (Mark.UNKNOWN, None),
        (Mark.UNKNOWN, None),
    ]
    assert {r.problem_id for r in readings} == {problem.id for problem in problems[:6]}
    alone = {r.item_id: r.value for r in readings if (r.metric, r.condition) == (CONFIDENCE, P_TRUE)}
    assert alone[f"{first}/0"] == pytest.approx(0.5)
    joint = {r.item_id: r.value for r in readings if (r.metric, r.condition) == (CONFIDENCE, JOINT)}
    assert joint[f"{first}/0"] == pytest.approx(1 / 3)
    assert all(r.value is None and r.mark is Mark.UNKNOWN for r in readings if VERBALISED in r.condition)


def test_the_same_wrong_answer_as_own_and_as_anothers(read, problems):
    readings = read(ScriptedModel(solver(problems), logprob=believes(0.8)))
    pairs = {(r.metric, r.condition, r.problem_id): r for r in readings}
    for problem in problems[:6]:
        own, other = (pairs[told, P_TRUE, problem.id] for told in TOLD.values())
        assert (own.value, other.value, own.mark) == (pytest.approx(0.8), pytest.approx(0.5), Mark.WRONG)


def test_a_problem_without_a_wrong_answer_has_no_pair_and_is_not_unknown(read, problems):
    solutions = {problem.prompt: problem.solution for problem in problems}
    model = ScriptedModel(lambda prompt, _: solutions.get(prompt, ""), logprob=believes(0.8))
    readings = read(model)
    pairs = [r for r in readings if (r.metric, r.condition) == (TOLD["own"], P_TRUE)]
    assert {(r.mark, r.value) for r in pairs} == {(Mark.RIGHT, None)}
    assert not [r for r in derived(readings) if r.metric.startswith("self-trust gap")]


def test_a_model_without_log_probabilities_is_asked_in_words(read, problems):
    readings = read(ScriptedModel(solver(problems)))
    alone = [r.value for r in readings if r.condition == VERBALISED and r.value is not None]
    assert set(alone) == {0.6}
    assert all(r.value is None for r in readings if r.condition in (P_TRUE, JOINT))


def test_a_guess_is_a_coin():
    lines = {(line.metric, line.condition): line.value for line in Trust(Bench()).baselines((), None)}
    assert set(lines.values()) == {0.5}
    assert {("AUROC", method) for method in METHODS} < set(lines)
