"""How often a referee ships one of 200 candidates of which none is better: rulings on one held-out set and one base, spent over all of them.

A candidate is as good as the base on every item (log-odds of items with a standard deviation of 1.5). `fresh`: each candidate answers anew;
`descendants`: each keeps three quarters of the answers of the one before, as edits of one prompt do; `runs` of more than one have luck of
training, in logits, in the base and in each candidate. With one run and luck, a candidate that drew a lucky training is better, as these weights are: that
is no false find of the ruling, and is counted as what a user must know.

    python bench/referee.py          prints the table of docs/studies/notes-decide.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from calibration import HARD, centres
from msgspec import Struct
from scipy import special

from counterform.findings.paired import Run
from counterform.findings.ruling import Ruling, rule
from counterform.findings.spending import level
from counterform.findings.stats import Floats

CANDIDATES, ALPHA = 200, 0.05


class Cell(Struct, frozen=True):
    """One kind of ledger."""

    share: float
    items: int
    runs: int
    luck: float
    descendants: bool
    planned: int
    """0: the series without an end."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2_000, help="simulated ledgers per cell")
    args = parser.parse_args()
    print("| right | items | runs | luck | candidates | alpha spent | ledgers that ship one | that call one worse |")
    print("|---|---|---|---|---|---|---|---|")
    for number, cell in enumerate(cells()):
        better, worse = simulate(np.random.default_rng(number), cell, args.draws)
        kind = "descendants" if cell.descendants else "fresh"
        plan = "in 200 parts" if cell.planned else "as a series"
        print(
            f"| {100 * cell.share:.0f} % | {cell.items} | {cell.runs} | {cell.luck} | {kind} | {plan} "
            f"| {100 * better:.2f} % | {100 * worse:.2f} % |",
            flush=True,
        )


def cells() -> Iterator[Cell]:
    """Levels, sizes, luck, kinds of candidates, and ways to spend."""
    for share, items in ((0.5, 100), (0.3, 400), (0.05, 400), (0.95, 100)):
        yield Cell(share, items, 1, 0.0, False, CANDIDATES)
    for luck in (0.3, 0.1):
        yield Cell(0.5, 100, 3, luck, False, CANDIDATES)
    yield Cell(0.5, 400, 1, 0.0, True, CANDIDATES)
    yield Cell(0.5, 400, 1, 0.0, False, 0)
    yield Cell(0.5, 400, 1, 0.1, False, CANDIDATES)


def simulate(rng: np.random.Generator, cell: Cell, draws: int) -> tuple[float, float]:
    """The share of ledgers in which a candidate is ruled better, and worse."""
    centre = centres(np.array([cell.share]), cell.luck)[0]
    found = np.zeros((draws, 2), dtype=bool)
    levels = np.array([level(look, ALPHA, cell.planned) for look in range(1, CANDIDATES + 1)])
    # By fewer standard errors over items alone none is ruled better or worse, so those are not asked about.
    near = -special.ndtri(levels / 2)
    for draw in range(draws):
        hard = centre + HARD * rng.standard_normal(cell.items)
        base = _answers(rng, cell, hard, 1)[0]
        candidates = _answers(rng, cell, hard, CANDIDATES)
        if cell.descendants:
            for at in range(1, CANDIDATES):
                kept = rng.random(cell.items) < 0.75
                candidates[at][kept] = candidates[at - 1][kept]
        differences = (candidates - base).mean(-1)
        errors = differences.std(-1, ddof=1) / np.sqrt(cell.items)
        for at in np.flatnonzero(np.abs(differences.mean(-1)) > near * errors):
            ruled = _ruled(base, candidates[at], cell, levels[at])
            found[draw] |= (ruled is Ruling.BETTER, ruled is Ruling.WORSE)
    return float(found[:, 0].mean()), float(found[:, 1].mean())


def _answers(rng: np.random.Generator, cell: Cell, hard: Floats, n: int) -> Floats:
    """Marks of n models: (models, items, runs)."""
    luck = cell.luck * rng.standard_normal((n, 1, cell.runs))
    return (rng.random((n, cell.items, cell.runs), dtype=np.float32) < special.expit(hard[:, None] + luck)) * 1.0


def _ruled(base: Floats, candidate: Floats, cell: Cell, at: float) -> Ruling:
    runs = [Run(base[:, run], candidate[:, run], np.arange(cell.items)) for run in range(cell.runs)]
    ruled = rule(runs, first_runs=cell.runs, second_runs=cell.runs, share=True, up=True, margin=0.02, level=at)
    assert ruled is not None
    return ruled.ruling


if __name__ == "__main__":
    main()
