"""The interval, the p-value and the minimum detectable effect of a mean or a difference of means, items crossed with seeds.

The variance of a difference has a part over items (clusters of them), estimated from the paired differences, and a part of
seed variance (seed_variance.py). Given luck it is Student's t with Satterthwaite's freedom (1946); luck itself is uncertain, so the
p-value and the half-width are those of the mixture. Where a metric has two bounds the interval is bent as Wilson's score interval
is (1927), a difference by MOVER (Newcombe 1998; Zou and Donner 2008). All functions take leading axes, one entry per study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from scipy import special

from counterform.findings.seed_variance import SHARE, Bounds, Floats, Luck, Squares, less, luck, squares

LEVEL = 0.95
POWER = 0.80
ROUNDING = 1e-9
"""Standard deviations below this part of a metric's size are rounding."""
ALIKE, WORTH = 0.15, 5.0
"""Answers to one problem are taken to be at least this much alike (intraclass correlation), with the weight of this many problems: near
a bound a few problems hold all that was seen, and where they were not drawn the variance is too small as well. Not of a difference within
one model, which lies in the middle of what it can be and varies far less than right and wrong do."""
UNLIKE = 0.035
"""Of a difference near a bound, how unlike it is from problem to problem (as ALIKE; at 1 it moves whole problems)."""
POWERFUL = float(special.ndtri(POWER))
MORE = (0.3, 2.5)
"""With two seeds, by how much more than the variance over items, and than the luck that was seen, the minimum detectable effect allows for:
the half-width of the next study is another one, and where seeds happened to agree their luck was seen as too little."""
_STEPS = 12
"""Of the secant method at the most; five are usual."""
_NEAR = 1e-7
"""Difference of two logarithms of tails at which it stops."""
_CLOSE = 1e-5
"""Part of a metric's range to which a minimum detectable effect is found."""


class Intervals(Struct, frozen=True):
    """Arrays with one entry per study."""

    value: Floats
    low: Floats
    high: Floats
    p: Floats


class Mixture(Struct, frozen=True):
    """How an estimate scatters around the truth: Student's t, whose variance is uncertain. Arrays are (..., points)."""

    deviations: Floats
    freedoms: Floats
    weights: Floats

    def tail(self, size: Floats) -> Floats:
        """P(|estimate - truth| >= size)."""
        each = upper_tail(np.abs(size)[..., None] / self.deviations, self.freedoms)
        return np.minimum(2 * (self.weights * each).sum(-1), 1.0)  # type: ignore[no-any-return]

    @property
    def deviation(self) -> Floats:
        """The standard deviation, averaged over what luck may be."""
        return np.sqrt((self.weights * self.deviations**2).sum(-1))  # type: ignore[no-any-return]

    def half_width(self, beyond: Floats | float = 1 - LEVEL) -> Floats:
        """The size that the tail exceeds with the probability `beyond`."""
        aim = np.log(beyond)
        before, now = 1.9 * self.deviation, 2.2 * self.deviation
        f_before, f_now = (np.log(np.maximum(self.tail(x), 1e-300)) - aim for x in (before, now))
        for _ in range(_STEPS):
            slope = (f_now - f_before) / np.where(now == before, 1.0, now - before)
            step = np.where(slope < 0, -f_now / np.where(slope < 0, slope, -1.0), 0.0)
            # Each stops by itself: what comes of one does not depend on the others.
            step = np.where(np.abs(f_now) < _NEAR, 0.0, step)
            before, f_before = now, f_now
            now = np.clip(now + step, now / 2, now * 2)
            f_now = np.log(np.maximum(self.tail(now), 1e-300)) - aim
            if np.abs(f_now).max() < _NEAR:
                break
        return now


def upper_tail(t: Floats, freedom: Floats) -> Floats:
    """P(Student's t > t) for t >= 0: scipy's, and from 9 degrees of freedom on Hill's expansion (CACM algorithm 396, 1970), ten times as fast.

    The expansion is right to 1e-5 of the tail up to 8 standard errors.
    """
    few = freedom < 9
    if np.all(few):
        return special.stdtr(freedom, -t)  # type: ignore[no-any-return]
    near = np.maximum(freedom, 9.0) - 0.5
    scale, squared = 48 * near**2, near * np.log1p(t**2 / np.maximum(freedom, 9.0))
    more = ((4 * squared + 33) * squared + 240) * squared + 855
    normal = np.sqrt(squared) * (1 + (squared + 3) / scale - more / (10 * scale * (scale + 0.8 * squared**2 + 100)))
    found: Floats = special.ndtr(-normal)
    return np.where(few, special.stdtr(freedom, -t), found) if np.any(few) else found


