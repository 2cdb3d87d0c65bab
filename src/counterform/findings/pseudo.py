"""Jackknife pseudo-values: one number per cluster, whose mean is a metric that is no plain mean (Tukey 1958). Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from counterform.findings.seed_variance import Floats

BINS = 10
"""Of confidence, in a reliability plot and in the expected calibration error."""
LEAST_IN_COMMON = 0.1
"""Of two distributions of lengths: with less in common there is nothing to compare at like lengths."""


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
    """One number per cluster, whose mean is the metric up to the jackknife's bias correction.

    `values`, `clusters` and `strata` have one entry per item; clusters and strata count from 0. A metric that is a
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
    """One number per cluster, whose mean is sum(top) / sum(bottom) up to the jackknife's bias correction.

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
    weighs as much as the smaller of its two shares of answers (overlap weights). Returns one number per cluster for each
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
    """One number per cluster, whose mean is the AUROC up to the jackknife's bias correction.

    AUROC: the chance that an item that is a hit has a higher score than one that is none; a tie counts half.
    One entry per item; clusters count from 0. NaN throughout where, without some cluster, one of the kinds is missing.
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
    """One number per cluster, whose mean is the expected calibration error: mean |confidence - share of hits| over BINS bins.

    Naeini et al. 2015; Guo et al. 2017 (arXiv 1706.04599), equation 3. Scores lie in 0..1; one entry per item; clusters count from
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
    """One number per cluster, whose mean is metric(scores, hits) up to the jackknife's bias correction.

    One entry per item; clusters count from 0. NaN throughout where the metric is undefined, or would be without some cluster.
    """
    n = int(clusters.max()) + 1
    without = np.array([metric(scores[clusters != c], hits[clusters != c]) for c in range(n)])
    found: Floats = n * metric(scores, hits) - (n - 1) * without
    return found if np.isfinite(found).all() else np.full(n, np.nan)


def _wins(scores: Floats, others: Floats) -> Floats:
    """For each score, how many of the others are lower; a tie counts half."""
    ranked = np.sort(others)
    found: Floats = (np.searchsorted(ranked, scores, "left") + np.searchsorted(ranked, scores, "right")) / 2
    return found
