"""The runs of one task in two arms, matched: which answers pair, and the values that each scorer gave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from counterform.findings.paired import Run
from counterform.logs.pairing import Pairs, pair
from counterform.logs.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Match(Struct, frozen=True, kw_only=True):
    """Two arms on one task: a pairing for each run."""

    first: tuple[Table, ...]
    second: tuple[Table, ...]
    """The tables of each run; an arm with one run stands beside every run of the other."""
    pairs: tuple[Pairs, ...]
    items: tuple[Ints, ...]
    """The item of each pair; equal items equal over all runs."""
    first_runs: int
    second_runs: int
    """How many runs each arm has that are matched."""
    left_out: int
    """Runs of the arm that has more."""

    @property
    def scorers(self) -> list[str]:
        """Scorers that every run of both arms has, in the first arm's order."""
        tables = (*self.first, *self.second)
        return [scorer for scorer in self.first[0].scorers if all(scorer in table.scorers for table in tables)]

    def runs(self, scorer: str) -> list[Run]:
        """The values of one scorer."""
        return self._runs([(a.values(scorer), b.values(scorer)) for a, b in self._tables])

    def lengths(self) -> list[Run]:
        """Characters of the responses."""
        return self._runs([(_lengths(a), _lengths(b)) for a, b in self._tables])

    def trait(self, kind: str) -> list[Run]:
        """What was counted in the responses."""
        return self._runs([(a.traits[kind], b.traits[kind]) for a, b in self._tables])

    @property
    def only_in_first(self) -> int:
        """Answers of the first arm without a partner."""
        return sum(pairs.only_in_first for pairs in self.pairs)

    @property
    def only_in_second(self) -> int:
        """Answers of the second arm without a partner."""
        return sum(pairs.only_in_second for pairs in self.pairs)

    def levels(self) -> list[NDArray[np.str_]]:
        """What stands in the column that results are broken down by, for each pair of each run."""
        found = []
        for (a, b), pairs in zip(self._tables, self.pairs, strict=True):
            other = b.items_of(b.keys)[pairs.second]
            both = zip(pairs.items, other, strict=True)
            found.append(np.array([a.levels[mine] or b.levels[theirs] for mine, theirs in both], dtype=str))
        return found

    def unscored(self, scorer: str) -> tuple[Counter[str], Counter[str]]:
        """Why answers of pairs have no value, in each arm."""
        found: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for tables, pairs in zip(self._tables, self.pairs, strict=True):
            for table, rows, reasons in zip(tables, (pairs.first, pairs.second), found, strict=True):
                missing = rows[np.isnan(table.values(scorer)[rows])]
                reasons.update(table.reason(scorer, int(at)) for at in missing)
        return found

    @property
    def _tables(self) -> list[tuple[Table, Table]]:
        return list(zip(self.first, self.second, strict=True))

    def _runs(self, values: Sequence[tuple[Floats, Floats]]) -> list[Run]:
        return [
            Run(a[pairs.first], b[pairs.second], items)
            for (a, b), pairs, items in zip(values, self.pairs, self.items, strict=True)
        ]


def _lengths(table: Table) -> Floats:
    lengths = np.frombuffer(table.lengths, dtype=np.int64).astype(float)
    lengths[lengths < 0] = np.nan
    return lengths


def match(first: Sequence[Table], second: Sequence[Table]) -> Match:
    """Match the runs of two arms. Where both have several and not equally many, as many as both have."""
    several = min(len(first), len(second)) > 1
    n = (min if several else max)(len(first), len(second))
    ours, theirs = (tuple(runs[min(i, len(runs) - 1)] for i in range(n)) for runs in (first, second))
    pairs = tuple(pair(a, b) for a, b in zip(ours, theirs, strict=True))
    numbers: dict[str, int] = {}
    items = []
    for table, found in zip(ours, pairs, strict=True):
        own = np.array([numbers.setdefault(item, len(numbers)) for item in table.items], dtype=np.int64)
        items.append(own[found.items] if len(own) else found.items)
    return Match(
        first=ours,
        second=theirs,
        pairs=pairs,
        items=tuple(items),
        first_runs=min(len(first), n),
        second_runs=min(len(second), n),
        left_out=abs(len(first) - len(second)) if several else 0,
    )
