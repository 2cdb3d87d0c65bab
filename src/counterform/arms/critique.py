"""Learning from failures: critique an attempt instead of writing one.

Critique fine-tuning (Wang, Yue, Chen 2025, arXiv 2501.17703): (problem, attempt) -> critique, with the loss on the
critique alone. Who criticises is the critic's business (`steps`, `reference`, `model`: counterform.verify).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterform.arms.corruption import corrupt, kind_of
from counterform.arms.criticising import Criticised, Criticising, share_of, worded
from counterform.bench import Bench
from counterform.types import Case, Mark


class Critique(Criticising):
    """(Problem, attempt) -> critique.

    corrupted: share of the critiques, counted over all of them, that are broken on purpose; corruption: in which way
    (`arms/corruption.py`). correction: the worked solution, or where there is none the case's right attempt, follows a
    critique that finds something wrong.
    """

    name = "cft"
    differs_by = "an attempt is shown, and the target is a critique of it"

    def __init__(
        self,
        *,
        share_wrong: float = 0.5,
        corrupted: float = 0.0,
        corruption: str = "verdict",
        correction: bool = False,
        balanced: bool = False,
        critic: str = "steps",
        critic_options: Mapping[str, Any] | None = None,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(
            share_wrong=share_wrong, balanced=balanced, critic=critic, critic_options=critic_options, bench=bench
        )
        self._corrupted, self._corruption = share_of("corrupted", corrupted), kind_of(corruption)
        self._correction = correction

    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """Every criticism in words, broken and corrected as the options say."""
        rows, done = list(rows), []
        if self._corrupted:
            rows, words = corrupt(rows, self._corruption, share=self._corrupted, rng=rng)
            done.append(words)
        targets = [worded(row) for row in rows]
        if self._correction:
            done.append("the corrected solution follows a critique that finds something wrong")
            targets = [
                target if row.said.verdict is Mark.RIGHT else f"{target}\n{_corrected(row.case)}"
                for row, target in zip(rows, targets, strict=True)
            ]
        return targets, done


def _corrected(case: Case) -> str:
    return case.problem.solution or case.right.attempt.completion.text.strip()