def mixture(items: Floats, clusters: int, drawn: Luck, factors: Sequence[Floats | float] = (1.0, 1.0)) -> Mixture:
    """Of an estimate whose variance over `clusters` clusters is `items`; `factors`: how often each arm's seed variance enters."""
    extra = sum((f * v for f, v in zip(factors, drawn.variances, strict=False)), np.zeros(1))
    whole = items[..., None] + extra
    freedoms = (clusters - 1) * np.minimum(whole / items[..., None], 1e9) ** 2
    return Mixture(np.sqrt(whole), freedoms, drawn.weights)


class _Design(Struct, frozen=True):
    """What intervals and detectable effects are made of: one or two arms, their difference, and how it scatters."""

    tables: Sequence[Squares]
    difference: Squares
    lucky: Sequence[bool]
    drawn: Luck
    flat: Floats
    """Where all clusters came out alike."""
    items: Floats
    """The variance of the difference over clusters; where it is flat, what none of them can rule out."""
    clusters: int
    seeds: Sequence[int]
    """Of each arm."""
    bounds: Bounds

    @property
    def spread(self) -> Mixture:
        """How the difference scatters around the truth."""
        return mixture(self.items, self.clusters, self.drawn)


def _design(a: Floats, b: Floats | None, others: Sequence[Floats], lucky: Sequence[bool], bounds: Bounds) -> _Design:
    n = a.shape[-2]
    arms = [a] if b is None else [a, b]
    lucky = [*lucky, False, False][: len(arms)]
    tables = [squares(arm) for arm in arms]
    difference = tables[0] if b is None else squares(less(a, b))
    drawn = luck([arm for arm, trained in zip(arms, lucky, strict=True) if trained], others, bounds)
    flat = without_spread(difference.items, tables, n)
    items = np.maximum(np.where(flat, unseen_variance(n, tables, bounds), difference.items), 1e-300)
    seeds = [arm.shape[-1] for arm in arms]
    return _Design(tables, difference, lucky, drawn, flat, items, n, seeds, bounds)


def intervals(
    a: Floats, b: Floats | None, others: Sequence[Floats], *, lucky: Sequence[bool], bounds: Bounds = SHARE
) -> Intervals:
    """mean(a) - mean(b), or mean(a) where b is None; see `stats.estimate`. Tables are (..., clusters, seeds), clusters >= 2."""
    design = _design(a, b, others, lucky, bounds)
    return _intervals(design, design.spread.half_width())


def detectable(
    a: Floats, b: Floats | None, others: Sequence[Floats], *, lucky: Sequence[bool], bounds: Bounds = SHARE
) -> Floats:
    """The true difference that a study like this one finds with POWER: from b's level towards the middle, where it varies more.

    Arguments as of `intervals`. Where nothing varies, what a sign test would find.
    """
    design = _design(a, b, others, lucky, bounds)
    return _detectable(design, design.spread.half_width())


def intervals_and_detectable(
    a: Floats, b: Floats | None, others: Sequence[Floats], *, lucky: Sequence[bool], bounds: Bounds = SHARE
) -> tuple[Intervals, Floats]:
    """Both for the price of little more than one; arguments as of `intervals`."""
    design = _design(a, b, others, lucky, bounds)
    half = design.spread.half_width()
    return _intervals(design, half), _detectable(design, half)


def _intervals(design: _Design, half: Floats) -> Intervals:
    spread, value = design.spread, design.difference.mean
    low, high = value - half, value + half
    least, most = design.bounds
    if np.isfinite(design.bounds).all():
        down, up = _reach(design, half / spread.deviation)
        low, high = np.where(design.flat, low, value - down), np.where(design.flat, high, value + up)
    if len(design.tables) == 2:
        least, most = least - most, most - least
    return Intervals(
        value=value,
        low=np.maximum(low, least),
        high=np.minimum(high, most),
        p=_p(spread, value, design.flat, design.tables, design.clusters),
    )


def _detectable(design: _Design, half: Floats) -> Floats:
    n, seeds, bounds = design.clusters, min(design.seeds), design.bounds
    wider, further = (1 + (more / (seeds - 1) if seeds > 1 else 0.0) for more in MORE)
    seen = [
        np.maximum(t.between - t.noise, 0.0) / own if on else 0.0 * t.mean
        for t, on, own in zip(design.tables, design.lucky, design.seeds, strict=True)
    ]
    if len(design.tables) == 2 and np.isfinite(bounds).all():

        def needed(effect: Floats) -> Floats:
            of_items, rises = _there(design, effect)
            times: tuple[Floats, Floats] = (rises[..., None], np.ones(1))
            factors = [each for each, on in zip(times, design.lucky, strict=True) if on]
            there = mixture(of_items, n, design.drawn, factors).half_width()
            return there + POWERFUL * np.sqrt(wider * of_items + further**2 * (seen[0] * rises + seen[1]))

        found = _where_enough(needed, np.full_like(half, bounds[1] - bounds[0]))
    else:
        found = half + POWERFUL * np.sqrt(wider * design.items + further**2 * sum(seen))
    return np.where(design.flat, _by_signs(n, all_there_is(design.tables, bounds)), found)


