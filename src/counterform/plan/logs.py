"""Recorded answers as a pilot: how many items, samples and runs would a comparison of two such arms need?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from counterform import parts
from counterform.compare.match import match
from counterform.errors import DataError, StudyError
from counterform.findings.plan import LogPlan, Size
from counterform.findings.power import ALIKE_UNSEEN, HIGH_LUCK, LOW_LUCK, Pilot, predicted
from counterform.findings.stats import FEW_CLUSTERS, SHARE, UNBOUNDED
from counterform.logs.collect import LoggedArm, Source, read
from counterform.logs.plain import Plain
from counterform.logs.table import Table
from counterform.plan.effects import MORE_PROBLEMS, MORE_SEEDS, effect, falling

Floats = NDArray[np.float64]
MORE_SAMPLES = 4
"""What else is shown: so many times the answers to each item."""


class _Spread(Struct, frozen=True, kw_only=True):
    """How single answers vary."""

    level: float
    between: float
    """The variance that answers to one item share, in both arms where there are two."""
    within: float
    """Of one answer around its item."""
    apart: float
    """By how much two arms differ from item to item beyond sampling, as a variance; 0 where there is one arm."""
    assumed: bool

    def pilot(self, samples: float, items: int, *, marks: bool) -> Pilot:
        """As one reading of `samples` answers to an item; an arm has its half of what the two differ by."""
        return Pilot(
            level=self.level,
            problems=self.between,
            sampling=self.apart / 2 + self.within / samples,
            bounds=SHARE if marks else UNBOUNDED,
            marks=marks,
            clusters=items,
            assumed=self.assumed,
        )


def plan_logs(paths: Sequence[str | Path], *, columns: Mapping[str, Sequence[str]] | None = None) -> LogPlan:
    """What the answers of one arm, or of two to the same items, say of a comparison of arms like them.

    columns: of plain files, by what they hold, where they are named differently (`logs.plain.KNOWN`). Raises DataError for logs of which nothing can be told, StudyError for any other number of them.
    """
    if len(paths) not in (1, 2):
        raise StudyError(f"--pilot reads one log, or two of the same items; got {len(paths)}.")
    readers = [parts.made("log", name, {}, "--pilot") for name in parts.PARTS["log"] if name != Plain.name]
    source = Source(readers=readers, plain=Plain(columns))
    arms = [read(Path(path), source, apart=True) for path in paths]
    first, second = arms[0][0], arms[1][0] if len(arms) > 1 else None
    notes = [f"{found[0].label}: the first of {len(found)} models is read" for found in arms if len(found) > 1]
    tasks = [task for task in first.tasks if second is None or task in second.tasks]
    if not tasks:
        raise DataError(f"{str(paths[0])!r} and {str(paths[1])!r} have no task in common: nothing pairs.")
    if len(tasks) > 1:
        notes.append(f"the first of {len(tasks)} tasks is read; give a log of another one alone")
    notes += [
        f"{arm.label}: the first of {len(arm.tasks[tasks[0]])} runs is read"
        for arm in (first, second)
        if arm is not None and len(arm.tasks[tasks[0]]) > 1
    ]
    return _planned(first, second, tasks[0], notes)


def _planned(first: LoggedArm, second: LoggedArm | None, task: str, notes: list[str]) -> LogPlan:
    table = first.tasks[task][0]
    metric, other = _scorer(first, second, task, notes)
    values, items = _answers(table, metric)
    count = len(np.unique(items))
    if count < FEW_CLUSTERS:
        raise DataError(
            f"{first.label!r}: {count} items have an answer scored by {metric!r}; {FEW_CLUSTERS} are the fewest that tell anything."
        )
    paired = None
    if second is not None and other is not None:
        paired = _pairs(first, second, task, metric)
    spread = _spread(values, items) if paired is None else _spread_of_two(*paired)
    marks = bool(np.isin(values, (0.0, 1.0)).all())
    samples = len(values) / count
    if spread.assumed:
        notes.append(
            f"each item was answered once: that {ALIKE_UNSEEN:.0%} of an answer's variance lies between items is taken, and not seen. "
            "Give a second log of the same items, or several samples"
        )
    elif paired is None:
        notes.append("two arms are taken to differ by sampling alone from item to item; a second log would tell")
    return LogPlan(
        label=first.label,
        other="" if second is None else second.label,
        task=task,
        metric=metric,
        level=float(values.mean()),
        other_level=None if paired is None else float(paired[1].mean()),
        unscored=float(np.isnan(table.values(metric)).mean()),
        reasons=dict(table.unscored(metric).most_common(3)),
        problems=count,
        samples=samples,
        between=spread.between / max(spread.between + spread.within, 1e-12),
        assumed=spread.assumed,
        share=marks,
        sizes=tuple(_sizes(spread, count, samples, marks)),
        luck=(LOW_LUCK, HIGH_LUCK),
        notes=tuple(notes),
    )


def _scorer(first: LoggedArm, second: LoggedArm | None, task: str, notes: list[str]) -> tuple[str, Table | None]:
    """The first scorer that all have, before those that say the same of every answer; and the second arm's table."""
    table = first.tasks[task][0]
    other = None if second is None else second.tasks[task][0]
    shared = [name for name in table.scorers if other is None or name in other.scorers]
    scored = [name for name in shared if not np.isnan(table.values(name)).all()]
    if not scored:
        raise DataError(
            f"{first.label!r} holds no score{'' if other is None else ' that the other log has too'}"
            f" ({len(table):,} answers). Score it first: `counterform grade` does where there are keys."
        )
    telling = [name for name in scored if np.nanmax(table.values(name)) > np.nanmin(table.values(name))]
    if telling and telling[0] != scored[0]:
        level = float(np.nanmean(table.values(scored[0])))
        notes.insert(0, f"{scored[0]} is {level:g} for every answer, and tells nothing: {telling[0]} is read")
    if not telling:
        notes.insert(
            0,
            f"every answer has the same {scored[0]}: at the floor or the ceiling no size of study is large enough to trust",
        )
    return (telling or scored)[0], other


