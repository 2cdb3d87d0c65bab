import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.correction import Correction
from counterform.bench import Bench
from counterform.errors import DataError
from counterform.testing import check_recipe
from counterform.text.wording import repair_prompt
from counterform.types import Critic, Criticism, Mark


def made(recipe, cases, seed=0):
    return recipe(cases, np.random.default_rng(seed))


@pytest.mark.parametrize("critique", [False, True])
def test_promises(cases, critique):
    check_recipe(Correction(critique=critique), cases)


def test_the_wrong_attempt_is_shown_and_the_solution_learnt(cases):
    for case, example in zip(cases, made(Correction(), cases).examples, strict=True):
        assert example.prompt == repair_prompt(case.problem.prompt, case.wrong.step_texts, "The attempt is wrong.")
        assert example.completion == case.problem.solution
        assert example.attempt_ids == (case.wrong.attempt.id,)


def test_with_its_critique(cases):
    arm = made(Correction(critique=True), cases)
    for case, example in zip(cases, arm.examples, strict=True):
        first = case.wrong.verdict.first_error
        said = f"The answer should be {case.problem.answer}." if first is None else f"Step {first + 1} is wrong"
        assert said in example.prompt
        assert example.completion == case.problem.solution
    assert "locates an error in 17 of 21 wrong attempts" in arm.differs_by


def test_without_a_worked_solution_the_right_attempt_is_the_target(cases):
    bare = [replace(cases[0], problem=replace(cases[0].problem, solution=None)), *cases[1:]]
    arm = made(Correction(), bare)
    assert arm.examples[0].completion == cases[0].right.attempt.completion.text
    assert arm.examples[0].attempt_ids == (cases[0].wrong.attempt.id, cases[0].right.attempt.id)
    assert "1 problems have no worked solution" in arm.differs_by


class Silent(Critic):
    name = "a silent critic"

    def __call__(self, shown, *, seed):
        return [Criticism(attempt_id=g.attempt.id, verdict=Mark.UNKNOWN, why="it said nothing") for _, g in shown]


class Terse(Critic):
    name = "a terse critic"

    def __call__(self, shown, *, seed):
        return [Criticism(attempt_id=g.attempt.id, verdict=Mark.WRONG) for _, g in shown]


@pytest.mark.parametrize(("critic", "why"), [(Silent, "are of no use"), (Terse, "0 locate an error")])
def test_critiques_of_no_use_refuse_the_arm_only_where_they_are_shown(cases, critic, why):
    bench = Bench(critic=lambda *_: critic())
    with pytest.raises(DataError, match=why):
        made(Correction(critique=True, bench=bench), cases)
    assert made(Correction(bench=bench), cases).examples == made(Correction(), cases).examples


@pytest.mark.parametrize(
    "options", [{"critique": "yes"}, {"least_located": 1.5}, {"least_located": "half"}, {"least_located": True}]
)
def test_options_that_cannot_be(options):
    with pytest.raises(ValueError, match=r"critique is true or false|a share, from 0 to 1"):
        Correction(**options)
