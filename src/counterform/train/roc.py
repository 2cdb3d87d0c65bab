"""Which rollouts of a group to learn from: resampling on correct (RoC), as published, as released, and its controls.

GRPO-RoC (rStar2-Agent, arXiv 2508.20722, section 2.2.3) generates more rollouts a group than it trains on, 2G for G. It
keeps the failures as they come, since they teach by being many and different, and prefers the successes whose way to the
right answer was clean: few tool errors, the format kept. The reward stays the outcome alone.

    mode         successes kept               failures kept           how many of each
    paper        drawn by inverse penalty     drawn uniformly         in proportion, failures rounded down
    released     the lowest penalties         the first of the group  in proportion, rounded, 2 of each at least
    random       drawn uniformly, whatever the reward                 as it falls (the control for RoC)
    no_failures  those of `paper`             none                    only the successes of `paper`
    both         those of `paper`             by inverse penalty      as `paper`
    waves        drawn by inverse penalty     drawn uniformly         as in the group's first `keep` (see waves.py)

Where paper and released code (microsoft/rStar, rstar2_agent/down_sample, with its fix #50) differ:

- The paper draws, the code sorts: with the code a success with a high penalty is never seen, and of two equal ones
  always the earlier.
- The paper draws failures, the code takes the first ones. Where rollouts finish in any order that is a draw; where they
  are ordered by when they finished it prefers the short ones.
- The paper keeps floor(failures / 2); the code rounds both counts (half to even) and keeps at least 2 of each kind that
  there are. Where its two counts do not sum to `keep` (16 -> 7 with 8 right) the code stops with an assertion; here
  failures keep their count and successes get the rest. With `keep` < 4 the floor here is keep // 2.
- The code drops groups of equal rewards before it selects. Here they keep `keep` rows: their advantages are 0 anyway.
- The paper weights by 1 / penalty, which a penalty of 0 does not have. Here weight is infinite at 0: clean successes go
  first, uniformly among themselves, then the others in proportion to 1 / penalty. Only ratios of penalties matter, so a
  penalty scaled into [0, 1] draws as the paper's, which lies in [0, 2].
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterform.errors import DataError, StudyError, unknown_name

Mode = Literal["paper", "released", "random", "no_failures", "both", "waves"]
MODES: tuple[Mode, ...] = get_args(Mode)

RELEASED_FLOOR = 2
"""Of each kind, in the released scripts (`min_zero_reward_trace_num`, `min_non_zero_reward_trace_num`)."""

FAILURE, SUCCESS, UNKNOWN = 0, 1, 2

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def select(
    groups: ArrayLike, rewards: ArrayLike, penalties: ArrayLike, keep: int, *, seed: int, mode: Mode = "paper"
) -> Ints:
    """The sorted indices of the rollouts to learn from: `keep` of every group.

    `groups` [n]: ids that can be sorted, in any order; groups may differ in size. `rewards` [n]: NaN is UNKNOWN, any
    other must be finite. `penalties` [n]: in [0, 1], 0 is clean. The same arguments give the same rows, so every process
    of a distributed run may select for itself; `released` draws nothing and ignores `seed`. With one seed `paper`,
    `no_failures` and `both` keep the same successes.

    A success is a reward above its group's mean, which is what GRPO reinforces; in a group of equal rewards, one above 0.
    For rewards of 0 and 1 that is the paper's split. `released` takes any reward above 0, as its code does.

    An UNKNOWN rollout is neither success nor failure: it does not count in the proportions, is never kept in place of a
    known one, and fills a group up (drawn uniformly) that has fewer than `keep` known ones, so that every group keeps
    `keep` rows; it has no advantage. `no_failures` keeps neither failures nor UNKNOWN ones, so its groups are smaller
    and can be empty.

    Raises StudyError for an unknown mode or a keep below 1, DataError for lengths that differ, a penalty outside [0, 1],
    an infinite reward, and a group of fewer than `keep`.
    """
    if mode not in MODES:
        raise StudyError(unknown_name("mode", str(mode), MODES))
    read = sort_out(groups, rewards, penalties, keep, mode)
    counts, quotas = read.counts.ravel(), read.quotas.ravel()
    order = _lexical_order(read.cell, _keys(np.random.default_rng(seed), read, mode))
    places = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.zeros(len(order), np.bool_)
    kept[read.rows[order[places < np.repeat(quotas, counts)]]] = True
    return np.flatnonzero(kept)


class Read(NamedTuple):
    """Rollouts in order of their groups, and how many of each kind are to be kept."""

    rows: Ints
    """[n] their indices as given; inside a group in the order given. All of [n] below follow it."""
    penalty: Floats
    kind: Ints
    """[n] FAILURE, SUCCESS or UNKNOWN."""
    cell: Ints
    """[n] 3 * group + kind, groups counted from 0."""
    ids: NDArray[Any]
    """[groups]"""
    counts: Ints
    """[groups, kinds]"""
    quotas: Ints
    """[groups, kinds]"""


def sort_out(groups: ArrayLike, rewards: ArrayLike, penalties: ArrayLike, keep: int, mode: Mode) -> Read:
    """What `select` knows before it draws. Raises as `select` does."""
    rows, ids, reward, penalty = _grouped(groups, rewards, penalties)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else rows
    size = np.diff(starts, append=len(ids))
    _check_sizes(ids[starts], size, keep)
    known = ~np.isnan(reward)
    kind = np.where(known, _successes(starts, size, reward, known, mode), UNKNOWN)
    cell = 3 * np.repeat(np.arange(len(size)), size) + kind
    counts = _counted(cell, len(size))
    if mode == "waves":
        place = np.cumsum(known) - known
        first = known & (place - np.repeat(place[starts], size) < keep)
        quotas = _wave_quotas(counts, _counted(cell[first], len(size)), keep)
    else:
        quotas = _quotas(counts, keep, mode)
    return Read(rows, penalty, kind, cell, ids[starts], counts, quotas)


def _counted(cell: Ints, n_groups: int) -> Ints:
    return np.bincount(cell, minlength=3 * n_groups).reshape(-1, 3)


def _successes(starts: Ints, size: Ints, reward: Floats, known: Bools, mode: Mode) -> Bools:
    if mode == "random" or not len(size):
        return np.zeros(len(reward), np.bool_)
    if mode == "released":
        return reward > 0
    low = np.minimum.reduceat(np.where(known, reward, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, reward, -np.inf), starts)
    # Counted from the group's lowest reward: a mean of equal numbers need not be that number.
    low = np.where(high >= low, low, 0.0)
    above = np.where(known, reward - np.repeat(low, size), 0.0)
    mean = np.add.reduceat(above, starts) / np.maximum(np.add.reduceat(known.astype(np.int64), starts), 1)
    return np.where(np.repeat(high > low, size), above > np.repeat(mean, size), reward > 0)


def _quotas(counts: Ints, keep: int, mode: Mode) -> Ints:
    """How many failures, successes and unknown rollouts each group keeps."""
    failures, successes = counts[:, FAILURE], counts[:, SUCCESS]
    n = failures + successes
    kept = np.minimum(keep, n)
    if mode == "released":
        kept_failures = _released_failures(failures, successes, kept)
    else:
        kept_failures = failures * kept // np.maximum(n, 1)
    quotas = np.stack([kept_failures, kept - kept_failures, keep - kept], axis=1)
    if mode == "no_failures":
        quotas[:, [FAILURE, UNKNOWN]] = 0
    return quotas


def _wave_quotas(counts: Ints, first: Ints, keep: int) -> Ints:
    """As many of each kind as the first `keep` known rollouts have; one of a kind that shows only later."""
    quotas = first.copy()
    quotas[:, UNKNOWN] = keep - first[:, FAILURE] - first[:, SUCCESS]
    if keep > 1:
        for kind, other in ((FAILURE, SUCCESS), (SUCCESS, FAILURE)):
            late = (first[:, kind] == 0) & (counts[:, kind] > 0)
            quotas[late, kind], quotas[late, other] = 1, quotas[late, other] - 1
    return quotas


def _released_failures(failures: Ints, successes: Ints, kept: Ints) -> Ints:
    n = np.maximum(failures + successes, 1)
    kept_failures = np.rint(failures * kept / n).astype(np.int64)
    kept_successes = np.rint(successes * kept / n).astype(np.int64)
    floor = np.minimum(RELEASED_FLOOR, kept // 2)
    few = np.minimum(floor, failures)
    raised = kept_failures <= few
    kept_failures = np.where(raised, few, kept_failures)
    kept_successes = np.where(raised, kept - few, kept_successes)
    few = np.minimum(floor, successes)
    return np.where(kept_successes <= few, kept - few, kept_failures)


def _keys(rng: np.random.Generator, read: Read, mode: Mode) -> Floats:
    """What each rollout is sorted by inside its group and kind; the lowest are kept, of equal ones the first.

    The smallest of exponential variables with rates w are a draw without replacement with weights w (Efraimidis and
    Spirakis 2006); rates 1 / penalty multiply by the penalty. Below them all come the clean ones, at random.
    """
    if mode == "released":
        return np.where(read.kind == SUCCESS, read.penalty, 0.0)
    luck = rng.standard_exponential(len(read.kind))
    weighted = read.kind != UNKNOWN if mode == "both" else read.kind == SUCCESS
    return np.where(weighted, np.where(read.penalty > 0, luck * read.penalty, -luck), luck)


def _lexical_order(cell: Ints, key: Floats) -> Ints:
    """What orders rows by cell, then key, then place: complex numbers sort that way.

    The rows lie by group already, which a stable sort makes use of; `np.lexsort` would sort all the keys first.
    """
    both = np.empty(len(cell), np.complex128)
    both.real, both.imag = cell, key
    return np.argsort(both, kind="stable")


def _grouped(groups: ArrayLike, rewards: ArrayLike, penalties: ArrayLike) -> tuple[Ints, NDArray[Any], Floats, Floats]:
    """The rows' indices ordered by group, and group ids, rewards and penalties in that order; checked."""
    ids, reward, penalty = np.asarray(groups), np.asarray(rewards, np.float64), np.asarray(penalties, np.float64)
    if not (ids.ndim == 1 and ids.shape == reward.shape == penalty.shape):
        raise DataError(
            f"groups, rewards and penalties need one entry per rollout; their shapes are {ids.shape}, {reward.shape} and"
            f" {penalty.shape}."
        )
    outside = np.flatnonzero(~((penalty >= 0) & (penalty <= 1)))
    if len(outside):
        raise DataError(
            f"penalty {penalty[outside[0]]} of rollout {outside[0]} is not in [0, 1] ({len(outside)} such). 0 is clean,"
            " 1 the worst; scale it."
        )
    endless = np.flatnonzero(np.isinf(reward))
    if len(endless):
        raise DataError(
            f"reward {reward[endless[0]]} of rollout {endless[0]} is not finite ({len(endless)} such). A reward that could"
            " not be read is NaN (UNKNOWN)."
        )
    rows = np.argsort(ids, kind="stable")
    return rows, ids[rows], reward[rows], penalty[rows]


def _check_sizes(ids: NDArray[Any], size: Ints, keep: int) -> None:
    if keep < 1:
        raise StudyError(f"keep = {keep}: every group must keep at least 1 rollout.")
    if len(size) and size.min() < keep:
        small = size.argmin()
        raise DataError(
            f"group {ids[small]} has {size[small]} rollouts, fewer than keep = {keep}. Generate more a group, or keep"
            " fewer."
        )
