"""Readings as arrays, once for all that makes findings of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from counterform.findings.stats import Floats
from counterform.metrics import Measured, Metric, Metrics, by_key
from counterform.results import metric_of
from counterform.study import BASE_ARM
from counterform.types import Mark, Reading

Codes = NDArray[np.int64]
Fixed = Mapping[str, str]
"""Arms that are one thing each, and no sample of trainings that luck made different; of each, of what alone it is that its numbers speak:
"this checkpoint". Empty where there is nothing else that they could be taken to speak of."""
BASE_ALONE: Fixed = {BASE_ARM: ""}


class Table(Struct, frozen=True, kw_only=True):
    """The readings of one measurement as arrays: items in the same order for every arm and seed."""

    of: Measured
    """Its shift stands at the mean distance of the items."""
    metric: Metric
    clusters: Codes
    """(items,): the problem of each, counted from 0."""
    strata: Codes
    """(items,)"""
    values: Mapping[str, Floats]
    """(seeds, items) by arm; NaN where nothing was read. Every arm has seeds of its own."""
    unknown: Mapping[str, float]
    """By arm, the share of readings whose mark is UNKNOWN."""
    fixed: Fixed

    @property
    def columns(self) -> dict[str, Any]:
        """What was measured, as the columns of all that is made of this table."""
        return {name: getattr(self.of, name) for name in Measured.__struct_fields__}

    @property
    def arms(self) -> list[str]:
        """The arms, without the base."""
        return [arm for arm in self.values if arm != BASE_ARM]

    @property
    def trained(self) -> list[str]:
        """The arms that come in seeds, whose luck may differ."""
        return [arm for arm in self.values if arm not in self.fixed]

    def lucky(self, arms: Sequence[str]) -> list[bool]:
        """Of each of these arms whether it comes in seeds."""
        return [arm not in self.fixed for arm in arms]

    def n_seeds(self, arms: Sequence[str]) -> int:
        """The fewest seeds of those among these arms that come in seeds; 1 where none does."""
        return min((len(self.values[arm]) for arm in arms if arm not in self.fixed), default=1)

    def size(self, arms: Sequence[str], items: str) -> str:
        """In words: these items, with how many seeds, and what is not in the interval of what these arms are compared by."""
        counts = {arm: len(self.values[arm]) for arm in arms if arm not in self.fixed}
        seeds = self.n_seeds(arms)
        words = [items, f"{seeds} seed{'s' if seeds > 1 else ''}"] if counts else [items]
        if set(counts.values()) == {1}:
            words[-1] += "; one seed, so seed variance is not in the interval"
        elif 1 in counts.values():
            single = ", ".join(arm for arm, n in counts.items() if n == 1)
            words[-1] += f" of {single}, whose seed variance is taken to be the usual one"
        alone = [f"{arm}: of {self.fixed[arm]} alone" for arm in arms if self.fixed.get(arm)]
        return "; ".join([", ".join(words), *alone])

    def read_by(self, arms: Sequence[str]) -> NDArray[np.bool_]:
        """Which items every one of these arms was read at, with every seed; none where a whole stratum is missing."""
        items: NDArray[np.bool_] = np.all([~np.isnan(self.values[arm]).any(axis=0) for arm in arms], axis=0)
        # Over the strata that are left the metric would be another one: F1 without its errors is an accuracy.
        whole = set(self.strata[items]) == set(self.strata)
        return items if whole else np.zeros_like(items)


def tables(
    readings: Iterable[Reading], metrics: Metrics, *, aligned: bool = False, fixed: Fixed = BASE_ALONE
) -> list[Table]:
    """A table for each measurement, in the order in which they first appear; `aligned`: with the items of all in every one.

    An arm has the seeds with which it was read at all, of those with which the measurement was read of any arm. Raises StudyError for a reading of a metric that its probe does not declare.
    """
    readings = list(readings)
    every = readings if aligned else None
    seeds: dict[str, set[int]] = {}
    for r in readings:
        seeds.setdefault(r.arm, set()).add(r.seed)
    return [
        _table(rows, metric_of(metrics, rows[0]), every or rows, seeds, fixed) for rows in by_key(readings).values()
    ]


def _table(
    rows: Sequence[Reading], metric: Metric, every: Sequence[Reading], of_arm: Mapping[str, set[int]], fixed: Fixed
) -> Table:
    items = {r.item_id: (r.problem_id, r.stratum) for r in every}
    order = {item: index for index, item in enumerate(items)}
    read = {r.seed for r in every}
    arms = dict.fromkeys(r.arm for r in rows)
    seeds = {arm: {seed: index for index, seed in enumerate(sorted(of_arm[arm] & read))} for arm in arms}
    values = {arm: np.full((len(seeds[arm]), len(order)), np.nan) for arm in arms}
    unknown: dict[str, list[bool]] = {arm: [] for arm in values}
    for r in rows:
        values[r.arm][seeds[r.arm][r.seed], order[r.item_id]] = np.nan if r.value is None else r.value
        unknown[r.arm].append(r.mark is Mark.UNKNOWN)
    return Table(
        of=_measured(rows),
        metric=metric,
        clusters=_codes([problem for problem, _ in items.values()]),
        strata=_codes([stratum for _, stratum in items.values()]),
        values=values,
        unknown={arm: float(np.mean(marks)) for arm, marks in unknown.items()},
        fixed=fixed,
    )


def _measured(rows: Sequence[Reading]) -> Measured:
    """What was measured, as far away as its items are on average."""
    first = rows[0]
    shift = first.shift
    if shift is not None:
        distances = {r.item_id: r.shift.distance for r in rows if r.shift}
        shift = replace(shift, distance=fmean(distances.values()))
    plain = {name: getattr(first, name) for name in Measured.__struct_fields__}
    return Measured(**{**plain, "shift": shift})


def _codes(labels: Sequence[str]) -> Codes:
    return np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1].astype(np.int64)
