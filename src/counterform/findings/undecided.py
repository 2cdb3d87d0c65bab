"""What would decide an undecided comparison. Pure."""

from __future__ import annotations

import math
from enum import Enum

FAR = 20
"""Times as many problems as were read, from which on more of them are no advice."""


class Undecided(Enum):
    """Why a comparison is undecided where no number of problems says it."""

    CORRECTION = "clear alone, not after the correction for several comparisons"
    """Its own interval lies clear of 0."""
    SEEDS = "seen by its problems, not by its seeds"
    """As large as what so many problems mostly find, and still unclear: the trainings lie too far apart."""
    SMALL = "too small to see"
    """A true difference of this size would take more than `FAR` times the problems."""


def needed_to_decide(estimate: float, low: float, high: float, mde: float, n: int) -> int | Undecided:
    """Of an undecided difference of n problems, those at which a true difference as large would be found four times out of five, to two digits.

    The minimum detectable effect shrinks with the root of the number of problems; seed variance does not shrink with it, so with several
    seeds this is the least that it takes.
    """
    if low > 0 or high < 0:
        return Undecided.CORRECTION
    if not estimate or not math.isfinite(mde / estimate):
        return Undecided.SMALL
    needed = n * (mde / estimate) ** 2
    if needed <= n:
        return Undecided.SEEDS
    return Undecided.SMALL if needed > FAR * n else _rounded_up(needed)


def _rounded_up(value: float) -> int:
    step = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return int(math.ceil(value / step) * step)
