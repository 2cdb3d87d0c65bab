"""The user's problems away from those of training: rows with a label, and a second file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from counterform.errors import DataError
from counterform.metrics import Shift
from counterform.problems.readers import MAX_LABEL, read_problems
from counterform.text.shifts import unseen, words_of
from counterform.types import Problem


def read_shift_file(path: Path, known: Sequence[Problem], **columns: Any) -> tuple[list[Problem], int]:
    """The problems of a second file with the same `columns`, one shift named after the file; and how many rows are of no use.

    A row with the prompt of a `known` problem is of no use. Raises DataError where no other is left.
    """
    read = read_problems(path, **columns)
    prompts = {problem.prompt for problem in known}
    new = [problem for problem in read.problems if problem.prompt not in prompts]
    if not new:
        raise DataError(
            f"every problem of {path} is one of the study's own problems, so nothing in it is shifted. "
            "Name another file: [problems] shift_file."
        )
    label = "-".join(path.stem.split())[:MAX_LABEL]
    # Both files may count their rows from 1, so these ids say where they are from.
    shift = Shift(axis="", level=label)
    problems = [replace(problem, id=f"{label}:{problem.id}", shift=shift) for problem in new]
    return problems, len(read.problems) - len(new) + len(read.broken)


def some_of_each(problems: Sequence[Problem], n: int, *, trained: Sequence[Problem]) -> list[Problem]:
    """At most `n` problems a shift; distance: the share of a prompt's words that no trained problem's has."""
    known = words_of(problem.prompt for problem in trained)
    groups: dict[Shift, list[Problem]] = {}
    for problem in problems:
        if problem.shift:
            groups.setdefault(problem.shift, []).append(problem)
    return [
        replace(problem, split="held_out", shift=replace(shift, distance=unseen(problem.prompt, known)))
        for shift, group in groups.items()
        for problem in group[:n]
    ]
