"""Two arms on the same items, from marks or numbers that somebody else gave: paired differences, form splits, pass@k.

The second arm less the first. One pair is one answer of each arm to the same item and sample; pairs of one item are one cluster; runs
(training seeds) of an arm are seeds, whose luck is estimated between them. The intervals are those of findings/stats.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.stats import binomtest

from counterform.findings.intervals import LEVEL
from counterform.findings.stats import (
    DIFFERENCE,
    SHARE,
    UNBOUNDED,
    Estimate,
    estimate,
    holm,
    pass_at_k,
    pass_hat_k,
    pseudo_values,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Verdict = Literal["better", "worse", "higher", "lower", "undecided"]
Better = Literal["high", "low", "neither"]
ROUNDING = 1e-9
"""Of the scale of the values: differences that differ by less are equal."""
FEWEST = 0.1
"""Share of items that may have fewer than k samples where pass@k is shown; they are left out."""


class Run(Struct, frozen=True):
    """Pairs of one run: values of both arms (NaN: not scored) and the item of each pair, equal items equal over all runs."""

    first: Floats
    second: Floats
    items: Ints


class Comparison(Struct, frozen=True, kw_only=True):
    """One scorer's paired difference between two arms."""

    first: str
    second: str
    task: str
    metric: str
    pairs: int
    """Pairs of answers that are both scored."""
    both: int | None
    neither: int | None
    first_only: int | None
    second_only: int | None
    """Counts over pairs of marks; None where the scorer gives numbers and no marks."""
    clusters: int
    """Items: pairs of one item are not independent."""
    mcnemar_p: float | None
    """Exact (binomial), where every pair is an item of its own and has two marks; else its assumption does not hold."""
    estimate: float
    low: float
    high: float
    """The second less the first, and its 95 % interval over items and runs; a share for marks and for numbers in 0..1."""
    verdict: Verdict
    """Of the second; `higher` and `lower` where it is not known which way is better. Holm-corrected over the arms compared."""
    unscored: int
    """Pairs of answers of which one at least is not scored."""
    only_in_first: int
    only_in_second: int
    first_value: float
    second_value: float
    """Means over the pairs."""
    share: bool
    better: Better
    p: float
    mde: float
    runs: int


class FormSplit(Struct, frozen=True, kw_only=True):
    """How much of a gain under strict scoring is format: what is left of it under scoring that forgives the form."""

    first: str
    second: str
    task: str
    strict: str
    flexible: str
    gain: float
    gain_low: float
    gain_high: float
    """Under strict scoring."""
    form: float
    form_low: float
    form_high: float
    """Strict less flexible: the part that is format."""
    rest: float
    rest_low: float
    rest_high: float
    """Under flexible scoring."""
    pairs: int


class Pass(Struct, frozen=True, kw_only=True):
    """pass@k and pass^k of two arms, over items with samples enough in both."""

    first: str
    second: str
    task: str
    metric: str
    k: int
    kind: Literal["pass@k", "pass^k"]
    first_value: float
    second_value: float
    estimate: float
    low: float
    high: float
    items: int


class Tables(Struct, frozen=True):
    """Runs as two tables of one value for each item and run, brought to a scale of at most 1."""

    first: Floats
    second: Floats
    bounds: tuple[float, float]
    scale: float
    means: tuple[float, float]
    """Over the pairs, unscaled."""

    @property
    def marks(self) -> bool:
        """Whether all values are marks."""
        return self.bounds == SHARE


def tables(runs: Sequence[Run]) -> Tables | None:
    """The items that are scored in all runs; None where there are none."""
    runs = [_scored(run) for run in runs]
    items = runs[0].items
    for run in runs[1:]:
        items = np.intersect1d(items, run.items)
    items = np.unique(items)
    if not len(items):
        return None
    columns = [_columns(run, items) for run in runs]
    a, b = (np.stack([column[side] for column in columns], axis=1) for side in (0, 1))
    # An interval where no cluster differs from another takes values of a scale of 1.
    scale = max(1.0, float(np.abs(a).max()), float(np.abs(b).max()))
    a, b = a / scale, b / scale
    constant = bool(np.ptp(b - a) < ROUNDING)
    if constant:  # the same difference throughout, but for rounding: single precision has none in its sums
        a, b = np.zeros_like(a), np.full_like(b, np.float32(np.mean(b - a)))
    marks = all(bool(np.isin(values, (0.0, 1.0)).all()) for run in runs for values in (run.first, run.second))
    means = float(np.mean([run.first.mean() for run in runs])), float(np.mean([run.second.mean() for run in runs]))
    return Tables(a, b, SHARE if marks else DIFFERENCE if constant else UNBOUNDED, scale, means)


