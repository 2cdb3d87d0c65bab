"""What a referee says of a candidate at a small level: better, worse or not shown, and what would have to be bought; never by how much."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from math import floor, inf, log10

import numpy as np
from msgspec import Struct
from scipy.stats import binomtest

from counterform.findings.intervals import POWERFUL, ROUNDING, Scatter, scatter
from counterform.findings.paired import Run, Tables, tables


class Ruling(Enum):
    """All that is released of a candidate's score."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "not shown"


class Buy(Enum):
    """What lessens most what is left open."""

    NOTHING = "nothing"
    SEED = "seed"
    ITEMS = "items"


class Ruled(Struct, frozen=True, kw_only=True):
    """A ruling and what to buy next."""

    ruling: Ruling
    buy: Buy = Buy.NOTHING
    more: int = 0
    """Seeds or items, rounded up to 1, 2 or 5 times a power of ten."""


def rule(
    runs: Sequence[Run], *, first_runs: int, second_runs: int, share: bool, up: bool, margin: float, level: float
) -> Ruled | None:
    """Of the second arm against the first; None where nothing is scored in both.

    share: values are 0 to 1, and what is not scored is also taken for the worst it could be. up: whether higher is better. margin: the smallest
    difference that matters, for what to buy. level: the chance of ruling better or worse on two equal arms.
    """
    lucky = (second_runs > 1, first_runs > 1)
    found = tables(runs)
    if found is None:
        return None
    signs = [_sign(found, lucky, level)]
    if any(np.isnan(run.first).any() or np.isnan(run.second).any() for run in runs):
        # Better only if it is so whatever stands behind the answers that were not scored.
        fills = ((1.0, 0.0), (0.0, 1.0)) if share else ()
        filled = [tables([_filled(run, *fill) for run in runs]) for fill in fills]
        signs += [_sign(each, lucky, level) for each in filled if each is not None] or [0]
    if min(signs) == max(signs) != 0:
        return Ruled(ruling=Ruling.BETTER if (signs[0] > 0) == up else Ruling.WORSE)
    return _purchase(found, lucky, margin, level)


def _filled(run: Run, first: float, second: float) -> Run:
    a, b = (np.where(np.isnan(v), fill, v) for v, fill in ((run.first, first), (run.second, second)))
    return Run(a, b, run.items)


def _scatter(found: Tables, lucky: tuple[bool, bool]) -> Scatter:
    return scatter(found.second, found.first, [], lucky=lucky, bounds=found.bounds)


def _sign(found: Tables, lucky: tuple[bool, bool], level: float) -> int:
    """1 or -1 where the difference is shown at this level, else 0."""
    if len(found.first) < 2:
        return 0
    seen = _scatter(found, lucky)
    items = (found.second - found.first).mean(-1)
    differing = items[np.abs(items) > ROUNDING]
    # No less than what as many flipped signs allow; McNemar's exact test where there is one mark an item.
    least = 2.0 ** (1 - len(differing))
    if found.marks and found.first.shape[1] == 1 and np.isin(differing, (-1.0, 1.0)).all() and len(differing):
        least = binomtest(int((differing > 0).sum()), len(differing)).pvalue
    p = max(float(seen.spread.tail(np.abs(seen.value))), least)
    return int(np.sign(seen.value)) if p <= level else 0


def _purchase(found: Tables, lucky: tuple[bool, bool], margin: float, level: float) -> Ruled:
    """From how differences scatter, never from how large they are: what is bought says nothing of the score."""
    items = len(found.first)
    if items < 2:
        return Ruled(ruling=Ruling.NOT_SHOWN, buy=Buy.ITEMS, more=20)
    seen = _scatter(found, lucky)
    deviation = float(seen.spread.deviation)
    reach = float(seen.spread.half_width(level)) / deviation + POWERFUL
    wanted = (margin / found.scale / reach) ** 2
    if deviation**2 <= wanted:
        return Ruled(ruling=Ruling.NOT_SHOWN)
    of_items, of_luck = float(seen.items), float(seen.luck)
    if any(lucky) and of_luck > of_items:
        return Ruled(ruling=Ruling.NOT_SHOWN, buy=Buy.SEED, more=1)
    needed = of_items / (wanted - of_luck) if wanted > of_luck else inf
    if needed == inf:
        return Ruled(ruling=Ruling.NOT_SHOWN, buy=Buy.SEED, more=1)
    return Ruled(ruling=Ruling.NOT_SHOWN, buy=Buy.ITEMS, more=_round_up((needed - 1) * items))


def _round_up(n: float) -> int:
    unit = 10 ** floor(log10(max(n, 1.0)))
    return int(next(step * unit for step in (1, 2, 5, 10) if step * unit >= n))
