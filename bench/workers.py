"""What handing out costs: a plan of 200 arms x 5 seeds x 8 probes on workers that do nothing, and what the driver needs for it.

    python bench/workers.py [ARMS SEEDS PROBES WORKERS]

No unit is done: a stand-in writes its record, and a clock that is not a real one says how long it took. What comes out is the number of
units, the critical path, how long the workers stand idle, and what is real: the driver's own seconds and memory.
"""

from __future__ import annotations

import heapq
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from counterform.pipeline import STAGES
from counterform.stages.same import resolved
from counterform.stages.work import Work
from counterform.store import Record, open_run
from counterform.study import ArmSpec, Study
from counterform.train.memory import process_peak_mb
from counterform.types import Checkpoint, Ledger
from counterform.workers.executor import Done, Event, Executor, Job, Over
from counterform.workers.hand_out import do_stage
from counterform.workers.progress import Progress

PROBES = ("accuracy", "find_error", "process", "shift", "traits", "trust", "agreement", "repair", "strategy", "guard")
MINUTES = {"sample": 10.0, "train": 30.0, "probe": 5.0}
"""What a unit of a kind is taken to last; any other lasts 0.2 minutes."""


class Pretend(Executor):
    """Workers that write the record of a unit and do nothing, by a clock of their own."""

    def __init__(self, work: Work, workers: int) -> None:
        self._work, self._free = work, workers
        self._busy: list[tuple[float, int, Job, list[str]]] = []
        self.now = self.worked = self.real = 0.0
        self.units = 0

    @property
    def free(self) -> bool:
        return self._free > 0

    def hand_over(self, job: Job) -> None:
        self._free -= 1
        self.units += len(job.units)
        self._put(job, list(job.units))

    def event(self) -> tuple[Job, Event]:
        self.now, _, job, left = heapq.heappop(self._busy)
        if not left:
            self._free += 1
            return job, Over()
        started = time.process_time()
        name = left.pop(0)
        self._record(name)
        self.real += time.process_time() - started
        self.worked += minutes(name)
        self._put(job, left)
        return job, Done(unit=name)

    def close(self) -> None:
        pass

    def _put(self, job: Job, left: list[str]) -> None:
        heapq.heappush(self._busy, (self.now + (minutes(left[0]) if left else 0.0), id(job), job, left))

    def _record(self, name: str) -> None:
        files, kind, rest = self._work.files, *name.partition("/")[::2]
        if kind == "train":
            arm, _, seed = rest.partition("/")
            made = Checkpoint(arm=arm, seed=int(seed), path=f"checkpoints/{rest}", ledger=Ledger())
            (files / f"checkpoints/{rest}").mkdir(parents=True)
            (files / f"checkpoints/{rest}/checkpoint.json").write_bytes(msgspec.json.encode(made))
        files.records.write(
            Record(unit=name, key=KEYS[name](self._work), files={}, made="", seconds=0.0, versions={}, machine={})
        )


KEYS = {}


def minutes(name: str) -> float:
    return MINUTES.get(name.partition("/")[0], 0.2)


def main(arms: int, seeds: int, probes: int, workers: int) -> None:
    study = Study(
        name="plan",
        seeds=tuple(range(seeds)),
        arms=tuple(ArmSpec(name=f"arm{number}", recipe="sft") for number in range(arms)),
        probes=PROBES[:probes],
    )
    with tempfile.TemporaryDirectory() as folder, open_run(Path(folder) / "run") as files:
        work = Work(resolved(study), files, lambda line: None)
        before = time.process_time()
        work.check()
        executor, progress = Pretend(work, workers), Progress(lambda line: None)
        path = 0.0
        for name, stage in STAGES.items():
            if name in ("find", "report"):
                break
            units = list(stage(work))
            KEYS.update({unit.name: unit.key for unit in units})
            jobs: dict[str, float] = {}
            for unit in units:
                jobs[unit.together] = jobs.get(unit.together, 0.0) + minutes(unit.name)
            path += max(jobs.values())
            with progress.stage(name):
                do_stage(work, units, executor, progress)
        processor = time.process_time() - before
    memory = process_peak_mb()
    idle = 1 - executor.worked / (executor.now * workers)
    print(f"{arms} arms x {seeds} seeds x {probes} probes: {executor.units} units, on {workers} workers")
    print(f"as planned {executor.now / 60:.1f} h, critical path {path / 60:.1f} h, workers idle {100 * idle:.1f} %")
    print(
        f"the driver: {processor - executor.real:.1f} s of processor, {memory:.0f} MB (the stand-in's records: {executor.real:.1f} s)"
    )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [200, 5, 8, 64][len(given) :]))