def difference(
    runs: Sequence[Run], *, first_runs: int, second_runs: int
) -> tuple[Estimate, int, tuple[float, float]] | None:
    """The second less the first with its interval, the number of items, and both means; None where nothing is paired.

    first_runs, second_runs: how many runs each arm has; an arm with one is taken as it is, without luck.
    """
    found = tables(runs)
    if found is None:
        return None
    lucky = [second_runs > 1, first_runs > 1]
    e = estimate(found.second, found.first, [], lucky=lucky, bounds=found.bounds)
    value = found.means[1] - found.means[0]
    low, high = (value + (end - e.value) * found.scale for end in (e.low, e.high))
    return (
        Estimate(value=value, low=low, high=high, p=e.p, mde=e.mde * found.scale),
        len(found.first),
        found.means,
    )


def _scored(run: Run) -> Run:
    kept = ~(np.isnan(run.first) | np.isnan(run.second))
    return Run(run.first[kept], run.second[kept], run.items[kept])


def _columns(run: Run, items: Ints) -> tuple[Floats, Floats]:
    """One pseudo-value an item for each arm."""
    kept = np.isin(run.items, items)
    clusters = np.searchsorted(items, run.items[kept])
    one = np.zeros(len(clusters), dtype=np.int64)
    return pseudo_values(run.first[kept], clusters, one), pseudo_values(run.second[kept], clusters, one)


