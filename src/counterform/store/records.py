"""What is kept of a finished unit of work: the hash of all its inputs, its files, and what made it.

    units/UNIT.json   of every unit that the study has now
    left/UNIT.json    of what has left the study, or was made from other inputs; its files are kept until `run --prune`

A record stands only while its files do. It is removed before any of them is touched, and appears whole after they all have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from counterform.errors import RunDirError
from counterform.store.appearing import appearing, disk_errors, fsync, leftovers, remove

ASKED, CRITIQUES = "asked", "critiques"
"""Folders of answers that are kept while a unit is made, so that an interruption costs none, each named by what was asked."""
DROPPED = "dropped"
"""The fact of a training whose checkpoint was not kept: the hash of what it was."""
KEPT = "kept"
"""The fact of a unit that names those which it used."""


class Record(Struct, frozen=True, kw_only=True):
    """A finished unit."""

    unit: str
    key: str
    """The hash of everything it was made from."""
    files: dict[str, int]
    """Name in the run directory -> bytes."""
    made: str
    seconds: float
    versions: dict[str, str]
    """Of what made it."""
    machine: dict[str, Any]
    """That made it."""
    lost: int = 0
    """Calls that failed and may not fail again: they are made again on the next run."""
    edition: str = ""
    """Tells what was made with other losses from the same inputs; empty where nothing was lost."""
    counts: dict[str, float] = {}
    """Rows that something happened to, for the report."""
    notes: tuple[str, ...] = ()
    """What a reader of the findings must know."""
    facts: dict[str, Any] = {}
    """What later units, or the report, are told (JSON values only)."""
    tokens: int = 0
    """That were generated, or trained on."""


class Records(Mapping[str, Record]):
    """The records in a run directory, by the name of their unit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._now: dict[str, Record] = {}
        self._kinds: dict[str, dict[str, Record]] = defaultdict(dict)  # the same, since keys ask for all of a kind
        self.read_again()

    def __getitem__(self, unit: str) -> Record:
        return self._now[unit]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._now))

    def __len__(self) -> int:
        return len(self._now)

    def of_kind(self, kind: str) -> list[Record]:
        """The records of all units of one kind, the word before the first slash, in order of their names."""
        return [record for _, record in sorted(self._kinds[kind].items())]

    def read_again(self) -> None:
        """Look again at all of them: other workers may have finished units."""
        self._now.clear()
        self._kinds.clear()
        for record in self._read_all("units"):
            self._put(record)

    def stands(self, unit: str, key: str) -> bool:
        """Whether a unit was finished with inputs of this hash, and its files are still there as they were made."""
        record = self.get(unit)
        return record is not None and record.key == key and self._has_its_files(record)

    def refresh(self, unit: str) -> None:
        """Look again: another worker may have finished it."""
        found = self._read(self._path / file_of(unit))
        self._drop(unit)
        if found is not None:
            self._put(found)

    def write(self, record: Record) -> None:
        """Record a finished unit."""
        with appearing(self._path / file_of(record.unit)) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=1))
        self._put(record)

    def forget(self, unit: str) -> Record | None:
        """Remove a unit's record, before its files are touched; returns what it said."""
        gone = self._drop(unit)
        for folder in ("units", "left"):
            path = self._path / file_of(unit, folder)
            with disk_errors(path):
                if path.exists():
                    gone = gone or self._read(path)
                    path.unlink()
                    fsync(path.parent)
        return gone

    def set_aside(self, keys: Mapping[str, str]) -> None:
        """Set aside every record that is of none of these units (name -> key): it has left the study."""
        for record in list(self._now.values()):
            if keys.get(record.unit) != record.key:
                self._move(record.unit, "units", "left")
                self._drop(record.unit)

    def take_back(self, unit: str, key: str) -> None:
        """Take back a record that was set aside, where it is of inputs of this hash and none stands in its place."""
        if unit not in self._now:
            record = self._read(self._path / file_of(unit, "left"))
            if record is not None and record.key == key and self._has_its_files(record):
                self._move(unit, "left", "units")
                self._put(record)

    def left(self) -> list[Record]:
        """The records of what has left the study."""
        return list(self._read_all("left"))

    def _put(self, record: Record) -> None:
        self._now[record.unit] = self._kinds[record.unit.partition("/")[0]][record.unit] = record

    def _drop(self, unit: str) -> Record | None:
        self._kinds[unit.partition("/")[0]].pop(unit, None)
        return self._now.pop(unit, None)

    def _has_its_files(self, record: Record) -> bool:
        try:
            return all((self._path / name).stat().st_size == size for name, size in record.files.items())
        except OSError:
            return False

    def _move(self, unit: str, here: str, there: str) -> None:
        old, new = self._path / file_of(unit, here), self._path / file_of(unit, there)
        with disk_errors(new):
            new.parent.mkdir(parents=True, exist_ok=True)
            old.replace(new)

    def _read_all(self, folder: str) -> Iterator[Record]:
        for path in sorted((self._path / folder).rglob("*.json")):
            if not path.name.startswith(".") and (found := self._read(path)) is not None:
                yield found

    def _read(self, path: Path) -> Record | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (msgspec.MsgspecError, OSError) as error:
            raise RunDirError(f"{path} cannot be read ({error}). Remove it and run the same command again.") from error


def file_of(unit: str, folder: str = "units", suffix: str = ".json") -> str:
    """The file of a unit's record, or with another suffix of its claim, in the run directory."""
    return f"{folder}/{quote(unit, safe='/@+,=')}{suffix}"


def prune(path: Path, records: Records) -> list[str]:
    """Remove the files and records of what has left the study, and what dead writers left behind; names what went."""
    kept = {name for record in records.values() for name in record.files}
    gone: list[str] = []
    for record in records.left():
        for name in record.files:
            if name not in kept and (path / name).exists():
                remove(path / name)
                gone.append(name)
        remove(path / file_of(record.unit, "left"))
    used = {folder for record in records.values() for folder in record.facts.get(KEPT, ())}
    for folder in (*path.glob(f"{ASKED}/*"), *path.glob(f"{CRITIQUES}/*")):
        if (name := str(folder.relative_to(path))) not in used:
            remove(folder)
            gone.append(name)
    for folder in path.glob("partial/*"):
        if not any(record.lost and folder.name.endswith(record.key) for record in records.values()):
            remove(folder)
            gone.append(str(folder.relative_to(path)))
    folders = sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True)
    for folder in folders:
        for partial in leftovers(folder):
            remove(partial)
            gone.append(str(partial.relative_to(path)))
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return gone
