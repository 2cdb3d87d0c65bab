"""What each process runs that `accelerate launch` starts for one training (launch.py): `python -m counterform.train.launched`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from counterform.bench import Bench, Grading
from counterform.children import end_with_parent
from counterform.errors import CounterformError, TrainingDiverged
from counterform.parts import made, part
from counterform.train.launch import Job, Launched
from counterform.train.trainer import Trainer
from counterform.types import Attempt, Checkpoint, Graded, Ledger, StepVerifier
from counterform.verify.steps import grade


def main() -> None:
    """What each launched process runs."""
    end_with_parent()
    path = Path(sys.argv[1])
    job = msgspec.json.decode(path.read_bytes(), type=Job)
    try:
        with _bench(job.grading) as bench:
            trainer: Trainer = made("trainer", job.trainer, {}, "$.train.trainer", spec=job.spec, bench=bench)
            launched = Launched(checkpoint=trainer.train(job.arm, base=job.base, seed=job.seed, out=Path(job.out)))
    except TrainingDiverged as error:
        failed = Checkpoint(arm=job.arm.name, seed=job.seed, path="", ledger=Ledger(), failure=str(error))
        launched = Launched(checkpoint=failed)
    except CounterformError as error:
        launched = Launched(refused=str(error))
    if os.environ.get("RANK", "0") == "0":
        (path.parent / "launched.json").write_bytes(msgspec.json.encode(launched))


@contextmanager
def _bench(grading: Grading | None) -> Iterator[Bench]:
    """A bench whose grades are those of the study."""
    if grading is None:
        yield Bench()
        return
    named, problems = grading.verify.steps, {problem.id: problem for problem in grading.problems}
    steps: StepVerifier = (
        made("family", grading.family, grading.options, "$.problems.options")
        if grading.family and not named
        else made("step verifier", named or "arithmetic", {}, "$.verify.steps")
    )
    with part("outcome verifier", "answer")(grading.verify.seconds) as outcome:

        def graded(attempts: Sequence[Attempt]) -> list[Graded]:
            verdicts = grade(attempts, problems, outcome=outcome, steps=steps)
            return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

        yield Bench(grade=graded)


if __name__ == "__main__":
    main()
