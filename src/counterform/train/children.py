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
        _end_group(child)
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


def _end_group(child: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # the child has gone; what it started may not have
