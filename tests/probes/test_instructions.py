import numpy as np
import pytest

from counterform.bench import Bench
from counterform.errors import DataError
from counterform.findings.gains import find
from counterform.models.scripted import ScriptedModel
from counterform.probes.instructions import Instructions
from counterform.probes.probe import HeldOut
from counterform.problems.sorting_out import SortingOut
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Mark

HELD = tuple(p for p in SortingOut().generate(120, rng=np.random.default_rng(0)) if p.split == "held_out")
ITEMS = HeldOut(problems=HELD, attempts=())
BY_PROMPT = {p.prompt: p for p in HELD}
EXPERT = ScriptedModel(lambda prompt, _: f"The answer is {BY_PROMPT[prompt].answer}.")


def wrong(problem):
    return next(word for word in problem.facts["space"] if word != problem.answer)


def read(answer, arm="one", seed=0):
    model = ScriptedModel(lambda prompt, _: answer(BY_PROMPT[prompt]))
    return Instructions(Bench(spec=ProbeSpec()))(model, ITEMS, arm=arm, seed=seed)


def values(answer):
    found = {}
    for r in read(answer):
        found.setdefault(r.metric, []).append(r)
    return found


def test_promises():
    check_probe(Instructions(Bench(spec=ProbeSpec())), EXPERT, ITEMS)


@pytest.mark.parametrize(
    ("answer", "exact", "form", "given", "beyond"),
    [
        (lambda p: p.solution, 1.0, 1.0, 1.0, 1.0),
        (lambda p: p.answer.upper(), 1.0, 1.0, 1.0, 1.0),
        (lambda p: f"The answer is {wrong(p)}.", 0.0, 1.0, 0.0, 0.0),
        (lambda p: "The answer is purple.", 0.0, 0.0, None, "guess"),
        (lambda p: "", 0.0, 0.0, None, "guess"),
        (lambda p: None, None, None, None, None),
    ],
)
def test_metrics(answer, exact, form, given, beyond):
    found = values(answer)
    assert {r.value for r in found["exact match"]} == {exact}
    assert {r.value for r in found["in space"]} == {form}
    assert {r.value for r in found["exact match in space"]} == {given}
    guesses = {1 / len(p.facts["space"]) for p in HELD} if beyond == "guess" else {beyond}
    assert {r.value for r in found["beyond form"]} == guesses
    unread = {r.mark for r in found["exact match in space"]} == {Mark.UNKNOWN}
    assert unread == (given is None)


def test_a_gain_of_form_alone_is_none_beyond_form_and_a_comparison_in_space_is_over_what_both_answer():
    # The base answers half of the items, all rightly; the arm answers all, the other half by a guess in the space.
    half = {p.id for p in HELD[::2]}
    rng = np.random.default_rng(0)
    guesses = {p.id: str(rng.choice(p.facts["space"])) for p in HELD}
    base = read(lambda p: p.answer if p.id in half else "purple", arm="base")
    arm = read(lambda p: p.answer if p.id in half else guesses[p.id], arm="one")
    results = find([*base, *arm], Instructions(Bench()).declared)
    found = {f.metric: f for f in results.findings}
    assert found["in space"].estimate == pytest.approx(0.5, abs=0.01)
    assert found["exact match"].estimate > 0.1
    assert found["beyond form"].low < 0 < found["beyond form"].high
    assert (found["exact match in space"].estimate, found["exact match in space"].n_items) == (0, len(half))
    levels = {(level.metric, level.arm): level.n_items for level in results.levels}
    assert levels["exact match in space", "base"] == len(half)
    assert levels["exact match in space", "one"] == len(HELD)


def test_baselines():
    lines = {(line.metric, line.name): line.value for line in Instructions(Bench()).baselines((), ITEMS)}
    assert {metric for metric, _ in lines} == {"exact match", "exact match in space", "beyond form"}
    assert lines["exact match", "random"] == pytest.approx(np.mean([1 / len(p.facts["space"]) for p in HELD]))
    tasks = {}
    for p in HELD:
        tasks.setdefault(p.facts["task"], []).append(p.answer)
    best = sum(max(map(answers.count, answers)) for answers in tasks.values()) / len(HELD)
    assert lines["exact match", "majority"] == pytest.approx(best)
    assert Instructions(Bench()).baselines((), HeldOut(problems=(), attempts=())) == []


def test_problems_without_an_answer_space_are_refused(items):
    with pytest.raises(DataError, match=r"needs held-out problems with an instruction.*\[problems\] instruction"):
        Instructions(Bench(spec=ProbeSpec()))(EXPERT, items, arm="one", seed=0)
