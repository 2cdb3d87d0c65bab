"""How often an interval is wrong, over a grid of simulated studies: coverage, false finds, width against an oracle, power at the MDE.

A simulated study has a base and four arms, 30, 100 or 400 items (one or two a problem) of unequal difficulty (log-odds with a
standard deviation of 1.5) and 4 samples an item. Every training seed shifts the log-odds of its arm by luck. A cell is a level of the arm
in question, its luck, 2, 3 or 5 seeds, and whether the others are like it or have another level and other luck; its true values
are those over all problems and all luck. The oracle knows the variances: 1.96 standard deviations of the estimate over the cell's studies.
Power is that of a second study whose true difference is the minimum detectable effect that the first study printed.

    python bench/calibration.py --out cells.jsonl      goes on where it was stopped; prints the tables of docs/statistics.md

`--trained DIR` asks the same of really trained models: one arm of the embedded study, trained with 100 seeds, so that any
two models differ by luck alone. They are dealt into 10 studies of 5 arms with 2 seeds, and in each study two pairs of arms
are compared (20 pairs that share no model); then dealt anew, each time on another half of the problems.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict, replace
from scipy import optimize, special
from scipy import stats as scipy_stats

from counterform.findings.intervals import Intervals, detectable, intervals
from counterform.findings.stats import Floats, estimate
from counterform.pipeline import run
from counterform.store import RunDir
from counterform.study import embedded_study
from counterform.types import Reading

LEVELS, LUCK, SEEDS, ITEMS = (0.05, 0.3, 0.5, 0.95), (0.0, 0.1, 0.3), (2, 3, 5), (30, 100, 400)
PROBLEMS = ((1, 30), (2, 30), (1, 100), (1, 400))
"""Items per problem, and items."""
KINDS = {
    "all arms alike": (False, False),
    "the other arms with other luck": (False, True),
    "the other arms and the base at another level, and the other arms with other luck": (True, True),
}
OTHER_LEVEL = {0.05: 0.5, 0.3: 0.5, 0.5: 0.05, 0.95: 0.5}
OTHER_LUCK = {0.0: 0.3, 0.1: 0.3, 0.3: 0.0}
SAMPLES, HARD = 4, 1.5
STUDIES, DEALS, ARMS = 10, 20, 5
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


class Cell(Struct, frozen=True):
    """One kind of study."""

    level: float
    luck: float
    seeds: int
    items: int
    a_problem: int
    other_level: bool
    """Whether the other arms and the base have another level."""
    other_luck: bool
    arms: int = 4

    @property
    def arm_levels(self) -> list[float]:
        """Of the arm in question, the other arms, and last the base."""
        return [self.level, *[OTHER_LEVEL[self.level] if self.other_level else self.level] * self.arms]

    @property
    def lucks(self) -> list[float]:
        """Of the arms; the base has none."""
        return [self.luck, *[OTHER_LUCK[self.luck] if self.other_luck else self.luck] * (self.arms - 1), 0.0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a line per cell; cells that stand there are not run again"
    )
    parser.add_argument("--draws", type=int, default=2_000, help="simulated studies per cell")
    parser.add_argument("--trained", type=Path, metavar="DIR", help="train 100 models there, or go on with them")
    args = parser.parse_args()
    if args.trained:
        compare(trained(args.trained))
        return
    lines = args.out.read_text().splitlines() if args.out and args.out.exists() else []
    found = [json.loads(line) for line in lines]
    done = {json.dumps(row["cell"]) for row in found}
    for number, cell in enumerate(cells()):
        if json.dumps(asdict(cell)) in done:
            continue
        started = time.monotonic()
        row = {"cell": asdict(cell), **simulate(np.random.default_rng(number), cell, args.draws)}
        found.append(row)
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps(row | {"seconds": round(time.monotonic() - started, 1)}) + "\n")
    print("\n".join(tables(found)))


def cells() -> Iterator[Cell]:
    """The grid, and studies of two arms alone."""
    for items, seeds, luck in itertools.product(ITEMS, (2, 3), LUCK):
        yield Cell(0.5, luck, seeds, items, 1, False, False, arms=2)
    for (a_problem, items), kind, seeds in itertools.product(PROBLEMS, KINDS.values(), SEEDS):
        for level, luck in itertools.product(LEVELS, LUCK):
            yield Cell(level, luck, seeds, items, a_problem, *kind)


def simulate(rng: np.random.Generator, cell: Cell, draws: int) -> dict[str, float]:
    """Of each kind of interval: the share that covers, of false finds, width over the oracle's, and power at the printed MDE."""
    *arms, base = study(rng, cell, draws)
    true = cell.arm_levels[0] - cell.arm_levels[-1]
    level = intervals(arms[0], None, arms[1:], lucky=[True])
    gain = intervals(arms[0], base, arms[1:], lucky=[True, False])
    contrast = intervals(arms[0], arms[1], arms[2:], lucky=[True, True])
    row: dict[str, float] = {}
    for name, one, truth in (("level", level, cell.level), ("gain", gain, true), ("contrast", contrast, true)):
        row[f"{name} covered"] = float(((one.low <= truth) & (truth <= one.high)).mean())
        row[f"{name} width"] = float((one.high - one.low).mean() / 2 / 1.96 / one.value.std())
        if name != "level" and true == 0:
            row[f"{name} false"] = float(decided(one).mean())
    for name, other, b, first_other in (("gain", -1, base, 1), ("contrast", 1, arms[1], 2)):
        lucky = [True, name == "contrast"]
        moved = at_effect(rng, cell, other, detectable(arms[0], b, arms[first_other:], lucky=lucky), draws)
        b, rest = moved[other], moved[first_other:-1]
        row[f"{name} power"] = float(decided(intervals(moved[0], b, rest, lucky=lucky)).mean())
    return row


