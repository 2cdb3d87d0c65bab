"""Controls: each takes one thing away from imitation, and proves that it is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from counterform.errors import ControlError
from counterform.types import Arm, Case, Example


class ShuffledTarget:
    """Problem -> the worked solution of another problem. Keeps the form of right answers, takes their content away."""

    name = "shuffled_target"
    differs_by = "the target is the worked solution of another problem with another answer"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        givers = _other_answers([case.problem.answer for case in cases], rng)
        examples = []
        for case, giver in zip(cases, givers, strict=True):
            other = cases[giver]
            target = other.problem.solution or other.right.attempt.completion.text
            examples.append(Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=target))
        if any(case.problem.answer == cases[giver].problem.answer for case, giver in zip(cases, givers, strict=True)):
            raise ControlError(f"arm {self.name!r}: a shuffled target still ends in the right answer")
        return Arm(name=self.name, differs_by=self.differs_by, examples=tuple(examples))


class AnswerOnly:
    """Problem -> the final answer alone. Keeps the answer, takes the reasoning away."""

    name = "answer_only"
    differs_by = "the target is the final answer without any step"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        examples = tuple(
            Example(
                problem_id=case.problem.id,
                prompt=case.problem.prompt,
                completion=f"The answer is {case.problem.answer}.",
            )
            for case in cases
        )
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)


def _other_answers(answers: Sequence[str], rng: np.random.Generator) -> list[int]:
    """A permutation that gives every case another case's target, with another answer.

    Sorted by answer and turned by the size of the largest group, no row can meet its own answer; a group of more
    than half of all rows makes that impossible. Raises ControlError then.
    """
    order = sorted(rng.permutation(len(answers)), key=lambda index: answers[index])
    largest = max(Counter(answers).values())
    if 2 * largest > len(answers):
        raise ControlError(
            f"arm 'shuffled_target': {largest} of {len(answers)} cases share one answer, so their targets cannot all "
            "be shuffled to a wrong one. Use problems with more varied answers, or leave this arm out."
        )
    givers = [0] * len(answers)
    for place, index in enumerate(order):
        givers[index] = int(order[(place + largest) % len(order)])
    return givers
