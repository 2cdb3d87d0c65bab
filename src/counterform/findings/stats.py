"""Paired, clustered, multi-seed estimates; pure functions of arrays.

The design is crossed: every model reads the same items, items belong to problems (the clusters), and every arm
was trained with seeds of its own. A difference is uncertain for two reasons, and the interval covers both: another set of problems would
have given another number, and another training seed would have given another model. intervals.py has the formulas, seed_variance.py what is
made of two or three seeds, pseudo.py the metrics that are no plain means, docs/statistics.md the simulations.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from math import comb

import numpy as np
from msgspec import Struct
from scipy import special

from counterform.findings.intervals import (
    POWER,
    Mixture,
    intervals_and_detectable,
    mean_luck,
    mixture,
    unseen_variance,
    without_spread,
)
from counterform.findings.pseudo import BINS as BINS
from counterform.findings.pseudo import LEAST_IN_COMMON as LEAST_IN_COMMON
from counterform.findings.pseudo import auroc_pseudo_values as auroc_pseudo_values
from counterform.findings.pseudo import average_precision as average_precision
from counterform.findings.pseudo import bin_of as bin_of
from counterform.findings.pseudo import calibration_pseudo_values as calibration_pseudo_values
from counterform.findings.pseudo import leave_out_pseudo_values as leave_out_pseudo_values
from counterform.findings.pseudo import like_lengths as like_lengths
from counterform.findings.pseudo import matched_pseudo_values as matched_pseudo_values
from counterform.findings.pseudo import metric_of as metric_of
from counterform.findings.pseudo import pseudo_values as pseudo_values
from counterform.findings.pseudo import ratio_pseudo_values as ratio_pseudo_values
from counterform.findings.seed_variance import SHARE as SHARE
from counterform.findings.seed_variance import Bounds as Bounds
from counterform.findings.seed_variance import Floats as Floats
from counterform.findings.seed_variance import less, luck, squares

COUNT: Bounds = (0.0, np.inf)
"""Of counts, seconds, nats, rates and ratios."""
DIFFERENCE: Bounds = (-1.0, 1.0)
"""Of differences of shares within one model."""
UNBOUNDED: Bounds = (-np.inf, np.inf)
CLEARLY = 2.0
"""Half-widths from 0 at which a gain must lie for another to be told as a share of it."""
FEW_CLUSTERS = 6
"""With five, no sign test finds anything at 5 %."""
NEARLY_ALL = 0.9
"""Of the range of a metric: an interval as wide says nothing."""
_AT_ONCE = 256
"""Comparisons that are one array: enough that their number costs nothing, few enough for the memory."""


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


class Compared(Struct, frozen=True):
    """What an estimate is made of: mean(a) - mean(b), or mean(a) where b is None.

    With one seed luck cannot be seen and the interval covers the items alone. Fewer than two clusters give an interval without bounds.
    """

    a: Floats
    """Pseudo-values, (clusters, seeds); b's too, each with seeds of its own."""
    b: Floats | None
    others: Sequence[Floats]
    """Those of further trained arms of the metric, which tell how lucky trainings are here."""
    lucky: Sequence[bool]
    """Which of a and b were trained."""
    bounds: Bounds
    """Of the metric; they decide how luck is scaled, and the interval keeps within them."""

    @property
    def shape(self) -> Hashable:
        """What is equal of those that can be computed as one array."""
        arms = [None if arm is None else arm.shape for arm in (self.a, self.b, *self.others)]
        return (*arms, *self.lucky, self.bounds)


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
    of: Callable[[Floats, Floats], Floats | float],
    a: Floats,
    b: Floats,
    others: Sequence[Floats],
    *,
    lucky: Sequence[bool],
) -> Estimate | None:
    """An effect size of two mean shares with its interval; None where both are 0 or both are 1 throughout.

    a, b, others, lucky: as of `Compared`, shares in 0..1, and the same clusters in all. Jackknifed over clusters for each seed; luck is brought to
    the scale of the effect by its slope, 1 / sqrt(p (1 - p)) of d and h alike.
    """
    n = len(a)
    mean = float(a.mean() + b.mean()) / 2
    if n < 2 or not 0 < mean < 1:
        return None
    slope = 1 / float(np.sqrt(mean * (1 - mean)))
    if a.shape[1] != b.shape[1]:
        a_read, b_read = (arm.mean(1, keepdims=True) for arm in (a, b))
    else:
        a_read, b_read = a, b
    value = float(np.asarray(of(a_read.mean(0), b_read.mean(0))).mean())
    if without_spread(squares(a_read - b_read).items, [squares(a), squares(b)], n):
        e = estimate(a, b, others, lucky=lucky, bounds=SHARE)
        low, high = (value + slope * (end - e.value) for end in (e.low, e.high))
        return Estimate(value=value, low=low, high=high, p=e.p, mde=slope * e.mde)
    without = np.asarray(of((a_read.sum(0) - a_read) / (n - 1), (b_read.sum(0) - b_read) / (n - 1)))
    values = n * np.asarray(of(a_read.mean(0), b_read.mean(0))) - (n - 1) * without
    drawn = luck([arm for arm, trained in zip((a, b), lucky, strict=False) if trained], others, SHARE, slope)
    spread = mixture(np.maximum(squares(values).items, 1e-300), n, drawn)
    value, half = float(values.mean()), float(spread.half_width())
    detectable = half + float(special.ndtri(POWER)) * float(spread.deviation)
    return Estimate(
        value=value, low=value - half, high=value + half, p=float(spread.tail(np.array(value))), mde=detectable
    )