def decided(one: Intervals) -> np.ndarray:
    """Whether a study would say better or worse."""
    return (one.p < 0.05) & ~((one.low <= 0) & (one.high >= 0))


def study(rng: np.random.Generator, cell: Cell, draws: int, first: Floats | None = None) -> list[Floats]:
    """Tables (draws, problems, seeds) of the arms and the base; `first`: the first arm's level, one per draw."""
    hard = rng.standard_normal((draws, cell.items // cell.a_problem, 1, 1), dtype=np.float32)
    tables = []
    for at, (level, luck) in enumerate(zip(cell.arm_levels, cell.lucks, strict=True)):
        centre = centres(np.array([level]) if at or first is None else first, luck).astype(np.float32)
        shift = luck * rng.standard_normal((draws, 1, 1, cell.seeds), dtype=np.float32)
        chance = special.expit(centre.reshape(-1, 1, 1, 1) + HARD * hard + np.float32(shift))
        chance = np.broadcast_to(chance, (draws, hard.shape[1], cell.a_problem, cell.seeds))
        right = sum(rng.random(chance.shape, dtype=np.float32) < chance for _ in range(SAMPLES))
        tables.append(np.asarray(right / SAMPLES, dtype=float).mean(2))
    return tables


def at_effect(rng: np.random.Generator, cell: Cell, other: int, mde: Floats, draws: int) -> list[Floats]:
    """Studies in which the first arm differs from another by as much as should be found, towards the middle."""
    level = cell.arm_levels[other]
    return study(rng, cell, draws, level + np.where(level > 0.5, -1, 1) * mde)


def centres(levels: Floats, luck: float) -> Floats:
    """The log-odds around which problems and luck scatter where these are the mean shares."""
    spread = float(np.hypot(HARD, luck))

    def share(centre: float) -> float:
        return float((_WEIGHTS * special.expit(centre + spread * _NODES)).sum() / _WEIGHTS.sum())

    if len(levels) == 1:
        return np.array([optimize.brentq(lambda c: share(c) - levels[0], -20, 20)])
    grid = np.linspace(-12, 12, 400)
    found: Floats = np.interp(np.clip(levels, 0.001, 0.999), [share(c) for c in grid], grid)
    return found


FIGURES = (
    "level covered",
    "gain covered",
    "contrast covered",
    "gain false",
    "contrast false",
    "gain power",
    "contrast power",
)


def tables(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The least and the most of each figure over the cells of a kind, as Markdown."""
    lines = [f"{len(rows)} cells. Percentages: the least and the most over levels, numbers of items and of problems."]
    for kind, (level, other) in KINDS.items():
        lines += ["", f"Four arms; {kind}:", "", *_head(["seeds", "luck", *FIGURES])]
        for seeds, luck in itertools.product(SEEDS, LUCK):
            of = [row for row in rows if _is(row, arms=4, other_level=level, other_luck=other, seeds=seeds, luck=luck)]
            lines += [_line([seeds, luck, *(_span(of, figure) for figure in FIGURES)])] if of else []
    lines += [
        "",
        "Width over the oracle's, all arms alike:",
        "",
        *_head(["arms", "seeds", "items", "luck", "gain", "contrast"]),
    ]
    for arms, seeds, items, luck in itertools.product((2, 4), SEEDS, ITEMS, LUCK):
        of = [
            row
            for row in rows
            if _is(row, arms=arms, other_luck=False, seeds=seeds, items=items, luck=luck, a_problem=1)
        ]
        spans = (_span(of, f"{what} width", 1, 2) for what in ("gain", "contrast"))
        lines += [_line([arms, seeds, items, luck, *spans])] if of else []
    return lines


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(cells), _line(["---"] * len(cells))]


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _is(row: dict[str, Any], **wanted: object) -> bool:
    return all(row["cell"][name] == value for name, value in wanted.items())


def _span(rows: Sequence[dict[str, Any]], figure: str, scale: float = 100, digits: int = 1) -> str:
    found = [scale * row[figure] for row in rows if figure in row]
    if not found:
        return "–"
    least, most = (f"{end:.{digits}f}" for end in (min(found), max(found)))
    return least if least == most else f"{least} to {most}"


def trained(out: Path) -> Floats:
    """(problems, seeds) shares of right answers of models that differ by the seed of their training alone."""
    study = embedded_study()
    study = replace(
        study,
        name="null",
        seeds=tuple(range(STUDIES * ARMS * 2)),
        arms=("sft",),
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
        for reading in RunDir(out).read_rows(f"readings/accuracy/sft-{seed}.parquet", Reading):
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
                interval = estimate(
                    arms[one],
                    arms[other],
                    [arms[at] for at in range(ARMS) if at not in (one, other)],
                    lucky=(True, True),
                )
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


if __name__ == "__main__":
    main()
