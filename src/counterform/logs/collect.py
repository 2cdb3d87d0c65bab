"""From what a user names (a log, or a folder of logs) to answers by model, task and run."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.errors import DataError, unknown_name
from counterform.logs.archive import names as archive_names
from counterform.logs.items import Items
from counterform.logs.plain import Plain
from counterform.logs.reader import About, Broken, Direction, Head, LogReader, Row
from counterform.logs.streams import head
from counterform.logs.table import Table

LEVELS = 30
"""Levels of a column that results are broken down by; more are no groups."""

ANY = "\0"
"""Stands for the models of an arm that are taken for one."""
_Key = tuple[int | None, str, str]
"""Step, model and task of a table."""

Watch = Callable[[Table, int, Row], None]
"""Is shown each row as it is read, with its table and the number of its answer."""


class LogFile(Struct, frozen=True, kw_only=True):
    """What was read of one file."""

    path: str
    format: str
    status: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    rows: int
    broken: int
    unscored: Mapping[str, Mapping[str, int]]
    """By scorer and reason."""
    notes: tuple[str, ...] = ()
    """What a reader must know before believing the numbers."""


class LoggedArm(Struct, frozen=True, kw_only=True):
    """One model (or several, taken for one because their logs lie in one folder) and all it answered."""

    label: str
    models: tuple[str, ...]
    files: tuple[LogFile, ...]
    """Those that hold its answers, and those that hold none of anybody's."""
    tasks: Mapping[str, list[Table]]
    """A table for each run of a task."""
    better: Mapping[str, Direction]
    """By scorer."""
    identities: frozenset[object]
    """Of its evaluations: equal for equal logs."""
    notes: tuple[str, ...] = ()


class Source(Struct, frozen=True, kw_only=True):
    """How logs are to be read."""

    readers: Sequence[LogReader]
    """The tools' own; the last one that recognises anything, `plain`, is only asked where no other does."""
    plain: Plain
    items: Items | None = None
    by: str = ""
    watch: Watch | None = None


class _Found(Struct, frozen=True):
    path: Path
    reader: LogReader
    about: About


def read(path: Path, source: Source, *, apart: bool) -> list[LoggedArm]:
    """Every arm that a log or a folder of logs holds.

    Models of different steps are apart, and so are the models of one file; `apart`: so are those of different files, which are otherwise
    taken for seeds of one arm. Raises DataError where nothing can be read.
    """
    notes: list[str] = []
    found = _standing(_recognised(path, source), notes)
    reading = _Reading(source)
    for log in found:
        reading.take(log)
    reading.require_levels()
    apart = apart or reading.mixed
    kinds = Counter(step for step, _, _ in reading.tables)
    arms = []
    for (step, model), parts in _grouped(reading.tables, apart).items():
        mine = [key for key in reading.tables if key[0] == step and model in (key[1], ANY)]
        several = len({(s, m) for s, m, _ in reading.tables}) > 1
        named = [f"step {step}"] if step is not None and len(kinds) > 1 else []
        named += [model] if several and model not in ("", ANY) else []
        arms.append(
            LoggedArm(
                label=f"{path} ({', '.join(named)})" if named else str(path),
                models=tuple(dict.fromkeys(key[1] for key in mine if key[1])),
                files=tuple(file for file, keys in reading.files if not keys or not keys.isdisjoint(mine)),
                tasks=parts,
                better=reading.better,
                identities=frozenset(identity for key in mine for identity in reading.identities[key]),
                notes=tuple(notes),
            )
        )
    if not arms:
        broken = "; ".join(note for file, _ in reading.files for note in file.notes) or "no rows"
        raise DataError(f"{str(path)!r} holds no answers: {broken}.")
    return arms


def _grouped(
    tables: Mapping[_Key, dict[str, Table]], apart: bool
) -> dict[tuple[int | None, str], dict[str, list[Table]]]:
    grouped: dict[tuple[int | None, str], dict[str, list[Table]]] = {}
    for (step, model, task), runs in tables.items():
        of = grouped.setdefault((step, model if apart else ANY), {})
        of.setdefault(task, []).extend(runs.values())
    return grouped