def _where_enough(needed: Callable[[Floats], Floats], most: Floats) -> Floats:
    """The effect that is as large as is needed to find it; `most` where none up to there is. The Illinois method, each entry by itself."""
    low, high = 0.0 * most, most
    below, above = low - needed(low), high - needed(high)
    side, now, over = 0.0 * most, most, above
    for _ in range(_STEPS):
        between = high - above * (high - low) / np.where(above > below, above - below, 1.0)
        # Each stops by itself, and at `most` where that is too little.
        stops = (np.abs(over) < _CLOSE * most) | (above <= 0)
        if stops.all():
            break
        now = np.where(stops, now, between)
        over = now - needed(now)
        up = over > 0
        # The end that stays for the second time counts half, or it would stay for ever.
        below = np.where(up, np.where(side > 0, below / 2, below), over)
        above = np.where(up, over, np.where(side < 0, above / 2, above))
        low, high, side = np.where(up, low, now), np.where(up, now, high), np.where(up, 1.0, -1.0)
    return now


class Scatter(Struct, frozen=True):
    """A difference of means, how it scatters around the truth, and of what its variance is made. Arrays with one entry per study."""

    value: Floats
    spread: Mixture
    items: Floats
    """Its variance over clusters, sampling included."""
    noise: Floats
    """What a single seed's sampling adds to it; 0 with one seed, where it cannot be told apart."""
    luck: Floats
    """Its variance over seeds, averaged over what luck may be."""


def scatter(
    a: Floats, b: Floats | None, others: Sequence[Floats], *, lucky: Sequence[bool], bounds: Bounds = SHARE
) -> Scatter:
    """mean(a) - mean(b), or mean(a) where b is None, and its parts; arguments as of `intervals`."""
    design = _design(a, b, others, lucky, bounds)
    difference, lucks = design.difference, mean_luck(design.drawn, design.lucky)
    return Scatter(difference.mean, design.spread, design.items, difference.noise, difference.mean * 0.0 + sum(lucks))


def without_spread(variance: Floats, tables: Sequence[Squares], clusters: int) -> Floats:
    """Whether all clusters came out alike, but for rounding."""
    size = np.max([np.abs(table.mean) for table in tables], axis=0) + 1e-12
    return variance * clusters <= (ROUNDING * size) ** 2  # type: ignore[no-any-return]


def unseen(clusters: int) -> float:
    """The share of all clusters that may differ though none of these did (Clopper and Pearson 1934)."""
    return float(1 - ((1 - LEVEL) / 2) ** (1 / clusters))


def unseen_variance(clusters: int, tables: Sequence[Squares], bounds: Bounds) -> Floats:
    """The variance at which Student's t has `unseen` as its half-width; a cluster that differs does so by all there is."""
    quantile = float(special.stdtrit(clusters - 1, (1 + LEVEL) / 2))
    return (all_there_is(tables, bounds) * unseen(clusters) / quantile) ** 2


def all_there_is(tables: Sequence[Squares], bounds: Bounds) -> Floats:
    """The range of a metric, or where it has none the higher of the levels."""
    if np.isfinite(bounds).all():
        return np.full_like(tables[0].mean, bounds[1] - bounds[0])
    return np.max([np.abs(table.mean) for table in tables], axis=0)  # type: ignore[no-any-return]


def mean_luck(drawn: Luck, lucky: Sequence[bool]) -> list[Floats | float]:
    """What luck adds to the variance of each arm, on average over what it may be; 0 of an arm that was not trained."""
    means = iter([(drawn.weights * each).sum(-1) for each in drawn.variances])
    return [next(means) if trained else 0.0 for trained in lucky]


def _p(spread: Mixture, value: Floats, flat: Floats, tables: Sequence[Squares], n: int) -> Floats:
    """Of the true value's being 0. Where there is no spread, no less than that of flipping n signs at random."""
    p = spread.tail(value)
    nothing = np.abs(value) <= ROUNDING * np.max([np.abs(table.mean) for table in tables], axis=0)
    return np.where(flat, np.where(nothing, 1.0, np.maximum(p, 2.0 ** (1 - n))), p)