def estimate(
    a: Floats, b: Floats | None, others: Sequence[Floats], *, lucky: Sequence[bool] = (), bounds: Bounds
) -> Estimate:
    """mean(a) - mean(b), or mean(a) where b is None; arguments as of `Compared`."""
    return estimates([Compared(a, b, others, lucky, bounds)])[0]


def estimates(asked: Sequence[Compared]) -> list[Estimate]:
    """Of each. Those of one shape are computed as one array: a study has a thousand, and single ones are a hundred small steps each."""
    alike: dict[Hashable, list[int]] = {}
    for at, one in enumerate(asked):
        alike.setdefault(one.shape, []).append(at)
    found: dict[int, Estimate] = {}
    for places in alike.values():
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            found |= zip(some, _estimates([asked[at] for at in some]), strict=True)
    return [found[at] for at in range(len(asked))]


def _estimates(alike: Sequence[Compared]) -> list[Estimate]:
    first = alike[0]
    a = np.stack([one.a for one in alike])
    b = None if first.b is None else np.stack([one.b for one in alike if one.b is not None])
    if a.shape[1] < 2:
        values = a.mean((1, 2)) if b is None else less(a, b).mean((1, 2))
        return [Estimate(value=value, low=-np.inf, high=np.inf, p=1.0, mde=np.inf) for value in values.tolist()]
    others = [np.stack(arms) for arms in zip(*(one.others for one in alike), strict=True)]
    found, mde = intervals_and_detectable(a, b, others, lucky=first.lucky, bounds=first.bounds)
    columns = (found.value, found.low, found.high, found.p, mde)
    return [
        Estimate(value=value, low=low, high=high, p=p, mde=least)
        for value, low, high, p, least in zip(*(column.tolist() for column in columns), strict=True)
    ]


