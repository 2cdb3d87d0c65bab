"""Paired, clustered, multi-seed intervals and tests; pure functions of arrays.

The design is crossed: every model reads the same items, items belong to problems (the clusters), and every arm
was trained with the same seeds. A difference is uncertain for two reasons, and the interval covers both:

    items   another set of problems would have given another number: estimated over clusters, from the paired
            differences, so what makes a problem hard for both models cancels
    luck    another training seed would have given another model: estimated between seeds, beyond what the items'
            noise explains, and pooled over all trained arms, since two or three seeds of one arm say little

The two variances are added and Student's t is taken at Welch-Satterthwaite's degrees of freedom (Satterthwaite
1946). Metrics that are not plain means (ProcessBench's F1) enter through the jackknife's pseudo-values (Tukey
1958), a plain mean equal to the metric. docs/statistics.md has the simulations: an interval over items alone found an
effect in 44 % of null comparisons when the luck of a seed had a standard deviation of 4 points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

LEVEL = 0.95
POWER = 0.80
BINS = 10
"""Of confidence, in a reliability plot and in the expected calibration error."""
LEAST_IN_COMMON = 0.1
"""Of two distributions of lengths: with less in common there is nothing to compare at like lengths."""


class Ratio(Struct, frozen=True, kw_only=True):
    """A ratio of two gains with its 95 % interval."""

    value: float
    low: float
    high: float


class Estimate(Struct, frozen=True, kw_only=True):
    """A number with its 95 % interval, the p-value of its being 0, and its minimum detectable effect."""

    value: float
    low: float
    high: float
    p: float
    mde: float


def pass_at_k(n: int, right: int, k: int) -> float:
    """The unbiased estimate of P(at least one of k samples is right) from `right` of n samples.

    Chen et al. 2021 (arXiv 2107.03374), equation 1. Raises ValueError unless 0 <= right <= n and 1 <= k <= n.
    """
    if not (0 <= right <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} needs at least {k} samples; got {right} right of {n}")
    return 1.0 - comb(n - right, k) / comb(n, k)


def pass_hat_k(n: int, right: int, k: int) -> float:
    """The unbiased estimate of P(all of k samples are right), pass^k, from `right` of n samples.

    Yao et al. 2024 (tau-bench, arXiv 2406.12045), section 2. Raises ValueError unless 0 <= right <= n and 1 <= k <= n.
    """
    if not (0 <= right <= n and 1 <= k <= n):
        raise ValueError(f"pass^{k} needs at least {k} samples; got {right} right of {n}")
    return comb(right, k) / comb(n, k)


def metric_of(sums: Floats, counts: Floats) -> Floats:
    """A metric from sums and counts by stratum (last axis): the mean, or the harmonic mean of the strata's means.

    With the strata `erroneous` and `correct` this is ProcessBench's F1 (arXiv 2412.06559, section 3).
    """
    means = np.divide(sums, counts, out=np.zeros_like(sums, dtype=float), where=counts > 0)
    if means.shape[-1] == 1:
        return means[..., 0]  # type: ignore[no-any-return]
    with np.errstate(divide="ignore"):
        harmonic = means.shape[-1] / (1.0 / means).sum(axis=-1)
    return np.where((means > 0).all(axis=-1), harmonic, 0.0)


def pseudo_values(values: Floats, clusters: NDArray[np.int64], strata: NDArray[np.int64]) -> Floats:
    """One number a cluster, whose mean is the metric up to the jackknife's bias correction.

    `values`, `clusters` and `strata` have one entry an item; clusters and strata count from 0. A metric that is a
    plain mean over clusters of equal size gives back the clusters' means.
    """
    n, k = int(clusters.max()) + 1, int(strata.max()) + 1
    cell = clusters * k + strata
    sums = np.bincount(cell, weights=values, minlength=n * k).reshape(n, k)
    counts = np.bincount(cell, minlength=n * k).reshape(n, k).astype(float)
    whole = metric_of(sums.sum(0), counts.sum(0))
    without = metric_of(sums.sum(0) - sums, counts.sum(0) - counts)
    return n * whole - (n - 1) * without


def ratio_pseudo_values(top: Floats, bottom: Floats) -> Floats:
    """One number a cluster, whose mean is sum(top) / sum(bottom) up to the jackknife's bias correction.

    top, bottom: one sum a cluster. NaN throughout where the ratio is undefined, or would be without some cluster.
    """
    left = bottom.sum() - bottom
    if not (left > 0).all():
        return np.full(len(top), np.nan)
    n = len(top)
    found: Floats = n * top.sum() / bottom.sum() - (n - 1) * (top.sum() - top) / left
    return found


def like_lengths(lengths: Sequence[Floats]) -> list[NDArray[np.int64]]:
    """The stratum of each answer, for several sets of answers: lengths of one stratum are within 20 % of each other."""
    strata = [np.floor(np.log(np.maximum(values, 1.0)) / np.log(1.2)).astype(np.int64) for values in lengths]
    least = min((int(part.min()) for part in strata if len(part)), default=0)
    return [part - least for part in strata]


def matched_pseudo_values(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats]
) -> tuple[Floats, Floats, float] | None:
    """The rates of two sets of answers as if both had the lengths that they have in common.

    Each set: `counts` (clusters, strata) of answers, and `sums` (2, clusters, strata) of the rate's top and bottom. A stratum
    weighs as much as the smaller of its two shares of answers (overlap weights). Returns one number a cluster for each
    set, whose mean is the rate up to the jackknife's bias correction, and the part of the two distributions that is
    common; None where there is no such part, or would be none without some cluster.
    """
    n = len(first[0])
    left = [
        (c.sum(0) - np.vstack([np.zeros_like(c[:1]), c]), s.sum(1)[:, None] - np.pad(s, ((0, 0), (1, 0), (0, 0))))
        for c, s in (first, second)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [counts / counts.sum(1, keepdims=True) for counts, _ in left]
        weights = np.minimum(*shares)
        rates = []
        for counts, sums in left:
            each = np.where(counts > 0, sums / np.maximum(counts, 1), 0.0)
            top, bottom = (weights * each).sum(-1)
            rates.append(top / bottom)
    if not np.isfinite(rates).all():
        return None
    found = [n * rate[0] - (n - 1) * rate[1:] for rate in rates]
    return found[0], found[1], float(weights[0].sum())


def auroc_pseudo_values(scores: Floats, hits: NDArray[np.bool_], clusters: NDArray[np.int64]) -> Floats:
    """One number a cluster, whose mean is the AUROC up to the jackknife's bias correction.

    AUROC: the chance that an item that is a hit has a higher score than one that is none; a tie counts half.
    One entry an item; clusters count from 0. NaN throughout where, without some cluster, one of the kinds is missing.
    """
    n = int(clusters.max()) + 1
    kinds = [np.bincount(clusters[mask], minlength=n).astype(float) for mask in (hits, ~hits)]
    pairs = np.prod([kind.sum() - kind for kind in kinds], axis=0)
    if not (pairs > 0).all():
        return np.full(n, np.nan)
    above = _wins(scores[hits], scores[~hits])
    below = hits.sum() - _wins(scores[~hits], scores[hits])
    of_hits = np.bincount(clusters[hits], weights=above, minlength=n)
    of_misses = np.bincount(clusters[~hits], weights=below, minlength=n)
    within = np.array([_wins(scores[hits & (clusters == c)], scores[~hits & (clusters == c)]).sum() for c in range(n)])
    whole = above.sum() / (kinds[0].sum() * kinds[1].sum())
    without = (above.sum() - of_hits - of_misses + within) / pairs
    found: Floats = n * whole - (n - 1) * without
    return found


def average_precision(scores: Floats, hits: NDArray[np.bool_]) -> float:
    """The area under the precision-recall curve, by steps: the mean precision at each hit's score; ties share one point.

    An uninformative score comes to the share of hits. NaN without a hit.
    """
    if not hits.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    found = np.cumsum(hits[order])[last]
    precision = found / (np.flatnonzero(last) + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / hits.sum())


def calibration_pseudo_values(scores: Floats, hits: NDArray[np.bool_], clusters: NDArray[np.int64]) -> Floats:
    """One number a cluster, whose mean is the expected calibration error: mean |confidence - share of hits| over BINS bins.

    Naeini et al. 2015; Guo et al. 2017 (arXiv 1706.04599), equation 3. Scores lie in 0..1; one entry an item; clusters count from
    0. Whether a bin is over- or underconfident is held fixed: leaving a cluster out where a bin is near the diagonal would
    turn its sign, and the jackknife then found an effect in 20 % of null comparisons. Above 0 by chance alone in small samples.
    """
    bins, gaps = bin_of(scores), scores - hits
    signs = np.sign(np.bincount(bins, weights=gaps, minlength=BINS))
    top = np.bincount(clusters, weights=signs[bins] * gaps).astype(float)
    return ratio_pseudo_values(top, np.bincount(clusters).astype(float))


def bin_of(scores: Floats) -> NDArray[np.int64]:
    """The bin, counted from 0, in which each confidence lies; 1 belongs to the last."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def leave_out_pseudo_values(
    metric: Callable[[Floats, NDArray[np.bool_]], float],
    scores: Floats,
    hits: NDArray[np.bool_],
    clusters: NDArray[np.int64],
) -> Floats:
    """One number a cluster, whose mean is metric(scores, hits) up to the jackknife's bias correction.

    One entry an item; clusters count from 0. NaN throughout where the metric is undefined, or would be without some cluster.
    """
    n = int(clusters.max()) + 1
    without = np.array([metric(scores[clusters != c], hits[clusters != c]) for c in range(n)])
    found: Floats = n * metric(scores, hits) - (n - 1) * without
    return found if np.isfinite(found).all() else np.full(n, np.nan)


