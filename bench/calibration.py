"""How often an interval is wrong: false finds among simulated null comparisons, and coverage of true differences.

A simulated study has 300 problems of unequal difficulty, 4 samples each, 2 seeds and 5 arms; every trained arm gets the luck
of its seed as a shift of its accuracy with a standard deviation of 0, 1, 2 or 4 points. Nominal: 5 % false finds, 95 % covered.
Beside the interval that is used stands the one over items alone (a paired t-test over problems), which does not see luck.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats as scipy_stats

from counterform.stats import Floats, estimate

PROBLEMS, SAMPLES, ARMS = 300, 4, 5
LUCK = (0.0, 0.01, 0.02, 0.04)
FLOOR = 0.012
"""The weakest arm of the embedded study: so near to nothing that its items vary little, whatever the others' luck."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1_000, help="simulated studies a cell")
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    print(f"{args.draws} studies a cell, {PROBLEMS} problems, {SAMPLES} samples, {ARMS} arms, {args.seeds} seeds\n")
    print("| | " + " | ".join(f"luck {100 * sd:.0f} pt" for sd in LUCK) + " |")
    print("|---|" + "---|" * len(LUCK))
    columns = [simulate(np.random.default_rng(0), sd, args.draws, args.seeds) for sd in LUCK]
    for row in columns[0]:
        print(f"| {row} | " + " | ".join(f"{100 * column[row]:.1f} %" for column in columns) + " |")


def simulate(rng: np.random.Generator, sd: float, draws: int, seeds: int) -> dict[str, float]:
    """Shares of false finds and of true differences covered, by kind of comparison."""
    found: dict[str, list[bool]] = {}

    def note(row: str, happened: bool) -> None:
        found.setdefault(row, []).append(happened)

    for _ in range(draws):
        hard = np.clip(rng.beta(2, 1.4, size=(PROBLEMS, 1)), 0.05, 0.95)
        base = samples(rng, np.repeat(hard, seeds, axis=1))
        luck = rng.normal(0, sd, size=(ARMS, seeds))
        arms = [samples(rng, np.clip(hard + shift, 0, 1)) for shift in luck]
        weak = samples(rng, np.full((PROBLEMS, seeds), FLOOR))
        mixed = [*arms[:-1], weak]
        to_base = estimate(arms[0], base, arms, lucky=1)
        to_arm = estimate(arms[0], arms[1], arms, lucky=2)
        to_floor = estimate(weak, base, mixed, lucky=1)
        level = estimate(weak, None, mixed, lucky=1)
        naive = scipy_stats.ttest_1samp((arms[0] - base).mean(1), 0).pvalue
        note("false finds, items only", bool(naive < 0.05))
        note("false finds, arm against base", not to_base.low <= 0 <= to_base.high)
        note("false finds, arm against arm", not to_arm.low <= 0 <= to_arm.high)
        true = float((FLOOR - hard).mean())
        note("covered, gain of an arm near the floor", to_floor.low <= true <= to_floor.high)
        note("covered, level of an arm near the floor", level.low <= FLOOR <= level.high)
        note("no interval (wider than 50 points), that level", level.high - level.low > 0.5)
    return {row: float(np.mean(hits)) for row, hits in found.items()}


def samples(rng: np.random.Generator, chance: Floats) -> Floats:
    """(problems, seeds) shares of right answers."""
    return rng.binomial(SAMPLES, chance) / SAMPLES


if __name__ == "__main__":
    main()