def ratio(
    a: Floats,
    b: Floats,
    base: Floats,
    others: Sequence[Floats],
    *,
    lucky: Sequence[bool] = (True, True),
    bounds: Bounds,
) -> Ratio | None:
    """(mean(a) - mean(base)) / (mean(b) - mean(base)) by Fieller's theorem; None where b's gain is not clear of 0.

    a, b, base, others: as of `Compared`; base was not trained. lucky: which of a and b were. The interval holds every ratio r for which
    a - r b - (1 - r) base is not clear of 0 (Fieller 1954), the luck of both trainings included. Where b's own gain is not
    clear of 0 that set has no bounds, and there is no ratio to speak of. Where a and base do not differ in any cluster, what
    none of n clusters can rule out stands for the variance.
    """
    over, under = less(a, base), less(b, base)
    gain, whole, n = float(over.mean()), float(under.mean()), len(over)
    if n < 2 or whole == 0:
        return None
    value = gain / whole
    drawn = luck([arm for arm, trained in zip((a, b), lucky, strict=True) if trained], others, bounds)
    luck_a, luck_b = (float(each) for each in mean_luck(drawn, lucky))
    rows = np.cov(over.mean(1), under.mean(1)) / n
    if without_spread(rows[0, 0], [squares(a), squares(base)], n):
        rows[0, 0] = float(unseen_variance(n, [squares(a), squares(base)], bounds))
    items = float(rows[0, 0] - 2 * value * rows[0, 1] + value**2 * rows[1, 1])
    factors = [factor for factor, trained in zip((1.0, value**2), lucky, strict=True) if trained]
    spread: Mixture = mixture(np.array(max(items, 1e-300)), n, drawn, factors)
    t2 = float(spread.half_width() / spread.deviation) ** 2
    # Quadratic in r: (whole^2 - t2 var b) r^2 - 2 (gain whole - t2 cov) r + (gain^2 - t2 var a) <= 0.
    square = whole**2 - t2 * (float(rows[1, 1]) + luck_b)
    if square <= 0:
        return None
    half = gain * whole - t2 * float(rows[0, 1])
    rest = gain**2 - t2 * (float(rows[0, 0]) + luck_a)
    root = float(np.sqrt(max(half**2 - square * rest, 0.0)))
    return Ratio(value=value, low=(half - root) / square, high=(half + root) / square)


class NoShare(Enum):
    """Why a control's gain is not told as a share of a full arm's."""

    UNDEFINED = "the full arm's gain is not clear of 0"
    UNCLEAR = "the full arm's gain is too near to 0 for a share of it to mean anything"
    NOTHING = "the control gains nothing"


def share_of_gain(
    control: Floats,
    full: Floats,
    base: Floats,
    others: Sequence[Floats],
    *,
    lucky: Sequence[bool] = (True, True),
    bounds: Bounds,
) -> Ratio | NoShare:
    """What of a full arm's gain over the base a control makes too, or why there is no such share.

    A share is told where the full arm's gain lies at least CLEARLY half-widths from 0, so that Fieller's interval is bounded
    with room to spare, and where some of it is the control's: an interval that lies below 0 is a control that gains nothing.
    lucky: whether the control and the full arm were trained with seeds.
    """
    known = [*others, control] if lucky[0] else others
    gain = estimate(full, base, known, lucky=(lucky[1], False), bounds=bounds)
    found = ratio(control, full, base, others, lucky=lucky, bounds=bounds)
    if found is None or gain.low <= 0 <= gain.high:
        return NoShare.UNDEFINED
    if abs(gain.value) < CLEARLY * (gain.high - gain.low) / 2:
        return NoShare.UNCLEAR
    return NoShare.NOTHING if found.high <= 0 else found


def says_nothing(e: Estimate, clusters: int, *, bounds: Bounds, difference: bool = False) -> bool:
    """Whether a row is to be left out and counted: too few clusters to tell anything, or an interval over nearly all there is.

    difference: of two levels of a metric with these `bounds`, whose range is twice theirs.
    """
    if clusters < FEW_CLUSTERS or not np.isfinite([e.low, e.high]).all():
        return True
    span = (bounds[1] - bounds[0]) * (2 if difference else 1)
    return bool(np.isfinite(span) and e.high - e.low >= NEARLY_ALL * span)


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979): the chance of any false find stays at its level."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]