def _answers(table: Table, metric: str) -> tuple[Floats, NDArray[np.int64]]:
    values = table.values(metric)
    kept = ~np.isnan(values)
    return values[kept], table.items_of(table.keys)[kept]


def _pairs(first: LoggedArm, second: LoggedArm, task: str, metric: str) -> tuple[Floats, Floats, NDArray[np.int64]]:
    [run] = match(first.tasks[task][:1], second.tasks[task][:1]).runs(metric)
    kept = ~np.isnan(run.first + run.second)
    if len(np.unique(run.items[kept])) < FEW_CLUSTERS:
        raise DataError(
            f"{first.label!r} and {second.label!r} have {len(np.unique(run.items[kept]))} items in common that both have a score "
            f"of {metric!r} for; {FEW_CLUSTERS} are the fewest that tell anything."
        )
    return run.first[kept], run.second[kept], run.items[kept]


def _spread(values: Floats, items: NDArray[np.int64]) -> _Spread:
    """One arm: the analysis of variance of its answers by item."""
    means, within, n, each = _by_item(values, items)
    whole = float(values.var())
    if len(values) == n:
        return _Spread(
            level=float(values.mean()),
            between=ALIKE_UNSEEN * whole,
            within=(1 - ALIKE_UNSEEN) * whole,
            apart=0.0,
            assumed=True,
        )
    between = max(float(means.var(ddof=1)) - within / each, 0.0)
    return _Spread(level=float(values.mean()), between=between, within=within, apart=0.0, assumed=False)


def _spread_of_two(a: Floats, b: Floats, items: NDArray[np.int64]) -> _Spread:
    """Two arms at the same items: what their items have in common, and what is left of their differences."""
    mean_a, within_a, n, each = _by_item(a, items)
    mean_b, within_b, _, _ = _by_item(b, items)
    shared = max(float(np.cov(mean_a, mean_b)[0, 1]), 0.0)
    if len(a) == n:  # what does not belong to the item is all within
        within_a, within_b = max(float(a.var()) - shared, 0.0), max(float(b.var()) - shared, 0.0)
    within = (within_a + within_b) / 2
    apart = max(float((mean_a - mean_b).var(ddof=1)) - 2 * within / each, 0.0) if len(a) > n else 0.0
    return _Spread(level=float(a.mean()), between=shared, within=within, apart=apart, assumed=False)


def _by_item(values: Floats, items: NDArray[np.int64]) -> tuple[Floats, float, int, float]:
    """Means of items, the variance within them, their number, and the answers to each (harmonic mean)."""
    at, counts = np.unique(items, return_inverse=True, return_counts=True)[1:]
    means = np.bincount(at, weights=values) / counts
    freedom = len(values) - len(counts)
    within = float(((values - means[at]) ** 2).sum() / freedom) if freedom else 0.0
    return means, within, len(counts), float(1 / (1 / counts).mean())


def _sizes(spread: _Spread, items: int, samples: float, marks: bool) -> list[Size]:
    """The size of the log, then more items, more samples, and more runs."""

    def size(times: int, each: float, runs: int) -> Size:
        pilot = spread.pilot(each, items, marks=marks)

        def predict(problems: int, seeds: int, luck: float) -> float:
            return predicted(pilot, problems=problems, seeds=seeds, luck=luck)

        return Size(problems=times * items, samples=each, seeds=runs, effect=effect(predict, times * items, runs))

    return [
        *(size(times, samples, 1) for times in (1, *MORE_PROBLEMS)),
        size(1, samples * MORE_SAMPLES, 1),
        *falling([size(1, samples, runs) for runs in MORE_SEEDS]),
    ]
