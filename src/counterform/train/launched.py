"""One training run spread over processes by `accelerate launch`, while the study stays one process.

The study's process holds the lock on the run directory, so it cannot itself be the thing that is launched several
times: it writes the job down, launches `python -m counterform.train.launched` and reads the checkpoint back.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.errors import StudyError, TrainingDiverged
from counterform.study import TrainSpec
from counterform.types import Arm, Checkpoint, Ledger

KEPT_LINES = 6
"""Of a failed launch's own words: the message that counts stands at the end."""


class _Job(Struct, frozen=True, kw_only=True):
    spec: TrainSpec
    arm: Arm
    base: str
    seed: int
    out: str


def launch(spec: TrainSpec, arm: Arm, *, base: str, seed: int, out: Path) -> Checkpoint:
    """Train `arm` in the processes that `spec.launch` asks for. Data parallel: the base must fit one of them.

    Raises TrainingDiverged as one process would, StudyError where the launch itself fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    job, result = out / "job.json", out / "launched.json"
    alone = msgspec.structs.replace(spec, launch=())
    # The launched processes stand in this same directory, so relative paths mean the same there.
    job.write_bytes(msgspec.json.encode(_Job(spec=alone, arm=arm, base=base, seed=seed, out=str(out))))
    command = [sys.executable, "-m", "accelerate.commands.launch", *spec.launch, "-m", __spec__.name, str(job)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if not result.exists():
        words = " ".join(done.stderr.strip().splitlines()[-KEPT_LINES:])
        raise StudyError(f"$.train.launch: {' '.join(command[1:])} ended with {done.returncode}: {words}")
    checkpoint = msgspec.json.decode(result.read_bytes(), type=Checkpoint)
    job.unlink()
    result.unlink()
    if checkpoint.failure:
        raise TrainingDiverged(checkpoint.failure)
    return checkpoint


def main() -> None:
    """What each launched process runs."""
    from counterform.train.sft import SFT

    path = Path(sys.argv[1])
    job = msgspec.json.decode(path.read_bytes(), type=_Job)
    try:
        checkpoint = SFT(job.spec).train(job.arm, base=job.base, seed=job.seed, out=Path(job.out))
    except TrainingDiverged as error:
        checkpoint = Checkpoint(arm=job.arm.name, seed=job.seed, path="", ledger=Ledger(), failure=str(error))
    if os.environ.get("RANK", "0") == "0":
        (path.parent / "launched.json").write_bytes(msgspec.json.encode(checkpoint))


if __name__ == "__main__":
    main()
