"""Readings become findings: estimate, interval, verdict, sentence. Pure; sees readings and what their probes declare of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.findings import stats
from counterform.findings.stats import Floats, NoShare
from counterform.findings.table import BASE_ALONE, Fixed, Table, tables
from counterform.metrics import Key, Metric, Metrics
from counterform.results import Finding, FormShare, Level, Verdict
from counterform.study import BASE_ARM
from counterform.text import numbers
from counterform.types import Reading

ALPHA = 0.05


class Gains(Struct, frozen=True, kw_only=True):
    """What a comparison of arms came to."""

    findings: tuple[Finding, ...]
    levels: tuple[Level, ...]
    form_shares: tuple[FormShare, ...]
    notes: tuple[str, ...]
    """Pairs of arms that have no readings in common, and how many rows were left out because they say nothing."""


class _Asked(Struct, frozen=True):
    """What is to be estimated on one measurement: where an arm stands, or how far it is from another."""

    table: Table
    arm: str
    versus: str | None

    @property
    def arms(self) -> list[str]:
        return [self.arm] if self.versus is None else [self.arm, self.versus]


class _Row(Struct, frozen=True):
    """The estimate of it."""

    of: _Asked
    e: stats.Estimate
    baseline: float | None
    """The level of what it is compared with."""
    n_items: int
    n_problems: int

    @property
    def says_nothing(self) -> bool:
        bounds, apart = self.of.table.metric.range, self.of.versus is not None
        return stats.says_nothing(self.e, self.n_problems, bounds=bounds, difference=apart)


def find(
    readings: Sequence[Reading],
    metrics: Metrics,
    *,
    contrasts: Sequence[tuple[str, str]] = (),
    form_shares: Sequence[tuple[str, str]] = (),
    fixed: Fixed = BASE_ALONE,
) -> Gains:
    """Every arm's gain over the base and every declared contrast and form share, on every measurement.

    Raises StudyError for a reading of a metric that its probe does not declare.
    """
    shares: list[FormShare] = []
    unread: dict[tuple[str, str], list[str]] = {}
    asked: list[_Asked] = []
    for table in tables(readings, metrics, fixed=fixed):
        asked += [_Asked(table, arm, None) for arm in table.values if table.read_by([arm]).any()]
        pairs = [(arm, BASE_ARM) for arm in table.arms if BASE_ARM in table.values]
        pairs += [(a, b) for a, b in contrasts if a in table.values and b in table.values]
        for pair in dict.fromkeys(pairs):
            if table.read_by(pair).any():
                asked.append(_Asked(table, *pair))
            else:
                unread.setdefault(pair, []).append(table.of.words)
        # A difference within one model is no gain that a control could have a share of.
        if table.of.shift is None and table.metric.unit != "difference":
            shares += [share for control, full in form_shares if (share := _form_share(table, control, full))]
    rows = _estimated(asked)
    silent = Counter(row.of.table.of.name for row in rows if row.says_nothing)
    telling = [row for row in rows if not row.says_nothing]
    notes = [
        f"{a} and {b} have no readings that can be compared of: {', '.join(words)}." for (a, b), words in unread.items()
    ]
    return Gains(
        findings=tuple(_corrected([row for row in telling if row.of.versus is not None])),
        levels=tuple(_level(row) for row in telling if row.of.versus is None),
        form_shares=tuple(shares),
        notes=(*notes, *left_out(silent)),
    )


def left_out(silent: Mapping[str, int]) -> list[str]:
    """A note on the rows that say nothing, of each measurement how many; none where there are none."""
    counts = ", ".join(f"{n} of {words}" for words, n in silent.items() if n)
    least, most = stats.FEW_CLUSTERS, f"{100 * stats.NEARLY_ALL:.0f} %"
    return [
        f"Left out, with fewer than {least} problems or an interval over {most} of all that can be: {counts}."
    ] * bool(counts)


def levels(asked: Sequence[tuple[Table, str]]) -> list[Level | None]:
    """Where an arm stands on a measurement, of each; None where its interval says nothing."""
    rows = _estimated([_Asked(table, arm, None) for table, arm in asked])
    return [None if row.says_nothing else _level(row) for row in rows]


def _level(row: _Row) -> Level:
    table, arm, e = row.of.table, row.of.arm, row.e
    return Level(
        **table.columns,
        arm=arm,
        estimate=e.value,
        low=e.low,
        high=e.high,
        n_items=row.n_items,
        n_seeds=len(table.values[arm]) if arm == BASE_ARM else table.n_seeds([arm]),
        unknown=table.unknown[arm],
    )


def _estimated(asked: Sequence[_Asked]) -> list[_Row]:
    """The estimates, their items and their clusters. The other arms that were read at all of the items tell how lucky trainings are."""
    items = [one.table.read_by(one.arms) for one in asked]
    known = _Known()
    compared = [known.compared(one, read) for one, read in zip(asked, items, strict=True)]
    return [
        _Row(one, e, None if each.b is None else float(each.b.mean()), int(read.sum()), len(each.a))
        for one, read, each, e in zip(asked, items, compared, stats.estimates(compared), strict=True)
    ]


class _Known:
    """Pseudo-values that were made already: those of one arm enter every comparison of its table."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str, bytes], Floats] = {}

    def compared(self, of: _Asked, items: np.ndarray) -> stats.Compared:
        table = of.table
        a, *b = (self._pseudo(table, arm, items) for arm in of.arms)
        others = [self._pseudo(table, arm, items) for arm in _others(table, of.arms, items)]
        lucky = table.lucky(of.arms)
        return stats.Compared(a, b[0] if b else None, others, lucky, table.metric.range)

    def _pseudo(self, table: Table, arm: str, items: np.ndarray) -> Floats:
        of = (id(table), arm, items.tobytes())
        if of not in self._made:
            self._made[of] = pseudo(table, arm, items)
        return self._made[of]


