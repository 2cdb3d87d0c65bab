"""Learning from failures: critique an attempt instead of writing one.

Critique fine-tuning (Wang, Yue, Chen 2025, arXiv 2501.17703): (problem, attempt) -> critique, with the loss on the
critique alone. The critic here is the step verifier: the first wrong step, what would be right, the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterform import wording
from counterform.types import Arm, Case, Example, Graded, Mark, Problem


class Critique:
    """(Problem, attempt) -> critique. Half of the attempts are wrong, half right, drawn anew by seed.

    A pool of one kind teaches a constant verdict: mostly right attempts that all is right, only wrong ones that all
    is wrong (seen in a prototype of this world). Half and half makes the verdict worth reading the attempt for. The
    wrong half is drawn first from cases whose wrong attempt has a step that can be named.
    """

    name = "critique"
    differs_by = "an attempt is shown, and the target is a critique of it"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        nameless = np.array([case.wrong.verdict.first_error is None for case in cases])
        order = np.lexsort((rng.random(len(cases)), nameless))
        wrong = {int(index) for index in order[: (len(cases) + 1) // 2]}
        examples = []
        for index, case in enumerate(cases):
            shown = case.wrong if index in wrong else case.right
            examples.append(
                Example(
                    problem_id=case.problem.id,
                    attempt_ids=(shown.attempt.id,),
                    prompt=wording.critique_prompt(case.problem.prompt, shown.step_texts),
                    completion=critique_of(case.problem, shown),
                )
            )
        return Arm(name=self.name, differs_by=self.differs_by, examples=tuple(examples))


def critique_of(problem: Problem, graded: Graded) -> str:
    """What the step verifier has to say about an attempt.

    It must not claim more than was checked. A wrong step is named even where the answer is right; a step that nobody
    could read is passed over, and so is one that the next step mends; and where the answer is wrong and no step can be
    shown wrong, the critique gives the answer and names no step.
    """
    steps, first_error = graded.verdict.steps, graded.verdict.first_error
    right = [index for index, step in enumerate(steps[:first_error]) if step.mark is Mark.RIGHT]
    if first_error is not None:
        return wording.critique_of_wrong_step(first_error, steps[first_error].hint, right)
    if graded.verdict.outcome is Mark.RIGHT:
        return wording.critique_of_sound_attempt(right)
    return wording.critique_of_wrong_answer(problem.answer)
