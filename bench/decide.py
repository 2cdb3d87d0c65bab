"""How a contrast that is looked at after every unit stops: false finds, what of the fixed study's cost it takes, and on what it spends.

A simulated study has two arms that were trained with the same seeds; items have unequal difficulty (log-odds with a standard deviation of
1.5) and 4 samples each, and every training seed shifts the log-odds of its arm by luck, as in bench/calibration.py. A fixed study reads `items` items of `seeds`
seeds. The minimum detectable effect is the one that the fixed study finds in four of five, found by bisection on these very studies; it leads
from the other arm's level towards the middle. The sequential study starts with 20 items and two seeds, looks, and buys one unit at a time, an item or
a seed, up to what the fixed study has. What a stop for futility would have done is worked out beside: false finds are counted without it.

    python bench/decide.py --out cells.jsonl      goes on where it was stopped; prints the tables of docs/studies/notes-decide.md
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from calibration import HARD, SAMPLES, centres, decided
from msgspec import Struct
from msgspec.structs import asdict, replace
from scipy import special

from counterform.findings.decide import FEWEST, Design, look
from counterform.findings.intervals import intervals
from counterform.findings.stats import Floats

LEVELS, LUCKS = (0.05, 0.3, 0.5, 0.95), ((0.0, 0.0), (0.1, 0.1), (0.3, 0.3), (0.0, 0.3))
CHUNK = 500


class Cell(Struct, frozen=True):
    """One kind of study."""

    level: float
    lucks: tuple[float, float]
    items: int
    seeds: int
    effect: float
    """In minimum detectable effects; 0: two equal arms."""
    training: float
    """What one training costs, in items."""
    batch: int
    """Items between two looks."""
    margin: float = 0.0
    more: float = 1.0
    """Items that the sequential study may read, over those of the fixed one."""

    @property
    def most(self) -> int:
        return round(self.items * self.more)

    @property
    def design(self) -> Design:
        return Design(items=self.most, seeds=self.seeds, training=self.training, margin=self.margin)


class Stops(Struct, frozen=True):
    """Where and how each study stopped, without a stop for futility and (`_f`) with it."""

    found: Floats
    """1 better, -1 worse, 0 neither."""
    equivalent: Floats
    items: Floats
    seeds: Floats
    futile: Floats
    items_f: Floats
    seeds_f: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="a line per cell; cells that stand are not run again")
    parser.add_argument("--draws", type=int, default=2_000, help="simulated studies per cell")
    parser.add_argument("--only", choices=sorted(KINDS), help="one kind of cell")
    args = parser.parse_args()
    lines = args.out.read_text().splitlines() if args.out and args.out.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {json.dumps(row["cell"]) for row in rows}
    for kind in [args.only] if args.only else KINDS:
        for number, cell in enumerate(KINDS[kind]()):
            if json.dumps(asdict(cell)) in done:
                continue
            started = time.monotonic()
            row = {"kind": kind, "cell": asdict(cell), **simulate(np.random.default_rng(number), cell, args.draws)}
            rows.append(row)
            if args.out:
                with args.out.open("a") as file:
                    file.write(json.dumps(row | {"seconds": round(time.monotonic() - started, 1)}) + "\n")
    print("\n".join(tables(rows)))


def null_cells() -> Iterator[Cell]:
    """Two equal arms, looked at after every item and every seed."""
    for lucks, level, seeds in itertools.product(reversed(LUCKS), LEVELS, (5, 3, 2)):
        yield Cell(level, lucks, 50, seeds, 0.0, 0.0, 1)
    for level in LEVELS:
        yield Cell(level, LUCKS[0], 100, 1, 0.0, 0.0, 1)
    for lucks, seeds in itertools.product((LUCKS[2], LUCKS[0]), (5, 2)):
        yield Cell(0.5, lucks, 240, seeds, 0.0, 240.0, 4)


def effect_cells() -> Iterator[Cell]:
    """Arms that differ by 0, by the minimum detectable effect, and by 1.6 times that."""
    for lucks, seeds, effect, more in itertools.product(LUCKS[:3], (5, 3, 2), (1.6, 1.0, 0.0), (1.0, 1.3)):
        yield Cell(0.5, lucks, 200, seeds, effect, 0.0, 5, 0.0, more)
    for level, lucks, effect in itertools.product((0.05, 0.3), LUCKS[:3], (1.6, 1.0, 0.0)):
        yield Cell(level, lucks, 200, 3, effect, 0.0, 5)
    for seeds, lucks, effect in itertools.product((3, 5), LUCKS[:3], (1.6, 1.0, 0.0)):
        yield Cell(0.5, lucks, 200, seeds, effect, 200.0, 5)


def margin_cells() -> Iterator[Cell]:
    """Two equal arms with a margin, and arms that differ by as much as the margin."""
    for lucks, effect, margin in itertools.product(LUCKS[:3], (0.0, -1.0), (0.05, 0.1)):
        yield Cell(0.5, lucks, 400, 5, effect, 0.0, 10, margin)


KINDS: dict[str, Callable[[], Iterator[Cell]]] = {
    "null": null_cells,
    "effect": effect_cells,
    "margin": margin_cells,
}


def simulate(rng: np.random.Generator, cell: Cell, draws: int) -> dict[str, float]:
    """False or true finds, the cost as a share of the fixed study's, and the seeds and items it was spent on."""
    size = (
        cell.margin
        if cell.effect < 0
        else cell.effect * detectable(replace(cell, effect=0.0, more=1.0, training=0.0, batch=0))
        if cell.effect
        else 0.0
    )
    parts = [sequential(*study(rng, cell, CHUNK, size), cell) for _ in range(draws // CHUNK)]
    stops = Stops(**{name: np.concatenate([asdict(part)[name] for part in parts]) for name in Stops.__struct_fields__})
    whole = cell.design.cost(cell.items, cell.seeds)
    cost, cost_f = (
        cell.design.cost(items, seeds) / whole
        for items, seeds in ((stops.items, stops.seeds), (stops.items_f, stops.seeds_f))
    )
    return {
        "size": size,
        "found": float((stops.found != 0).mean()),
        "wrong": float((stops.found < 0).mean()),
        "found_f": float(((stops.found != 0) & (stops.futile == 0)).mean()),
        "equivalent": float((stops.equivalent != 0).mean()),
        "futile": float(stops.futile.mean()),
        "cost": float(cost.mean()),
        "cost_f": float(np.mean(cost_f)),
        "items_f": float(stops.items_f.mean() / cell.items),
        "seeds_f": float(stops.seeds_f.mean()),
    }


def study(rng: np.random.Generator, cell: Cell, draws: int, size: float) -> tuple[Floats, Floats]:
    """Both arms' tables (seeds, draws, items), which numpy sums faster; the first differs by `size` towards the middle."""
    towards = -1.0 if cell.level > 0.5 else 1.0
    hard = rng.standard_normal((draws, cell.most), dtype=np.float32)
    tables = []
    for level, luck in zip((cell.level + towards * size, cell.level), cell.lucks, strict=True):
        centre = np.float32(centres(np.array([level]), luck)[0])
        shift = np.float32(luck) * rng.standard_normal((cell.seeds, draws, 1), dtype=np.float32)
        chance = special.expit(centre + np.float32(HARD) * hard + shift)
        tables.append(rng.binomial(SAMPLES, chance).astype(float) / SAMPLES)
    return tables[0], tables[1]


@lru_cache
def detectable(cell: Cell, draws: int = 1_000) -> float:
    """The effect that the fixed study finds in four of five."""
    least, most = 0.0, 0.95 - max(cell.level, 0.05) if cell.level <= 0.5 else cell.level - 0.05
    for _ in range(9):
        middle = (least + most) / 2
        a, b = study(np.random.default_rng(0), cell, draws, middle)
        a, b = a[..., : cell.items], b[..., : cell.items]
        finds = decided(intervals(_table(a), _table(b), [], lucky=[True, True])).mean()
        least, most = (middle, most) if finds < 0.8 else (least, middle)
    return (least + most) / 2


def sequential(a: Floats, b: Floats, cell: Cell) -> Stops:
    """Studies that look after every unit, each on its own way through items and seeds."""
    draws, design = a.shape[1], cell.design
    items = np.full(draws, min(FEWEST, cell.most))
    seeds = np.full(draws, min(2, cell.seeds))
    found, equivalent, futile = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    items_f, seeds_f = items.astype(float), seeds.astype(float)
    going = np.arange(draws)
    while len(going):
        still = []
        for state in np.unique(items[going] * 10 + seeds[going]):
            n, s = divmod(int(state), 10)
            at = going[(items[going] == n) & (seeds[going] == s)]
            seen = look(_table(a[:s, at, :n]), _table(b[:s, at, :n]), design)
            found[at] = seen.better * 1.0 - seen.worse
            equivalent[at] = seen.equivalent
            before = futile[at] == 0
            items_f[at[before]], seeds_f[at[before]] = n, s
            ends = seen.better | seen.worse | seen.equivalent
            futile[at] = np.where(before & ~ends, seen.futile, futile[at])
            if n == cell.most and s == cell.seeds:
                continue
            seed = seen.seed_next | (n == cell.most)
            seeds[at[~ends & seed]] += 1
            items[at[~ends & ~seed]] = min(n + cell.batch, cell.most)
            still.append(at[~ends])
        going = np.concatenate(still) if still else going[:0]
    return Stops(found, equivalent, items * 1.0, seeds * 1.0, futile, items_f, seeds_f)


def _table(values: Floats) -> Floats:
    return np.moveaxis(values, 0, -1)


def tables(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Markdown: false finds; cost, power and what it was spent on; margins. Per cent, the least and the most over levels."""
    yield from _head("seeds", "luck", "items", "false finds", "stopped as futile", "cost with futility")
    for (items, seeds, lucks), of in _groups(rows, "null", "items", "seeds", "lucks"):
        yield _line(seeds, _luck(lucks), items, _span(of, "found"), _span(of, "futile"), _span(of, "cost_f"))
    yield ""
    yield from _head(
        "right", "seeds", "luck", "a training costs", "items at most", "1.6 MDE: cost", "found", "MDE: cost", "found",
        "MDE: seeds", "equal: cost", "equal: seeds",
    )  # fmt: skip
    for key, of in _groups(rows, "effect", "level", "training", "more", "seeds", "lucks"):
        level, training, more, seeds, lucks = key
        large, just, none = (
            next((row for row in of if row["cell"]["effect"] == effect), None) for effect in (1.6, 1.0, 0.0)
        )
        if large is None or just is None or none is None:
            continue
        yield _line(
            f"{100 * level:.0f} %",
            seeds,
            _luck(lucks),
            f"{training:.0f} items",
            f"x {more}",
            *(f"{100 * row[name]:.0f}" for row in (large, just) for name in ("cost_f", "found_f")),
            f"{just['seeds_f']:.1f}",
            f"{100 * none['cost_f']:.0f}",
            f"{none['seeds_f']:.1f}",
        )
    yield ""
    yield from _head("luck", "margin", "true difference", "equivalent", "better or worse", "futile", "cost")
    for row in (row for row in rows if row["kind"] == "margin"):
        margin = f"{100 * row['cell']['margin']:.0f} points"
        shares = (f"{100 * row[name]:.1f}" for name in ("equivalent", "found_f", "futile", "cost_f"))
        yield _line(_luck(row["cell"]["lucks"]), margin, f"{100 * row['size']:.0f} points", *shares)


def _groups(rows: Sequence[dict[str, Any]], kind: str, *names: str) -> Iterator[tuple[list[Any], list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] == kind:
            groups.setdefault(json.dumps([row["cell"][name] for name in names]), []).append(row)
    yield from ((json.loads(key), groups[key]) for key in sorted(groups, key=json.loads))


def _luck(lucks: Sequence[float]) -> str:
    return f"{lucks[0]:g}" if lucks[0] == lucks[1] else f"{lucks[0]:g} and {lucks[1]:g}"


def _span(rows: Sequence[dict[str, Any]], name: str) -> str:
    least, most = (f"{100 * end(row[name] for row in rows):.1f}" for end in (min, max))
    return least if least == most else f"{least} to {most}"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), _line(*["---"] * len(cells))]


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
