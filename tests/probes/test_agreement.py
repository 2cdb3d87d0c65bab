import pytest
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.agreement import Agreement, claims_due
from counterform.probes.find_error import label
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.text.wording import critique_of_sound_attempt, critique_of_wrong_step, critique_prompt
from counterform.types import Mark


def expert(items, *, off=0, silent=False):
    """A model that knows every label, or names a step beside it, or says nothing of the steps before."""
    prompts = {problem.id: problem.prompt for problem in items.problems}
    critiques = {}
    for graded in items.attempts:
        asked = critique_prompt(prompts[graded.attempt.problem_id], graded.step_texts)
        right = [] if silent else [at for at, mark in sorted(claims_due(graded)) if mark == "right"]
        error = label(graded)
        critiques[asked] = (
            critique_of_sound_attempt(right) if error == -1 else critique_of_wrong_step(error + off, "", right)
        )
    return ScriptedModel(lambda prompt, _: critiques[prompt])


def read(grade, items, model):
    return Agreement(Bench(spec=ProbeSpec(), grade=grade))(model, items, arm="one", seed=3)


def means(readings):
    metrics = {r.metric for r in readings}
    return {m: sum(r.value for r in readings if r.metric == m) / sum(r.metric == m for r in readings) for m in metrics}


def test_promises(grade, items):
    check_probe(Agreement(Bench(spec=ProbeSpec(), grade=grade)), expert(items), items)


def test_an_expert_agrees_on_everything(grade, items):
    readings = read(grade, items, expert(items))
    assert {(r.value, r.mark) for r in readings} == {(1.0, Mark.RIGHT)}


def test_every_error_is_read_under_its_rule(grade, items):
    readings = read(grade, items, expert(items))
    rules = {g.attempt.id: g.verdict.steps[label(g)].rule for g in items.attempts if label(g) != -1}
    found = {r.item_id: r.condition for r in readings if r.metric == "first error"}
    assert found == rules
    assert len(set(rules.values())) > 1


def test_a_step_beside_the_error_agrees_in_the_verdict_alone(grade, items):
    levels = means(read(grade, items, expert(items, off=1)))
    assert levels["verdict"] == 1.0
    assert levels["first error"] == 0.0
    assert 0.4 < levels["steps"] < 1.0


def test_silence_on_the_other_steps_is_no_agreement(grade, items):
    levels = means(read(grade, items, expert(items, silent=True)))
    assert levels.pop("steps") < 0.4
    assert set(levels.values()) == {1.0}


@pytest.mark.parametrize(
    ("says", "marks"), [("The attempt is right.", {Mark.RIGHT, Mark.WRONG}), ("Hm.", {Mark.UNKNOWN})]
)
def test_constant_critics(grade, items, says, marks):
    readings = [r for r in read(grade, items, ScriptedModel(lambda *_: says)) if r.metric == "verdict"]
    assert {r.mark for r in readings} == marks
    assert means(readings) == {"verdict": 0.5 if says != "Hm." else 0.0}


def test_an_attempt_without_a_readable_step_has_no_steps_to_agree_on(grade, items):
    sound = next(g for g in items.attempts if label(g) == -1)
    unread = replace(
        sound, verdict=replace(sound.verdict, steps=tuple(replace(s, mark=Mark.UNKNOWN) for s in sound.verdict.steps))
    )
    readings = read(grade, replace(items, attempts=(unread,)), ScriptedModel(lambda *_: "The attempt is right."))
    assert [(r.metric, r.value) for r in readings] == [("verdict", 1.0)]
