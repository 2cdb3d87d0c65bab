"""Server-sent events, read and written as the standard says (html.spec.whatwg.org, 9.2), in bounded memory.

Lines end with CR LF, LF or CR, however the bytes are cut; an event is its `data` lines joined with LF, and ends with an
empty line; comments and unknown fields are passed over; what has no empty line behind it is no event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from msgspec import Struct

MAX_EVENT = 1_000_000
"""Bytes of one event, its comments too."""
_BOM = b"\xef\xbb\xbf"


class EventTooLongError(Exception):
    """An event without end."""


class Event(Struct, frozen=True):
    """One event: its data, and its type (`message` where none was given)."""

    data: bytes
    type: str = "message"


class Reader:
    """Takes bytes in, cut anywhere, and gives the events that they finish; linear in the bytes."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._type = ""
        self._size = 0
        self._after_cr = False
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that this piece finishes. Raises EventTooLongError."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        for part in piece.splitlines(keepends=True):
            bare = part.rstrip(b"\r\n")
            self._size += len(part)
            if self._size > MAX_EVENT:
                raise EventTooLongError(f"an event of more than {MAX_EVENT:,} bytes")
            self._line.append(bare)
            if len(bare) == len(part):
                continue
            line = b"".join(self._line)
            self._line.clear()
            if not self._begun:
                line, self._begun = line.removeprefix(_BOM), True
            if line:
                self._field(line)
                continue
            event = Event(b"\n".join(self._data), self._type or "message") if self._data else None
            self._data, self._type, self._size = [], "", 0
            if event is not None:
                yield event
        self._after_cr = piece.endswith(b"\r")

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value.decode(errors="replace")


async def read_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events of a stream. Raises EventTooLongError."""
    reader = Reader()
    async for piece in pieces:
        for event in reader.feed(piece):
            yield event


def write_event(data: bytes) -> bytes:
    """One event of this data, each of its lines a field."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"".join(b"data: %s\n" % line for line in lines) + b"\n"
