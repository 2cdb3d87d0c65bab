"""Processes of this machine. Each lives as long as the run, and keeps what it has imported and opened."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import msgspec

from counterform.children import PARENT, end_groups
from counterform.workers.executor import Done, Event, Executor, Failed, Job, Lost, Over, Said

LAST_WORDS = 4
"""Lines of a lost worker that are shown."""
_Told = Done | Said | Failed | Over


class Local(Executor):
    """Up to so many processes, each begun when there is something for it to do.

    run: the run directory. places: of each process, what it has in its environment beside what this one has. trains: whether the run
    will train.
    """

    def __init__(self, run: Path, places: Sequence[Mapping[str, str]], *, trains: bool) -> None:
        self._run, self._trains = run, trains
        self._places = list(reversed(places))
        """Of those that were not begun yet."""
        self._workers: list[_Worker] = []
        self._heard: SimpleQueue[tuple[_Worker, Event | None]] = SimpleQueue()

    @property
    def free(self) -> bool:
        return bool(self._places) or any(worker.job is None for worker in self._workers)

    def hand_over(self, job: Job) -> None:
        idle = next((worker for worker in self._workers if worker.job is None), None)
        if idle is None:
            idle = _Worker(self._run, self._places.pop(), self._heard)
            self._workers.append(idle)
        idle.give(job, trains=self._trains)

    def event(self) -> tuple[Job, Event]:
        while True:
            worker, event = self._heard.get()
            job = worker.job
            if event is None:
                self._workers.remove(worker)
                self._places.append(worker.place)
                event = Lost(why=worker.end())
            if job is None:
                continue
            if not isinstance(event, Done | Said):
                worker.job = None
            return job, event

    def close(self) -> None:
        for worker in self._workers:
            worker.let_go()
        # Interrupted, a worker writes down what it has heard already.
        end_groups([worker.process for worker in self._workers], first=signal.SIGINT)
        self._workers.clear()


class _Worker:
    """One process: `counterform unit RUN -`."""

    def __init__(self, run: Path, place: Mapping[str, str], heard: SimpleQueue[tuple[_Worker, Event | None]]) -> None:
        self.place = place
        self.job: Job | None = None
        self._heard, self._last = heard, deque[str](maxlen=LAST_WORDS)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "counterform.cli", "unit", str(run.absolute()), "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is this process's to hear
            env={
                **os.environ,
                **place,
                PARENT: str(os.getpid()),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._jobs = self.process.stdin
        self._errors = threading.Thread(target=self._read_lines, args=(self.process.stderr,), daemon=True)
        self._errors.start()
        threading.Thread(target=self._read_events, args=(self.process.stdout,), daemon=True).start()

    def give(self, job: Job, *, trains: bool) -> None:
        """Hand over a job. One that has ended meanwhile shows at the next event."""
        self.job = job
        with contextlib.suppress(OSError):
            self._jobs.write(msgspec.json.encode(msgspec.structs.replace(job, trains=trains)) + b"\n")
            self._jobs.flush()

    def let_go(self) -> None:
        """No further job will come: it ends by itself where it has none."""
        with contextlib.suppress(OSError):
            self._jobs.close()

    def end(self) -> str:
        """What has become of it, and its last words; what it has started ends too."""
        self.let_go()
        end_groups([self.process])
        self._errors.join()
        code = self.process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        said = f": {' '.join(self._last)}" if self._last else ""
        return f"worker {self.process.pid} ended ({how}{said})"

    def _read_events(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._heard.put((self, msgspec.json.decode(line, type=_Told)))
        self._heard.put((self, None))

    def _read_lines(self, stream: IO[bytes]) -> None:
        for line in stream:
            text = line.decode(errors="replace").rstrip()
            if text:
                self._last.append(text)
                self._heard.put((self, Said(line=text)))
