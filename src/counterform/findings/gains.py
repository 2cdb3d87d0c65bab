"""Readings become findings: estimate, interval, verdict, sentence. Pure; sees readings and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.findings import stats
from counterform.results import (
    LOWER_IS_BETTER,
    TOKEN_CLASSES,
    Baseline,
    Finding,
    FormShare,
    Inside,
    Level,
    Results,
    WeightChanges,
)
from counterform.study import BASE_ARM
from counterform.text import shifts
from counterform.types import Mark, Reading

ALPHA = 0.05

NEUTRAL = ("strategy",)
"""Probes of which no metric is better high or low: `supported` says more, `refuted` less."""
SIGNED = ("gain ", "self-trust gap", "answer lost")
"""How metrics begin that are themselves differences, and may stand below 0."""


class _Table(Struct, frozen=True):
    """The readings of one metric as arrays: items in the same order for every arm and seed."""

    probe: str
    metric: str
    clusters: np.ndarray
    strata: np.ndarray
    values: Mapping[str, np.ndarray]
    """(seeds, items) by arm; NaN where nothing was read."""
    unknown: Mapping[str, float]


def find(
    readings: Sequence[Reading],
    *,
    question: str,
    contrasts: Sequence[tuple[str, str]] = (),
    form_shares: Sequence[tuple[str, str]] = (),
    baselines: Sequence[Baseline] = (),
    notes: Sequence[str] = (),
) -> Results:
    """Every arm's gain over the base and every declared contrast and form share, on every metric."""
    levels: list[Level] = []
    shares: list[FormShare] = []
    unread: dict[tuple[str, str], list[str]] = {}
    compared: list[tuple[_Table, list[tuple[str, str]]]] = []
    for table in _tables(readings):
        arms = [arm for arm in table.values if arm != BASE_ARM]
        pairs = [(arm, BASE_ARM) for arm in arms if BASE_ARM in table.values]
        pairs += [(a, b) for a, b in contrasts if a in table.values and b in table.values]
        levels += [_level(table, arm) for arm in table.values if _read_by(table, [arm]).any()]
        pairs = list(dict.fromkeys(pairs))
        readable = [pair for pair in pairs if _read_by(table, pair).any()]
        for pair in pairs:
            if pair not in readable:
                unread.setdefault(pair, []).append(f"{table.probe} {table.metric}")
        compared.append((table, readable))
        # A difference within one model is no gain that a control could have a share of.
        if not shifts.reading_and_shift(table.metric)[1] and not table.metric.startswith(SIGNED):
            shares += [share for control, full in form_shares if (share := _form_share(table, control, full))]
    unread_in_words = [
        f"{a} and {b} have no readings that can be compared of: {', '.join(metrics)}."
        for (a, b), metrics in unread.items()
    ]
    findings = _compare(compared)
    return Results(
        question=question,
        findings=tuple(findings),
        levels=tuple(levels),
        baselines=tuple(baselines),
        form_shares=tuple(shares),
        notes=(*notes, *unread_in_words),
    )


def find_inside(readings: Sequence[Reading], weights: WeightChanges | None = None) -> Inside:
    """What changed inside, from the readings of the internals probe (whose docstring says what they are).

    KL is counted in nats and is neither good nor bad, so it stands apart from the findings: ratios of sums over
    problems, with intervals. The base is left out there: its KL to itself is 0.
    """
    tables = {table.metric: table for table in _tables(readings)}
    divergences = {name: tables[f"KL {name}"] for name in TOKEN_CLASSES if f"KL {name}" in tables}
    shares: list[Level] = []
    per_token: list[Level] = []
    for name, table in divergences.items():
        whole = {arm: np.sum([t.values[arm] for t in divergences.values()], axis=0) for arm in table.values}
        shares += _ratio_levels(table, whole, name, bounds=stats.SHARE)
        per_token += _ratio_levels(table, tables[f"tokens {name}"].values, name, bounds=stats.COUNT)
    layers, control = (
        [table for metric, table in tables.items() if metric.startswith(f"{what} layer ")]
        for what in ("AUROC", "control")
    )
    notes = _false_controls(control)
    if readings and all(reading.value is None for reading in readings):
        notes.append("internals read nothing: it needs a base and arms of kind `hf`, whose insides can be seen.")
    elif readings and not layers:
        notes.append("internals: no held-out attempt has a step with a grade, so there is no linear probe.")
    return Inside(
        shares=tuple(shares),
        per_token=tuple(per_token),
        layers=tuple(_layer_levels(layers)),
        control=tuple(_layer_levels(control)),
        weights=weights,
        notes=tuple(notes),
    )


