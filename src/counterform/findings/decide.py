"""When a contrast is clear enough to stop: better, worse, equivalent within its margin, or not worth going on with.

A contrast is declared with its margin and looked at while items and seeds arrive. The test at each look is that of the fixed study
(intervals.py: items and luck of training, which may differ between arms), at the stricter level of boundary.py. Information time is the variance that
the whole study is expected to leave over the variance now, so that more items bring no information where luck is what is left. Tables are
(..., items, seeds), items in random order, and results have one entry per study.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import special

from counterform.findings.boundary import constant, stricter
from counterform.findings.intervals import ROUNDING, Scatter, scatter
from counterform.findings.seed_variance import SHARE, Bounds, Floats

ALPHA = 0.05
FUTILE = 0.02
"""Where the rest of the study would decide with less than this probability, it is stopped."""
FEWEST = 20
"""Items before the first look."""
Booleans = NDArray[np.bool_]


class Outcome(Enum):
    """How a contrast stopped, or that it goes on."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    FUTILE = "futile"
    EXHAUSTED = "undecided"
    OPEN = "open"


class Purchase(Enum):
    """What lessens the variance most for its tokens."""

    ITEMS = "items"
    SEED = "seed"
    NOTHING = "nothing"


class Design(Struct, frozen=True, kw_only=True):
    """What is declared before the first look; the most items and seeds are those of the fixed study."""

    items: int
    seeds: int
    margin: float = 0.0
    """Differences of less than this do not matter; 0: equivalence is never said."""
    alpha: float = ALPHA
    """The chance that two equal arms are ever said to differ."""
    training: float = 0.0
    """What one training costs, in items read by one model."""
    bounds: Bounds = SHARE

    def cost(self, items: Floats | float, seeds: Floats | float) -> Floats | float:
        """What it takes to have so many items of so many seeds, of one arm and in items."""
        return seeds * (items + self.training)


class Look(Struct, frozen=True):
    """What a look found; arrays with one entry per study."""

    value: Floats
    p: Floats
    """Of there being no difference, corrected for the looks: it decides where it is at most alpha."""
    stricter: Floats
    """Half-widths of the fixed study at which this look decides."""
    time: Floats
    """Information time: the variance of the whole study over that of now."""
    better: Booleans
    worse: Booleans
    equivalent: Booleans
    futile: Booleans
    seed_next: Booleans
    """Whether a seed lessens the variance more for its cost than items do; where both can be had."""
    scatter: Scatter

    @property
    def stopped(self) -> Booleans:
        """Whether nothing more need be bought."""
        found: Booleans = self.better | self.worse | self.equivalent | self.futile
        return found

    def interval(self, alpha: float) -> tuple[Floats, Floats]:
        """The repeated confidence interval: over all looks it leaves the truth out with probability alpha at the most."""
        half = self.stricter * self.scatter.spread.half_width(alpha)
        return self.value - half, self.value + half


def look(
    a: Floats, b: Floats, design: Design, *, others: Sequence[Floats] = (), lucky: Sequence[bool] = (True, True)
) -> Look:
    """Look at mean(a) - mean(b). `lucky`: which of them were trained; `others`: further trained arms."""
    items, seeds = a.shape[-2:]
    found = scatter(a, b, others, lucky=lucky, bounds=design.bounds)
    now = found.spread.deviation**2
    later = _items_variance(found, items, seeds, design.items, design.seeds)
    whole = np.minimum(later + found.luck * seeds / design.seeds, now)
    time = np.where(items < min(FEWEST, design.items), 0.0, whole / now)
    times = stricter(time, design.alpha, items - 1)
    size = np.abs(found.value)
    p = np.maximum(found.spread.tail(size / times), _signs(a, b))
    differs = p <= design.alpha
    inside = np.zeros_like(differs)
    if design.margin:
        inside = (size < design.margin) & (
            found.spread.tail(np.maximum(design.margin - size, 0.0) / times) <= design.alpha
        )
    chance = _chance(found, later, seeds / design.seeds, design)
    return Look(
        value=found.value,
        p=p,
        stricter=times,
        time=time,
        better=differs & ~inside & (found.value > 0),
        worse=differs & ~inside & (found.value < 0),
        equivalent=inside,
        futile=~differs & ~inside & (time > 0) & (time < 1) & (chance < FUTILE),
        seed_next=_seed_next(found, items, seeds, design),
        scatter=found,
    )


def outcome(found: Look, items: int, seeds: int, design: Design) -> Outcome:
    """Of one study's look, with so many items and seeds."""
    for so, became in (
        (found.better, Outcome.BETTER),
        (found.worse, Outcome.WORSE),
        (found.equivalent, Outcome.EQUIVALENT),
    ):
        if bool(so):
            return became
    if items >= design.items and seeds >= design.seeds:
        return Outcome.EXHAUSTED
    return Outcome.FUTILE if bool(found.futile) else Outcome.OPEN


def purchase(found: Look, items: int, seeds: int, design: Design) -> Purchase:
    """What to buy next in one study."""
    if items >= design.items:
        return Purchase.NOTHING if seeds >= design.seeds else Purchase.SEED
    return Purchase.SEED if seeds < design.seeds and bool(found.seed_next) else Purchase.ITEMS


def _items_variance(found: Scatter, items: int, seeds: int, then_items: int, then_seeds: int) -> Floats:
    """What the variance over items is expected to be with other numbers of items and seeds."""
    alone = np.maximum(found.items - found.noise / seeds, 0.0)
    sampling = np.minimum(found.noise / seeds, found.items) * seeds / then_seeds
    variance: Floats = (alone + sampling) * items / then_items
    return variance


def _seed_next(found: Scatter, items: int, seeds: int, design: Design) -> Booleans:
    if seeds >= design.seeds:
        return np.zeros_like(found.value, dtype=bool)
    if items >= design.items:
        return np.ones_like(found.value, dtype=bool)
    paid = design.cost(items, seeds)
    more = min(design.items, items + max(1, items // 8))
    saved = [
        (found.items - _items_variance(found, items, seeds, n, s) + found.luck * (1 - seeds / s))
        / (design.cost(n, s) - paid)
        for n, s in ((more, seeds), (items, seeds + 1))
    ]
    better: Booleans = saved[1] > saved[0]
    return better


def _signs(a: Floats, b: Floats) -> Floats:
    """The least p-value that items can have of which so few differ: that of as many flipped signs."""
    differ = (np.abs((a - b).mean(-1)) > ROUNDING).sum(-1)
    found: Floats = np.minimum(2.0 ** (1.0 - differ), 1.0)
    return found


def _chance(found: Scatter, later: Floats, kept: float, design: Design) -> Floats:
    """The probability that the whole study decides, by what is seen now and nothing else (predictive power).

    later: the variance over items then; kept: the part of luck's variance that is left then. How large luck is will be known better by then: the
    probability is averaged over what it may be.
    """
    now = found.spread.deviations**2
    whole = np.minimum(later[..., None] + (now - found.items[..., None]) * kept, now)
    value, least = found.value[..., None], constant(design.alpha) * np.sqrt(whole)
    left = np.sqrt(np.maximum(now - whole, 1e-300))
    chance = special.ndtr((value - least) / left) + special.ndtr((-value - least) / left)
    if design.margin:
        room = design.margin - least
        inside = special.ndtr((room - value) / left) - special.ndtr((-room - value) / left)
        chance = chance + np.where(room > 0, inside, 0.0)
    averaged: Floats = (found.spread.weights * chance).sum(-1)
    return averaged
