"""Array jobs of SLURM, through submitit: one a stage, and one more for what did not stand after it."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from counterform import __version__
from counterform.children import PARENT
from counterform.errors import StudyError, WorkerError, extra
from counterform.study import RunSpec
from counterform.workers.apart import Ended, do_job, events_of, gpus_of
from counterform.workers.executor import Event, Executor, Job, Lost

with extra("slurm"):
    import submitit
    from submitit.core.utils import FailedJobError, UncompletedJobError

LOOK_SECONDS = 2.0
"""Between two looks at the jobs."""
FOLDER = "slurm"
"""Of the run directory: submitit's own files, and what each job has said."""


class Slurm(Executor):
    """As many jobs at once as there are: the queue is SLURM's. cluster: "slurm", or "local" for submitit's test on one machine.

    Raises StudyError for options that submitit does not take, and WorkerError where nothing can be submitted.
    """

    def __init__(self, run: Path, spec: RunSpec, cluster: str | None = None) -> None:
        self._run, self._spec = run.absolute(), spec
        self._new: list[Job] = []
        self._busy: list[tuple[Any, Job]] = []
        self._happened: deque[tuple[Job, Event]] = deque()
        try:
            self._executor = submitit.AutoExecutor(folder=self._run / FOLDER, cluster=cluster)
            self._executor.update_parameters(**spec.slurm)
        except (TypeError, ValueError, AssertionError, NameError) as error:
            raise StudyError(f"$.run.slurm: {error}") from error
        if cluster is None and self._executor.cluster != "slurm":
            raise WorkerError("there is no SLURM here: `srun` is not found. Run this where jobs are submitted.")

    @property
    def free(self) -> bool:
        return True

    def hand_over(self, job: Job) -> None:
        self._new.append(job)

    def event(self) -> tuple[Job, Event]:
        self._submit()
        while not self._happened:
            over = [(made, job) for made, job in self._busy if made.done()]
            for made, job in over:
                self._happened.extend((job, event) for event in self._events(made, job))
            self._busy = [pair for pair in self._busy if pair not in over]
            if not self._happened:
                time.sleep(LOOK_SECONDS)
        return self._happened.popleft()

    def close(self) -> None:
        for made, _ in self._busy:
            made.cancel()
        self._busy.clear()

    def _submit(self) -> None:
        """All that were handed over since the last time, as one array for each number of accelerators."""
        by_need: dict[float, list[Job]] = {}
        for job in self._new:
            by_need.setdefault(gpus_of(self._spec, job), []).append(job)
        self._new = []
        for need, jobs in by_need.items():
            try:
                if need:
                    self._executor.update_parameters(gpus_per_node=int(need))
                made = self._executor.map_array(
                    do_job, *zip(*[(str(self._run), list(job.units), __version__, PARENT) for job in jobs], strict=True)
                )
            except (RuntimeError, OSError, FailedJobError, subprocess.CalledProcessError) as error:
                raise WorkerError(f"SLURM does not take the jobs: {error}") from error
            self._busy += list(zip(made, jobs, strict=True))

    def _events(self, made: Any, job: Job) -> list[Event]:
        try:
            ended = msgspec.convert(made.result(), Ended)
        except (UncompletedJobError, FailedJobError) as error:  # killed, out of memory or time, or its node is gone
            lines = str(error).strip().splitlines()
            return [Lost(why=f"job {made.job_id} ended ({lines[-1][:300] if lines else 'no reason'})")]
        return list(events_of(self._run, job, ended))
