import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.imitation import Imitation, Rejection
from counterform.errors import DataError
from counterform.testing import check_recipe

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("recipe", [Imitation(), Rejection()])
def test_promises(recipe, cases):
    check_recipe(recipe, cases)


def test_imitation_learns_the_worked_solution(cases):
    for case, example in zip(cases, Imitation()(cases, RNG).examples, strict=True):
        assert (example.prompt, example.completion) == (case.problem.prompt, case.problem.solution)
        assert example.attempt_ids == ()


def test_imitation_says_which_problem_has_no_solution(cases):
    bare = [replace(case, problem=replace(case.problem, solution=None)) for case in cases[:2]]
    with pytest.raises(DataError, match=rf"2 of {len(cases)} have none \(first: '{bare[0].problem.id}'\)"):
        Imitation()([*bare, *cases[2:]], RNG)


def test_rejection_learns_the_right_attempt_and_names_it(cases):
    for case, example in zip(cases, Rejection()(cases, RNG).examples, strict=True):
        assert (example.prompt, example.completion) == (case.problem.prompt, case.right.attempt.completion.text)
        assert example.attempt_ids == (case.right.attempt.id,)
