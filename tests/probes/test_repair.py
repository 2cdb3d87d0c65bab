import pytest

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.find_error import label
from counterform.probes.repair import Repair
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.text.wording import critique_prompt, repair_prompt
from counterform.types import Mark

CRITIQUE = "Step 1 is wrong. The attempt is wrong."


def model(items, answer, critique=CRITIQUE):
    """Criticises every attempt alike, and then answers a problem as `answer` says."""
    prompts = {problem.id: problem.prompt for problem in items.problems}
    script = {}
    for graded in items.attempts:
        problem = next(p for p in items.problems if p.id == graded.attempt.problem_id)
        shown = prompts[problem.id], graded.step_texts
        script[critique_prompt(*shown)] = critique
        script[repair_prompt(*shown, critique)] = answer(problem, graded)
    return ScriptedModel(lambda prompt, _: script[prompt])


def read(grade, items, answerer):
    return Repair(Bench(spec=ProbeSpec(), grade=grade))(answerer, items, arm="one", seed=3)


def solution(problem, graded):
    return problem.solution


def test_promises(grade, items):
    check_probe(Repair(Bench(spec=ProbeSpec(), grade=grade)), model(items, solution), items)


def test_one_reading_an_item_by_kind_of_attempt(grade, items):
    readings = read(grade, items, model(items, solution))
    assert [r.item_id for r in readings] == [g.attempt.id for g in items.attempts]
    assert [r.metric for r in readings] == ["kept" if label(g) == -1 else "repaired" for g in items.attempts]
    assert {(r.value, r.mark) for r in readings} == {(1.0, Mark.RIGHT)}


@pytest.mark.parametrize(
    ("answer", "repaired", "kept"),
    [
        (lambda problem, graded: graded.attempt.completion.text, 0.0, 1.0),
        (lambda problem, graded: f"The answer is {int(problem.answer) + 1}.", 0.0, 0.0),
    ],
)
def test_what_the_new_answer_is_worth(grade, items, answer, repaired, kept):
    # Of the planted errors, those that spoil the answer: a copied attempt is then no repair.
    readings = read(grade, items, model(items, answer))
    lucky = {g.attempt.id for g in items.attempts if g.verdict.outcome is Mark.RIGHT and label(g) != -1}
    assert {r.value for r in readings if r.metric == "repaired" and r.item_id not in lucky} == {repaired}
    assert {r.value for r in readings if r.metric == "kept"} == {kept}


def test_an_answer_that_nobody_can_read_is_unknown_and_repairs_nothing(grade, items):
    readings = read(grade, items, model(items, lambda problem, graded: "Hm."))
    assert {(r.value, r.mark) for r in readings} == {(0.0, Mark.UNKNOWN)}


def test_an_answer_that_was_never_heard_has_no_value(grade, items):
    readings = read(grade, items, model(items, lambda problem, graded: None))
    assert {(r.value, r.mark) for r in readings} == {(None, Mark.UNKNOWN)}


def test_the_problem_stands_once_more_at_the_end(items):
    [problem, *_] = items.problems
    prompt = repair_prompt(problem.prompt, ["1 + 1 = 3."], CRITIQUE)
    assert CRITIQUE in prompt
    assert "1 + 1 = 3." in prompt
    assert prompt.endswith(problem.prompt)
