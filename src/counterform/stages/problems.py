"""Stage 1: problems of a family or of the user's file, split so that no arm ever sees a held-out one."""

from __future__ import annotations

from collections.abc import Iterator

from counterform.models.sampling import derived_seed
from counterform.problems.hub import problems_file
from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.types import Problem


def problem_units(work: Work) -> Iterator[Unit]:
    """The problems, and those away from training where a probe asks for them."""
    yield ProblemsUnit("problems")
    if "shift" in work.study.probes:
        yield ShiftedUnit("shifted", needs=("problems",))


class ProblemsUnit(Unit):
    """Problems from a family or from the user's file."""

    def key(self, work: Work) -> str:
        return work.keys.problems

    def make(self, work: Work) -> list[str]:
        from counterform.problems.source import generated, read

        spec = work.study.problems
        if work.family is not None:
            split = generated(work.family, spec)
        else:
            split = read(problems_file(work.study), spec, keyless=work.study.keyless)
        if work.family is None:
            work.count("broken problem rows", len(split.broken))
        for line, reason in split.broken[:3]:
            work.say(f"problems: line {line} is left out: {reason}")
        for note in split.notes:
            work.say(f"problems: {note}")
        work.making.notes += split.notes
        work.files.write_rows("problems.parquet", [*split.train, *split.held_out], Problem)
        return ["problems.parquet"]


class ShiftedUnit(Unit):
    """Problems away from those of training: a unit of its own, so that a study that asks for a probe more keeps its attempts."""

    def key(self, work: Work) -> str:
        return work.keys.shifted

    def make(self, work: Work) -> list[str]:
        import numpy as np

        from counterform.problems.source import Split, away_from

        spec = work.study.problems
        split = Split(train=work.problems("train"), held_out=work.problems("held_out"))
        files = [] if work.family else [problems_file(work.study)]
        files += [work.study.file(spec.shift_file)] if spec.shift_file else []
        rng, n = np.random.default_rng(derived_seed("shifted")), work.study.probe.shifted
        found, unused = away_from(split, spec, family=work.family, files=files, n=n, rng=rng)
        if spec.shift_file:
            work.count("rows of the shift file that are broken or no shift", unused)
        work.files.write_rows("shifted.parquet", found, Problem)
        return ["shifted.parquet"]
