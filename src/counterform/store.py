"""The run directory: Parquet rows, a JSON manifest, hashes. Alone knows the file formats.

    runs/NAME/  study.toml  manifest.json  problems.parquet  attempts/part-*.parquet  verdicts/part-*.parquet
                arms/ARM.parquet  checkpoints/ARM/SEED/  readings/PROBE/ARM-SEED.parquet  findings.json  report.html

Stages meet only here. A file appears whole (temporary name, fsync, rename) or not at all. The manifest names
each finished step with the hash of everything it was made from; a step whose hash stands is not done again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from msgspec import Struct

from counterform.errors import RunDirError

SCHEMA = 1
"""Raised whenever an older run directory can no longer be read."""

SLICE = 10_000
"""Rows turned from structs to Arrow and back at once: as plain dicts they take several times the memory."""

Row = TypeVar("Row", bound=Struct)


class RunDir:
    """One study's files. Use `open_run` to write; reading needs no lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._steps: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        """What the manifest says beside the steps: versions, counts, the audit."""
        if (path / "manifest.json").exists():
            self._load_manifest()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def is_done(self, step: str, key: str) -> bool:
        """Whether this step was finished with inputs of this hash."""
        return self._steps.get(step) == key

    def done(self, step: str, key: str, **facts: Any) -> None:
        """Record a finished step; facts stand in the manifest under its name."""
        self._steps[step] = key
        if facts:
            self.facts[step] = facts
        self._save_manifest()

    def note(self, name: str, value: Any) -> None:
        """Record something about the whole run."""
        if self.facts.get(name) != value:
            self.facts[name] = value
            self._save_manifest()

    def write_rows(self, name: str, rows: Sequence[Row], kind: type[Row]) -> None:
        """Write structs as one Parquet file."""
        self.write_table(name, table_of(rows, kind))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write an Arrow table as one Parquet file."""
        with self._appearing(name) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        with self._appearing(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, name: str, found: Struct) -> None:
        """Write a struct as JSON that a person can read."""
        self.write_text(name, msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")

    def read_rows(self, name: str, kind: type[Row]) -> list[Row]:
        """Read structs back from a Parquet file, or from a directory of parts in order."""
        return rows_of(self.read_table(name), kind)

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read an Arrow table from a Parquet file, or from a directory of parts in order."""
        path = self.path / name
        parts = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
        if not parts or not parts[0].exists():
            raise RunDirError(f"{path} is missing. Run the stage that makes it: `counterform run` does all in order.")
        try:
            return pa.concat_tables([pq.read_table(part, columns=columns and list(columns)) for part in parts])
        except (pa.ArrowInvalid, OSError) as error:
            raise RunDirError(f"{path} cannot be read ({error}). Remove it and run the same command again.") from error

    def clear(self, name: str) -> None:
        """Remove what a step is about to make anew."""
        path = self.path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def appearing_dir(self, name: str) -> Iterator[Path]:
        """A directory that appears whole: fill the one that is yielded."""
        with self._appearing(name) as temporary:
            temporary.mkdir()
            yield temporary

    @contextlib.contextmanager
    def _appearing(self, name: str) -> Iterator[Path]:
        final = self.path / name
        temporary = final.with_name(f".{final.name}.partial")
        with disk_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            if temporary.is_dir():
                shutil.rmtree(temporary)
            yield temporary
            for path in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
                _fsync(path)
            if final.is_dir():
                shutil.rmtree(final)
            temporary.replace(final)
            _fsync(final.parent)

    def _load_manifest(self) -> None:
        path = self.path / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            schema, self._steps, self.facts = manifest["schema"], manifest["steps"], manifest["facts"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunDirError(f"{path} is not a manifest of counterform ({error!r}). Use another --out.") from error
        if schema != SCHEMA:
            raise RunDirError(
                f"{self.path} was written with schema {schema}; this version reads schema {SCHEMA}. "
                "Use another --out, or the version of counterform that wrote it."
            )

    def _save_manifest(self) -> None:
        manifest = {"schema": SCHEMA, "steps": self._steps, "facts": self.facts}
        self.write_text("manifest.json", json.dumps(manifest, indent=1, sort_keys=True))


@contextlib.contextmanager
def open_run(path: Path) -> Iterator[RunDir]:
    """The run directory, locked: two runs in one directory are refused."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / ".lock")
    try:
        with disk_errors(path):
            lock.acquire(timeout=0)
    except Timeout as error:
        raise RunDirError(
            f"another run is at work in {path}. Wait for it to end, or give this one another directory with --out."
        ) from error
    try:
        yield RunDir(path)
    finally:
        lock.release()


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into one clear message."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path) from error
        if error.errno in (errno.EACCES, errno.EROFS):
            raise RunDirError(
                f"cannot write {path}: {error.strerror}. Give a writable directory with --out."
            ) from error
        raise
    except Exception as error:
        if "No space left on device" not in str(error):  # safetensors raises an error of its own
            raise
        raise _disk_full(path) from error


def _disk_full(path: Path) -> RunDirError:
    return RunDirError(
        f"the disk is full at {path}. What was finished is kept: free some space and run the same command again."
    )


def key_of(*inputs: Any) -> str:
    """The hash of anything msgspec can encode, stable over runs and machines."""
    return hashlib.sha256(msgspec.json.encode(inputs, order="sorted")).hexdigest()[:24]


def key_of_path(path: Path) -> str:
    """The hash of a file's bytes, or of all files of a directory with their names."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:24]


def table_of(rows: Sequence[Row], kind: type[Row]) -> pa.Table:
    """Structs as an Arrow table."""
    schema = arrow_schema(kind)
    json_fields = [field.name for field in schema if field.metadata and b"json" in field.metadata]
    slices = [rows[at : at + SLICE] for at in range(0, len(rows), SLICE)] or [rows]
    return pa.concat_tables(
        [pa.Table.from_pylist([_plain(row, json_fields) for row in some], schema=schema) for some in slices]
    )


def rows_of(table: pa.Table, kind: type[Row]) -> list[Row]:
    """The structs of an Arrow table."""
    json_fields = [field.name for field in arrow_schema(kind) if field.metadata and b"json" in field.metadata]
    found: list[Row] = []
    for at in range(0, len(table), SLICE):
        rows = table.slice(at, SLICE).to_pylist()
        for row in rows:
            for step in row.get("steps", ()):  # a verdict's: a few names of rules, by the million
                step["rule"] = sys.intern(step["rule"])
            for name in json_fields:
                row[name] = json.loads(row[name])
        found += msgspec.convert(rows, list[kind])  # type: ignore[valid-type]
    return found


def arrow_schema(kind: type[Struct]) -> pa.Schema:
    """The Arrow schema of a struct: nested structs and tuples as such, free dicts as JSON text."""
    return pa.schema([_arrow_field(name, hint) for name, hint in get_type_hints(kind).items()])


def _arrow_field(name: str, hint: Any) -> pa.Field:
    is_json = get_origin(hint) is dict
    return pa.field(name, _arrow_type(hint), metadata={"json": "1"} if is_json else None)


def _arrow_type(hint: Any) -> pa.DataType:
    origin, args = get_origin(hint), get_args(hint)
    if origin is dict or origin is Literal:
        return pa.string()
    if origin in (tuple, list):
        return pa.list_(_arrow_type(args[0]))
    if origin in (Union, UnionType):
        return _arrow_type(next(arg for arg in args if arg is not NoneType))
    if isinstance(hint, type) and issubclass(hint, Struct):
        return pa.struct([_arrow_field(name, inner) for name, inner in get_type_hints(hint).items()])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return pa.string()
    return {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}[hint]


def _plain(row: Struct, json_fields: Iterable[str]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(row)
    for name in json_fields:
        plain[name] = json.dumps(plain[name], sort_keys=True)
    return plain


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
