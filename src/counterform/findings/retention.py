"""How much of each trait an arm has kept: rate(arm) / rate(base), as they come and between answers of like length. Pure.

A trait is neither good nor bad and its rate is no share, so retention stands apart from the findings. The verdict is on the
rate as it comes. Shorter answers may hold fewer markers a token (a check comes at the end), so the same between answers of like length stands
beside it; a marker adds to the length itself, so in short answers it may hide a loss, and it is no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from counterform.findings import stats
from counterform.findings.gains import ALPHA, Gains, find, left_out
from counterform.findings.stats import Floats
from counterform.findings.table import BASE_ALONE, Fixed, Table, tables
from counterform.metrics import Metric, Metrics
from counterform.results import Retention, Traits
from counterform.study import BASE_ARM
from counterform.text import numbers
from counterform.text.shifts import NOISE, REVERSED
from counterform.types import Reading

ALL, ENTROPY, LENGTH = "all markers", "entropy", "length"
MARKERS, TOKENS, MENDED, NATS, SEEN = "markers", "tokens", "mended", "entropy nats", "entropy tokens"
"""Of the probe `traits`."""
HOME = Metric(name="right answers in distribution", title="Right answers in distribution")
AWAY = Metric(name="right answers out of distribution", title="Right answers out of distribution")
_NONE_SEEN = 3.689
"""The upper 97.5 % bound of a Poisson mean of which nothing was seen (Garwood 1936)."""
_NOT_AWAY = frozenset({*NOISE, REVERSED})
"""Axes of which noise may destroy what an answer needs, and the reversed composition is a control: neither is out of distribution."""


class _Trait(Struct, frozen=True):
    """A rate: scale * sum(top) / sum(bottom) over answers. (arm -> (seeds, answers); NaN where nothing was read.)"""

    name: str
    top: dict[str, Floats]
    bottom: dict[str, Floats]
    scale: float
    unit: str


class _Shared(Struct, frozen=True):
    """An arm and the base at the problems at which both were read; of each tokens too."""

    trait: _Trait
    tokens: dict[str, Floats]
    clusters: NDArray[np.int64]


class _Rates(Struct, frozen=True):
    """One arm beside the base: pseudo-values (clusters, seeds) of both, and the common part of their lengths."""

    arm: Floats
    base: Floats
    in_common: float = 1.0


class _Kept(Struct, frozen=True):
    value: float
    low: float
    high: float


def find_traits(
    readings: Sequence[Reading], metrics: Metrics, right: Sequence[Reading] = (), fixed: Fixed = BASE_ALONE
) -> tuple[Traits, list[str]]:
    """Every trait of every arm against the base model, beside what became of the right answers; and notes.

    readings: of the probe `traits`. right: whether answers are right, in distribution and at every shift.
    """
    if not readings:
        gains = _accuracy(right, fixed)
        return Traits(retained=(), accuracy=gains.findings), list(gains.notes)
    found = tables(readings, metrics, aligned=True, fixed=fixed)
    values = {(table.of.metric, table.of.condition): dict(table.values) for table in found}
    traits = list(_traits(values))
    notes = [
        f"traits: {trait.name} was not read. {'It needs a model of kind `hf`.' if trait.name == ENTROPY else ''}".strip()
        for trait in traits
        if not any(np.isfinite(top).any() for top in trait.top.values())
    ]
    rows = [row for trait in traits for row in _retained(trait, values[TOKENS, ""], found[0])]
    retained = [row for row in rows if row.n_problems >= stats.FEW_CLUSTERS]
    gains = _accuracy(right, fixed)
    notes += [*left_out({"traits": len(rows) - len(retained)}), *gains.notes]
    return Traits(retained=tuple(retained), accuracy=gains.findings), notes


def _traits(values: dict[tuple[str, str], dict[str, Floats]]) -> Iterable[_Trait]:
    """values: (seeds, answers) by arm, by metric and condition."""
    tokens = values[TOKENS, ""]
    ones = {arm: np.where(np.isnan(row), np.nan, 1.0) for arm, row in tokens.items()}
    markers = {kind: by for (metric, kind), by in values.items() if metric == MARKERS}
    if len(markers) > 1:
        together = {arm: np.sum([by[arm] for by in markers.values()], axis=0) for arm in tokens}
        yield _Trait(ALL, together, tokens, 1000.0, "per 1,000 tokens")
    for kind, by in markers.items():
        yield _Trait(kind, by, tokens, 1000.0, "per 1,000 tokens")
    yield _Trait(MENDED, values[MENDED, ""], ones, 1.0, "of answers")
    yield _Trait(ENTROPY, values[NATS, ""], values[SEEN, ""], 1.0, "nats per token")
    yield _Trait(LENGTH, tokens, ones, 1.0, "tokens per answer")


def _retained(trait: _Trait, tokens: dict[str, Floats], table: Table) -> list[Retention]:
    """One row per arm whose rate, and the base's, could be read."""
    if BASE_ARM not in trait.top:
        return []
    shared = {arm: _shared(trait, arm, tokens, table.clusters) for arm in trait.top if arm != BASE_ARM}
    plain = {arm: _plain(of.trait, arm, of.clusters) for arm, of in shared.items() if len(of.clusters)}
    read = {arm: rates for arm, rates in plain.items() if rates is not None}
    matched = {}
    if trait.name != LENGTH:
        found = {arm: _matched(of.trait, arm, of.tokens, of.clusters) for arm in read for of in [shared[arm]]}
        matched = {arm: rates for arm, rates in found.items() if rates is not None}
    kept, p = _compared(shared, read, table)
    at_like = _compared(shared, matched, table)[0]
    rows = []
    for arm, rates in read.items():
        whole, like = kept[arm], at_like.get(arm)
        row = Retention(
            trait=trait.name,
            arm=arm,
            rate=float(rates.arm.mean()),
            base=float(rates.base.mean()),
            kept=whole.value if whole else None,
            low=whole.low if whole else None,
            high=whole.high if whole else None,
            p_holm=p[arm],
            matched=like.value if like else None,
            matched_low=like.low if like else None,
            matched_high=like.high if like else None,
            in_common=matched[arm].in_common if arm in matched else 0.0,
            n_answers=int(_heard(trait, arm).sum()),
            n_problems=rates.arm.shape[0],
            n_seeds=table.n_seeds([arm]),
            verdict="undecided",
            sentence="",
        )
        size = table.size([arm], f"{row.n_answers:,} answers to {row.n_problems:,} problems")
        rows.append(_with_words(row, trait.unit, size))
    return rows