def _ratio_levels(top: _Table, bottom: Mapping[str, np.ndarray], name: str, *, bounds: stats.Bounds) -> list[Level]:
    """sum(top) / sum(bottom) over items that are problems, of every trained arm in which it is defined."""
    pseudo = {
        arm: np.stack([stats.ratio_pseudo_values(*pair) for pair in zip(values, bottom[arm], strict=True)], axis=1)
        for arm, values in top.values.items()
        if arm != BASE_ARM
    }
    pseudo = {arm: values for arm, values in pseudo.items() if not np.isnan(values).any()}
    levels = []
    for arm, values in pseudo.items():
        others = [other for whose, other in pseudo.items() if whose != arm]
        e = stats.estimate(values, None, others, lucky=[True], bounds=bounds)
        levels.append(
            Level(
                probe=top.probe,
                metric=name,
                arm=arm,
                estimate=e.value,
                low=e.low,
                high=e.high,
                n_items=values.shape[0],
                n_seeds=values.shape[1],
                unknown=top.unknown[arm],
            )
        )
    return levels


def _layer_levels(tables: Sequence[_Table]) -> list[Level]:
    """The levels of every arm at every layer, by the layer's number."""
    return [
        replace(_level(table, arm), metric=table.metric.rpartition(" ")[2])
        for table in tables
        for arm in table.values
        if _read_by(table, [arm]).any()
    ]


def _false_controls(tables: Sequence[_Table]) -> list[str]:
    """A note for every control that is not at 0.5, where shuffled labels must be."""
    from_half = [
        _Table(
            t.probe, t.metric, t.clusters, t.strata, {arm: values - 0.5 for arm, values in t.values.items()}, t.unknown
        )
        for t in tables
    ]
    rows = [(t, arm, _estimate(t, arm, None)[0]) for t in from_half for arm in t.values if _read_by(t, [arm]).any()]
    return [
        f"{arm}: the AUROC with shuffled labels, {table.metric}, is {0.5 + e.value:.2f} and not 0.5; distrust its AUROC."
        for (table, arm, e), p in zip(rows, stats.holm([e.p for _, _, e in rows]), strict=True)
        if p <= ALPHA
    ]


def _tables(readings: Sequence[Reading]) -> list[_Table]:
    by_metric: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        by_metric.setdefault((reading.probe, reading.metric), []).append(reading)
    return [_table(probe, metric, rows) for (probe, metric), rows in by_metric.items()]


def _table(probe: str, metric: str, rows: Sequence[Reading]) -> _Table:
    items = {r.item_id: (r.problem_id, r.stratum) for r in rows}
    order = {item: index for index, item in enumerate(items)}
    seeds = {seed: index for index, seed in enumerate(sorted({r.seed for r in rows}))}
    values = {arm: np.full((len(seeds), len(order)), np.nan) for arm in dict.fromkeys(r.arm for r in rows)}
    unknown: dict[str, list[bool]] = {arm: [] for arm in values}
    for r in rows:
        values[r.arm][seeds[r.seed], order[r.item_id]] = np.nan if r.value is None else r.value
        unknown[r.arm].append(r.mark is Mark.UNKNOWN)
    return _Table(
        probe=probe,
        metric=metric,
        clusters=_codes([problem for problem, _ in items.values()]),
        strata=_codes([stratum for _, stratum in items.values()]),
        values=values,
        unknown={arm: float(np.mean(marks)) for arm, marks in unknown.items()},
    )


