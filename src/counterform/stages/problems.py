"""Stage 1: problems of a family or of the user's file, split so that no arm ever sees a held-out one."""

from __future__ import annotations

from counterform.models.sampling import derived_seed
from counterform.stages.work import Work
from counterform.types import Problem


def make_problems(work: Work) -> None:
    """Problems from a family or from the user's file, split so that no arm ever sees a held-out one."""
    if not work.files.is_done("problems", work.problems_key):
        _make_problems(work)
        work.files.done("problems", work.problems_key)
    # A step of its own, so that a study that asks for one probe more keeps its attempts and arms.
    if "shift" in work.study.probes and not work.files.is_done("shifted", work.shifted_key):
        _make_shifted(work)
        work.files.done("shifted", work.shifted_key)


def _make_problems(work: Work) -> None:
    from counterform.problems.source import generated, read

    spec = work.study.problems
    split = generated(work.family, spec) if work.family else read(work.study.file(spec.file), spec)
    if work.family is None:
        work.count("broken problem rows", len(split.broken))
    for line, reason in split.broken[:3]:
        work.say(f"problems: line {line} is left out: {reason}")
    for note in split.notes:
        work.say(f"problems: {note}")
    work.files.note("notes on problems", list(split.notes))
    work.files.done("shifted", "")  # what stood beside the old problems is gone with them
    work.files.write_rows("problems.parquet", [*split.train, *split.held_out], Problem)


def _make_shifted(work: Work) -> None:
    import numpy as np

    from counterform.problems.source import Split, away_from

    spec = work.study.problems
    split = Split(train=work.problems("train"), held_out=work.problems("held_out"))
    files = [work.study.file(name) for name in (spec.file, spec.shift_file) if name]
    rng, n = np.random.default_rng(derived_seed("shifted")), work.study.probe.shifted
    found, unused = away_from(split, spec, family=work.family, files=files, n=n, rng=rng)
    if spec.shift_file:
        work.count("rows of the shift file that are broken or no shift", unused)
    work.files.write_rows("problems.parquet", [*split.train, *split.held_out, *found], Problem)