def compared(
    runs: Sequence[Run],
    *,
    first: str,
    second: str,
    task: str,
    metric: str,
    better: Better,
    first_runs: int,
    second_runs: int,
    only_in_first: int,
    only_in_second: int,
    count: bool = False,
) -> Comparison | None:
    """One comparison, its verdict not yet corrected for being one of several; None where no pair is scored.

    count: the values are counts, and 0 and 1 no marks.
    """
    found = difference(runs, first_runs=first_runs, second_runs=second_runs)
    if found is None:
        return None
    e, clusters, means = found
    whole = [_scored(run) for run in runs]
    a, b = (np.concatenate([run.first for run in whole]), np.concatenate([run.second for run in whole]))
    share = not count and bool(((a >= 0) & (a <= 1)).all() and ((b >= 0) & (b <= 1)).all())
    marked = np.isin(a, (0.0, 1.0)) & np.isin(b, (0.0, 1.0))
    marks = share and bool(marked.any())
    counts = [int((marked & (a == x) & (b == y)).sum()) for x, y in ((1, 1), (0, 0), (1, 0), (0, 1))]
    exact = marks and bool(marked.all()) and len(a) == clusters
    discordant = counts[2] + counts[3]
    shown = counts if marks else [None] * 4
    if marks and bool(marked.all()):
        better = "low" if better == "low" else "high"
    return Comparison(
        first=first,
        second=second,
        task=task,
        metric=metric,
        pairs=len(a),
        both=shown[0],
        neither=shown[1],
        first_only=shown[2],
        second_only=shown[3],
        clusters=clusters,
        mcnemar_p=(float(binomtest(counts[3], discordant).pvalue) if discordant else 1.0) if exact else None,
        estimate=e.value,
        low=max(e.low, -1.0) if share else e.low,
        high=min(e.high, 1.0) if share else e.high,
        verdict=_verdict(e.value, e.p, better),
        unscored=sum(len(run.first) for run in runs) - len(a),
        only_in_first=only_in_first,
        only_in_second=only_in_second,
        first_value=means[0],
        second_value=means[1],
        share=share,
        better=better,
        p=e.p,
        mde=e.mde,
        runs=len(runs),
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The verdicts of comparisons that are one family (Holm 1979)."""
    return [
        replace(c, verdict=_verdict(c.estimate, p, c.better))
        for c, p in zip(comparisons, holm([c.p for c in comparisons]), strict=True)
    ]


def _verdict(value: float, p: float, better: Better) -> Verdict:
    if p > 1 - LEVEL or value == 0:
        return "undecided"
    if better == "neither":
        return "higher" if value > 0 else "lower"
    return "better" if (value > 0) == (better == "high") else "worse"


def form_split(
    strict: Sequence[Run],
    flexible: Sequence[Run],
    *,
    first: str,
    second: str,
    task: str,
    names: tuple[str, str],
    first_runs: int,
    second_runs: int,
) -> FormSplit | None:
    """Split a gain; the runs hold the same pairs in the same order. None where no pair has all four marks."""
    whole = [~np.isnan(s.first + s.second + f.first + f.second) for s, f in zip(strict, flexible, strict=True)]
    if not any(kept.any() for kept in whole):
        return None

    def part(of: Callable[[Run, Run], Run]) -> tuple[Estimate, int, tuple[float, float]] | None:
        kept = [of(_kept(s, k), _kept(f, k)) for s, f, k in zip(strict, flexible, whole, strict=True)]
        return difference(kept, first_runs=first_runs, second_runs=second_runs)

    gain, rest = part(lambda s, f: s), part(lambda s, f: f)
    form = part(lambda s, f: Run(s.first - f.first, s.second - f.second, s.items))
    if gain is None or rest is None or form is None:
        return None
    return FormSplit(
        first=first,
        second=second,
        task=task,
        strict=names[0],
        flexible=names[1],
        gain=gain[0].value,
        gain_low=gain[0].low,
        gain_high=gain[0].high,
        form=form[0].value,
        form_low=form[0].low,
        form_high=form[0].high,
        rest=rest[0].value,
        rest_low=rest[0].low,
        rest_high=rest[0].high,
        pairs=sum(int(kept.sum()) for kept in whole),
    )


def _kept(run: Run, kept: NDArray[np.bool_]) -> Run:
    return Run(run.first[kept], run.second[kept], run.items[kept])


def passes(
    first: tuple[Floats, Ints], second: tuple[Floats, Ints], *, names: tuple[str, str], task: str, metric: str
) -> list[Pass]:
    """pass@k and pass^k at k = 2, 4, 8, ... and the number of samples itself, where nearly every item has so many in both arms.

    first, second: marks of all answers of an arm (NaN: not scored) and their items, equal items equal in both. An item counts with
    the marks it has; one with fewer than k in an arm is left out. Nothing where the values are no marks.
    """
    kept = [(values[~np.isnan(values)], items[~np.isnan(values)]) for values, items in (first, second)]
    if not all(len(values) and np.isin(values, (0.0, 1.0)).all() for values, _ in kept):
        return []
    common = np.intersect1d(kept[0][1], kept[1][1])
    tallies = [_tally(values, items, common) for values, items in kept]
    most = int(np.quantile(np.minimum(tallies[0][0], tallies[1][0]), FEWEST, method="lower")) if len(common) else 0
    sizes = sorted({2**power for power in range(1, 11) if 2**power <= most} | ({most} if most > 1 else set()))
    return [found for k in sizes for found in _passes_at(k, tallies, names, task, metric)]


def _tally(values: Floats, items: Ints, common: Ints) -> tuple[Ints, Ints]:
    kept = np.isin(items, common)
    at = np.searchsorted(common, items[kept])
    n = np.bincount(at, minlength=len(common))
    return n, np.bincount(at, weights=values[kept], minlength=len(common)).astype(np.int64)


def _passes_at(
    k: int, tallies: Sequence[tuple[Ints, Ints]], names: tuple[str, str], task: str, metric: str
) -> list[Pass]:
    enough = (tallies[0][0] >= k) & (tallies[1][0] >= k)
    if enough.sum() < 2:
        return []
    kinds: tuple[tuple[Literal["pass@k", "pass^k"], Callable[[int, int, int], float]], ...] = (
        ("pass@k", pass_at_k),
        ("pass^k", pass_hat_k),
    )
    rows = []
    for kind, of in kinds:
        a, b = (
            np.array([[of(int(n), int(right), k)] for n, right in zip(counts[enough], rights[enough], strict=True)])
            for counts, rights in tallies
        )
        e = estimate(b, a, [], bounds=SHARE)
        rows.append(
            Pass(
                first=names[0],
                second=names[1],
                task=task,
                metric=metric,
                k=k,
                kind=kind,
                first_value=float(a.mean()),
                second_value=float(b.mean()),
                estimate=e.value,
                low=e.low,
                high=e.high,
                items=int(enough.sum()),
            )
        )
    return rows
