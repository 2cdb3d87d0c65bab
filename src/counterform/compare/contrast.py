"""Two arms on one task, matched, and what follows for each scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from counterform.compare.match import Match
from counterform.compare.result import Pairing
from counterform.findings.paired import Comparison, Run, compared
from counterform.logs.reader import Direction


class Contrast(Struct, frozen=True, kw_only=True):
    """Two arms on one task."""

    first: str
    second: str
    task: str
    match: Match
    better: Mapping[str, Direction]

    @property
    def is_paired(self) -> bool:
        """Whether any answer of one arm has a partner."""
        return any(len(pairs.first) for pairs in self.match.pairs)

    @property
    def pairing(self) -> Pairing:
        """How its answers were paired, over all runs."""
        every = self.match.pairs
        return Pairing(
            first=self.first,
            second=self.second,
            task=self.task,
            by=every[0].by,
            pairs=sum(len(pairs.first) for pairs in every),
            items=len(np.unique(np.concatenate(self.match.items))),
            only_in_first=self.match.only_in_first,
            only_in_second=self.match.only_in_second,
            other_question=sum(len(pairs.other_question) for pairs in every),
            ambiguous=sum(len(pairs.ambiguous) for pairs in every),
            other_prompt=sum(pairs.other_prompt for pairs in every),
        )

    def comparison(
        self, metric: str, runs: Sequence[Run], better: Direction, *, count: bool = False
    ) -> Comparison | None:
        """One metric's paired difference; None where no pair has it. count: of something, so that 0 and 1 are no marks."""
        return compared(
            runs,
            first=self.first,
            second=self.second,
            task=self.task,
            metric=metric,
            better=better,
            first_runs=self.match.first_runs,
            second_runs=self.match.second_runs,
            only_in_first=self.match.only_in_first,
            only_in_second=self.match.only_in_second,
            count=count,
        )

    def scored(self) -> list[Comparison]:
        """One comparison for each scorer that both arms have."""
        found = (
            self.comparison(scorer, self.match.runs(scorer), self.better.get(scorer, "high"))
            for scorer in self.match.scorers
        )
        return [comparison for comparison in found if comparison is not None]
