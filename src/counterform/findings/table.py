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
    """(seeds, items) by arm; NaN where nothing was read."""
    unknown: Mapping[str, float]
    """By arm, the share of readings whose mark is UNKNOWN."""

    @property
    def columns(self) -> dict[str, Any]:
        """What was measured, as the columns of all that is made of this table."""
        return {name: getattr(self.of, name) for name in Measured.__struct_fields__}

    @property
    def trained(self) -> list[str]:
        """The arms, without the base."""
        return [arm for arm in self.values if arm != BASE_ARM]

    def read_by(self, arms: Sequence[str]) -> NDArray[np.bool_]:
        """Which items every one of these arms was read at, with every seed; none where a whole stratum is missing."""
        items: NDArray[np.bool_] = np.all([~np.isnan(self.values[arm]).any(axis=0) for arm in arms], axis=0)
        # Over the strata that are left the metric would be another one: F1 without its errors is an accuracy.
        whole = set(self.strata[items]) == set(self.strata)
        return items if whole else np.zeros_like(items)


def tables(readings: Iterable[Reading], metrics: Metrics, *, aligned: bool = False) -> list[Table]:
    """A table for each measurement, in the order in which they first appear; `aligned`: with the items of all in every one.

    Raises StudyError for a reading of a metric that its probe does not declare.
    """
    readings = list(readings)
    every = readings if aligned else None
    return [_table(rows, metric_of(metrics, rows[0]), every or rows) for rows in by_key(readings).values()]


def _table(rows: Sequence[Reading], metric: Metric, every: Sequence[Reading]) -> Table:
    items = {r.item_id: (r.problem_id, r.stratum) for r in every}
    order = {item: index for index, item in enumerate(items)}
    seeds = {seed: index for index, seed in enumerate(sorted({r.seed for r in every}))}
    values = {arm: np.full((len(seeds), len(order)), np.nan) for arm in dict.fromkeys(r.arm for r in rows)}
    unknown: dict[str, list[bool]] = {arm: [] for arm in values}
    for r in rows:
        values[r.arm][seeds[r.seed], order[r.item_id]] = np.nan if r.value is None else r.value
        unknown[r.arm].append(r.mark is Mark.UNKNOWN)
    return Table(
        of=_measured(rows),
        metric=metric,
        clusters=_codes([problem for problem, _ in items.values()]),
        strata=_codes([stratum for _, stratum in items.values()]),
        values=values,
        unknown={arm: float(np.mean(marks)) for arm, marks in unknown.items()},
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
