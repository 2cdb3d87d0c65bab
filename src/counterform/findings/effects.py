"""Readings of shares become effect sizes, format beside domain, and the dose curve between two arms. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from counterform.findings import stats
from counterform.findings.gains import left_out
from counterform.findings.stats import Floats
from counterform.findings.table import BASE_ALONE, Fixed, Table, tables
from counterform.metrics import Metrics
from counterform.results import Dose, Effect, Strategies
from counterform.types import Reading

Shows = Mapping[str, Mapping[str, str]]
"""Of each arm, what it shows: `format`, `domain`, `objective`."""
SHARES = (0.25, 0.5, 0.75)
"""Of the way between two arms, besides both ends."""


def find_strategies(
    readings: Sequence[Reading],
    metrics: Metrics,
    *,
    contrasts: Sequence[tuple[str, str]],
    shows: Shows,
    doses: Sequence[tuple[str, str]] = (),
    fixed: Fixed = BASE_ALONE,
) -> tuple[Strategies, list[str]]:
    """Cohen's d and h of every declared contrast, and the curve of every declared dose, on each measurement; and notes.

    readings: those of the arms and of the models between them, whose arm is `dose_name`. An item is a problem.
    """
    effects: list[Effect] = []
    levels: list[Dose] = []
    notes: list[str] = []
    silent: Counter[str] = Counter()
    for table in tables(readings, metrics, fixed=fixed):
        values = {arm: rows.T for arm, rows in table.values.items()}
        trained = {arm: values[arm] for arm in table.trained if not _is_dose(arm, doses)}
        for arm, versus in contrasts:
            if arm in values and versus in values:
                found = _effect(table, arm, versus, values, trained, _differs(shows, arm, versus))
                if found and found.n_items >= stats.FEW_CLUSTERS:
                    effects.append(found)
                elif found:
                    silent[table.of.name] += 1
                else:
                    notes.append(
                        f"{arm} and {versus} have no effect size of {table.of.words}: both are 0, 1 or unread."
                    )
        for first, second in doses:
            levels += _curve(table, first, second, values, silent)
    return Strategies(effects=tuple(effects), doses=tuple(levels)), [*notes, *left_out(silent)]


def dose_name(first: str, second: str, share: float) -> str:
    """How the model between two arms is called where arms are."""
    return f"{first} to {second}, {100 * share:.0f} %"


def _is_dose(arm: str, doses: Sequence[tuple[str, str]]) -> bool:
    return any(arm == dose_name(*pair, share) for pair in doses for share in SHARES)


def _effect(
    table: Table, arm: str, versus: str, values: Mapping[str, Floats], trained: Mapping[str, Floats], differs: str
) -> Effect | None:
    read = ~np.isnan(values[arm]).any(axis=1) & ~np.isnan(values[versus]).any(axis=1)
    a, b = values[arm][read], values[versus][read]
    others = [
        rows[read] for name, rows in trained.items() if name not in (arm, versus) and not np.isnan(rows[read]).any()
    ]
    sizes = [
        stats.effect(of, a, b, others, lucky=table.lucky([arm, versus])) if read.any() else None
        for of in (stats.cohens_d, stats.cohens_h)
    ]
    d, h = sizes
    if d is None or h is None:
        return None
    return Effect(
        **table.columns,
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
        n_seeds=table.n_seeds([arm, versus]),
    )


def _differs(shows: Shows, arm: str, versus: str) -> str:
    one, other = shows.get(arm, {}), shows.get(versus, {})
    return ", ".join(what for what in one if what in other and one[what] != other[what])


def _curve(table: Table, first: str, second: str, values: Mapping[str, Floats], silent: Counter[str]) -> Iterator[Dose]:
    """From one arm to the other; over the problems that all of the models between were read at."""
    names = {0.0: first, **{share: dose_name(first, second, share) for share in SHARES}, 1.0: second}
    between = {share: values[name] for share, name in names.items() if name in values}
    if len(between) < len(names):
        return
    read = np.all([~np.isnan(rows).any(axis=1) for rows in between.values()], axis=0)
    if not read.any():
        return
    for share, rows in between.items():
        others = [other[read] for at, other in between.items() if at != share]
        e = stats.estimate(rows[read], None, others, lucky=[True], bounds=table.metric.range)
        if stats.says_nothing(e, int(read.sum()), bounds=table.metric.range):
            silent[table.of.name] += 1
            continue
        yield Dose(
            **table.columns,
            arm=first,
            other=second,
            share=share,
            estimate=e.value,
            low=e.low,
            high=e.high,
            n_items=int(read.sum()),
            n_seeds=rows.shape[1],
        )
