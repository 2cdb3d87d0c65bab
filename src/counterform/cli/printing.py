"""What the command line says, and where: nothing that is printed can paint the terminal or stop a study."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, TextIO

from counterform.text.plain import plain, plain_line

if TYPE_CHECKING:
    from rich.console import Console


def say(line: str) -> None:
    """To whoever looks on; nobody may, and the study goes on all the same."""
    try:
        print(plain_line(line), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        silence(sys.stderr)


def silence(stream: TextIO | None) -> None:
    """What is still to be written there goes nowhere: Python would fail at it once more as it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def tell(text: str) -> None:
    """What was asked for, line by line, without anything that steers a terminal."""
    for line in text.split("\n"):
        print(plain(line), flush=True)


def console(stderr: bool = False) -> Console:
    """Where tables are printed."""
    from counterform.report.terminal import Terminal

    return Terminal(stderr=stderr)
