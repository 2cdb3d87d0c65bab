"""A ledger: lines that are only ever added, each chained to the one before by its hash.

LEDGER holds the lines, and LEDGER.head says how many there are and which is the last, so that lines cut off the end are missed. A line that is
about to be added stands in a file of its own until both are written: whoever is killed in between leaves it to the next one. Who rewrites
both files from some line on cannot be found out from these files alone: every call prints the last hash, which is to be kept elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.errors import DataError, RunDirError
from counterform.referee.entries import Declared, Entry, Look
from counterform.store import Claimed, claimed, disk_errors
from counterform.store.appearing import appearing

START = "0" * 64
WAIT_SECONDS = 120.0
MAX_BYTES = 64 << 20


class Line(Struct, frozen=True, kw_only=True):
    """One line: its number from 1, the hash of the line before, what stands in it, and its own hash."""

    line: int
    before: str
    entry: Entry
    hash: str = ""

    def hashed(self) -> str:
        """What its hash must be."""
        return hashlib.sha256(
            msgspec.json.encode([self.line, self.before, msgspec.to_builtins(self.entry)], order="sorted")
        ).hexdigest()


class Head(Struct, frozen=True, kw_only=True):
    """What stands beside a ledger."""

    lines: int
    hash: str
    """Of the last."""


class Ledger:
    """The lines of a ledger that holds, and a way to add one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = _checked(path)

    @property
    def declared(self) -> Declared:
        """Its first line."""
        first = self.lines[0].entry
        assert isinstance(first, Declared)
        return first

    @property
    def looks(self) -> list[Look]:
        """All other lines."""
        return [line.entry for line in self.lines if isinstance(line.entry, Look)]

    @property
    def receipt(self) -> str:
        """The hash of its last line."""
        return self.lines[-1].hash

    def add(self, entry: Entry) -> None:
        """Add a line. Only for who holds the ledger (`held`)."""
        self.lines.append(_write(self.path, len(self.lines) + 1, self.receipt, entry))


def begin(path: Path, entry: Declared) -> Ledger:
    """A new ledger. Raises RunDirError where anything stands at its path."""
    with held(path):
        for file in (path, head_of(path)):
            if file.exists():
                raise RunDirError(
                    f"{file} stands already, and what was declared is not declared again. Give another path for a new ledger."
                )
        _write(path, 1, START, entry)
    return Ledger(path)


def head_of(path: Path) -> Path:
    """The file beside a ledger."""
    return path.with_name(f"{path.name}.head")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The ledger, for one process alone; others wait."""
    if not path.parent.is_dir():
        raise RunDirError(f"{path.parent} is no folder. Make it first, or give another path.")
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with claimed(path.with_name(f".{path.name}.claim")):
                yield
            return
        except Claimed as error:
            if time.monotonic() > end:
                raise RunDirError(f"{path} is held by {error.holder}. Run the same command again.") from error
            time.sleep(0.05)


def _write(path: Path, number: int, before: str, entry: Entry) -> Line:
    line = Line(line=number, before=before, entry=entry)
    line = msgspec.structs.replace(line, hash=line.hashed())
    with appearing(_next_of(path)) as temporary:
        temporary.write_bytes(msgspec.json.encode(line) + b"\n")
    _finish(path)
    return line


def _next_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.next")


def _finish(path: Path) -> None:
    """Add the line that is about to be added, if there is one; any part of that may have been done by somebody who was killed."""
    waiting = _next_of(path)
    if not waiting.exists():
        return
    text = waiting.read_bytes()
    line = _line(waiting, 1, text.removesuffix(b"\n"))
    *whole, rest = _read(path).split(b"\n")
    if len(whole) == line.line - 1 and text.startswith(rest):
        _append(path, text[len(rest) :])
    with appearing(head_of(path)) as temporary:
        temporary.write_bytes(msgspec.json.encode(Head(lines=line.line, hash=line.hash)) + b"\n")
    waiting.unlink()


def _append(path: Path, text: bytes) -> None:
    with disk_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            while text:
                text = text[os.write(descriptor, text) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _checked(path: Path) -> list[Line]:
    """All lines. Raises DataError that names what was done to the first that does not hold."""
    _finish(path)
    head = _head(path)
    *texts, rest = _read(path).split(b"\n")
    lines = [_line(path, at, text) for at, text in enumerate(texts, 1)]
    _require_chain(path, lines)
    if rest or len(lines) < head.lines:
        left = head.lines - len(lines)
        raise DataError(f"{path} was changed: truncated, {left} of {head.lines} lines were cut off its end. {_KEPT}")
    if len(lines) > head.lines:
        raise DataError(f"{path} was changed: it has {len(lines)} lines, and {head.lines} were written. {_KEPT}")
    if not isinstance(lines[0].entry, Declared):
        raise DataError(f"{path} does not begin with a declaration. {_KEPT}")
    if lines[-1].hash != head.hash:
        raise DataError(
            f"{path} was changed: line {len(lines)} was edited, and is not the one that was written. {_KEPT}"
        )
    return lines


_KEPT = "Nothing is released from a ledger that does not hold: restore it, or declare a new one on new items."


def _head(path: Path) -> Head:
    if not path.exists() and not head_of(path).exists():
        raise DataError(f"{path}: there is no such ledger. Begin one with --declare and --base.")
    try:
        return msgspec.json.decode(head_of(path).read_bytes(), type=Head)
    except FileNotFoundError as error:
        raise DataError(f"{head_of(path)} is missing, which says how many lines {path.name} has. {_KEPT}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise DataError(f"{head_of(path)} cannot be read: it was changed. {_KEPT}") from error


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES >> 20} MiB: that is no ledger.")
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _line(path: Path, at: int, text: bytes) -> Line:
    try:
        line = msgspec.json.decode(text, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} was changed: line {at} is no line of a ledger. {_KEPT}") from error
    # What would be read but is not what was written (white space, a field more) is a change too.
    if line.hashed() != line.hash or msgspec.json.encode(line) != text:
        raise DataError(f"{path} was changed: line {at} was edited. {_KEPT}")
    return line


def _require_chain(path: Path, lines: list[Line]) -> None:
    numbers = [line.line for line in lines]
    for at, line in enumerate(lines, 1):
        before = lines[at - 2].hash if at > 1 else START
        if line.line == at and line.before == before:
            continue
        if line.line == at:
            what = f"line {at - 1} was edited" if at > 1 else "line 1 was edited"
        elif at in numbers:
            what = f"line {at} was moved: the lines are not in the order in which they were written"
        elif numbers.count(line.line) > 1:
            what = f"line {at} repeats line {line.line}"
        else:
            what = f"line {at} was removed"
        raise DataError(f"{path} was changed: {what}. {_KEPT}")
