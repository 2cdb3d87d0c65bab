"""One training run spread over processes by `accelerate launch`, while the study stays one process.

The study's process holds the claim on what it trains, so it cannot itself be the thing that is launched several times: it writes
the job down, launches `python -m counterform.train.launched` and reads the checkpoint back. All of them end with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.bench import Grading
from counterform.children import run_child
from counterform.errors import StudyError, TrainingDiverged
from counterform.models.source import pinned
from counterform.study import ModelSpec, TrainSpec
from counterform.types import Arm, Checkpoint

KEPT_LINES = 6
"""Of a failed launch's own words: the message that counts stands at the end."""


class Job(Struct, frozen=True, kw_only=True):
    """What a launched process is told to train."""

    trainer: str
    """Its short name."""
    spec: TrainSpec
    grading: Grading | None = None
    arm: Arm
    base: ModelSpec
    seed: int
    out: str


class Launched(Struct, frozen=True, kw_only=True):
    """What the first of the launched processes leaves behind."""

    checkpoint: Checkpoint | None = None
    refused: str = ""
    """Why the study cannot be trained so, in one message."""


def launch(
    trainer: str,
    spec: TrainSpec,
    arm: Arm,
    *,
    base: str | ModelSpec,
    seed: int,
    out: Path,
    grading: Grading | None = None,
) -> Checkpoint:
    """Train `arm` in the processes that `spec.launch` asks for. Data parallel: the base must fit one of them.

    grading: for an arm that samples for itself. Raises TrainingDiverged as one process would, StudyError where the launch itself fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    job, result = out / "job.json", out / "launched.json"
    alone = msgspec.structs.replace(spec, launch=())
    # The launched processes stand in this same directory, so relative paths mean the same there.
    told = Job(trainer=trainer, spec=alone, grading=grading, arm=arm, base=pinned(base), seed=seed, out=str(out))
    job.write_bytes(msgspec.json.encode(told))
    command = [
        sys.executable,
        "-m",
        "counterform.train.launcher",
        *spec.launch,
        "-m",
        "counterform.train.launched",
        str(job),
    ]
    done = run_child(command)
    if not result.exists():
        words = " ".join(done.stderr.strip().splitlines()[-KEPT_LINES:])
        raise StudyError(f"$.train.launch: {' '.join(command[1:])} ended with {done.returncode}: {words}")
    launched = msgspec.json.decode(result.read_bytes(), type=Launched)
    job.unlink()
    result.unlink()
    checkpoint = launched.checkpoint
    if checkpoint is None:
        raise StudyError(launched.refused)
    if checkpoint.failure:
        raise TrainingDiverged(checkpoint.failure)
    return checkpoint