def cohens_d(p: Floats | float, q: Floats | float) -> Floats | float:
    """(p - q) over the standard deviation of an event of their mean share; 0 where both are 0 or both 1.

    For graded readings in 0..1 that is the largest standard deviation they can have, so d errs towards 0. (Lee et al. 2025, arXiv
    2505.10185, give d of shares and no formula.)
    """
    mean = (np.asarray(p) + q) / 2
    spread = np.sqrt(mean * (1 - mean))
    return np.divide(np.subtract(p, q), spread, out=np.zeros_like(mean), where=spread > 0)


def cohens_h(p: Floats | float, q: Floats | float) -> Floats | float:
    """2 asin(sqrt p) - 2 asin(sqrt q) (Cohen 1988, chapter 6)."""
    found: Floats = 2 * np.arcsin(np.sqrt(np.clip(p, 0, 1))) - 2 * np.arcsin(np.sqrt(np.clip(q, 0, 1)))
    return found


def effect(
    of: Callable[[Floats, Floats], Floats | float], a: Floats, b: Floats, trained: Sequence[Floats], *, lucky: int
) -> Estimate | None:
    """An effect size of two mean shares with its interval; None where both are 0 or both are 1 throughout.

    a, b, trained, lucky: as in `estimate`, shares in 0..1, and the same clusters in all. Jackknifed over clusters for each seed; luck is brought to
    the scale of the effect by its slope, 1 / sqrt(p (1 - p)) of d and h alike.
    """
    n = len(a)
    mean = float(a.mean() + b.mean()) / 2
    if n < 2 or not 0 < mean < 1:
        return None
    spread = float(np.sqrt(mean * (1 - mean)))
    whole = np.asarray(of(a.mean(0), b.mean(0)))
    without = np.asarray(of((a.sum(0) - a) / (n - 1), (b.sum(0) - b) / (n - 1)))
    values = n * whole - (n - 1) * without
    if (a == a[0]).all() and (b == b[0]).all():  # no cluster differs from another: see _without_spread
        e = estimate(a, b, [], lucky=0)
        size = float(whole.mean())
        out = [size + (end - e.value) / spread for end in (e.low, e.high)]
        return Estimate(value=size, low=out[0], high=out[1], p=e.p, mde=e.mde / spread)
    return estimate(values, None, [arm / spread for arm in trained], lucky=lucky)


