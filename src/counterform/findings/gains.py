"""Readings become findings: estimate, interval, verdict, sentence. Pure; sees readings and what their probes declare of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.findings import stats
from counterform.findings.stats import Floats
from counterform.findings.table import Table, tables
from counterform.metrics import Key, Metric, Metrics
from counterform.results import Finding, FormShare, Level
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
    """Pairs of arms that have no readings in common."""


def find(
    readings: Sequence[Reading],
    metrics: Metrics,
    *,
    contrasts: Sequence[tuple[str, str]] = (),
    form_shares: Sequence[tuple[str, str]] = (),
) -> Gains:
    """Every arm's gain over the base and every declared contrast and form share, on every measurement.

    Raises StudyError for a reading of a metric that its probe does not declare.
    """
    levels: list[Level] = []
    shares: list[FormShare] = []
    unread: dict[tuple[str, str], list[str]] = {}
    compared: list[tuple[Table, list[tuple[str, str]]]] = []
    for table in tables(readings, metrics):
        pairs = [(arm, BASE_ARM) for arm in table.trained if BASE_ARM in table.values]
        pairs += [(a, b) for a, b in contrasts if a in table.values and b in table.values]
        levels += [level(table, arm) for arm in table.values if table.read_by([arm]).any()]
        pairs = list(dict.fromkeys(pairs))
        readable = [pair for pair in pairs if table.read_by(pair).any()]
        for pair in pairs:
            if pair not in readable:
                unread.setdefault(pair, []).append(table.of.words)
        compared.append((table, readable))
        # A difference within one model is no gain that a control could have a share of.
        if table.of.shift is None and table.metric.unit != "difference":
            shares += [share for control, full in form_shares if (share := _form_share(table, control, full))]
    notes = [
        f"{a} and {b} have no readings that can be compared of: {', '.join(words)}." for (a, b), words in unread.items()
    ]
    return Gains(
        findings=tuple(_compare(compared)), levels=tuple(levels), form_shares=tuple(shares), notes=tuple(notes)
    )


def level(table: Table, arm: str) -> Level:
    """Where one arm stands."""
    e, n_items, _ = estimate(table, arm, None)
    return Level(
        **table.columns,
        arm=arm,
        estimate=e.value,
        low=max(e.low, table.metric.least),
        high=min(e.high, table.metric.most),
        n_items=n_items,
        n_seeds=len(table.values[arm]),
        unknown=table.unknown[arm],
    )


def estimate(table: Table, arm: str, versus: str | None) -> tuple[stats.Estimate, int, int]:
    """The estimate, its items and its clusters. Training luck is pooled over the arms that were read at all of them."""
    named = [arm] if versus is None else [arm, versus]
    items = table.read_by(named)
    found = stats.estimate(
        _pseudo(table, arm, items),
        None if versus is None else _pseudo(table, versus, items),
        _trained(table, items),
        lucky=sum(name != BASE_ARM for name in named),
    )
    return found, int(items.sum()), len(np.unique(table.clusters[items]))


def _trained(table: Table, items: np.ndarray) -> list[Floats]:
    """The pseudo-values of every trained arm that was read at all of these items."""
    return [_pseudo(table, arm, items) for arm in table.trained if not np.isnan(table.values[arm][:, items]).any()]


def _pseudo(table: Table, arm: str, items: np.ndarray) -> Floats:
    """(clusters, seeds) pseudo-values of an arm over some of the items."""
    clusters = np.unique(table.clusters[items], return_inverse=True)[1]
    strata = np.unique(table.strata[items], return_inverse=True)[1]
    return np.stack([stats.pseudo_values(row[items], clusters, strata) for row in table.values[arm]], axis=1)


def _form_share(table: Table, control: str, full: str) -> FormShare | None:
    """The share of one arm's gain that a control has too; None where they and the base were never read together."""
    named = [control, full, BASE_ARM]
    if not all(arm in table.values for arm in named) or not (items := table.read_by(named)).any():
        return None
    over, whole, base = (_pseudo(table, arm, items) for arm in named)
    found = stats.ratio(over, whole, base, _trained(table, items))
    gain = f"{full}'s gain in {table.of.words}"
    return FormShare(
        **table.columns,
        control=control,
        full=full,
        share=found.value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        n_items=int(items.sum()),
        n_problems=len(np.unique(table.clusters[items])),
        n_seeds=len(table.values[full]),
        sentence=f"{control} makes {numbers.percent(found.value, found.low, found.high)} of {gain}."
        if found
        else f"What {control} makes of {gain} is undefined: that gain is not clear of 0.",
    )


