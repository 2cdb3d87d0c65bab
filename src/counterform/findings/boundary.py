"""A boundary that a statistic without drift crosses with a chosen probability, however often it is looked at.

At information time t, from FIRST to 1, a difference is decided where it lies c(t) = C t^(SHAPE - 1/2) standard errors from 0 (Wang and
Tsiatis 1987). C is that of looks at every moment, so looks may come when they will: fewer of them find less by chance, not more. Estimates from growing
samples have the covariance of Brownian motion over t (Jennison and Turnbull 2000, chapter 11), items and seeds alike.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]

SHAPE = 0.2
"""0 is O'Brien and Fleming's boundary, 0.5 Pocock's."""
FIRST = 0.02
"""Information time before which nothing is decided."""
_LOOKS, _POINTS = 400, 321
_WIDEST = 7.0


def critical(time: Floats, alpha: float) -> Floats:
    """Standard errors from 0 at which a difference is decided at information time `time`, at most 1; endless before FIRST."""
    least = np.maximum(time, FIRST)
    found: Floats = np.where(time < FIRST, np.inf, constant(alpha) * least ** (SHAPE - 0.5))
    return found


def stricter(time: Floats, alpha: float, freedom: float) -> Floats:
    """How many times the half-width of a single look a difference must reach: by Student's t, so that few items count for less."""
    beyond = special.ndtr(-critical(time, alpha))
    found: Floats = special.stdtrit(freedom, beyond) / special.stdtrit(freedom, alpha / 2)
    return found


@lru_cache(maxsize=256)
def constant(alpha: float) -> float:
    """C: a difference that is none crosses the boundary with probability alpha, 1e-9 to 0.5, between FIRST and 1."""
    found = optimize.brentq(lambda size: np.log(crossing(size) / alpha), 0.5, _WIDEST, xtol=1e-4)
    return float(found)


def crossing(size: float) -> float:
    """The probability of crossing with C = `size`: the statistic is a stationary Gaussian process in log t, followed from look to look."""
    times = np.geomspace(FIRST, 1.0, _LOOKS)
    grid, kernel = _transition()
    inside = np.abs(grid) < size * times[:, None] ** (SHAPE - 0.5)
    density = np.exp(-0.5 * grid**2)
    density = density / density.sum() * inside[0]
    outside = special.ndtr(-size * times[0] ** (SHAPE - 0.5)) * 2
    for within in inside[1:]:
        density = density @ kernel
        outside += float(density[~within].sum())
        density = density * within
    return float(outside)


@lru_cache(maxsize=1)
def _transition() -> tuple[Floats, Floats]:
    grid = np.linspace(-_WIDEST - 1, _WIDEST + 1, _POINTS)
    kept = FIRST ** (0.5 / (_LOOKS - 1))
    kernel = np.exp(-0.5 * (grid - kept * grid[:, None]) ** 2 / (1 - kept**2))
    return grid, kernel / kernel.sum(axis=1, keepdims=True)