def _codes(labels: Sequence[str]) -> np.ndarray:
    return np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1].astype(np.int64)


def _pseudo(table: _Table, arm: str, items: np.ndarray) -> np.ndarray:
    """(clusters, seeds) pseudo-values of an arm over some of the items."""
    clusters = np.unique(table.clusters[items], return_inverse=True)[1]
    strata = np.unique(table.strata[items], return_inverse=True)[1]
    return np.stack([stats.pseudo_values(row[items], clusters, strata) for row in table.values[arm]], axis=1)


def _read_by(table: _Table, arms: Sequence[str]) -> np.ndarray:
    """Which items every one of these arms was read at, with every seed; none where a whole stratum is missing."""
    items: np.ndarray = np.all([~np.isnan(table.values[arm]).any(axis=0) for arm in arms], axis=0)
    # Over the strata that are left the metric would be another one: F1 without its errors is an accuracy.
    whole = set(table.strata[items]) == set(table.strata)
    return items if whole else np.zeros_like(items)


def _estimate(table: _Table, arm: str, versus: str | None) -> tuple[stats.Estimate, int, int]:
    """The estimate, its items and its clusters. The other arms that were read at all of them tell how lucky trainings are."""
    named = [arm] if versus is None else [arm, versus]
    items = _read_by(table, named)
    estimate = stats.estimate(
        _pseudo(table, arm, items),
        None if versus is None else _pseudo(table, versus, items),
        _others(table, named, items),
        lucky=[a != BASE_ARM for a in named],
        bounds=_bounds(table),
    )
    return estimate, int(items.sum()), len(np.unique(table.clusters[items]))


def _form_share(table: _Table, control: str, full: str) -> FormShare | None:
    """The share of one arm's gain that a control has too; None where they and the base were never read together."""
    named = [control, full, BASE_ARM]
    if not all(arm in table.values for arm in named) or not (items := _read_by(table, named)).any():
        return None
    over, whole, base = (_pseudo(table, arm, items) for arm in named)
    found = stats.share_of_gain(over, whole, base, _others(table, named, items), bounds=_bounds(table))
    share = found if isinstance(found, stats.Ratio) else None
    gain = f"{full}'s gain in {table.probe} {table.metric}"
    return FormShare(
        probe=table.probe,
        metric=table.metric,
        control=control,
        full=full,
        share=share.value if share else None,
        low=share.low if share else None,
        high=share.high if share else None,
        n_items=int(items.sum()),
        n_problems=len(np.unique(table.clusters[items])),
        n_seeds=len(table.values[full]),
        sentence=f"{control} makes {_percent(share.value, share.low, share.high)} of {gain}."
        if share
        else f"What {control} makes of {gain}: {found}.",
    )


def _others(table: _Table, named: Sequence[str], items: np.ndarray) -> list[np.ndarray]:
    """The other trained arms that were read at all of these items."""
    arms = [a for a in table.values if a not in (BASE_ARM, *named) and not np.isnan(table.values[a][:, items]).any()]
    return [_pseudo(table, a, items) for a in arms]


def _bounds(table: _Table) -> stats.Bounds:
    if table.metric.startswith(SIGNED):
        return stats.DIFFERENCE
    return stats.COUNT if _most(table.metric) > 1 else stats.SHARE


def _level(table: _Table, arm: str) -> Level:
    estimate, n_items, _ = _estimate(table, arm, None)
    return Level(
        probe=table.probe,
        metric=table.metric,
        arm=arm,
        estimate=estimate.value,
        low=max(estimate.low, _bounds(table)[0]),
        high=min(estimate.high, _bounds(table)[1]),
        n_items=n_items,
        n_seeds=len(table.values[arm]),
        unknown=table.unknown[arm],
    )