def _wins(scores: Floats, others: Floats) -> Floats:
    """For each score, how many of the others are lower; a tie counts half."""
    ranked = np.sort(others)
    found: Floats = (np.searchsorted(ranked, scores, "left") + np.searchsorted(ranked, scores, "right")) / 2
    return found


def estimate(a: Floats, b: Floats | None, trained: Sequence[Floats], *, lucky: int) -> Estimate:
    """mean(a) - mean(b), or mean(a) where b is None.

    a, b: pseudo-values, (clusters, seeds). trained: those of every trained arm of the metric, from which training
    luck is pooled. lucky: how many of a and b were trained (0, 1 or 2). With one seed luck cannot be seen and the
    interval covers the items alone. Fewer than two clusters give an interval without bounds.
    """
    difference = a if b is None else a - b
    n = len(difference)
    value = float(difference.mean())
    if n < 2:
        return Estimate(value=value, low=-np.inf, high=np.inf, p=1.0, mde=np.inf)
    variance, freedom = _variance(difference, trained, lucky)
    if variance <= 0:
        return _without_spread(value, n)
    error = float(np.sqrt(variance))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * error
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        p=float(2 * stats.t.sf(abs(value) / error, freedom)),
        mde=half + float(stats.t.ppf(POWER, freedom)) * error,
    )


