"""Files of any size, read a row at a time: JSON lines, one big JSON document, Parquet, CSV.

A bare `NaN` is not JSON, but Python's tools write it (inspect_ai for what was not scored), so what msgspec refuses is tried with the
standard library's reader before it is called broken.
"""

from __future__ import annotations

import codecs
import csv
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from counterform.errors import DataError
from counterform.logs.reader import Broken, Head

MAX_LINE = 1 << 28
"""Bytes of one row; a longer one is broken."""
CHUNK = 1 << 20
FIRST_MEMBERS, FIRST_ROWS = 3, 20
"""Of a JSON document, and of rows, looked at to recognise them."""
DELIMITERS = ",;\t"
PACKED = {b"\x1f\x8b": ("packed by gzip", "gunzip"), b"\x28\xb5\x2f\xfd": ("packed by Zstandard", "unzstd")}
_SPACE = " \t\r\n"
_AFTER = frozenset(",:]} \t\r\n")


def decode(text: bytes) -> Any:
    """JSON, or JSON with bare NaN and Infinity. Raises ValueError for anything else, however deep or long."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return json.loads(text.decode("utf-8", "replace"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def lines(path: Path, broken: Broken) -> Iterator[dict[str, Any]]:
    """Every object of a file of JSON lines."""
    for number, line in enumerate(_lines(path), 1):
        if line.isspace():
            continue
        if len(line) >= MAX_LINE:
            broken.add(f"line {number}", f"longer than {MAX_LINE >> 20} MB")
            continue
        try:
            value = decode(line.removeprefix(codecs.BOM_UTF8))
        except ValueError as error:
            broken.add(f"line {number}", f"not JSON: {error}")
            continue
        if isinstance(value, dict):
            yield value
        else:
            broken.add(f"line {number}", f"not an object: {str(value)[:40]!r}")


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of at most MAX_LINE bytes; the rest of a longer one is passed over."""
    with opened(path) as stream:
        while line := stream.buffer.readline(MAX_LINE):
            yield line
            while not line.endswith(b"\n") and len(line) >= MAX_LINE:
                line = stream.buffer.readline(MAX_LINE)


def opened(path: Path) -> TextIO:
    """The file as UTF-8 text, whatever stands in it. Raises DataError."""
    try:
        return path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error


class _Document:
    """A JSON document that is read from its beginning to its end, a value at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = opened(path)
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    def close(self) -> None:
        self._stream.close()

    def peek(self) -> str:
        """The next sign that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def take(self, signs: str) -> str:
        """The next sign, which must be one of these."""
        sign = self.peek()
        if not sign or sign not in signs:
            raise self._error(f"expected one of {signs!r}")
        self._at += 1
        return sign

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise self._error("nested too deeply") from error
            except ValueError as error:
                if self._ended:
                    raise self._error(str(error)) from error
            else:
                if self._ended or self._text[end : end + 1] in _AFTER:  # a number at the edge may go on
                    self._at = end
                    return value
            self._more()

    def _more(self) -> None:
        self._text = self._text[self._at :]
        self._at = 0
        if len(self._text) > MAX_LINE:
            raise self._error(f"a value longer than {MAX_LINE >> 20} MB")
        read = self._stream.read(max(CHUNK, len(self._text)))
        self._text += read
        self._ended = not read

    def _error(self, why: str) -> DataError:
        cut = " The file is cut off." if self._ended else ""
        return DataError(f"{str(self._path)!r} is not a JSON document that can be read: {why}.{cut}")


def members(path: Path, *, inside: str = "") -> Iterator[tuple[str, Any]]:
    """The members of a JSON object by name, or the elements of a list under the empty name, one at a time.

    Elements of the list under `inside` come one by one under that name. Raises DataError where the text ends or errs.
    """
    document = _Document(path)
    try:
        if document.take("{[") == "[":
            yield from (("", element) for element in _elements(document))
            return
        while document.peek() != "}":
            name = document.value()
            document.take(":")
            if name == inside and document.peek() == "[":
                document.take("[")
                yield from ((inside, element) for element in _elements(document))
            else:
                yield str(name), document.value()
            if document.take(",}") == "}":
                return
    finally:
        document.close()


def _elements(document: _Document) -> Iterator[Any]:
    if document.peek() == "]":
        document.take("]")
        return
    while True:
        yield document.value()
        if document.take(",]") == "]":
            return


def parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Every row of a Parquet file. Raises DataError."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=2048):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{str(path)!r} is not a readable Parquet file: {str(error).rstrip('.')}.") from error


def delimited(path: Path, broken: Broken) -> Iterator[dict[str, Any]]:
    """Every row of a CSV or TSV file with a header; an empty field is None."""
    csv.field_size_limit(min(MAX_LINE, sys.maxsize))
    with opened(path) as stream:
        first = stream.readline(CHUNK)
        stream.seek(0)
        reader = csv.reader(stream, delimiter=max(DELIMITERS, key=first.count))
        try:
            header = next(reader, [])
            for values in reader:
                if len(values) == len(header):
                    yield {name: value or None for name, value in zip(header, values, strict=True)}
                elif values:
                    broken.add(f"line {reader.line_num}", f"{len(values)} fields for {len(header)} columns")
        except csv.Error as error:
            raise DataError(f"{str(path)!r}, line {reader.line_num}: {error}.") from error


def head(path: Path, zip_names: Any) -> Head:
    """The beginning of a file. `zip_names`: the members of an archive. Raises DataError where it holds nothing that is known."""
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error
    if start == b"PK\x03\x04":
        return Head(path=path, container="zip", names=frozenset(zip_names(path)))
    if start == b"PAR1":
        row = next(parquet(path), {})
        return Head(path=path, container="parquet", names=frozenset(_schema(path)), row=row)
    for sign, (how, tool) in PACKED.items():
        if start.startswith(sign):
            raise DataError(f"{str(path)!r} is {how}. Unpack it first: {tool} {path.name}")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{str(path)!r} is text in UTF-16. Save it as UTF-8.")
    return _text_head(path)


def _schema(path: Path) -> list[str]:
    with pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


def _text_head(path: Path) -> Head:
    line = next((line for line in _lines(path) if not line.isspace()), b"").removeprefix(codecs.BOM_UTF8).strip()
    if not line:
        raise DataError(f"{str(path)!r} is empty.")
    if line[:1] in b"{[":
        try:
            value = decode(line)
        except ValueError:
            value = None
        if isinstance(value, dict):
            names = {name for row in islice(lines(path, Broken()), FIRST_ROWS) for name in row}
            return Head(path=path, container="jsonl", names=frozenset(names), row=value)
        return _document_head(path)
    if any(sign.encode() in line for sign in DELIMITERS):
        row = next(delimited(path, Broken()), {})
        return Head(path=path, container="csv", names=frozenset(row), row=row)
    raise DataError(f"{str(path)!r} begins with {line[:40]!r}: no JSON, Parquet, CSV or zip that is known.")


def _document_head(path: Path) -> Head:
    """The first members of an object, or the first rows of a list."""
    first: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for name, value in members(path):
        if name:
            first[name] = value
        elif isinstance(value, dict):
            rows.append(value)
        if len(first) == FIRST_MEMBERS or len(rows) == FIRST_ROWS:
            break
    names = frozenset(first) | {name for row in rows for name in row}
    return Head(path=path, container="json", names=names, row=rows[0] if rows else first)