class _Reading:
    """Files on their way into tables."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.tables: dict[_Key, dict[str, Table]] = {}
        """By step, model and task: a table for each run."""
        self.files: list[tuple[LogFile, frozenset[_Key]]] = []
        """Each with the tables that it has rows of."""
        self.better: dict[str, Direction] = {}
        self.mixed = False
        self.identities: defaultdict[_Key, set[object]] = defaultdict(set)
        """Of the evaluations that hold a table's rows."""
        self._columns: dict[str, None] = {}
        self._digests: dict[int, Path] = {}

    def require_levels(self) -> None:
        """Raises DataError where the column that results are broken down by is not there, or holds no groups."""
        by = self._source.by
        levels = {level for runs in self.tables.values() for table in runs.values() for level in table.levels} - {""}
        if by and not levels:
            raise DataError(f"--by: {unknown_name('column', by, self._columns)}")
        if len(levels) > LEVELS:
            raise DataError(
                f"--by {by}: {len(levels):,} different values, e.g. {min(levels)!r}; at most {LEVELS} are groups."
            )

    def take(self, log: _Found) -> None:
        """Read one file."""
        run, broken, count = log.reader.run(log.path), Broken(), 0
        digests: dict[_Key, int] = {}
        fresh: dict[_Key, Table] = {}
        models: dict[str, None] = {}
        items, by, watch = self._source.items, self._source.by, self._source.watch
        for row in log.reader.rows(log.path, broken):
            count += 1
            kept = row if items is None else items.of(row)
            if kept is None:
                continue
            model = kept.model or log.about.model
            models[model] = None
            key = (kept.step, model, kept.task)
            table = fresh.get(key)
            if table is None:
                table = fresh[key] = self.tables.get(key, {}).get(run) or Table(
                    kept.named_by or log.reader.name, (run, *key)
                )
            at = table.add(kept, _level(kept, by) if by else "")
            digests[key] = hash((digests.get(key), kept.item, kept.sample, kept.scores, kept.text))
            if watch is not None:
                watch(table, at, kept)
            if by and count <= LEVELS:
                self._columns.update(dict.fromkeys(kept.columns))
        self.mixed |= len(models) > 1
        notes = _notes(log.about, broken, count)
        digest = hash(frozenset(digests.items()))
        if fresh and self._digests.setdefault(digest, log.path) != log.path:
            notes.append(f"the same rows as {self._digests[digest]}: the same log twice, read once")
            fresh = {}
        for key, rows in digests.items():
            self.identities[key].add((log.about.identity, key) if log.about.identity else rows)
        for key, table in fresh.items():
            table.expect(log.about.scorers)
            self.tables.setdefault(key, {})[run] = table
            for scorer in table.scorers:
                self.better[scorer] = log.reader.direction(log.about, scorer)
            if table.repeated:
                notes.append(f"{table.repeated:,} answers came again under the same item and sample; the first is kept")
        file = LogFile(
            path=str(log.path),
            format=log.reader.name,
            status=log.about.status,
            models=tuple(model for model in models if model),
            tasks=tuple(dict.fromkeys(task for _, _, task in fresh if task)),
            rows=count,
            broken=broken.count,
            unscored=_unscored(fresh.values()),
            notes=tuple(notes),
        )
        self.files.append((file, frozenset(fresh)))


def _level(row: Row, by: str) -> str:
    value: Any = row.columns
    for part in by.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)[:60]


def _notes(about: About, broken: Broken, count: int) -> list[str]:
    notes = []
    if about.status != "success":
        said = f": {about.error}" if about.error else ""
        notes.append(f"the log's status is {about.status!r}, not success{said}")
    if about.expected is not None and count < about.expected:
        notes.append(f"{count:,} of {about.expected:,} answers are there")
    if broken.count:
        notes.append(f"{broken.count:,} rows cannot be read, e.g. {broken.examples[0]}")
    return notes


