"""One batch of rollouts sampled in waves: each group until it has what it keeps (see waves.py), inside TRL's trainer.

TRL hands out a batch of rows, `num_generations` a group, and wants a completion for every one of them. So the rows that
are never sampled hold an empty completion, masked from every count and from the loss, and leave the batch with the dropped ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterform.errors import extra
from counterform.train.waves import unfinished

with extra("train"):
    import torch

Rows = NDArray[np.int64]


class Wave(NamedTuple):
    """What was sampled for some rows of a batch."""

    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    tool_mask: list[list[int]]
    completions: list[Any]
    found: torch.Tensor
    """[rows, rewards and penalties]"""


class Sampled(NamedTuple):
    """A batch of which some rows were sampled."""

    generated: tuple[Any, ...]
    """What TRL's `_generate` returns, for all rows."""
    found: torch.Tensor
    """[batch, rewards and penalties]; NaN where nothing was sampled."""
    order: list[int]
    """The rows that were sampled, in that order."""
    waves: int


def sample_in_waves(
    size: int,
    *,
    limit: int,
    keep: int,
    wave: int,
    sample: Callable[[list[int]], Wave],
    scores: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    empty: tuple[int, Any],
) -> Sampled:
    """`keep` rollouts of every group, then `wave` more of each that is not finished, up to `limit` = rows of a group.

    sample: completions for these rows, graded. scores: from rewards and penalties to one of each a rollout, NaN for UNKNOWN.
    empty: the token and the completion of a row that is not sampled.
    """
    groups, place = np.divmod(np.arange(size), limit)
    reach = np.full(size // limit, keep)
    now: Rows = np.flatnonzero(place < keep)
    order: list[int] = []
    parts: list[Wave] = []
    while len(now):
        order += now.tolist()
        parts.append(sample(now.tolist()))
        total, penalty = scores(torch.cat([part.found for part in parts]))
        short = unfinished(groups[order], total.cpu().numpy(), penalty.cpu().numpy(), keep, limit=limit)
        start = reach.copy()
        reach[short] += wave
        now = np.flatnonzero((place >= start[groups]) & (place < reach[groups]))
    token, completion = empty
    blank: list[Any] = [[token], [token], [0], completion]
    columns = [_spread(size, order, [row for part in parts for row in part[at]], blank[at]) for at in range(len(blank))]
    found = torch.cat([part.found for part in parts])
    whole = found.new_full((size, found.shape[1]), torch.nan)
    whole[order] = found
    # No log-probabilities of the sampler (they are vLLM's), no further fields (the rows have them), no images.
    return Sampled((*columns, None, {}, None, []), whole, order, len(parts))


def one_entry_a_batch(metrics: dict[str, list[float]], before: dict[str, int], sizes: Sequence[int]) -> None:
    """Make one entry of those that TRL logged for every wave, as if the batch had been sampled at once."""
    for name, values in metrics.items():
        new = values[before.get(name, 0) :]
        if len(new) == len(sizes) > 1:
            least, most = "/min_" in name, "/max_" in name
            whole = min(new) if least else max(new) if most else float(np.average(new, weights=sizes))
            values[before.get(name, 0) :] = [whole]


def in_row_order(pending: defaultdict[str, list[Any]], size: int, order: Sequence[int]) -> None:
    """Put what reward functions logged for each completion, wave by wave, where TRL looks for it: in the rows' order."""
    for column, values in pending.items():
        if len(values) == len(order):
            pending[column] = _spread(size, order, values, None)


def _spread(size: int, order: Sequence[int], values: Sequence[Any], blank: Any) -> list[Any]:
    spread = [blank] * size
    for row, value in zip(order, values, strict=True):
        spread[row] = value
    return spread
