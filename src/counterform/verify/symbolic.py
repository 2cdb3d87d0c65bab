"""math-verify in processes of its own: a check may hang, crash or eat memory, and only that check is lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path

from counterform.errors import MissingExtra
from counterform.types import Mark

Grade = tuple[Mark, str]
"""A mark, and the reason where it is UNKNOWN."""

START_SECONDS = 60.0
"""What a new process may take to load sympy, on top of its first check."""
GRACE_SECONDS = 2.0
"""How long after its time-out a process is killed: one that hangs in C code does not hear the alarm."""


class SymbolicPool:
    """Compares formulas in up to `workers` processes, `seconds` for each pair. Started when first needed."""

    def __init__(self, seconds: float, workers: int) -> None:
        self._seconds = seconds
        self._size = workers
        self._workers: list[_Worker] = []

    def check(self, pairs: Sequence[tuple[str, str]]) -> list[Grade]:
        """Grade (key, answer) pairs, in order; without math-verify each is UNKNOWN, for that reason."""
        if pairs and find_spec("math_verify") is None:
            return [(Mark.UNKNOWN, str(MissingExtra("math-verify", "math")))] * len(pairs)
        grades: dict[int, Grade] = {}
        next_job = 0
        while len(grades) < len(pairs):
            while next_job < len(pairs) and (worker := self._free_worker()):
                worker.give(next_job, pairs[next_job])
                next_job += 1
            busy = [worker for worker in self._workers if worker.job is not None]
            wait(
                [worker.replies.fileno() for worker in busy], max(0.0, min(w.deadline for w in busy) - time.monotonic())
            )
            for worker in busy:
                grade = worker.poll()
                if grade is not None and worker.job is not None:
                    grades[worker.job] = grade
                    worker.job = None
            self._workers = [worker for worker in self._workers if worker.alive]
        return [grades[index] for index in range(len(pairs))]

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.kill()
        self._workers = []

    def _free_worker(self) -> _Worker | None:
        for worker in self._workers:
            if worker.job is None:
                return worker
        if len(self._workers) == self._size:
            return None
        self._workers.append(_Worker(self._seconds))
        return self._workers[-1]


class _Worker:
    """One process and the check it is busy with.

    A plain subprocess and not multiprocessing: that would import the user's main module again, and with it whatever
    an unguarded script does.
    """

    def __init__(self, seconds: float) -> None:
        self.job: int | None = None
        self.deadline = 0.0
        self.alive = True
        self._patience = START_SECONDS + seconds
        self._seconds = seconds
        program = Path(__file__).with_name("symbolic_worker.py")
        self._process = subprocess.Popen(
            # -P: the modules beside the program must not hide others of the same name.
            [sys.executable, "-P", str(program), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self.replies = self._process.stdin, self._process.stdout

    def give(self, job: int, pair: tuple[str, str]) -> None:
        """Hand over one pair."""
        self.job = job
        self.deadline = time.monotonic() + self._patience
        self._patience = self._seconds + GRACE_SECONDS
        with contextlib.suppress(OSError):  # a process that died meanwhile shows at the next poll
            self._requests.write(json.dumps(pair).encode() + b"\n")
            self._requests.flush()

    def poll(self) -> Grade | None:
        """The grade, UNKNOWN if the process is lost or out of time, None if it is still at work."""
        if wait([self.replies.fileno()], 0):
            line = self.replies.readline()
            if line.endswith(b"\n"):
                mark, reason = json.loads(line)
                return Mark(mark), reason
            self.kill()
            return Mark.UNKNOWN, "the process of math-verify died"
        if time.monotonic() >= self.deadline:
            self.kill()
            return Mark.UNKNOWN, f"math-verify did not stop after {self._seconds:g} s"
        return None

    def kill(self) -> None:
        """End the process now."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        self.replies.close()
        with contextlib.suppress(OSError):  # what was still to be written has nobody to read it
            self._requests.close()