def _compare(compared: Sequence[tuple[_Table, Sequence[tuple[str, str]]]]) -> list[Finding]:
    """Every comparison of every metric; p-values are corrected over those of one metric, or of one shift's axis."""
    rows = [(table, arm, versus, *_estimate(table, arm, versus)) for table, pairs in compared for arm, versus in pairs]
    families: dict[tuple[str, str], list[int]] = {}
    for index, (table, *_) in enumerate(rows):
        families.setdefault((table.probe, shifts.together(table.metric)), []).append(index)
    corrected: dict[int, float] = {}
    for indices in families.values():
        corrected.update(zip(indices, stats.holm([rows[index][3].p for index in indices]), strict=True))
    return [_finding(*row, corrected[index]) for index, row in enumerate(rows)]


def _finding(
    table: _Table, arm: str, versus: str, e: stats.Estimate, n_items: int, n_problems: int, p_holm: float
) -> Finding:
    read = _read_by(table, [arm, versus])
    finding = Finding(
        claim=f"{arm} {'raises' if table.probe in NEUTRAL else 'improves'} {table.probe} {table.metric} over {versus}",
        probe=table.probe,
        metric=table.metric,
        arm=arm,
        versus=versus,
        baseline=float(_pseudo(table, versus, read).mean()),
        estimate=e.value,
        low=max(e.low, -_most(table.metric)),
        high=min(e.high, _most(table.metric)),
        p=e.p,
        p_holm=p_holm,
        mde=min(e.mde, _most(table.metric)),
        n_items=n_items,
        n_problems=n_problems,
        n_seeds=len(table.values[arm]),
        n_missing=len(table.clusters) - n_items,
        verdict=_verdict(e, p_holm, lower_is_better=_lower_is_better(table.metric)),
        sentence="",
    )
    return _with_sentence(finding)


def _verdict(
    e: stats.Estimate, p_holm: float, *, lower_is_better: bool
) -> Literal["supported", "refuted", "undecided"]:
    """Whether "the arm is better" is supported, refuted (it is clearly worse), or undecided."""
    if p_holm > ALPHA or e.low <= 0 <= e.high:
        return "undecided"
    return "supported" if (e.value > 0) != lower_is_better else "refuted"


def _lower_is_better(metric: str) -> bool:
    # "right by wrong steps (invalid)" and "edit distance, whole @ length 7" too.
    return shifts.reading_and_shift(metric)[0].partition(" (")[0] in LOWER_IS_BETTER


def _most(metric: str) -> float:
    """Beyond what a metric's bounds are not told: a share is no more than all, a cost may be a hundredfold."""
    return 100.0 if metric.partition(" (")[0] in ("tokens", "seconds") else 1.0


def _with_sentence(f: Finding) -> Finding:
    moved = f"{_points(f.estimate)} points [{_points(f.low)}, {_points(f.high)}]"
    size = f"{f.n_items:,} items of {f.n_problems:,} problems, {f.n_seeds} seed{'s' if f.n_seeds > 1 else ''}"
    head = f"{f.arm} against {f.versus}, {f.probe} {f.metric}: {moved}"
    if f.verdict == "undecided":
        tail = f"undecided; a true difference under {100 * f.mde:.1f} points would mostly go unseen"
    else:
        better = (f.estimate > 0) != _lower_is_better(f.metric)
        more, less = ("more", "less") if f.probe in NEUTRAL else ("better", "worse")
        tail = more if better else less
    luck = "; one seed, so the luck of training is not in the interval" if f.n_seeds == 1 else ""
    return replace(f, sentence=f"{head}: {tail} ({size}{luck}).")


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]".replace("-", "−")


def _points(value: float) -> str:
    text = f"{100 * value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")
