"""What is worth reading: answers that went from right to wrong, and those that are graded in two ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from counterform.compare.contrast import Contrast
from counterform.compare.result import Response, Shown
from counterform.compare.watch import LENIENT, OURS, STRICT, Keeper
from counterform.logs.collect import LoggedArm, Source, read
from counterform.logs.reader import Row
from counterform.logs.table import Table

Kind = Literal["flip", "gain", "disagreement"]
MOST: dict[Kind, int] = {"flip": 1000, "gain": 750, "disagreement": 750}
"""Shown at most."""
CHARACTERS = 8_000
"""Shown of a text at most."""
_Answer = tuple[Hashable, int]


class _Wanted(Struct, frozen=True, kw_only=True):
    kind: Kind
    task: str
    metrics: tuple[str, ...]
    item: str
    answers: tuple[tuple[str, _Answer], ...]
    """Arm, and which of its answers."""
    note: str = ""


def shown(
    paths: Sequence[Path], source: Source, contrasts: Sequence[Contrast], arms: Mapping[str, LoggedArm]
) -> tuple[list[Shown], dict[str, int]]:
    """What is worth reading, with its texts, which are read a second time: they were not kept; and how much there is of each kind."""
    every = [
        *(found for contrast in contrasts for found in _flips(contrast)),
        *(found for letter, arm in arms.items() for found in _disagreements(letter, arm)),
    ]
    counts: Counter[str] = Counter(found.kind for found in every)
    wanted = [found for kind, most in MOST.items() for found in islice((w for w in every if w.kind == kind), most)]
    keeper = Keeper({answer: None for found in wanted for _, answer in found.answers})
    for path in paths:
        read(path, replace(source, watch=keeper), apart=len(paths) == 1)
    tables = {table.name: table for arm in arms.values() for runs in arm.tasks.values() for table in runs}
    kept = [found for found in wanted if all(answer in keeper.rows for _, answer in found.answers)]
    return [_with_texts(found, keeper.rows, tables) for found in kept], {str(kind): n for kind, n in counts.items()}


def _with_texts(found: _Wanted, rows: Mapping[_Answer, Row], tables: Mapping[Hashable, Table]) -> Shown:
    first = rows[found.answers[0][1]]
    return Shown(
        kind=found.kind,
        task=found.task,
        metrics=found.metrics,
        item=found.item,
        prompt=first.prompt[:CHARACTERS],
        key=None if first.key is None else first.key[:CHARACTERS],
        responses=tuple(_response(letter, at, rows[name, at], tables[name]) for letter, (name, at) in found.answers),
        note=found.note,
    )


def _response(letter: str, at: int, row: Row, table: Table) -> Response:
    values = [(scorer, float(table.values(scorer)[at])) for scorer in table.scorers]
    text = row.text or ""
    return Response(
        arm=letter,
        text=text[:CHARACTERS],
        cut=max(0, len(text) - CHARACTERS),
        marks=tuple((scorer, None if value != value else value) for scorer, value in values),
    )


def _flips(contrast: Contrast) -> Iterator[_Wanted]:
    """Pairs that differ by scorers of the logs that give marks, or by ours where there is none; each is shown once for each kind."""
    every = contrast.match.scorers
    kinds: tuple[tuple[Kind, float], ...] = (("flip", 1.0), ("gain", 0.0))
    for kind, value in kinds:
        found: dict[object, _Wanted] = {}
        for scorer in [scorer for scorer in every if scorer not in OURS] or every:
            if all(_marks(run.first) and _marks(run.second) for run in contrast.match.runs(scorer)):
                for wanted in _differing(contrast, scorer, kind, value):
                    before = found.get(wanted.answers)
                    found[wanted.answers] = replace(before, metrics=(*before.metrics, scorer)) if before else wanted
        yield from found.values()


def _differing(contrast: Contrast, scorer: str, kind: Kind, value: float) -> Iterator[_Wanted]:
    sides = zip(
        contrast.match.first, contrast.match.second, contrast.match.pairs, contrast.match.runs(scorer), strict=True
    )
    for first, second, pairs, run in sides:
        names = list(first.items)
        for at in np.flatnonzero((run.first == value) & (run.second == 1 - value)):
            yield _Wanted(
                kind=kind,
                task=contrast.task,
                metrics=(scorer,),
                item=names[int(pairs.items[at])],
                answers=(
                    (contrast.first, (first.name, int(pairs.first[at]))),
                    (contrast.second, (second.name, int(pairs.second[at]))),
                ),
            )


def _marks(values: NDArray[np.float64]) -> bool:
    return bool((np.isnan(values) | np.isin(values, (0.0, 1.0))).all())


def _disagreeing(table: Table) -> Iterator[tuple[str, NDArray[np.int64], str]]:
    """Scorer, answers and what is odd: right by theirs and wrong by our lenient reading, or wrong by theirs and right by our strict one."""
    if not table.scorers.keys() >= OURS:
        return
    strict, lenient = table.values(STRICT), table.values(LENIENT)
    for scorer in table.scorers:
        theirs = table.values(scorer)
        if scorer in OURS or not _marks(theirs):
            continue
        yield scorer, np.flatnonzero((theirs == 1) & (lenient == 0)), "right by its scorer, wrong by counterform"
        yield scorer, np.flatnonzero((theirs == 0) & (strict == 1)), "wrong by its scorer, right by counterform"


def _disagreements(letter: str, arm: LoggedArm) -> Iterator[_Wanted]:
    for task, runs in arm.tasks.items():
        for table in runs:
            names, items = list(table.items), table.items_of(table.keys)
            for scorer, found, note in _disagreeing(table):
                for at in found:
                    yield _Wanted(
                        kind="disagreement",
                        task=task,
                        metrics=(scorer,),
                        item=names[int(items[at])],
                        answers=((letter, (table.name, int(at))),),
                        note=note,
                    )