def _others(table: Table, named: Sequence[str], items: np.ndarray) -> list[str]:
    """The other arms in seeds that were read at all of these items."""
    return [arm for arm in table.trained if arm not in named and not np.isnan(table.values[arm][:, items]).any()]


def pseudo(table: Table, arm: str, items: np.ndarray) -> Floats:
    """(clusters, seeds) pseudo-values of an arm over some of the items."""
    clusters = np.unique(table.clusters[items], return_inverse=True)[1]
    strata = np.unique(table.strata[items], return_inverse=True)[1]
    return np.stack([stats.pseudo_values(row[items], clusters, strata) for row in table.values[arm]], axis=1)


def _form_share(table: Table, control: str, full: str) -> FormShare | None:
    """The share of one arm's gain that a control has too; None where they and the base were never read together."""
    named = [control, full, BASE_ARM]
    if not all(arm in table.values for arm in named) or not (items := table.read_by(named)).any():
        return None
    over, whole, base = (pseudo(table, arm, items) for arm in named)
    others = [pseudo(table, arm, items) for arm in _others(table, named, items)]
    lucky = table.lucky([control, full])
    found = stats.share_of_gain(over, whole, base, others, lucky=lucky, bounds=table.metric.range)
    share = found if isinstance(found, stats.Ratio) else None
    rises = bool(whole.mean() > base.mean())
    # Of what is not clear of 0 nobody knows which of the two it is.
    gained = found is NoShare.UNDEFINED or table.metric.better == "neither" or rises == (table.metric.better == "high")
    part = f"{full}'s {'gain' if gained else 'loss'} in {table.of.words}"
    why = "" if isinstance(found, stats.Ratio) else _why(found, gained=gained)
    return FormShare(
        **table.columns,
        control=control,
        full=full,
        share=share.value if share else None,
        low=share.low if share else None,
        high=share.high if share else None,
        why=why,
        n_items=int(items.sum()),
        n_problems=len(np.unique(table.clusters[items])),
        n_seeds=table.n_seeds([control, full]),
        sentence=f"{control} makes {numbers.percent(share.value, share.low, share.high)} of {part}."
        if share
        else f"What {control} makes of {part}: {why}.",
    )


def _why(none: NoShare, *, gained: bool) -> str:
    """Why there is no share of what the full arm gained, or lost."""
    if none is NoShare.NOTHING:
        return f"no share: the control {'gains' if gained else 'loses'} nothing"
    return f"undefined: {'no clear' if none is NoShare.UNDEFINED else 'too small a'} {'gain' if gained else 'loss'}"


def _corrected(rows: Sequence[_Row]) -> list[Finding]:
    """Every comparison of every measurement, p-values corrected over those of its family."""
    families: dict[Key, list[int]] = {}
    for index, row in enumerate(rows):
        families.setdefault(_family(row.of.table), []).append(index)
    corrected: dict[int, float] = {}
    for indices in families.values():
        corrected.update(zip(indices, stats.holm([rows[index].e.p for index in indices]), strict=True))
    return [_finding(row, corrected[index]) for index, row in enumerate(rows)]


def _family(table: Table) -> Key:
    """What is corrected together: one measurement, at all levels of one axis, since a curve is looked at whole."""
    *columns, shift = table.of.key
    probe, metric, condition, against, budget = columns
    return (probe, metric, condition, against, budget, shift and (shift[0], ""))


def _finding(row: _Row, p_holm: float) -> Finding:
    table, arm, versus, e = row.of.table, row.of.arm, row.of.versus, row.e
    metric = table.metric
    assert versus is not None
    assert row.baseline is not None
    finding = Finding(
        **table.columns,
        claim=f"{arm} {'raises' if metric.better == 'neither' else 'improves'} {table.of.words} over {versus}",
        arm=arm,
        versus=versus,
        baseline=row.baseline,
        estimate=e.value,
        low=e.low,
        high=e.high,
        p=e.p,
        p_holm=p_holm,
        mde=e.mde,
        n_items=row.n_items,
        n_problems=row.n_problems,
        n_seeds=table.n_seeds([arm, versus]),
        n_missing=len(table.clusters) - row.n_items,
        verdict=_verdict(e, p_holm, metric),
        sentence="",
    )
    size = table.size([arm, versus], f"{row.n_items:,} items of {row.n_problems:,} problems")
    return replace(finding, sentence=_sentence(finding, metric, size))


def _verdict(e: stats.Estimate, p_holm: float, metric: Metric) -> Verdict:
    """Whether the arm is better or worse, or has more or less of what is neither; or undecided."""
    if p_holm > ALPHA or e.low <= 0 <= e.high:
        return "undecided"
    if metric.better == "neither":
        return "more" if e.value > 0 else "less"
    return "better" if (e.value > 0) == (metric.better == "high") else "worse"


def _sentence(f: Finding, metric: Metric, size: str) -> str:
    head = f"{f.arm} against {f.versus}, {f.words}: {numbers.moved(metric, f.estimate, f.low, f.high)}"
    if f.verdict == "undecided":
        least = numbers.at_least(metric, f.mde)
        tail = f"undecided; a true difference under {least} would mostly go unseen"
    else:
        tail = f.verdict
    return f"{head}: {tail} ({size})."
