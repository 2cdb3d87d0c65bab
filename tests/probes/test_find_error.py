import pytest
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.find_error import CORRECT, ERRONEOUS, FindError, choose_attempts, label
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.text.wording import critique_of_sound_attempt, critique_of_wrong_step, critique_prompt
from counterform.types import Mark


def expert(items):
    """A model that knows every label."""
    prompts = {problem.id: problem.prompt for problem in items.problems}
    critiques = {}
    for graded in items.attempts:
        asked = critique_prompt(prompts[graded.attempt.problem_id], graded.step_texts)
        sound = critique_of_sound_attempt(range(len(graded.step_texts)))
        critiques[asked] = (
            sound if label(graded) == -1 else critique_of_wrong_step(label(graded), "1 + 1 = 2", range(label(graded)))
        )
    return ScriptedModel(lambda prompt, _: critiques[prompt])


def read(grade, items, model):
    return FindError(Bench(spec=ProbeSpec(), grade=grade))(model, items, arm="one", seed=3)


def test_promises(grade, items):
    check_probe(FindError(Bench(spec=ProbeSpec(), grade=grade)), expert(items), items)


def test_an_expert_finds_every_error(grade, items):
    readings = read(grade, items, expert(items))
    assert {(r.value, r.mark) for r in readings} == {(1.0, Mark.RIGHT)}
    strata = [(r.metric, r.stratum) for r in readings]
    half = len(items.problems)
    for kind in (("F1", ERRONEOUS), ("F1", CORRECT), (ERRONEOUS, ""), (CORRECT, "")):
        assert strata.count(kind) == half


@pytest.mark.parametrize(
    ("says", "on_erroneous", "on_correct"),
    [
        ("The attempt is right.", (0.0, Mark.WRONG), (1.0, Mark.RIGHT)),
        ("Step 99 is wrong. The attempt is wrong.", (0.0, Mark.WRONG), (0.0, Mark.WRONG)),
        ("The attempt is wrong.", (0.0, Mark.UNKNOWN), (0.0, Mark.UNKNOWN)),
        (None, (None, Mark.UNKNOWN), (None, Mark.UNKNOWN)),
    ],
)
def test_constant_critics(grade, items, says, on_erroneous, on_correct):
    readings = read(grade, items, ScriptedModel(lambda *_: says))
    assert {(r.value, r.mark) for r in readings if r.metric == ERRONEOUS} == {on_erroneous}
    assert {(r.value, r.mark) for r in readings if r.metric == CORRECT} == {on_correct}


def with_id(graded, name):
    return replace(graded, attempt=replace(graded.attempt, id=name))


class TestChooseAttempts:
    def test_half_of_each_and_one_of_a_kind_a_problem(self, items):
        twice = [*items.attempts, *(with_id(g, f"{g.attempt.id}-again") for g in items.attempts)]
        chosen = choose_attempts(twice, n=10)
        kinds = [(label(g) == -1, g.attempt.problem_id) for g in chosen]
        assert len(chosen) == len(set(kinds)) == 10
        assert sum(sound for sound, _ in kinds) == 5
        assert chosen == choose_attempts(twice, n=10)

    def test_the_rarer_kind_sets_the_number(self, items):
        errors = [g for g in items.attempts if label(g) != -1]
        sound = [g for g in items.attempts if label(g) == -1]
        assert len(choose_attempts([*errors, *sound[:2]], n=100)) == 4
        assert choose_attempts(errors, n=100) == ()

    def test_without_a_label_nothing_is_asked(self, items):
        sound = next(g for g in items.attempts if label(g) == -1)
        error = next(g for g in items.attempts if label(g) != -1)
        unlocated = replace(sound, verdict=replace(sound.verdict, outcome=Mark.WRONG))
        stepless = replace(sound, verdict=replace(sound.verdict, steps=()))
        assert choose_attempts([error, unlocated, stepless], n=100) == ()


def test_baselines(items):
    lines = {line.name: line.value for line in FindError(Bench()).baselines((), items)}
    guesses = {True: [], False: []}
    for graded in items.attempts:
        guesses[label(graded) == -1].append(1 / (1 + len(graded.step_texts)))
    a, b = (sum(row) / len(row) for row in guesses.values())
    assert lines == {"random": pytest.approx(2 * a * b / (a + b)), "majority": 0.0}
    assert FindError(Bench()).baselines((), replace(items, attempts=())) == []
