"""The problems of a study, from a family or from the user's file: split, and away from training where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.problems.away import read_shift_file, some_of_each
from counterform.problems.noise import noise
from counterform.problems.readers import read_problems
from counterform.problems.rows import BrokenRow
from counterform.problems.tasks import as_tasks
from counterform.store import key_of
from counterform.study import ProblemsSpec
from counterform.types import Family, Problem


class Split(Struct, frozen=True, kw_only=True):
    """Problems of a study, none of them in both splits."""

    train: list[Problem]
    held_out: list[Problem]
    notes: tuple[str, ...] = ()
    """What the reader of a report must know of them."""
    broken: tuple[BrokenRow, ...] = ()


def generated(family: Family, spec: ProblemsSpec) -> Split:
    """Problems of a family. One that holds out whole tasks is asked for more until both splits are full."""
    lengths = {"lengths": spec.lengths} if spec.lengths else {}
    for times in (1, 2, 4, 8):
        found = family.generate(times * (spec.train + spec.held_out), rng=np.random.default_rng(0), **lengths)
        train, held_out = _split(_templated(found, spec), spec)
        if len(train) >= spec.train and len(held_out) >= spec.held_out:
            return Split(train=train, held_out=held_out)
    raise DataError(
        f"family {spec.family!r} gives {len(train):,} training and {len(held_out):,} held-out problems in "
        f"{len(found):,}, fewer than $.problems.train ({spec.train:,}) or $.problems.held_out ({spec.held_out:,}). "
        "Lower one of them."
    )


def read(path: Path, spec: ProblemsSpec, *, keyless: bool = False) -> Split:
    """Problems of the user's file; `keyless`: one without answer keys too. Raises DataError where there are too few of them."""
    rows = read_problems(path, **columns(spec), keyless=keyless)
    notes: list[str] = []
    # In the order of a hash, so that neither split follows the order of the file.
    found = sorted((p for p in rows.problems if not p.shift), key=lambda p: key_of(p.id))
    if spec.instruction:
        share = spec.held_out / (spec.train + spec.held_out)
        found, notes = as_tasks(found, held_out=share, template=spec.template)
    if len(found) < spec.train + spec.held_out:
        raise DataError(
            f"{path} holds {len(found):,} usable problems{' without a shift' if spec.shift else ''}, fewer than "
            f"$.problems.train ({spec.train:,}) + $.problems.held_out ({spec.held_out:,}). Lower one of them."
        )
    train, held_out = _split(found, spec)
    if len(train) < spec.train or len(held_out) < spec.held_out:
        raise DataError(
            f"whole instructions are held out, which leaves {len(train):,} training and {len(held_out):,} "
            f"held-out problems of those asked for ($.problems.train = {spec.train:,}, $.problems.held_out = "
            f"{spec.held_out:,}). Lower the one that falls short."
        )
    return Split(train=train, held_out=held_out, notes=tuple(notes), broken=tuple(rows.broken))


def away_from(
    split: Split, spec: ProblemsSpec, *, family: Family | None, files: Sequence[Path], n: int, rng: np.random.Generator
) -> tuple[list[Problem], int]:
    """At most `n` problems a shift: the family's own or the user's, and the held-out ones under format noise.

    files: the user's problems and, where there is one, the file of shifted ones; the number returned beside the problems
    counts the latter's rows that are of no use.
    """
    unused = 0
    if family is not None:
        found = family.shifts(n, rng=rng, trained=split.train)
        found = _templated(found, spec)
    else:
        every = read_problems(files[0], **columns(spec)).problems
        found = [problem for problem in every if problem.shift]
        for path in files[1:]:
            more, unused = read_shift_file(path, every, **{**columns(spec), "shift": ""})
            found += more
        found = some_of_each(sorted(found, key=lambda p: key_of(p.id)), n, trained=split.train)
    return [*found, *noise(split.held_out[:n], trained=split.train, rng=rng)], unused


def columns(spec: ProblemsSpec) -> dict[str, Any]:
    """What `read_problems` is told of the user's columns."""
    names = ("prompt", "answer", "solution", "instruction", "space", "shift")
    # A prompt that is composed of an instruction and an input gets the template around the whole.
    template = "{prompt}" if spec.instruction else spec.template
    return {**{name: getattr(spec, name) for name in names}, "template": template}


def _templated(problems: Sequence[Problem], spec: ProblemsSpec) -> list[Problem]:
    return [replace(p, prompt=spec.template.replace("{prompt}", p.prompt)) for p in problems]


def _split(found: Sequence[Problem], spec: ProblemsSpec) -> tuple[list[Problem], list[Problem]]:
    """Training and held-out problems: as their source marked them, or in order where it marked none as held out."""
    marked = any(p.split == "held_out" for p in found)
    train = [p for p in found if p.split == "train"][: spec.train]
    held_out = [p for p in found if p.split == "held_out"] if marked else found[len(train) :]
    return train, [replace(p, split="held_out") for p in held_out[: spec.held_out]]
