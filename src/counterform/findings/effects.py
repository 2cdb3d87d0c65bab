"""Readings of the probe `strategy` become effect sizes, format beside domain, and the dose curve between two arms. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from counterform.findings import stats
from counterform.findings.stats import Floats
from counterform.results import Dose, Effect, Strategies
from counterform.study import BASE_ARM
from counterform.types import Reading

Shows = Mapping[str, Mapping[str, str]]
"""Of each arm, what it shows: `format`, `domain`, `objective`."""
SHARES = (0.25, 0.5, 0.75)
"""Of the way between two arms, besides both ends."""


def find_strategies(
    readings: Sequence[Reading],
    *,
    contrasts: Sequence[tuple[str, str]],
    shows: Shows,
    doses: Sequence[tuple[str, str]] = (),
) -> Strategies:
    """Cohen's d and h of every declared contrast, and the curve of every declared dose, on each metric.

    readings: those of the arms and of the models between them, whose arm is `dose_name`. An item is a problem.
    """
    effects: list[Effect] = []
    levels: list[Dose] = []
    notes: list[str] = []
    for metric, values in _tables(readings).items():
        trained = {arm: table for arm, table in values.items() if arm != BASE_ARM and not _is_dose(arm, doses)}
        for arm, versus in contrasts:
            if arm in values and versus in values:
                found = _effect(metric, arm, versus, values, trained, _differs(shows, arm, versus))
                effects += [found] if found else []
                if found is None:
                    notes.append(
                        f"strategy: {arm} and {versus} have no effect size of {metric}: both are 0, 1 or unread."
                    )
        for first, second in doses:
            levels += _curve(metric, first, second, values)
    return Strategies(effects=tuple(effects), doses=tuple(levels), notes=tuple(notes))


def dose_name(first: str, second: str, share: float) -> str:
    """How the model between two arms is called where arms are."""
    return f"{first} to {second}, {100 * share:.0f} %"


def _is_dose(arm: str, doses: Sequence[tuple[str, str]]) -> bool:
    return any(arm == dose_name(*pair, share) for pair in doses for share in SHARES)


def _tables(readings: Sequence[Reading]) -> dict[str, dict[str, Floats]]:
    """By metric, (problems, seeds) by arm; NaN where nothing was read."""
    rows = [reading for reading in readings if reading.probe == "strategy"]
    items = {item: at for at, item in enumerate(dict.fromkeys(r.item_id for r in rows))}
    seeds = {seed: at for at, seed in enumerate(sorted({r.seed for r in rows}))}
    found: dict[str, dict[str, Floats]] = {}
    for r in rows:
        table = found.setdefault(r.metric, {})
        values = table.setdefault(r.arm, np.full((len(items), len(seeds)), np.nan))
        values[items[r.item_id], seeds[r.seed]] = np.nan if r.value is None else r.value
    return found


def _effect(
    metric: str, arm: str, versus: str, values: Mapping[str, Floats], trained: Mapping[str, Floats], differs: str
) -> Effect | None:
    read = ~np.isnan(values[arm]).any(axis=1) & ~np.isnan(values[versus]).any(axis=1)
    a, b = values[arm][read], values[versus][read]
    others = [
        table[read] for name, table in trained.items() if name not in (arm, versus) and not np.isnan(table[read]).any()
    ]
    sizes = [
        stats.effect(of, a, b, others, lucky=[name != BASE_ARM for name in (arm, versus)]) if read.any() else None
        for of in (stats.cohens_d, stats.cohens_h)
    ]
    d, h = sizes
    if d is None or h is None:
        return None
    return Effect(
        metric=metric,
        arm=arm,
        versus=versus,
        differs_by=differs,
        d=d.value,
        d_low=d.low,
        d_high=d.high,
        h=h.value,
        h_low=h.low,
        h_high=h.high,
        n_items=int(read.sum()),
        n_seeds=a.shape[1],
    )


def _differs(shows: Shows, arm: str, versus: str) -> str:
    one, other = shows.get(arm, {}), shows.get(versus, {})
    return ", ".join(what for what in one if what in other and one[what] != other[what])


def _curve(metric: str, first: str, second: str, values: Mapping[str, Floats]) -> Iterator[Dose]:
    """From one arm to the other; over the problems that all of the models between were read at."""
    names = {0.0: first, **{share: dose_name(first, second, share) for share in SHARES}, 1.0: second}
    tables = {share: values[name] for share, name in names.items() if name in values}
    if len(tables) < len(names):
        return
    read = np.all([~np.isnan(table).any(axis=1) for table in tables.values()], axis=0)
    if not read.any():
        return
    for share, table in tables.items():
        others = [other[read] for at, other in tables.items() if at != share]
        e = stats.estimate(table[read], None, others, lucky=[True], bounds=stats.SHARE)
        yield Dose(
            metric=metric,
            arm=first,
            other=second,
            share=share,
            estimate=e.value,
            low=e.low,
            high=e.high,
            n_items=int(read.sum()),
            n_seeds=table.shape[1],
        )