def _shared(trait: _Trait, arm: str, tokens: dict[str, Floats], clusters: NDArray[np.int64]) -> _Shared:
    """The two at the problems at which each was read: where one has no answer, those of the other say nothing of the two."""
    pair = (arm, BASE_ARM)
    read = [set(clusters[_heard(trait, whose).any(axis=0)]) for whose in pair]
    kept = np.isin(clusters, sorted(set.intersection(*read)))
    top, bottom, length = ({whose: of[whose][:, kept] for whose in pair} for of in (trait.top, trait.bottom, tokens))
    codes = np.unique(clusters[kept], return_inverse=True)[1].astype(np.int64)
    return _Shared(replace(trait, top=top, bottom=bottom), length, codes)


def _heard(trait: _Trait, arm: str) -> NDArray[np.bool_]:
    heard: NDArray[np.bool_] = np.isfinite(trait.top[arm]) & np.isfinite(trait.bottom[arm])
    return heard


def _plain(trait: _Trait, arm: str, clusters: NDArray[np.int64]) -> _Rates | None:
    """The rates as they come; None where one of them could not be read."""
    both = []
    for whose in (arm, BASE_ARM):
        columns = []
        for top, bottom, heard in zip(trait.top[whose], trait.bottom[whose], _heard(trait, whose), strict=True):
            sums = [_by_cluster(row, heard, clusters) for row in (trait.scale * top, bottom)]
            columns.append(stats.ratio_pseudo_values(*sums))
        both.append(np.stack(columns, axis=1))
    return None if any(np.isnan(rates).any() for rates in both) else _Rates(both[0], both[1])


def _by_cluster(row: Floats, heard: NDArray[np.bool_], clusters: NDArray[np.int64]) -> Floats:
    sums: Floats = np.bincount(clusters[heard], weights=row[heard], minlength=int(clusters.max()) + 1).astype(float)
    return sums