def _compare(compared: Sequence[tuple[Table, Sequence[tuple[str, str]]]]) -> list[Finding]:
    """Every comparison of every measurement, p-values corrected over those of its family."""
    rows = [(table, arm, versus, *estimate(table, arm, versus)) for table, pairs in compared for arm, versus in pairs]
    families: dict[Key, list[int]] = {}
    for index, (table, *_) in enumerate(rows):
        families.setdefault(_family(table), []).append(index)
    corrected: dict[int, float] = {}
    for indices in families.values():
        corrected.update(zip(indices, stats.holm([rows[index][3].p for index in indices]), strict=True))
    return [_finding(*row, corrected[index]) for index, row in enumerate(rows)]


def _family(table: Table) -> Key:
    """What is corrected together: one measurement, at all levels of one axis, since a curve is looked at whole."""
    *columns, shift = table.of.key
    probe, metric, condition, against, budget = columns
    return (probe, metric, condition, against, budget, shift and (shift[0], ""))


def _finding(
    table: Table, arm: str, versus: str, e: stats.Estimate, n_items: int, n_problems: int, p_holm: float
) -> Finding:
    metric, read = table.metric, table.read_by([arm, versus])
    finding = Finding(
        **table.columns,
        claim=f"{arm} {'raises' if metric.better == 'neither' else 'improves'} {table.of.words} over {versus}",
        arm=arm,
        versus=versus,
        baseline=float(_pseudo(table, versus, read).mean()),
        estimate=e.value,
        low=max(e.low, -metric.span),
        high=min(e.high, metric.span),
        p=e.p,
        p_holm=p_holm,
        mde=min(e.mde, metric.span),
        n_items=n_items,
        n_problems=n_problems,
        n_seeds=len(table.values[arm]),
        n_missing=len(table.clusters) - n_items,
        verdict=_verdict(e, p_holm, metric),
        sentence="",
    )
    return replace(finding, sentence=_sentence(finding, metric))


def _verdict(e: stats.Estimate, p_holm: float, metric: Metric) -> Literal["supported", "refuted", "undecided"]:
    """Whether "the arm is better" is supported, refuted (it is clearly worse), or undecided; of what is neither: "it has more"."""
    if p_holm > ALPHA or e.low <= 0 <= e.high:
        return "undecided"
    return "supported" if (e.value > 0) == (metric.better != "low") else "refuted"


def _sentence(f: Finding, metric: Metric) -> str:
    size = f"{f.n_items:,} items of {f.n_problems:,} problems, {f.n_seeds} seed{'s' if f.n_seeds > 1 else ''}"
    head = f"{f.arm} against {f.versus}, {f.words}: {numbers.moved(metric, f.estimate, f.low, f.high)}"
    if f.verdict == "undecided":
        least = numbers.at_least(metric, f.mde)
        tail = f"undecided; a true difference under {least} would mostly go unseen"
    else:
        good, bad = ("more", "less") if metric.better == "neither" else ("better", "worse")
        tail = good if f.verdict == "supported" else bad
    luck = "; one seed, so the luck of training is not in the interval" if f.n_seeds == 1 else ""
    return f"{head}: {tail} ({size}{luck})."
