"""Zip archives with Zstandard members (method 93), which the standard library cannot read before Python 3.14."""

from __future__ import annotations

import mmap
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

from counterform.errors import DataError, extra

MAX_MEMBER = 1 << 30
"""Bytes of one member, unpacked; a larger one is refused, whatever it promised."""
ZSTANDARD = 93
_LOCAL_HEADER = 30


class Archive:
    """An open zip archive."""

    def __init__(self, stream: IO[bytes], index: dict[str, zipfile.ZipInfo]) -> None:
        self._stream, self._index = stream, index

    @property
    def names(self) -> list[str]:
        """Its members, in the order of its directory; of two with one name the last is meant."""
        return list(self._index)

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def read(self, name: str) -> bytes:
        """A member, unpacked. Raises ValueError where it is broken or too large, MissingExtra without zstandard."""
        info = self._index[name]
        if info.file_size > MAX_MEMBER:
            raise ValueError(f"{info.file_size >> 20:,} MB; at most {MAX_MEMBER >> 20:,} are read")
        self._stream.seek(info.header_offset)
        header = self._stream.read(_LOCAL_HEADER)
        if header[:4] != b"PK\x03\x04":
            raise ValueError("its header is broken")
        self._stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        packed = self._stream.read(info.compress_size)
        if len(packed) < info.compress_size:
            raise ValueError("it is cut off")
        unpacked = _unpacked(packed, info.compress_type, info.file_size)
        if zlib.crc32(unpacked) != info.CRC:
            raise ValueError("its checksum does not hold")
        return unpacked


def _unpacked(packed: bytes, method: int, size: int) -> bytes:
    if method == zipfile.ZIP_STORED:
        return packed
    if method == zipfile.ZIP_DEFLATED:
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
    if method != ZSTANDARD:
        raise ValueError(f"packed by method {method}, which is not known")
    with extra("logs"):
        import zstandard
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
            return reader.read(size + 1)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


@contextmanager
def archive(path: Path) -> Iterator[Archive]:
    """Open an archive. Raises DataError that says how much of a truncated one is left."""
    try:
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            yield Archive(stream, _index(path, found.st_size, found.st_mtime_ns))
    except zipfile.BadZipFile as error:
        raise DataError(_cut_off(path)) from error
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error


@lru_cache(maxsize=1)
def _index(path: Path, size: int, changed: int) -> dict[str, zipfile.ZipInfo]:
    """The directory of an archive, which is asked for several times in a row, and takes longer to read than a header."""
    with zipfile.ZipFile(path) as index:
        return index.NameToInfo


def names(path: Path) -> list[str]:
    """The members of an archive. Raises DataError."""
    with archive(path) as opened:
        return opened.names


def _cut_off(path: Path) -> str:
    """What is left of an archive whose directory, at its end, is gone."""
    started = 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"PK\x03\x04")
        while at >= 0:
            length = int.from_bytes(data[at + 26 : at + 28], "little")
            started += data[at + _LOCAL_HEADER : at + _LOCAL_HEADER + length].startswith(b"samples/")
            at = data.find(b"PK\x03\x04", at + 4)
    return (
        f"{str(path)!r} is a truncated zip archive: its directory, which stands at the end, is gone; {started:,} samples begin in "
        f"what is left, and which of them are whole is not known. Copy the log again, or retry the evaluation."
    )