def _matched(trait: _Trait, arm: str, tokens: dict[str, Floats], clusters: NDArray[np.int64]) -> _Rates | None:
    """The rates at the lengths that both have; None where they have too few in common."""
    heard = {whose: _heard(trait, whose) for whose in (arm, BASE_ARM)}
    strata = dict(zip(heard, stats.like_lengths([tokens[whose][heard[whose]] for whose in heard]), strict=True))
    groups = 1 + max(int(part.max()) for part in strata.values())
    found = []
    for seed in range(len(tokens[arm])):
        tables = []
        for whose, mask in heard.items():
            part = np.zeros(mask.shape, dtype=np.int64)
            part[mask] = strata[whose]
            own = seed % len(mask)  # the base may have been read more or less often than the arm
            cell = (clusters * groups + part[own])[mask[own]]
            rows = (np.ones(len(clusters)), trait.scale * trait.top[whose][own], trait.bottom[whose][own])
            size, shape = (int(clusters.max()) + 1) * groups, (int(clusters.max()) + 1, groups)
            counts, *sums = [
                np.bincount(cell, weights=row[mask[own]], minlength=size).reshape(shape).astype(float) for row in rows
            ]
            tables.append((counts, np.stack(sums)))
        pair = stats.matched_pseudo_values(tables[0], tables[1])
        if pair is None or pair[2] < stats.LEAST_IN_COMMON:
            return None
        found.append(pair)
    of_arm, of_base, common = zip(*found, strict=True)
    return _Rates(np.stack(of_arm, axis=1), np.stack(of_base, axis=1), float(np.mean(common)))


def _compared(
    shared: dict[str, _Shared], rates: dict[str, _Rates], table: Table
) -> tuple[dict[str, _Kept | None], dict[str, float]]:
    """Retention of every arm, and the p-value of none having changed, corrected over the arms.

    Seed variance multiplies a rate.
    """
    kept: dict[str, _Kept | None] = {}
    p = []
    for arm, pair in rates.items():
        others = [other.arm for whose, other in rates.items() if whose != arm and whose in table.trained]
        lucky = table.lucky([arm, BASE_ARM])
        p.append(stats.estimate(pair.arm, pair.base, others, lucky=lucky, bounds=stats.COUNT).p)
        nothing = np.zeros_like(pair.base)
        found = stats.ratio(pair.arm, pair.base, nothing, others, lucky=lucky, bounds=stats.COUNT)
        if found is None:
            kept[arm] = None
        elif not np.nansum(shared[arm].trait.top[arm]):
            most = _most_unseen(shared[arm].trait, arm, shared[arm].clusters)
            kept[arm] = _Kept(0.0, 0.0, most / pair.in_common / float(pair.base.mean()))
        else:
            kept[arm] = _Kept(found.value, max(found.low, 0.0), found.high)
    return kept, dict(zip(rates, stats.holm(p), strict=True))


def _most_unseen(trait: _Trait, arm: str, clusters: NDArray[np.int64]) -> float:
    """The highest rate that an arm of which nothing was seen may well have.

    Markers come together: so many problems as could go unseen, with as many each as those of the base that have any.
    """
    by_problem = np.array(
        [
            _by_cluster(row, heard, clusters)
            for row, heard in zip(trait.top[BASE_ARM], _heard(trait, BASE_ARM), strict=True)
        ]
    )
    together = float(by_problem[by_problem > 0].mean())
    return trait.scale * _NONE_SEEN * together / float(trait.bottom[arm][_heard(trait, arm)].sum())


def _with_words(row: Retention, unit: str, size: str) -> Retention:
    if row.kept is None:
        words = f"undefined: the base model's {row.base:.3g} {unit} are not clear of 0"
        return replace(row, sentence=f"{row.arm}, {row.trait}: {words}.")
    if row.low is not None and row.high is not None and row.p_holm <= ALPHA and not row.low <= 1 <= row.high:
        row = replace(row, verdict="fell" if row.high < 1 else "rose")
    beside = (
        f", {_percent(row.matched, row.matched_low, row.matched_high)} at like lengths"
        if row.matched is not None
        else ""
    )
    words = f"{_percent(row.kept, row.low, row.high)} of the base model's{beside}"
    rates = f"{row.base:.3g} to {row.rate:.3g} {unit}"
    return replace(row, sentence=f"{row.arm}, {row.trait}: {words}; {rates}: {row.verdict} ({size}).")


def _percent(value: float | None, low: float | None, high: float | None) -> str:
    return "undefined" if value is None or low is None or high is None else numbers.percent(value, low, high)


def _accuracy(right: Sequence[Reading], fixed: Fixed) -> Gains:
    """Of every arm against the base model: right answers in distribution, and pooled over the levels of every real shift."""
    rows = [
        replace(r, probe="traits", metric=(HOME if r.shift is None else AWAY).name, condition="", shift=None)
        for r in right
        if r.shift is None or r.shift.axis not in _NOT_AWAY
    ]
    return find(rows, {"traits": (HOME, AWAY)}, fixed=fixed)
