"""Learning from right answers: imitate the worked solution, or the model's own right attempts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.errors import DataError
from counterform.types import Arm, Case, Example, Graded, Problem


class Imitation(Recipe):
    """Problem -> worked solution."""

    name = "sft"
    differs_by = "the target is the worked solution"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        missing = [case.problem.id for case in cases if not case.problem.solution]
        if missing:
            raise DataError(
                f"arm {self.name!r} needs a worked solution for every problem; {len(missing)} of {len(cases)} have none "
                f"(first: {missing[0]!r}). Name the column ($.problems.solution), or leave this arm out."
            )
        examples = tuple(
            Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=case.problem.solution)
            for case in cases
        )
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)


class Rejection(Recipe):
    """Problem -> a right attempt of the pool (rejection sampling, RFT: Yuan et al. 2023, arXiv 2308.01825)."""

    name = "rft"
    differs_by = "the target is an attempt that was graded right"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        examples = tuple(imitated(case.problem, case.right) for case in cases)
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)


def imitated(problem: Problem, graded: Graded) -> Example:
    """Problem -> an attempt at it."""
    return Example(
        problem_id=problem.id,
        attempt_ids=(graded.attempt.id,),
        prompt=problem.prompt,
        completion=graded.attempt.completion.text,
    )
