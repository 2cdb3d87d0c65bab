"""What is worth reading: answers that went from right to wrong, and those that are graded in two ways."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from counterform.compare.match import Match
from counterform.compare.result import Shown
from counterform.compare.watch import LENIENT, OURS, STRICT, Keeper
from counterform.logs.collect import LoggedArm, Source, read
from counterform.logs.reader import Row
from counterform.logs.table import Table

FLIPS, GAINS, DISAGREEMENTS = 40, 10, 40
"""Shown at most, of each metric."""
CHARACTERS = 4_000
"""Shown of a text at most."""
_Answer = tuple[Hashable, int]


class Contrasted(Protocol):
    """Two arms on one task."""

    @property
    def first(self) -> str: ...
    @property
    def second(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def match(self) -> Match: ...


class _Wanted(Struct, frozen=True, kw_only=True):
    kind: Literal["flip", "gain", "disagreement"]
    task: str
    metric: str
    item: str
    answers: tuple[tuple[str, _Answer], ...]
    """Arm, and which of its answers."""
    note: str = ""


def shown(
    paths: Sequence[str | Path], source: Source, contrasts: Sequence[Contrasted], arms: Mapping[str, LoggedArm]
) -> list[Shown]:
    """What is worth reading, with its texts, which are read a second time: they were not kept."""
    wanted = [
        *(found for contrast in contrasts for found in _flips(contrast)),
        *(found for letter, arm in arms.items() for found in _disagreements(letter, arm)),
    ]
    keeper = Keeper({answer: None for found in wanted for _, answer in found.answers})
    for path in paths:
        read(Path(path), replace(source, watch=keeper), apart=len(paths) == 1)
    return [_with_texts(found, keeper.rows) for found in wanted if all(a in keeper.rows for _, a in found.answers)]


def _with_texts(found: _Wanted, rows: Mapping[_Answer, Row]) -> Shown:
    first = rows[found.answers[0][1]]
    return Shown(
        kind=found.kind,
        task=found.task,
        metric=found.metric,
        item=found.item,
        prompt=first.prompt[:CHARACTERS],
        key=None if first.key is None else first.key[:CHARACTERS],
        responses=tuple((letter, (rows[answer].text or "")[:CHARACTERS]) for letter, answer in found.answers),
        note=found.note,
    )


def _flips(contrast: Contrasted) -> Iterator[_Wanted]:
    """Pairs that differ by a scorer of the logs that gives marks, or by ours where there is none; each is shown once."""
    every = contrast.match.scorers
    scorers = [scorer for scorer in every if scorer not in OURS] or every
    kinds: tuple[tuple[Literal["flip", "gain"], float, int], ...] = (("flip", 1.0, FLIPS), ("gain", 0.0, GAINS))
    for kind, value, most in kinds:
        found: dict[object, _Wanted] = {}
        for scorer in scorers:
            if all(_marks(run.first) and _marks(run.second) for run in contrast.match.runs(scorer)):
                for wanted in islice(_differing(contrast, scorer, kind, value), most):
                    found.setdefault(wanted.answers, wanted)
        yield from islice(found.values(), most)


def _differing(contrast: Contrasted, scorer: str, kind: Literal["flip", "gain"], value: float) -> Iterator[_Wanted]:
    sides = zip(
        contrast.match.first, contrast.match.second, contrast.match.pairs, contrast.match.runs(scorer), strict=True
    )
    for first, second, pairs, run in sides:
        names = list(first.items)
        for at in np.flatnonzero((run.first == value) & (run.second == 1 - value)):
            yield _Wanted(
                kind=kind,
                task=contrast.task,
                metric=scorer,
                item=names[int(pairs.items[at])],
                answers=(
                    (contrast.first, (first.name, int(pairs.first[at]))),
                    (contrast.second, (second.name, int(pairs.second[at]))),
                ),
            )


def _marks(values: NDArray[np.float64]) -> bool:
    return bool((np.isnan(values) | np.isin(values, (0.0, 1.0))).all())


def disagreeing(arm: LoggedArm) -> int:
    """Answers of an arm that a scorer of its logs and our verifier grade differently."""
    return sum(len(found) for runs in arm.tasks.values() for table in runs for _, found, _ in _disagreeing(table))


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
                for at in found[:DISAGREEMENTS]:
                    yield _Wanted(
                        kind="disagreement",
                        task=task,
                        metric=scorer,
                        item=names[int(items[at])],
                        answers=((letter, (table.name, int(at))),),
                        note=note,
                    )
