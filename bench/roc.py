"""RoC's selection: `train.roc.select` on a million rollouts, in every mode, against a loop over groups in plain Python.

32 rollouts a group, 16 kept, half of them right, two in five with a penalty of 0; once with the rollouts of a group side
by side, as every trainer hands them over, and once in random order. The other is the released rule written plainly.
Measured: rollouts a second of processor time (one thread), median of several runs; and the milliseconds that one training
step's selection takes, of 16 groups of 32. Target: 1,000,000 rollouts/s side by side, in every mode.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from counterform.train.roc import MODES, select

GENERATED, KEPT, STEP = 32, 16, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    groups, rewards, penalties = rollouts(args.rollouts // GENERATED)
    shuffled = np.random.default_rng(1).permutation(len(groups))
    few = [column[: STEP * GENERATED] for column in (groups, rewards, penalties)]
    n = len(groups)
    print(f"{n:,} rollouts, {GENERATED} -> {KEPT} a group, median of {args.runs} runs, {os.cpu_count()} cores")
    print(f"{'mode':<14}{'side by side':>15}{'shuffled':>12}{'ms a step':>11}")
    for mode in MODES:
        run = partial(select, keep=KEPT, seed=0, mode=mode)
        aside = seconds(partial(run, groups, rewards, penalties), args.runs)
        mixed = seconds(partial(run, groups[shuffled], rewards[shuffled], penalties[shuffled]), args.runs)
        step = seconds(partial(run, *few), 20 * args.runs)
        print(f"{mode:<14}{n / aside:>13,.0f}/s{n / mixed:>10,.0f}/s{1000 * step:>11.2f}")
    loop = seconds(partial(plainly, rewards, penalties), 1)
    print(f"{'a plain loop':<14}{n / loop:>13,.0f}/s")


def rollouts(n: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    size = n * GENERATED
    right, penalties = rng.random(size) < 0.5, rng.random(size) * (rng.random(size) < 0.6)
    return np.repeat(np.arange(n), GENERATED), right.astype(float), penalties


def plainly(rewards: Any, penalties: Any) -> list[int]:
    """The released rule, group by group."""
    kept = []
    for start in range(0, len(rewards), GENERATED):
        rows = range(start, start + GENERATED)
        right, wrong = [i for i in rows if rewards[i] > 0], [i for i in rows if rewards[i] <= 0]
        n_wrong = min(max(round(len(wrong) * KEPT / GENERATED), min(2, len(wrong))), KEPT - min(2, len(right)))
        kept += sorted(right, key=lambda i: penalties[i])[: KEPT - n_wrong] + wrong[:n_wrong]
    return kept


def seconds(run: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        started = time.process_time()
        run()
        took.append(time.process_time() - started)
    return statistics.median(took)


if __name__ == "__main__":
    main()