def _unscored(tables: Iterable[Table]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for table in tables:
        for scorer in table.scorers:
            found.setdefault(scorer, Counter()).update(table.unscored(scorer))
    return {scorer: dict(reasons.most_common()) for scorer, reasons in found.items() if reasons}


def _reader_of(path: Path, source: Source) -> LogReader | None:
    """The tool whose file this is, or else `plain`; None where nobody can read it. Raises DataError where it cannot be opened."""
    beginning = head(path, archive_names)
    found = next((reader for reader in source.readers if reader.recognises(beginning)), None)
    return found or (source.plain if source.plain.recognises(beginning) else None)


def _recognised(path: Path, source: Source) -> list[_Found]:
    """The logs that a user names. Raises DataError that says what else it is."""
    if not path.exists():
        hub = "ORG/NAME" if path.is_absolute() else path
        raise DataError(
            f"{str(path)!r}: there is no such file or folder. Give a log or a folder of logs ({_formats(source)}), the directory of a "
            f"checkpoint, hf:{hub} if it is a model on the hub, or an endpoint, http://HOST/v1#MODEL."
        )
    if path.is_file():
        reader = _reader_of(path, source)
        if reader is None and _head(path).names >= {"results", "configs"}:
            raise DataError(
                f"{str(path)!r} holds the totals of an evaluation. Give its samples, or the folder of both."
            )
        if reader is None:
            source.plain.columns(_head(path))  # raises, and says which columns are missing
            raise AssertionError("plain recognises what it can read")
        return [_Found(path, reader, reader.about(path))]
    tools = _logs_in(path, source)
    if not tools:
        raise DataError(f"{str(path)!r} holds no log. Formats: {_formats(source)}.")
    return [_Found(file, reader, reader.about(file)) for file, reader in tools]


def holds_logs(path: Path, source: Source) -> bool:
    """Whether a folder holds logs of a tool; its other tables may be anything."""
    return any(reader is not source.plain for _, reader in _logs_in(path, source))


def _logs_in(path: Path, source: Source) -> list[tuple[Path, LogReader]]:
    """The logs of tools in a folder; where there is none, those with columns of known names."""
    found = []
    for file in _files_in(path):
        try:
            reader = _reader_of(file, source)
        except DataError:
            continue  # a folder holds other things too
        if reader is not None:
            found.append((file, reader))
    return [(file, reader) for file, reader in found if reader is not source.plain] or found


def _files_in(path: Path) -> list[Path]:
    """Every file below a folder that this user can see, hidden ones apart, in order."""
    return sorted(
        Path(folder, name)
        for folder, _, names in os.walk(path)
        for name in names
        if not name.startswith(".") and os.path.isfile(os.path.join(folder, name))
    )


def _head(path: Path) -> Head:
    return head(path, archive_names)


def _formats(source: Source) -> str:
    return ", ".join(reader.name for reader in (*source.readers, source.plain))


def _standing(found: list[_Found], notes: list[str]) -> list[_Found]:
    """Without attempts that a later one took over, and shards that stand in their merged log."""
    merged = {log.reader.run(log.path) for log in found if log.about.status == "success"}
    last: dict[tuple[str, str], _Found] = {}
    for log in found:
        run = log.reader.run(log.path)
        shard = run != str(log.path) and bool(log.about.attempt)
        if shard and str(Path(run).with_suffix(".eval")) in merged:
            notes.append(f"{log.path.name}: a shard of {Path(run).stem}.eval, which holds it")
            continue
        key = (str(log.path.parent) if shard else "", log.about.attempt or str(log.path))
        before = last.get(key)
        if before is not None:
            kept, left = (log, before) if log.about.created > before.about.created else (before, log)
            why = "the same evaluation as" if kept.about.identity == left.about.identity else "an earlier attempt at"
            notes.append(f"{left.path.name} is left out: {why} {kept.path.name}")
            last[key] = kept
        else:
            last[key] = log
    return list(last.values())
