"""How much seed variance adds to a mean: the variance between training seeds, judged arm by arm.

Two or three seeds of one arm say little about how far a fourth would fall, and other arms may be luckier or less lucky. So each
arm is judged by its own seeds and by what is known of luck before they are looked at: on the scale on which luck shifts
a metric (logits of a share, logarithms of a count) its standard deviation is half-normal. The half-normal's scale is one for all
arms of a study and is 0.36 unless their seeds together say that it is 0.72 or 1.44: arms that are luckier than usual warn of each
other, and quiet arms do not vouch for a loud one. All functions take leading axes, one entry per study.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bounds = tuple[float, float]

SHARE: Bounds = (0.0, 1.0)
SCALES = np.array([0.36, 0.72, 1.44])
"""Of the half-normal prior of luck's standard deviation, in logits."""
WEIGHTS = np.array([0.85, 0.10, 0.05])
"""Of the scales, before any seed is looked at."""
LEAST = 0.2
"""Of p (1 - p), the part that luck can move at the least, however much seeds agree problem by problem."""
_TAU = np.concatenate([[0.0], np.geomspace(0.05, 3.2, 7)])
_WIDTH = np.concatenate([[0.035], _TAU[1:] * np.log(_TAU[2] / _TAU[1])])
_DENSITY = np.exp(-0.5 * (_TAU / SCALES[:, None]) ** 2) * _WIDTH
_PRIOR = _DENSITY / _DENSITY.sum(axis=1, keepdims=True)
"""(scales, standard deviations)"""


class Squares(Struct, frozen=True):
    """What a (clusters, seeds) table says of its mean; each field has the table's leading axes."""

    mean: Floats
    items: Floats
    """The variance of the mean over clusters, that of sampling included."""
    between: Floats
    """The variance between the means of seeds; 0 with one seed."""
    noise: Floats
    """What of it the clusters' noise explains."""


def squares(values: Floats) -> Squares:
    """The mean squares of a two-way table (..., clusters, seeds), as variances of means."""
    n, seeds = values.shape[-2:]
    rows, columns = values.mean(-1), values.mean(-2)
    mean = rows.mean(-1)
    items = rows.var(-1, ddof=1) / n
    if seeds == 1:
        return Squares(mean, items, np.zeros_like(mean), np.zeros_like(mean))
    left = values - rows[..., None] - columns[..., None, :] + mean[..., None, None]
    noise = (left**2).sum((-2, -1)) / ((n - 1) * (seeds - 1)) / n
    return Squares(mean, items, columns.var(-1, ddof=1), noise)


def luck_scale(values: Floats, bounds: Bounds) -> Floats:
    """How far a metric moves when luck shifts it by one logit (or by one natural logarithm, where it has no upper bound).

    The mean of p (1 - p) over problems for a share: p (1 - p) less what two seeds agree on problem by problem. In proportion to the level for
    a count, seconds or nats. Without bounds half the standard deviation over clusters, which at a share of one half is the same.
    A level at a bound counts as half an event away from it.
    """
    low, high = bounds
    n, seeds = values.shape[-2:]
    level = values.mean((-2, -1))
    if np.isinf(low):
        return 0.5 * values.mean(-1).std(-1, ddof=1)  # type: ignore[no-any-return]
    if np.isinf(high):
        return np.maximum(level - low, 0.0)  # type: ignore[no-any-return]
    half_an_event = 0.5 / (n * seeds)
    share = np.clip((level - low) / (high - low), half_an_event, 1 - half_an_event)
    room = share * (1 - share)
    apart = (values - values.mean(-2, keepdims=True)) / (high - low)
    agreement = ((apart.sum(-1) ** 2).sum(-1) - (apart**2).sum((-2, -1))) / ((n - 1) * seeds * max(seeds - 1, 1))
    return (high - low) * np.clip(room - agreement, LEAST * room, room)  # type: ignore[no-any-return]


def less(a: Floats, b: Floats) -> Floats:
    """The difference a - b by cluster: seed by seed, or of the means over seeds, (..., clusters, 1), where the two have different numbers of them.

    Trainings of one seed share no luck, so that nothing is lost by it.
    """
    if a.shape[-1] == b.shape[-1]:
        return a - b
    return a.mean(-1, keepdims=True) - b.mean(-1, keepdims=True)  # type: ignore[no-any-return]


class Luck(Struct, frozen=True):
    """What luck may add to the variance of the mean of each of some arms: a discrete distribution, jointly."""

    variances: tuple[Floats, ...]
    """Of each arm, (..., points)."""
    weights: Floats
    """(..., points)"""


def luck(arms: Sequence[Floats], others: Sequence[Floats], bounds: Bounds, slope: Floats | float = 1.0) -> Luck:
    """The posterior of luck in one or two trained arms, (..., clusters, seeds); `others`: further trained arms of the study.

    Each may have a number of seeds of its own; of one with a single seed, beside one with several, is known what is known before any seed is
    looked at. `slope`: of what is estimated, per unit of the metric. No arms, or one seed each: no luck that could be seen.
    """
    if all(arm.shape[-1] == 1 for arm in arms):
        nothing = np.zeros((*(arms[0].shape[:-2] if arms else ()), 1))
        return Luck(tuple(nothing for _ in arms), nothing + 1.0)
    scales, likelihoods = zip(*(_likelihood(arm, bounds) for arm in (*arms, *others)), strict=True)
    marginals = np.stack([each @ _PRIOR.T for each in likelihoods], axis=-1)  # (..., scales, arms)
    logs = np.log(np.maximum(marginals, 1e-300)).sum(-1) + np.log(WEIGHTS)
    of_scale = np.exp(logs - logs.max(-1, keepdims=True))
    of_scale /= of_scale.sum(-1, keepdims=True)
    each_tau = [
        each[..., None, :] * _PRIOR / np.maximum(marginals[..., at, None], 1e-300)
        for at, each in enumerate(likelihoods[: len(arms)])
    ]
    sizes = [
        (slope * scale)[..., None] ** 2 * _TAU**2 / arm.shape[-1] for arm, scale in zip(arms, scales, strict=False)
    ]
    if len(arms) == 1:
        return Luck((sizes[0],), (of_scale[..., None] * each_tau[0]).sum(-2))
    joint = np.einsum("...m,...mt,...mu->...tu", of_scale, *each_tau)
    flat = (*joint.shape[:-2], -1)
    first = np.broadcast_to(sizes[0][..., :, None], joint.shape).reshape(flat)
    second = np.broadcast_to(sizes[1][..., None, :], joint.shape).reshape(flat)
    return Luck((first, second), joint.reshape(flat))


def _likelihood(arm: Floats, bounds: Bounds) -> tuple[Floats, Floats]:
    """The scale of an arm's seed variance, and the likelihood of each standard deviation (..., standard deviations)."""
    table, scale = squares(arm), luck_scale(arm, bounds)
    freedom = arm.shape[-1] - 1
    expected = (table.noise + 1e-9 * scale**2 + 1e-30)[..., None] + (scale[..., None] * _TAU) ** 2
    logs = -0.5 * freedom * (np.log(expected) + table.between[..., None] / expected)
    return scale, np.exp(logs - logs.max(-1, keepdims=True))
