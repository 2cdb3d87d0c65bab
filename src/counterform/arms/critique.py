"""Learning from failures: critique an attempt instead of writing one.

Critique fine-tuning (Wang, Yue, Chen 2025, arXiv 2501.17703): (problem, attempt) -> critique, with the loss on the
critique alone. Who criticises is the critic's business (`steps`, `reference`, `model`: counterform.verify). A model that
has seen nothing but critiques answers every problem with one, so two arms keep its own kind of answer beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterform.arms.corruption import corrupt, kind_of
from counterform.arms.criticising import LEAST_LOCATED, Criticised, Criticising, share_of, worded
from counterform.arms.imitation import imitated
from counterform.bench import Bench
from counterform.types import Case, Example, Graded, Mark


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
        least_located: float = LEAST_LOCATED,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(
            share_wrong=share_wrong,
            balanced=balanced,
            critic=critic,
            critic_options=critic_options,
            least_located=least_located,
            bench=bench,
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


class CftThenAnswer(Criticising):
    """(Problem, attempt) -> critique, and then the case's right attempt: the model's own kind of answer, whatever was shown.

    The attempts are those of `cft`. Where a right attempt is shown it is written down once more.
    """

    name = "cft_then_answer"
    differs_by = "an attempt is shown, and the target is a critique of it and then a right attempt of the pool"

    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """Every criticism in words, and an answer on the next line."""
        return [f"{worded(row)}\n{row.case.right.attempt.completion.text.strip()}" for row in rows], []

    def attempts_of(self, row: Criticised) -> tuple[str, ...]:
        """The one that is shown and the one that is written."""
        return tuple(dict.fromkeys([row.shown.attempt.id, row.case.right.attempt.id]))


class Mixed(Criticising):
    """Critiques and right attempts in one set: of some cases the example of `cft`, of the others that of `rft`.

    share_critiques: of the cases; 1 is `cft`, 0 is `rft`. As large a share of those whose wrong attempt `cft` shows as of the others.
    Raises ValueError for a share outside 0 to 1.
    """

    name = "mixed"
    differs_by = "of some cases an attempt is shown and the target is a critique of it, of the others the target is a right attempt"

    def __init__(
        self,
        *,
        share_critiques: float = 0.5,
        share_wrong: float = 0.5,
        balanced: bool = False,
        critic: str = "steps",
        critic_options: Mapping[str, Any] | None = None,
        least_located: float = LEAST_LOCATED,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(
            share_wrong=share_wrong,
            balanced=balanced,
            critic=critic,
            critic_options=critic_options,
            least_located=least_located,
            bench=bench,
        )
        self._share_critiques = share_of("share_critiques", share_critiques)
        self._told.append(f"{share_critiques:.0%} are critiques")

    def criticised(self, cases: Sequence[Case], shown: Sequence[Graded], rng: np.random.Generator) -> Sequence[int]:
        """A share of the cases of which a wrong attempt is shown, and of the others."""
        wrong = np.array([graded is case.wrong for case, graded in zip(cases, shown, strict=True)])
        order = np.lexsort((rng.random(len(cases)), wrong))
        # Every so many of a list that is sorted by kind: both kinds give their share, to within one.
        whole = self._share_critiques * len(cases)
        places = np.floor((np.arange(int(whole + 0.5)) + 0.5) / max(whole, 1) * len(cases)).astype(int)
        return sorted(order[np.minimum(places, len(cases) - 1)].tolist())

    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """Every criticism in words."""
        return [worded(row) for row in rows], []

    def examples(self, cases: Sequence[Case], critiques: Mapping[int, Example]) -> tuple[Example, ...]:
        """The critiques, and of the other cases the right attempt."""
        return tuple(critiques.get(at) or imitated(case.problem, case.right) for at, case in enumerate(cases))
