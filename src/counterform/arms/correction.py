"""Learning from mistakes: a wrong attempt is shown, and the target is the right solution.

An et al. 2023, "Learning From Mistakes Makes LLM Better Reasoner" (arXiv 2310.20689), whose targets also explain the mistake: that is
`cft` with `correction`. Here nothing but the solution bears a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterform.arms.criticising import LEAST_LOCATED, Criticised, located, readable, share_of, worded
from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.text import wording
from counterform.types import Arm, Case, Example


class Correction(Recipe):
    """(Problem, wrong attempt) -> the worked solution, or where there is none the case's right attempt.

    Prompts are those of the probe `repair`: the attempt, what is said of it, and the problem once more. It is said that the attempt is
    wrong; with `critique`, what the critic says of it. critic, critic_options, least_located: as for `cft`.
    """

    name = "correction"
    differs_by = "a wrong attempt is shown, and the target is the right solution"

    def __init__(
        self,
        *,
        critique: bool = False,
        critic: str = "steps",
        critic_options: Mapping[str, Any] | None = None,
        least_located: float = LEAST_LOCATED,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        if not isinstance(critique, bool):
            raise ValueError(f"critique is true or false; got {critique!r}")
        self._critique = critique
        self._least_located = share_of("least_located", least_located)
        self._critic = self.bench.critic(critic, dict(critic_options or {}))

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        shown = [(case, wording.verdict_sentence(right=False)) for case in cases]
        told, tokens = [self.differs_by], 0
        if self._critique:
            said = self._critic([(case.problem, case.wrong) for case in cases], seed=int(rng.integers(2**31)))
            rows = [Criticised(case, case.wrong, one) for case, one in zip(cases, said, strict=True)]
            rows, dropped = readable(self.name, self._critic.name, rows)
            told += ["its critique is shown too", f"the critic is {self._critic.name}", *dropped]
            told += located(self.name, self._critic.name, rows, self._least_located)
            shown = [(row.case, worded(row)) for row in rows]
            tokens = sum(one.tokens for one in said)
        without = sum(not case.problem.solution for case in cases)
        if without:
            told.append(f"{without} problems have no worked solution, and their target is a right attempt")
        examples = tuple(_example(case, remark) for case, remark in shown)
        return Arm(name=self.name, differs_by="; ".join(told), examples=examples, teacher_tokens=tokens)


def _example(case: Case, remark: str) -> Example:
    solution = case.problem.solution
    return Example(
        problem_id=case.problem.id,
        attempt_ids=(case.wrong.attempt.id, *([] if solution else [case.right.attempt.id])),
        prompt=wording.repair_prompt(case.problem.prompt, case.wrong.step_texts, remark),
        completion=solution or case.right.attempt.completion.text,
    )
