"""Arms that learn from themselves: the model that writes learns to write as the same model would that is shown more.

`sdft` (Shenfeld et al. 2026, arXiv 2601.19897): what is shown belongs to the case and is known beforehand. Its cells take it apart: a worked
solution, what a critic says of a wrong attempt, both, and the controls. `sdpo` (Hübotter et al. 2026, arXiv 2601.20802): it is what comes
up in training, a right rollout of the same group, what the step verifier says of this one, or both.
The privileged signal is said to sit on tokens of style (RLCSD, arXiv 2606.11709): the probe `internals` reads where a model moved, by class
of token; the trainer logs on which classes its teacher differed (`checkpoints/ARM/SEED/steps.jsonl`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterform.arms.criticising import LEAST_LOCATED, Criticised, located, readable, share_of, worded
from counterform.arms.critique_controls import shuffled
from counterform.arms.distillation import SHOWN, shown_with, solved
from counterform.arms.experimental import Experimental
from counterform.bench import Bench
from counterform.errors import unknown_name
from counterform.text import wording
from counterform.types import Arm, Case, Example, Objective

CONTEXTS = {
    "solution": "a worked solution",
    "feedback": "a wrong attempt and its critique",
    "both": "a wrong attempt, its critique and a worked solution",
    "wrong": "a wrong attempt in a solution's place",
    "shuffled": "a wrong attempt and the critique of another",
    "none": "nothing more than the problem",
}
"""What the teacher of `sdft` is shown."""
OWN_CONTEXTS = ("solution", "feedback", "both")
"""What the teacher of `sdpo` is shown: a right rollout of the group, what the step verifier says of this one."""
_CRITICISED = ("feedback", "both", "shuffled")
_SOLVED = ("solution", "both")


class Sdft(Experimental):
    """The student answers the problem; the teacher, the same model, is shown `context` besides, and the student learns its odds.

    context: one of CONTEXTS. shown: how a solution is shown; `{prompt}` and `{solution}` are replaced. An attempt with its critique is
    shown as the probe `repair` shows it. critic, critic_options, least_located: as for `cft`. Raises ValueError for what cannot be.
    """

    name = "sdft"
    objective: Objective = "sdft"
    differs_by = "sampled by the arm itself; learns the odds of the same model that is shown"

    def __init__(
        self,
        *,
        context: str = "solution",
        shown: str = SHOWN,
        critic: str = "steps",
        critic_options: Mapping[str, Any] | None = None,
        least_located: float = LEAST_LOCATED,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        if context not in CONTEXTS:
            raise ValueError(unknown_name("context", context, CONTEXTS))
        self._context, self._shown = context, shown_with(shown)
        self._least_located = share_of("least_located", least_located)
        self._critic = self.bench.critic(critic, dict(critic_options or {}))

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        told, tokens = [f"{self.differs_by} {CONTEXTS[self._context]}"], 0
        asked = [case.problem.prompt for case in cases]
        if self._context in _SOLVED:
            solved(self.name, cases)
        if self._context in _CRITICISED:
            said = self._critic([(case.problem, case.wrong) for case in cases], seed=int(rng.integers(2**31)))
            found = [Criticised(case, case.wrong, one) for case, one in zip(cases, said, strict=True)]
            rows, dropped = readable(self.name, self._critic.name, found)
            told += [*dropped, *located(self.name, self._critic.name, rows, self._least_located)]
            tokens = sum(one.tokens for one in said)
            critiques, done = shuffled(self.name, rows, rng) if self._context == "shuffled" else (map(worded, rows), [])
            told += done
            asked = [
                wording.repair_prompt(row.case.problem.prompt, row.shown.step_texts, critique)
                for row, critique in zip(rows, critiques, strict=True)
            ]
        solutions = [case.problem.solution if self._context in _SOLVED else None for case in cases]
        if self._context == "wrong":
            solutions = [case.wrong.attempt.completion.text for case in cases]
        return Arm(
            name=self.name,
            objective=self.objective,
            differs_by="; ".join(told),
            examples=_prompts(cases),
            options={
                "teacher_prompts": [
                    prompt if solution is None else self._shown(prompt, solution)
                    for prompt, solution in zip(asked, solutions, strict=True)
                ]
            },
            teacher_tokens=tokens,
        )


class Sdpo(Experimental):
    """As `sdft`, and what the teacher is shown comes up in training: a rollout of the group that is right, by the study's verifiers.

    context: `solution` (that rollout), `feedback` (what the step verifier finds wrong in the rollout itself), `both`. A group without
    either teaches nothing. The words of it are options of [train.sdpo]. Raises ValueError for another context.
    """

    name = "sdpo"
    objective: Objective = "sdpo"
    differs_by = "sampled by the arm itself; learns the odds of the same model that is shown"

    def __init__(self, *, context: str = "solution", bench: Bench | None = None) -> None:
        super().__init__(bench=bench)
        if context not in OWN_CONTEXTS:
            raise ValueError(unknown_name("context", context, OWN_CONTEXTS))
        self._context = context

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        words = {
            "solution": "a right rollout of the group",
            "feedback": "what the step verifier finds wrong in the rollout",
        }
        shown = [what for name, what in words.items() if self._context in (name, "both")]
        return Arm(
            name=self.name,
            objective=self.objective,
            differs_by=f"{self.differs_by} {' and '.join(shown)}",
            examples=_prompts(cases),
            options={
                "use_successful_as_teacher": self._context != "feedback",
                "include_environment_feedback": self._context != "solution",
            },
        )


def _prompts(cases: Sequence[Case]) -> tuple[Example, ...]:
    return tuple(Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=None) for case in cases)
