"""What sampling in waves saves and what it keeps: `train.waves` and `train.roc` on simulated groups, G = 16, at most 32.

A simulated rollout is a success with chance p. Its penalty is 0 with chance c and uniform in (0, 1] else (the first
table), or the share of 4 tool calls that fail, each with the same chance (the others). Waves after the first are of 4, of 1
or 8 where a column says so. Beside waves stand plain GRPO, which keeps G of G, and the paper's 2G -> G.
Every cell is a mean over simulated groups, the largest standard error of a column below it. Aim: at most 1.4 G at p = 0.5.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterform.train.roc import select
from counterform.train.waves import unfinished

G, LIMIT, WAVE, CALLS = 16, 32, 4, 4
P = tuple(round(0.1 * i, 1) for i in range(1, 10))

Floats = NDArray[np.float64]
Penalise = Callable[[np.random.Generator, tuple[int, int]], Floats]


class Kept(NamedTuple):
    """One number per group, [groups]; NaN where a group has none."""

    used: Floats
    """Rollouts generated, in G."""
    penalty: Floats
    """Mean over its kept successes."""
    clean: Floats
    """Share of its kept successes with penalty 0."""
    successes: Floats
    one_sided: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, default=20_000, help="a cell")
    n = parser.parse_args().groups
    print(
        f"{n:,} groups a cell, G = {G}, limit {LIMIT}\n\nRollouts used, in G, by p and by c, the share of successes that are clean:\n"
    )
    table(["p", *(f"c = {c}" for c in C)], [[f"{p}", *(waves(n, p, sometimes(c)).used for c in C)] for p in P])
    print("\nThe same at p = 0.5 by size of wave:\n")
    table(
        ["wave", *(f"c = {c}" for c in C)],
        [[f"{wave}", *(waves(n, 0.5, sometimes(c), wave=wave).used for c in C)] for wave in (1, 4, 8)],
    )
    for chance in (0.05, 0.1, 0.2):
        print(f"\n{CALLS} tool calls a rollout of which {100 * chance:.0f} % fail:\n")
        rows: list[list[str | Floats]] = []
        for p in (0.1, 0.5, 0.9):
            calls = failing_calls(chance)
            for name, kept in (
                ("G", plain(n, p, calls)),
                ("2G -> G", paper(n, p, calls)),
                ("waves", waves(n, p, calls)),
                ("waves, 80 % are enough", waves(n, p, calls, enough=0.8)),
            ):
                rows.append([f"{p}", name, *kept])
        table(["p", "", "used / G", "penalty of kept successes", "clean", "successes kept", "one-sided"], rows)


C = (0.9, 0.8, 0.7, 0.6, 0.5)


def sometimes(c: float) -> Penalise:
    return lambda rng, shape: np.where(rng.random(shape) < c, 0.0, 1.0 - rng.random(shape))


def failing_calls(chance: float) -> Penalise:
    return lambda rng, shape: rng.binomial(CALLS, chance, shape) / CALLS


def plain(n: int, p: float, penalise: Penalise) -> Kept:
    rewards, penalties = stream(n, p, penalise, G)
    return kept_of(rewards, penalties, np.ones((n, G), bool), np.full(n, G))


def paper(n: int, p: float, penalise: Penalise) -> Kept:
    rewards, penalties = stream(n, p, penalise, LIMIT)
    groups = np.repeat(np.arange(n), LIMIT)
    rows = select(groups, rewards.ravel(), penalties.ravel(), G, seed=0, mode="paper")
    return kept_of(rewards, penalties, mask(rows, rewards), np.full(n, LIMIT))


def waves(n: int, p: float, penalise: Penalise, *, wave: int = WAVE, enough: float = 1.0) -> Kept:
    rewards, penalties = stream(n, p, penalise, LIMIT)
    used = np.full(n, G)
    short = np.arange(n)
    while len(short):
        there = np.arange(LIMIT) < used[short, None]
        groups = np.repeat(short, used[short])
        short = unfinished(groups, rewards[short][there], penalties[short][there], G, limit=LIMIT, enough=enough)
        used[short] = np.minimum(used[short] + wave, LIMIT)
    there = np.flatnonzero(np.arange(LIMIT) < used[:, None])
    rows = select(there // LIMIT, rewards.ravel()[there], penalties.ravel()[there], G, seed=0, mode="waves")
    return kept_of(rewards, penalties, mask(there[rows], rewards), used)


def stream(n: int, p: float, penalise: Penalise, size: int) -> tuple[Floats, Floats]:
    """Rewards and penalties, [groups, rollouts]: the same first rollouts for whoever asks."""
    luck = [np.random.default_rng([seed, int(1000 * p)]) for seed in (0, 1)]
    rewards, penalties = (luck[0].random((n, LIMIT)) < p).astype(float), penalise(luck[1], (n, LIMIT))
    return rewards[:, :size], penalties[:, :size]


def mask(rows: NDArray[np.int64], like: Floats) -> NDArray[np.bool_]:
    found = np.zeros(like.size, bool)
    found[rows] = True
    return found.reshape(like.shape)


def kept_of(rewards: Floats, penalties: Floats, kept: NDArray[np.bool_], used: NDArray[np.int64]) -> Kept:
    right = kept & (rewards == 1)
    successes = right.sum(1).astype(float)
    with np.errstate(invalid="ignore"):
        penalty, clean = (
            np.where(right, penalties, 0).sum(1) / successes,
            (right & (penalties == 0)).sum(1) / successes,
        )
    return Kept(used / G, penalty, clean, successes, ((successes == 0) | (successes == kept.sum(1))).astype(float))


def table(head: list[str], rows: list[list[str | Floats]]) -> None:
    """Markdown: means, and in the last line the largest standard error of each column."""
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(cell if isinstance(cell, str) else f"{np.nanmean(cell):.3f}" for cell in row) + " |")
    errors = [
        "" if isinstance(column[0], str) else f"{max(standard_error(cell) for cell in column):.3f}"
        for column in zip(*rows, strict=True)
    ]
    print("| " + " | ".join(["± at most", *errors[1:]]) + " |")


def standard_error(cell: str | Floats) -> float:
    return 0.0 if isinstance(cell, str) else float(np.nanstd(cell) / np.isfinite(cell).sum() ** 0.5)


if __name__ == "__main__":
    main()
