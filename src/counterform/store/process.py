"""Processes of this machine, as claims and partial files name them."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

HOST = re.sub(r"[^\w.-]", "_", socket.gethostname()) or "localhost"


def is_alive(pid: int, started: str = "") -> bool:
    """Whether a process of this machine runs; `started` (of `start_of`) tells it from a later one with its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    now = start_of(pid)
    return now != "zombie" and (not started or not now or started == now)


def start_of(pid: int) -> str:
    """When a process began, in ticks since the machine did; `zombie` for a dead one, empty where the system does not say."""
    try:
        # pid (name, which may hold anything) state parent ...: the 22nd field is the start.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "zombie" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""
