"""A worker: it is told names of units, and tells what becomes of them, both as lines of JSON."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from counterform.errors import CounterformError
from counterform.stages.hands import Hands
from counterform.workers.executor import Done, Event, Failed, Job, Over

Tell = Callable[[Event], None]


@contextmanager
def telling() -> Iterator[Tell]:
    """Events go to standard output, one a line; whatever else is written there goes to standard error."""
    with os.fdopen(os.dup(1), "wb", buffering=0) as out:
        os.dup2(2, 1)
        yield lambda event: _write(out, event)


def serve(lines: BinaryIO, open_hands: Callable[[], Hands], tell: Tell) -> None:
    """Do jobs until there is none any more."""
    hands: Hands | None = None
    try:
        for line in iter(lines.readline, b""):
            job = msgspec.json.decode(line, type=Job)
            name = ""
            try:
                if hands is None:
                    hands = open_hands()
                    hands.work.check_trainers(needed=job.trains)
                    gc.freeze()  # what was imported stays: to look through it for garbage takes half a second
                for name in job.units:
                    hands.do(name)
                    tell(Done(unit=name))
                tell(Over())
            except CounterformError as error:
                tell(Failed(unit=name, message=sendable(str(error))))
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                tell(Failed(unit=name, message=sendable(said), trace=sendable(traceback.format_exc())))
    finally:
        if hands is not None:
            hands.close()


def sendable(text: str) -> str:
    """The same text; half a character, which no line of JSON can hold, is written out."""
    return text.encode(errors="backslashreplace").decode()


def _write(out: BinaryIO, event: Event) -> None:
    out.write(msgspec.json.encode(event) + b"\n")
