"""What a study could find before it is run: the minimum detectable effect of simulated studies of its size.

A pilot says how one measurement varies over problems and over readings of one problem. Studies of the planned size are drawn with that
variation and with a stated seed variance, and of each the effect is computed by the code that prints it in the end (`intervals.detectable`).
Their median is the prediction. Arms are drawn at the pilot's level: where they will lie is what nobody knows before they are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from scipy import special

from counterform.findings.intervals import detectable
from counterform.findings.seed_variance import Bounds, Floats, squares

LOW_LUCK, HIGH_LUCK = 0.11, 0.36
"""Standard deviations between training seeds, in logits: of 100 trainings of the embedded study (docs/statistics.md), and the scale of what is
believed before any seed is seen (two trainings in three vary less: seed_variance.py)."""
ALIKE_UNSEEN = 0.3
"""The intraclass correlation taken for answers to one problem where every problem was read once, so that none can be seen: about that
of problems whose log-odds have a standard deviation of 1.5, as in the grid of docs/statistics.md."""
_STUDIES, _DRAWS = 51, 3_000_000
"""Simulated studies, and numbers drawn at the most."""
_LEAST_STUDIES = 9
_MOST_SEEDS = 64


class Pilot(Struct, frozen=True, kw_only=True):
    """How readings of one measurement vary, as few of them say."""

    level: float
    problems: float
    """The variance between problems of what is read there on average."""
    sampling: float
    """The variance of one reading around that."""
    bounds: Bounds
    marks: bool
    """A share of marks, so that a reading is a mean of so many 0 and 1; else readings are taken to be normal."""
    clusters: int
    assumed: bool
    """Each problem was read once, or greedily: how alike readings of one problem are was assumed (ALIKE_UNSEEN)."""

    def with_samples(self, factor: float) -> Pilot:
        """The same with `factor` times as many samples in one reading."""
        return Pilot(
            level=self.level,
            problems=self.problems,
            sampling=self.sampling / factor,
            bounds=self.bounds,
            marks=self.marks,
            clusters=self.clusters,
            assumed=self.assumed,
        )


def pilot_of(values: Floats, bounds: Bounds) -> Pilot:
    """What a table (clusters, readings) of pseudo-values says; readings of one problem are of the same model.

    Raises ValueError for fewer than two clusters.
    """
    if len(values) < 2:
        raise ValueError(f"a pilot needs two problems at least; got {len(values)}")
    table = squares(values)
    whole = float(values.var(axis=0, ddof=1).mean())
    # Greedy readings of one model are one reading, however many: they do not say how two models differ at a problem.
    several = values.shape[1] > 1 and bool(table.noise * len(values) > 1e-9 * whole)
    sampling = min(float(table.noise) * len(values), whole) if several else (1 - ALIKE_UNSEEN) * whole
    shares = bool(np.isfinite(bounds).all() and bounds[0] == 0 and (values >= 0).all() and (values <= bounds[1]).all())
    return Pilot(
        level=float(values.mean()),
        problems=whole - sampling,
        sampling=sampling,
        bounds=bounds,
        marks=shares,
        clusters=len(values),
        assumed=not several,
    )


def predicted(
    pilot: Pilot, *, problems: int, seeds: int, luck: float, others: int = 0, lucky: Sequence[bool] = (True, True)
) -> float:
    """The minimum detectable effect that a study of this size will print, in the unit of the metric; endless for one problem.

    luck: the standard deviation between training seeds, in logits. others: further trained arms of the study. lucky: which
    of the two compared were trained. With one seed the effect does not cover seed variance, as the printed one does not.
    """
    if problems < 2:
        return float("inf")
    arms = 2 + (others if seeds > 1 else 0)
    studies = max(min(_STUDIES, _DRAWS // (problems * seeds * arms)), _LEAST_STUDIES)
    rng = np.random.default_rng(0)
    there = _levels(pilot, (studies, problems), rng)
    # The same luck at every size that is asked about, so that sizes differ by nothing else.
    drawn = np.random.default_rng(1).standard_normal((_STUDIES, arms, max(_MOST_SEEDS, seeds)))[:studies, :, :seeds]
    trained = np.array([*lucky, *[True] * others][:arms])
    # With one seed no interval covers luck, and none is drawn.
    shifts = luck * drawn * trained[:, None] * (seeds > 1)
    a, b, *rest = (_readings(pilot, there, shifts[:, arm, None, :], rng) for arm in range(arms))
    return float(np.mean(detectable(a, b, rest, lucky=list(lucky), bounds=pilot.bounds)))


def mixed_groups(right: Floats, known: Floats, size: int) -> float:
    """The share of groups of `size` rollouts that hold a right and a wrong one, so that GRPO has something to learn from.

    right, known: of each problem, its right answers and all that were graded (Beta-binomial by moments).
    """
    kept = known > 0
    right, known = right[kept], known[kept]
    if not len(known):
        return 0.0
    level = float(right.sum() / known.sum())
    if not 0 < level < 1:
        return 0.0
    spread = float(((right / known - level) ** 2).mean())
    noise = level * (1 - level) * float((1 / known).mean())
    # (whole - sampling) / (all there is - sampling), the intraclass correlation.
    alike = (spread - noise) / max(level * (1 - level) - noise, 1e-9) if (known > 1).any() else ALIKE_UNSEEN
    alpha, beta = _beta(level, float(np.clip(alike, 1e-3, 0.999)))
    same = [
        special.betaln(alpha + size, beta) - special.betaln(alpha, beta),
        special.betaln(alpha, beta + size) - special.betaln(alpha, beta),
    ]
    return float(1 - np.exp(same).sum())


def _levels(pilot: Pilot, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """What is read at each problem on average."""
    if not pilot.marks:
        return pilot.level + np.sqrt(max(pilot.problems, 0.0)) * rng.standard_normal(shape)  # type: ignore[no-any-return]
    top = pilot.bounds[1]
    share = pilot.level / top
    room = share * (1 - share)
    if room <= 0:
        return np.full(shape, pilot.level)
    alike = float(np.clip(pilot.problems / top**2 / room, 1e-3, 0.999))
    return top * rng.beta(*_beta(share, alike), size=shape)


def _readings(pilot: Pilot, there: Floats, shift: Floats, rng: np.random.Generator) -> Floats:
    """(studies, problems, seeds) readings of one arm, whose seeds are moved by so many logits (studies, 1, seeds)."""
    if not pilot.marks:
        noise = np.sqrt(max(pilot.sampling, 0.0)) * rng.standard_normal((*there.shape, shift.shape[-1]))
        return there[..., None] + shift * _logit_worth(pilot) + noise  # type: ignore[no-any-return]
    top = pilot.bounds[1]
    share = np.clip(there / top, 1e-12, 1 - 1e-12)
    moved = special.expit(special.logit(share)[..., None] + shift)
    if not 0 < pilot.level < top:
        return np.broadcast_to(there[..., None], moved.shape)
    return top * rng.binomial(_samples(pilot), moved) / _samples(pilot)  # type: ignore[no-any-return]


def _logit_worth(pilot: Pilot) -> float:
    """How far one logit of luck moves a metric that is no share of marks, as seed_variance.luck_scale has it."""
    low, high = pilot.bounds
    if np.isinf(low):
        return 0.5 * float(np.sqrt(pilot.problems + pilot.sampling))
    if np.isinf(high):
        return max(pilot.level - low, 0.0)
    share = float(np.clip((pilot.level - low) / (high - low), 0.0, 1.0))
    return (high - low) * share * (1 - share)


def _samples(pilot: Pilot) -> int:
    """The number of marks that one reading is the mean of, as its sampling variance has it."""
    top = pilot.bounds[1]
    within = pilot.level * (top - pilot.level) - pilot.problems
    return int(np.clip(round(within / max(pilot.sampling, 1e-9)), 1, 10_000))


def _beta(level: float, alike: float) -> tuple[float, float]:
    """The parameters of a Beta distribution with this mean and intraclass correlation."""
    total = 1 / alike - 1
    return level * total, (1 - level) * total
