"""Where the answers of the rounds of a study with [decide] stand (stages/decide.py reads them there)."""

from __future__ import annotations

from counterform.stages.work import Work
from counterform.types import Graded


def round_files(arm: str, seed: int, first: int) -> list[str]:
    """The readings of a batch that begins with this problem, and the answers."""
    return [
        f"readings/decide/{arm}-{seed}-{first}.parquet",
        f"readings/attempts/decide/{arm}-{seed}-{first}.parquet",
    ]


def answers_of_rounds(work: Work, arm: str, seed: int) -> list[Graded]:
    """What a model answered in the rounds, in the order of the problems; nothing of an arm that was in none."""
    study = work.study
    if arm not in study.decide.arms:
        return []
    batches = range(0, min(study.probe.problems, len(work.problems("held_out"))), study.decide.batch)
    return [graded for first in batches for graded in work.files.read_rows(round_files(arm, seed, first)[1], Graded)]
