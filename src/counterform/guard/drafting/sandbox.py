"""Drafted rules at work in a process of their own, which can neither reach anything nor take long."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import msgspec

from counterform.guard.drafting.cases import Case

SECONDS = 2.0
"""For one rule over all cases of a job."""
START_SECONDS = 60.0
"""For the process to start, on a busy machine."""
GRACE_SECONDS = 10.0
"""For a job to be written and read, on top of the time of its rules."""
AT_ONCE = 64
"""Rules of one job; each may take its time, and together they may not take for ever."""


class Sandbox:
    """Asks rules, given as text, about cases. The process is started when first needed, and again when it was lost."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._start_seconds = 0.0

    def marks(self, codes: Sequence[str], cases: Sequence[Case]) -> list[list[str]]:
        """What each rule says of each case: `keeps`, `breaks`, `unsure` (it says so), or `could not tell: WHY`. The codes have passed `language.parse`."""
        rows = [msgspec.to_builtins(case) for case in cases]
        return self._ask(codes, {"cases": rows}, len(rows))

    def judged(self, codes: Sequence[str], messages: Sequence[Mapping[str, Any]], calls: int) -> list[list[str]]:
        """The same, of the calls of one recorded conversation."""
        return self._ask(codes, {"messages": [dict(message) for message in messages]}, calls)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with contextlib.suppress(OSError):  # and whatever it has started
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
        self._process = None

    def _ask(self, codes: Sequence[str], job: Mapping[str, Any], size: int) -> list[list[str]]:
        found: list[list[str]] = []
        for at in range(0, len(codes), AT_ONCE):
            some = codes[at : at + AT_ONCE]
            reply = self._reply({"codes": list(some), **job}, GRACE_SECONDS + 2 * self._seconds * len(some))
            if reply is None and len(some) > 1:  # one of them ended the process; only that one is lost
                found += [self._alone(code, job, size) for code in some]
            else:
                found += reply or [_lost(size)] * len(some)
        return found

    def _alone(self, code: str, job: Mapping[str, Any], size: int) -> list[str]:
        reply = self._reply({"codes": [code], **job}, GRACE_SECONDS + 2 * self._seconds)
        return reply[0] if reply else _lost(size)

    def _reply(self, job: Mapping[str, Any], patience: float) -> list[list[str]] | None:
        """The worker's answer; None where it died or did not stop."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + patience + self._start_seconds
        self._start_seconds = 0.0
        with contextlib.suppress(OSError):  # a process that died shows at the read
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        if wait([process.stdout.fileno()], max(0.0, deadline - time.monotonic())):
            line = process.stdout.readline()
            if line.endswith(b"\n"):
                found: list[list[str]] = json.loads(line)
                return found
        self.close()
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        self._start_seconds = START_SECONDS
        program = Path(__file__).with_name("sandbox_worker.py")
        self._process = subprocess.Popen(
            # -P: the modules beside the program must not hide others of the same name. Nothing of the environment is handed on.
            [sys.executable, "-P", str(program), str(self._seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return self._process


def _lost(size: int) -> list[str]:
    return ["could not tell: it ended its process, or did not stop"] * size
