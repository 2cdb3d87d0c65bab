"""The rows of anybody's file: JSONL, a JSON list, CSV or Parquet. One that cannot be read is numbered, kept out and counted."""

from __future__ import annotations

import codecs
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from counterform.errors import DataError
from counterform.types import Mark

Row = dict[str, Any]
STDIN = Path("-")
"""The name that stands for standard input, which is read as JSONL."""
MAX_FIELD = 64 << 20
"""Characters of one field of a CSV file."""
# True == 1 == 1.0 in Python, so this table reads numbers too.
_GRADES = {
    True: Mark.RIGHT,
    False: Mark.WRONG,
    "true": Mark.RIGHT,
    "false": Mark.WRONG,
    "1": Mark.RIGHT,
    "0": Mark.WRONG,
} | {mark.value: mark for mark in Mark}
_BLANK = object()
_EXCERPT = 60
"""Characters of a value in a message."""


class BrokenRow(NamedTuple):
    """A row that was kept out: its line (in a list or a Parquet file: its row), counted from 1, and why."""

    line: int
    reason: str


class Unusable(Exception):
    """Why one row cannot be used."""


def read_rows(path: Path, broken: list[BrokenRow]) -> Iterator[tuple[int, Row]]:
    """Every object of the file with its number; what cannot be read as an object goes to `broken`."""
    readers = {".jsonl": _json_lines, ".json": _json, ".parquet": _parquet, ".csv": _csv}
    read = _json_lines if path == STDIN else readers.get(path.suffix.lower())
    if read is None:
        raise DataError(f"cannot tell what {str(path)!r} is. Give a file named .jsonl, .json, .csv or .parquet.")
    try:
        for line, value in enumerate(read(path), 1):
            if isinstance(value, dict):
                yield line, value
            elif value is not _BLANK:
                reason = str(value) if isinstance(value, Unusable) else f"not an object: {excerpt(value)}"
                broken.append(BrokenRow(line, reason))
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error


def _json_lines(path: Path) -> Iterator[Any]:
    with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as stream:
        for line in stream:
            yield _decoded(line.removeprefix(codecs.BOM_UTF8)) if not line.isspace() else _BLANK


def _json(path: Path) -> Iterable[Any]:
    """A list of rows; a file without one is read line by line, as many are named so."""
    text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    value = _decoded(text)
    return value if isinstance(value, list) else _json_lines(path)


def _parquet(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=8192):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{str(path)!r} is not a readable Parquet file: {error}.") from error


def _csv(path: Path) -> Iterator[Any]:
    """The rows of a CSV file with a head; an empty field is null."""
    csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            for row in csv.DictReader(stream, restkey=""):
                if "" in row:
                    yield Unusable("more fields than the head has")
                else:
                    yield {name: value or None for name, value in row.items()}
    except csv.Error as error:
        raise DataError(f"{str(path)!r} is not a readable CSV file: {error}.") from error


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        try:
            value = json.loads(text)  # NaN and Infinity, which other writers put where JSON has no number
            msgspec.json.encode(value)  # half a surrogate pair is text that nothing can write
            return value
        except (ValueError, RecursionError):
            return Unusable(f"not JSON: {error}")


def recorded_mark(value: object) -> Mark | None:
    """The mark that somebody recorded: true, false, 1, 0, right, wrong or unknown; None for anything else."""
    if value is None:
        return Mark.UNKNOWN
    if isinstance(value, str):
        return _GRADES.get(value.strip().lower())
    return _GRADES.get(value) if isinstance(value, bool | int | float) else None


def nothing_usable(path: Path, what: str, broken: Sequence[BrokenRow]) -> DataError:
    """The error for a file in which no row can be used, with the first reason."""
    if not broken:
        return DataError(f"{path} is empty: it holds no {what}.")
    first = min(broken)
    return DataError(
        f"{path} holds no usable {what}: {len(broken)} broken rows, the first at line {first.line}: {first.reason}."
    )


def excerpt(value: object) -> str:
    """A value of a row, short enough for a message."""
    text = repr(value)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