def ratio(a: Floats, b: Floats, base: Floats, trained: Sequence[Floats], *, b_trained: bool = True) -> Ratio | None:
    """(mean(a) - mean(base)) / (mean(b) - mean(base)) by Fieller's theorem; None where b's gain is not clear of 0.

    a, b, base, trained: as in `estimate`; base was not trained, and b need not have been. The interval holds every ratio r for which
    a - r b - (1 - r) base is not clear of 0 (Fieller 1954), the luck of both trainings included. Where b's own gain is not
    clear of 0 that set has no bounds, and there is no ratio to speak of.
    """
    over, under = a - base, b - base
    gain, whole = float(over.mean()), float(under.mean())
    n = len(over)
    if n < 2 or whole == 0:
        return None
    value = gain / whole
    freedom = _variance(over - value * under, trained, 1 + b_trained * value**2)[1]
    t2 = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) ** 2
    luck = _luck(over.shape, trained)[0]
    covariance = np.cov(over.mean(1), under.mean(1)) / n
    # Quadratic in r: (whole^2 - t2 var b) r^2 - 2 (gain whole - t2 cov) r + (gain^2 - t2 var a) <= 0.
    square = whole**2 - t2 * (float(covariance[1, 1]) + b_trained * luck)
    if square <= 0:
        return None
    half = gain * whole - t2 * float(covariance[0, 1])
    rest = gain**2 - t2 * (float(covariance[0, 0]) + luck)
    root = float(np.sqrt(max(half**2 - square * rest, 0.0)))
    return Ratio(value=value, low=(half - root) / square, high=(half + root) / square)


def _without_spread(value: float, n: int) -> Estimate:
    """All n clusters came out alike, as at a floor; the values lie in 0..1 or -1..1.

    That no cluster differs is no proof that none would: a share of 1 - 0.025^(1/n) of all clusters may differ without one
    among n (Clopper and Pearson 1934), at worst by 1. p: of flipping signs at random. The minimum detectable effect is the
    share of clusters that must move, all one way, for a sign test to find it with 80 % power.
    """
    unseen = 1 - ((1 - LEVEL) / 2) ** (1 / n)
    needed = int(np.ceil(np.log2(2 / (1 - LEVEL))))
    return Estimate(
        value=value,
        low=value - unseen,
        high=value + unseen,
        p=1.0 if value == 0 else 2.0 ** (1 - n),
        mde=float(stats.beta.ppf(POWER, needed, n - needed + 1)) if n >= needed else np.inf,
    )


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979): the chance of any false find stays at its level."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]


def _variance(difference: Floats, trained: Sequence[Floats], lucky: float) -> tuple[float, float]:
    """The variance of a difference's mean and its degrees of freedom. `lucky`: how often one training's luck enters."""
    n, seeds = difference.shape
    of_items = _mean_squares(difference)[0] / (n * seeds)
    if seeds == 1 or not lucky or not trained:
        return of_items, float(n - 1)
    luck, between = _luck(difference.shape, trained)
    variance = of_items + lucky * luck
    spread = of_items**2 / (n - 1) + (lucky * between) ** 2 / (len(trained) * (seeds - 1))
    if spread <= 0:
        return variance, float(n - 1)
    # Between the freedoms of its two parts, as that of any sum of variances; where luck is estimated as nothing the
    # formula would fall under both.
    few = min(n - 1, len(trained) * (seeds - 1))
    return variance, max(variance**2 / spread, float(few))


def _luck(shape: tuple[int, ...], trained: Sequence[Floats]) -> tuple[float, float]:
    """The variance that one training's luck adds to a mean over (clusters, seeds), and the mean square it comes from."""
    n, seeds = shape
    if seeds == 1 or not trained:
        return 0.0, 0.0
    squares = [_mean_squares(arm) for arm in trained]
    between = float(np.mean([s[1] for s in squares])) / (n * seeds)
    noise = float(np.mean([s[2] for s in squares])) / (n * seeds)
    return max(between - noise, 0.0), between


def _mean_squares(values: Floats) -> tuple[float, float, float]:
    """Mean squares of clusters, of seeds, and of what is left, in a clusters x seeds table."""
    n, seeds = values.shape
    mean = values.mean()
    rows, columns = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    of_clusters = seeds * float(((rows - mean) ** 2).sum()) / (n - 1)
    if seeds == 1:
        return of_clusters, 0.0, 0.0
    of_seeds = n * float(((columns - mean) ** 2).sum()) / (seeds - 1)
    left = float(((values - rows - columns + mean) ** 2).sum()) / ((n - 1) * (seeds - 1))
    return of_clusters, of_seeds, left
