"""The run directory: Parquet rows, JSON, and a record of every finished unit of work.

    runs/NAME/  run.json  study.toml  problems.parquet  attempts/part-*.parquet  verdicts/part-*.parquet
                arms/ARM.parquet  checkpoints/ARM/SEED/  readings/PROBE/ARM-SEED.parquet  findings.json  report.html
                units/UNIT.json

Stages meet only here. A file appears whole or not at all (appearing.py). A unit that stands is not done again (records.py).
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from counterform.errors import RunDirError
from counterform.store.appearing import appearing, disk_errors, is_partial, remove
from counterform.store.claim import Claimed, claimed
from counterform.store.records import Records
from counterform.store.rows import Row, rows_of, table_of

SCHEMA = 2
"""Raised whenever an older run directory can no longer be read."""
MARK = "run.json"
"""The file that makes a directory ours; written first."""


class Mark(Struct, frozen=True, kw_only=True):
    """What `run.json` says."""

    schema: int
    study: msgspec.Raw = msgspec.Raw(b"null")
    """The study that was run last, its files as absolute paths: what a worker does units of."""


class RunDir:
    """One study's files. `open_run` opens it for a study; reading needs no claim."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @cached_property
    def records(self) -> Records:
        """What is finished."""
        return Records(self.path)

    @property
    def counts(self) -> dict[str, float]:
        """What was counted, over all units."""
        found: dict[str, float] = defaultdict(float)
        for record in self.records.values():
            for name, n in record.counts.items():
                found[name] += n
        return dict(found)

    @property
    def versions(self) -> dict[str, str]:
        """Of everything that made what is here; several where several did."""
        return _each([record.versions for record in self.records.values()])

    @property
    def machine(self) -> dict[str, Any]:
        """What it was made on; several where several were."""
        return _each([record.machine for record in self.records.values()])

    def fact(self, unit: str, name: str) -> Any:
        """What a finished unit said under this name; None where it is not finished, or said nothing."""
        record = self.records.get(unit)
        return record.facts.get(name) if record else None

    def files_of(self, unit: str) -> list[str]:
        """The files of a finished unit; none where it is not finished."""
        record = self.records.get(unit)
        return list(record.files) if record else []

    def write_rows(self, name: str, rows: Sequence[Row], kind: type[Row]) -> None:
        """Write structs as one Parquet file."""
        self.write_table(name, table_of(rows, kind))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write an Arrow table as one Parquet file."""
        with appearing(self.path / name) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        with appearing(self.path / name) as temporary:
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
        """Remove a file or a whole directory."""
        remove(self.path / name)

    @contextlib.contextmanager
    def appearing_dir(self, name: str) -> Iterator[Path]:
        """A directory that appears whole: fill the one that is yielded."""
        with appearing(self.path / name) as temporary:
            temporary.mkdir()
            yield temporary

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Of these files, and of all files of these directories, the size of each."""
        found: dict[str, int] = {}
        for name in names:
            path = self.path / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    found[str(file.relative_to(self.path))] = file.stat().st_size
        return found

    def mark(self) -> Mark:
        """What `run.json` says. Raises RunDirError for a directory that is no run, or one of another schema."""
        return _mark(self.path)

    def write_mark(self, study: bytes) -> None:
        """Say which study is run here, in JSON."""
        self.write_text(MARK, msgspec.json.encode(Mark(schema=SCHEMA, study=msgspec.Raw(study))).decode() + "\n")


def finished_run(path: Path) -> RunDir:
    """A run directory that is there, to be read. Raises RunDirError for one that is not ours, or of another schema."""
    run = RunDir(path)
    run.mark()
    return run


@contextlib.contextmanager
def open_run(path: Path) -> Iterator[RunDir]:
    """The run directory, for one study at a time: two runs in one directory are refused, and so is a directory of something else."""
    with disk_errors(path):
        if path.is_symlink() and not path.exists():
            raise RunDirError(f"{path} is a link to nothing. Give another directory with --out.")
        path.mkdir(parents=True, exist_ok=True)
        inside = [entry.name for entry in path.iterdir() if not is_partial(entry.name)]
    if MARK in inside or _is_old(path / "manifest.json"):
        _mark(path)
    elif inside:
        raise RunDirError(
            f"{path} is not empty, and is no run of counterform: it holds {', '.join(sorted(inside)[:3])}. It is left as it is. "
            "Give an empty directory, or one that is not there yet, with --out."
        )
    else:
        RunDir(path).write_mark(b"null")
    try:
        with claimed(path / "run.claim"):
            yield RunDir(path)
    except Claimed as error:
        if error.path != path / "run.claim":
            raise
        raise RunDirError(
            f"another run is at work in {path} ({error.holder}). Wait for it to end, or give this one another directory "
            "with --out."
        ) from error


def _mark(path: Path) -> Mark:
    try:
        mark = msgspec.json.decode((path / MARK).read_bytes(), type=Mark)
    except (FileNotFoundError, NotADirectoryError) as error:
        # Schema 1 had a manifest; one that is somebody else's has no schema.
        if _is_old(path / "manifest.json"):
            raise _other_schema(path, 1) from error
        raise RunDirError(f"{path} is not a run directory: it holds no {MARK}. `counterform run` makes one.") from error
    except (msgspec.MsgspecError, OSError) as error:
        raise RunDirError(f"{path / MARK} is not of counterform ({error}). Use another --out.") from error
    if mark.schema != SCHEMA:
        raise _other_schema(path, mark.schema)
    return mark


def _is_old(manifest: Path) -> bool:
    try:
        found = msgspec.json.decode(manifest.read_bytes())
    except (msgspec.MsgspecError, OSError):
        return False
    return isinstance(found, dict) and found.keys() == {"schema", "steps", "facts"}


def _other_schema(path: Path, schema: int) -> RunDirError:
    return RunDirError(
        f"{path} was written with schema {schema}; this version reads schema {SCHEMA}. Use another --out, or the version of "
        "counterform that wrote it."
    )


def _each(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for one in found:
        for name, value in one.items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
    return {name: several[0] if len(several) == 1 else ", ".join(map(str, several)) for name, several in values.items()}
