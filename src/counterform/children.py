"""Processes that end with the one that started them, however that one ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

PARENT = "COUNTERFORM_PARENT"
"""In the environment of a child: the process whose end is its own."""
LOOK_SECONDS = 1.0
"""Between two looks at the parent, where the system does not tell of its end."""
GRACE_SECONDS = 5.0
"""Between asking a group of processes to end and ending it."""
_PR_SET_PDEATHSIG = 1


def run_child(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program that calls `end_with_parent` first, in a group of its own, to its end or to that of this process.

    An exception here, Ctrl-C too, ends the whole group.
    """
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, PARENT: str(os.getpid())},
    )
    try:
        out, err = child.communicate()
    except BaseException:
        end_groups([child])
        raise
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def end_with_parent() -> None:
    """Called first of all in a child: from now on it is killed when its parent ends, even by kill -9.

    What the child starts must call it too; it then ends with the child.
    """
    parent = os.getppid()
    told = os.environ.get(PARENT, "")
    os.environ[PARENT] = str(os.getpid())
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before that: then this process has another one by now.
    if os.getppid() != parent or told not in ("", str(parent)):
        os._exit(1)
    threading.Thread(target=_watch, args=(parent,), name="watch the parent", daemon=True).start()


def _watch(parent: int) -> None:
    # Linux tells of the end of the thread that started this process, other systems tell nothing: so it is also looked at.
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def keep(command: Sequence[str]) -> int:
    """Run a program that knows nothing of this, as the leader of a group which ends with the parent that PARENT names; its exit code."""
    parent = int(os.environ[PARENT])
    child = subprocess.Popen(command)
    while os.getppid() == parent:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(LOOK_SECONDS)
    os.killpg(0, signal.SIGKILL)
    return 1


def end_groups(children: Sequence[subprocess.Popen[Any]], *, first: signal.Signals = signal.SIGTERM) -> None:
    """End programs that lead groups of their own, and all that they have started: asked by a signal first, and killed after a grace."""
    for child in children:
        _signal(child, first)
    until = time.monotonic() + GRACE_SECONDS
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, until - time.monotonic()))
        _signal(child, signal.SIGKILL)  # where the child has gone, what it started may not have
        child.wait()


def _signal(child: subprocess.Popen[Any], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    try:
        sys.exit(keep(sys.argv[1:]))
    except OSError as trouble:
        sys.exit(f"{sys.argv[1]}: {trouble.strerror}")
