"""What each process runs that `accelerate launch` starts for one training (launch.py): `python -m counterform.train.launched`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from counterform.children import end_with_parent
from counterform.errors import TrainingDiverged
from counterform.train.launch import Job
from counterform.train.sft import SFT
from counterform.types import Checkpoint, Ledger


def main() -> None:
    """What each launched process runs."""
    end_with_parent()
    path = Path(sys.argv[1])
    job = msgspec.json.decode(path.read_bytes(), type=Job)
    try:
        checkpoint = SFT(job.spec).train(job.arm, base=job.base, seed=job.seed, out=Path(job.out))
    except TrainingDiverged as error:
        checkpoint = Checkpoint(arm=job.arm.name, seed=job.seed, path="", ledger=Ledger(), failure=str(error))
    if os.environ.get("RANK", "0") == "0":
        (path.parent / "launched.json").write_bytes(msgspec.json.encode(checkpoint))


if __name__ == "__main__":
    main()
