"""Controls: each takes one thing away from imitation, and proves that it is gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.errors import ControlError
from counterform.text.rationales import DRAWS, answer_only, other_answers
from counterform.types import Arm, Case, Example
from counterform.verify.answer import say_the_same


class ShuffledTarget(Recipe):
    """Problem -> the worked solution of another problem. Keeps the form of right answers, takes their content away."""

    name = "shuffled_target"
    differs_by = "the target is the worked solution of another problem with another answer"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        givers = self._givers([case.problem.answer for case in cases], rng)
        examples = []
        for case, giver in zip(cases, givers, strict=True):
            other = cases[giver]
            target = other.problem.solution or other.right.attempt.completion.text
            examples.append(Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=target))
        return Arm(name=self.name, differs_by=self.differs_by, examples=tuple(examples))

    def _givers(self, answers: Sequence[str], rng: np.random.Generator) -> list[int]:
        """Whose solution each case gets: one with another answer, however that is written."""
        for draw in range(DRAWS):
            givers = other_answers(answers, rng, anew=draw > 0)
            if not any(say_the_same(answers[giver], own) for giver, own in zip(givers, answers, strict=True)):
                return givers
        raise ControlError(
            f"arm {self.name!r}: in {DRAWS} draws a shuffled target still ends in the right answer, written in another way. Use "
            "problems with more varied answers, or leave this arm out."
        )


class AnswerOnly(Recipe):
    """Problem -> the final answer alone. Keeps the answer, takes the reasoning away."""

    name = "answer_only"
    differs_by = "the target is the final answer without any step"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        examples = tuple(
            Example(
                problem_id=case.problem.id,
                prompt=case.problem.prompt,
                completion=answer_only(case.problem),
            )
            for case in cases
        )
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)
