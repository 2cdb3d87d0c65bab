"""How often an interval is wrong: false finds among simulated null comparisons, and coverage of true differences.

A simulated study has 300 problems of unequal difficulty, 4 samples each, 2 seeds and 5 arms; every trained arm gets the luck
of its seed as a shift of its accuracy with a standard deviation of 0, 1, 2 or 4 points. Nominal: 5 % false finds, 95 % covered.
Beside the interval that is used stands the one over items alone (a paired t-test over problems), which does not see luck.

`--trained DIR` asks the same of really trained models: one arm of the embedded study, trained with 100 seeds, so that any
two models differ by luck alone. They are dealt into 10 studies of 5 arms with 2 seeds, and in each study two pairs of arms
are compared (20 pairs that share no model); then dealt anew, each time on another half of the problems.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from scipy import stats as scipy_stats

from counterform.findings.stats import Floats, estimate
from counterform.pipeline import run
from counterform.store import RunDir
from counterform.study import embedded_study
from counterform.types import Reading

PROBLEMS, SAMPLES, ARMS = 300, 4, 5
STUDIES, DEALS = 10, 20
LUCK = (0.0, 0.01, 0.02, 0.04)
FLOOR = 0.012
"""The weakest arm of the embedded study: so near to nothing that its items vary little, whatever the others' luck."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1_000, help="simulated studies a cell")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trained", type=Path, metavar="DIR", help="train 100 models there, or go on with them")
    args = parser.parse_args()
    if args.trained:
        compare(trained(args.trained))
        return
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


def trained(out: Path) -> Floats:
    """(problems, seeds) shares of right answers of models that differ by the seed of their training alone."""
    study = embedded_study()
    study = replace(
        study,
        name="null",
        seeds=tuple(range(STUDIES * ARMS * 2)),
        arms=("imitation",),
        contrasts=(),
        form_shares=(),
        probes=("accuracy",),
        problems=replace(study.problems, train=260, held_out=200),
        match=replace(study.match, cases=200),
        train=replace(study.train, sft=study.train.sft | {"num_train_epochs": 1}),
    )
    run(study, out, say=print)
    by_problem: dict[str, dict[int, float]] = defaultdict(dict)
    for seed in study.seeds:
        for reading in RunDir(out).read_rows(f"readings/accuracy/imitation-{seed}.parquet", Reading):
            if reading.metric == "pass@1":
                by_problem[reading.problem_id][seed] = reading.value or 0.0
    return np.array([[row[seed] for seed in study.seeds] for row in by_problem.values()])


def compare(shares: Floats) -> None:
    """Print how many comparisons of equal arms find a difference."""
    rng = np.random.default_rng(0)
    problems, models = shares.shape
    luck = shares.mean(0).std(ddof=1)
    print(f"{models} models: {shares.mean():.1%} right; standard deviation between seeds {100 * luck:.1f} points")
    found: dict[str, list[bool]] = defaultdict(list)
    for deal in range(DEALS):
        half = np.arange(problems) if deal == 0 else rng.permutation(problems)[: problems // 2]
        order = np.arange(models) if deal == 0 else rng.permutation(models)
        for study in np.split(order, STUDIES):
            arms = [shares[half][:, seeds] for seeds in np.split(study, ARMS)]
            for one, other in ((0, 1), (2, 3)):
                interval = estimate(arms[one], arms[other], arms, lucky=2)
                naive = scipy_stats.ttest_1samp((arms[one] - arms[other]).mean(1), 0).pvalue
                wrong = not interval.low <= 0 <= interval.high
                for row in ("all deals", *(["pairs that share no model, all problems"] if deal == 0 else [])):
                    found[row].append(wrong)
                    found[f"{row}; items only"].append(bool(naive < 0.05))
    print("| comparisons of equal arms | n | false finds | 95 % (Clopper-Pearson) |\n|---|---|---|---|")
    for row, hits in found.items():
        interval = scipy_stats.binomtest(sum(hits), len(hits)).proportion_ci()
        print(
            f"| {row} | {len(hits)} | {sum(hits)} ({np.mean(hits):.1%}) | [{interval.low:.1%}, {interval.high:.1%}] |"
        )


def samples(rng: np.random.Generator, chance: Floats) -> Floats:
    """(problems, seeds) shares of right answers."""
    return rng.binomial(SAMPLES, chance) / SAMPLES


if __name__ == "__main__":
    main()