def _reach(design: _Design, quantile: Floats) -> tuple[Floats, Floats]:
    """How far the interval reaches below and above: Wilson's of one mean, or of two those of their difference (MOVER).

    What bends both intervals to the same side cancels in the difference of paired items, and is taken out.
    """
    n, bounds, tables, difference = design.clusters, design.bounds, design.tables, design.difference
    lucks = mean_luck(design.drawn, design.lucky)
    span = bounds[1] - bounds[0]
    reach = []
    for table, extra in zip(tables, lucks, strict=True):
        share = np.clip((table.mean - bounds[0]) / span, 0.0, 1.0)
        of_items, usual = table.items / span**2, ALIKE * share * (1 - share) / n * (bounds[0] == 0)
        of_items = np.maximum(of_items, ((n - 1) * of_items + WORTH * usual) / (n - 1 + WORTH))
        low, high = _wilson(share, of_items + extra / span**2, quantile, unseen(n))
        reach.append((span * (share - low), span * (high - share)))
    if len(tables) == 1:
        return reach[0]
    (a, b), bends = tables, [(up - down) / np.maximum(up + down, 1e-300) for down, up in reach]
    common = np.where(bends[0] * bends[1] > 0, np.sign(bends[0]) * np.minimum(*np.abs(bends)), 0.0)
    (a_down, a_up), (b_down, b_up) = (
        ((down + up) / 2 * (1 - bend + common), (down + up) / 2 * (1 + bend - common))
        for (down, up), bend in zip(reach, bends, strict=True)
    )
    each = np.sqrt((a.items + lucks[0]) * (b.items + lucks[1]))
    together = (a.items + b.items - difference.items) / 2
    alike = np.clip(np.divide(together, each, out=np.zeros_like(each), where=each > 0), -1.0, 1.0)
    down, up = (np.sqrt(np.maximum(x**2 + y**2 - 2 * alike * x * y, 0.0)) for x, y in ((a_down, b_up), (a_up, b_down)))
    return down, up


def _wilson(share: Floats, variance: Floats, quantile: Floats, none_seen: float) -> tuple[Floats, Floats]:
    """The score interval of a share whose variance is in proportion to p (1 - p); at a bound that of nothing seen."""
    room = share * (1 - share)
    inside = (room > 0) & (variance > 0)
    k = np.where(inside, variance * quantile**2 / np.where(inside, room, 1.0), 0.0)
    middle, radius = (share + k / 2) / (1 + k), np.sqrt(k * room + k**2 / 4) / (1 + k)
    low = np.where(inside, middle - radius, np.where(share > 0.5, 1 - none_seen, 0.0))
    high = np.where(inside, middle + radius, np.where(share > 0.5, 1.0, none_seen))
    return low, high


def _there(design: _Design, effect: Floats) -> tuple[Floats, Floats]:
    """Where a lies `effect` from b: the variance of the difference over items, and that of a's luck as a multiple of what it is here.

    Two arms that are near to each other differ by sampling, and near a bound a little from problem to problem (UNLIKE).
    """
    low, high = design.bounds
    seeds = min(design.seeds)
    span, least = high - low, 0.5 / (design.clusters * seeds)
    a, b = (np.clip((table.mean - low) / span, least, 1 - least) for table in design.tables)
    room_a, room_b, towards = a * (1 - a), b * (1 - b), np.where(b > 0.5, -1.0, 1.0)
    share = np.minimum(effect / span, 1.0)
    there = np.clip(b + towards * share, least, 1 - least)
    room = there * (1 - there)
    of_items = design.items * (room + room_b) / (room_a + room_b)
    if seeds > 1:
        sampling = np.maximum(design.tables[0].noise / room_a, design.tables[1].noise / room_b) / seeds
        of_items = np.where(sampling > 0, np.minimum(of_items, sampling * (room + room_b)), of_items)
    unlike = span**2 * UNLIKE * (1 - 2 * b) ** 2 * share * (1 - share) / design.clusters
    # A level at a bound says little of luck away from it, so b's level says it there.
    scaled_by = np.maximum(room_a, np.minimum(room_b, 2.5 / design.clusters))
    return np.maximum(of_items + unlike, 1e-300), (room / scaled_by) ** 2


def _by_signs(n: int, size: Floats) -> Floats:
    """`size` times the share of clusters that must move, all one way, for a sign test to find it; endless for too few."""
    needed = int(np.ceil(np.log2(2 / (1 - LEVEL))))
    return size * special.betaincinv(needed, n - needed + 1, POWER) if n >= needed else np.full_like(size, np.inf)
