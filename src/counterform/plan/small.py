"""A study in small: its own problems, some of them, sampled, graded, compiled and put to the base in a directory that goes away."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from counterform.errors import DataError
from counterform.models.sampling import derived_seed
from counterform.stages.answering import opened
from counterform.stages.arms import arm_units
from counterform.stages.probe import base_units
from counterform.stages.problems import problem_units
from counterform.stages.sample import sample_units
from counterform.stages.unit import Unit, do
from counterform.stages.verify import verify_units
from counterform.stages.work import Work
from counterform.store import RunDir
from counterform.study import ProbeSpec, Study
from counterform.types import Problem

Clock = Callable[[], float]
"""Seconds from any time on: a clock's, or a processor's."""

MOST, LEAST = 64, 16
"""Problems that are read, of those for training and of those that are held out."""
BUDGET = 60.0
"""Seconds that answering them should take at the most, as far as the first answers tell."""
TRIAL = 8
"""Problems that are answered to see how fast the base is."""
ANSWERS_A_PROBLEM = 6
"""Times that a problem is answered in a plan, about: for the pool, and by the probes with two seeds."""
SEEDS = (0, 1)
"""The base is read twice, to see how far two readings of one problem differ."""


class Small(Struct, frozen=True, kw_only=True):
    """The study in small, and what each unit took."""

    work: Work
    problems: dict[str, int]
    """By split, of the whole study."""
    seconds: dict[str, float]
    """By unit."""
    opening: float
    """Seconds to load the base."""
    failure: str
    """Why no arm could be made; empty where one was."""

    def took(self, kind: str) -> float:
        """Seconds of all units of one kind, the word before the first slash."""
        return sum(seconds for unit, seconds in self.seconds.items() if unit.partition("/")[0] == kind)


def read_small(study: Study, folder: Path, clock: Clock) -> Small:
    """Read a study in small. Raises as `counterform run` would for what keeps it from beginning."""
    small_probe = _small_probe(study.probe, MOST)
    whole = Work(msgspec.structs.replace(study, probe=small_probe), RunDir(folder / "whole"), _silent)
    whole.check()
    whole.check_trainers(needed=True)
    seconds = dict(_done(whole, problem_units(whole), clock))
    opening, n = _speed(whole, clock)
    chosen = [problem for split in ("train", "held_out") for problem in _some(whole.problems(split), n)]
    counts = {split: sum(problem.split == split for problem in chosen) for split in ("train", "held_out")}
    work = Work(_smaller(study, n, counts), RunDir(folder / "small"), _silent)
    work.files.write_rows("problems.parquet", chosen, Problem)
    if "shift" in study.probes:
        work.files.write_rows("shifted.parquet", whole.shifted(), Problem)
    seconds |= _done(work, sample_units(work), clock)
    seconds |= _done(work, verify_units(work), clock)
    failure = ""
    try:
        seconds |= _done(work, arm_units(work), clock)
    except DataError as error:
        failure = str(error)
    seconds |= _done(work, base_units(work), clock)
    return Small(
        work=work,
        problems={split: len(whole.problems(split)) for split in ("train", "held_out")},
        seconds=seconds,
        opening=opening,
        failure=failure,
    )


def _done(work: Work, units: Iterator[Unit], clock: Clock) -> Iterator[tuple[str, float]]:
    for unit in units:
        started = clock()
        do(work, unit)
        yield unit.name, clock() - started


def _speed(work: Work, clock: Clock) -> tuple[float, int]:
    """Seconds that the base takes to load, and how many problems of each split fit the budget."""
    spec = work.study.probe
    started = clock()
    model = opened(work.study.model)
    opening = clock() - started
    try:
        some = [problem.prompt for problem in _some(work.problems("held_out"), TRIAL)]
        started = clock()
        model.generate(some, n=spec.samples, seed=0, temperature=spec.temperature, max_tokens=spec.max_tokens)
        each = (clock() - started) / max(len(some), 1)
    finally:
        model.close()
    return opening, int(np.clip(BUDGET / max(each * ANSWERS_A_PROBLEM, 1e-9), LEAST, MOST))


def _some(problems: list[Problem], n: int) -> list[Problem]:
    """At most `n` of them, in their order: a file may have the easy ones first."""
    rng = np.random.default_rng(derived_seed("plan"))
    return [problems[at] for at in sorted(rng.permutation(len(problems))[:n])]


def _small_probe(spec: ProbeSpec, n: int) -> ProbeSpec:
    return msgspec.structs.replace(
        spec,
        problems=min(spec.problems, n),
        attempts=min(spec.attempts, 2 * n),
        shifted=min(spec.shifted, math.ceil(n / 16)),
        trusted=min(spec.trusted, math.ceil(n / 4)),
    )


def _smaller(study: Study, n: int, counts: dict[str, int]) -> Study:
    return msgspec.structs.replace(
        study,
        seeds=SEEDS,
        doses=(),
        problems=msgspec.structs.replace(
            study.problems, train=max(counts["train"], 1), held_out=max(counts["held_out"], 1)
        ),
        probe=_small_probe(study.probe, n),
    )


def _silent(line: str) -> None:
    """A plan says in the end what it found."""
