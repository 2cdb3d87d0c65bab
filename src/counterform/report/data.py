"""The one place that reads a run directory for a report. A part that is missing is empty, never a crash."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from counterform.claims.recorded import Recorded, recipe_of
from counterform.errors import RunDirError
from counterform.report.logged import LABELS, Logged
from counterform.report.unread import Answered, answered
from counterform.results import AuditRow, MatchCard, Results, Traits, decode
from counterform.store import RunDir, rows_of
from counterform.study import BASE_ARM, NAME, Study, short
from counterform.types import Checkpoint, Graded, Problem

MAX_ATTEMPTS = 5_000
"""Attempts a page can hold and stay quick."""

Noun = TypeVar("Noun")


class ShownAttempt(Struct, frozen=True, kw_only=True):
    """A graded attempt and the checkpoint that made it."""

    arm: str
    seed: int
    graded: Graded


class ReportData(Struct, frozen=True, kw_only=True):
    """All that a report says, read once."""

    name: str
    study_text: str
    results: Results
    card: MatchCard | None
    checkpoints: tuple[Checkpoint, ...]
    audit: tuple[AuditRow, ...]
    counts: dict[str, float]
    versions: dict[str, str]
    machine: dict[str, Any]
    problems: dict[str, Problem]
    attempts: tuple[ShownAttempt, ...]
    """At most MAX_ATTEMPTS, an even share of every arm, of the same problems as far as they reach."""
    n_attempts: int
    """How many there are in all."""
    answered: dict[str, Answered]
    """By arm, what became of its held-out attempts in distribution."""
    n_readings: int
    parameters: int = 0
    """Numbers in the base model's weights; 0 where nobody can say."""
    steps: tuple[Logged, ...] = ()
    """What arms that sample for themselves logged."""


def load(run: RunDir) -> ReportData:
    """Read what a report needs of a run. Raises RunDirError on a file that is there and cannot be read."""
    study_text = (run / "study.toml").read_text(encoding="utf-8") if (run / "study.toml").exists() else ""
    study = _toml(study_text, run / "study.toml")
    results = _results(run / "findings.json") or Results(
        question=study.get("question", ""), findings=(), levels=(), baselines=()
    )
    # Where no arm is trained any more, the card of those that have left the study may still lie there.
    left = bool(results.existing) and "match" not in run.records
    card = None if left else _json(run / "arms" / "match.json", MatchCard)
    order = {arm.arm: place for place, arm in enumerate(card.arms, 1)} if card else {}
    problems = {
        problem.id: problem
        for unit in ("problems", "shifted")
        for name in run.files_of(unit)
        for problem in run.read_rows(name, Problem)
    }
    written = _written(run)
    attempts, n_attempts = _attempts(written, order)
    return ReportData(
        name=_name(study["name"], run.path) if "name" in study else run.path.name,
        study_text=study_text,
        results=results,
        card=card,
        checkpoints=_checkpoints(run, order),
        audit=tuple(msgspec.convert(run.fact("audit", "rows") or [], list[AuditRow])),
        counts=run.counts,
        versions=run.versions,
        machine=run.machine,
        problems=problems,
        attempts=attempts,
        n_attempts=n_attempts,
        answered={arm: answered([table for _, table in tables], problems) for arm, tables in written.items()},
        n_readings=sum(run.read_table(name, columns=["seed"]).num_rows for name in _readings(run)),
        parameters=max(
            (
                record.facts.get("parameters", 0)
                for record in run.records.of_kind("probe")
                if record.facts["arm"] == BASE_ARM
            ),
            default=0,
        ),
        steps=tuple(_steps(run, order)),
    )


def study_of(data: ReportData) -> Study:
    """The study as its file says; without arms where there is no file, or one of another version: an arm is then what its name says."""
    try:
        return msgspec.toml.decode(data.study_text, type=Study)
    except msgspec.DecodeError:
        return Study(name="unknown", arms=())


def described(data: ReportData) -> dict[str, str]:
    """What each arm is, in a line."""
    made = {arm.arm: arm.differs_by for arm in (data.card.arms if data.card else ())}
    return {BASE_ARM: "the base model, as it was before any training"} | made | data.results.existing


def recorded(data: ReportData) -> Recorded:
    """What is kept of a run beside its page."""
    study = study_of(data)
    traits = data.results.own_of("traits", Traits)
    return Recorded(
        name=data.name,
        problems=study.problems.family or study.problems.dataset or Path(study.problems.file).stem,
        model="the world's base" if study.model.path == "world" else short(study.model.path),
        parameters=data.parameters,
        training_seconds=sum(checkpoint.ledger.seconds for checkpoint in data.checkpoints),
        results=data.results,
        recipes={spec.name: recipe_of(spec) for spec in study.arm_specs},
        retained=traits.retained if traits else (),
    )


def _written(run: RunDir) -> dict[str, list[tuple[int, pa.Table]]]:
    """By arm, each seed and what it wrote on held-out problems, each attempt once."""
    by_model: dict[tuple[str, int], list[pa.Table]] = defaultdict(list)
    for record in run.records.of_kind("probe"):
        whose = (record.facts["arm"], record.facts["seed"])
        by_model[whose] += [run.read_table(name) for name in record.facts["attempts"]]
    by_arm: dict[str, list[tuple[int, pa.Table]]] = defaultdict(list)
    for (arm, seed), tables in sorted(by_model.items()):
        if tables:
            by_arm[arm].append((seed, _once(pa.concat_tables(tables))))
    return by_arm


def _attempts(
    by_arm: Mapping[str, list[tuple[int, pa.Table]]], order: dict[str, int]
) -> tuple[tuple[ShownAttempt, ...], int]:
    """The attempts to show, those at one problem together and the base first; and how many there are."""
    sizes = {arm: sum(table.num_rows for _, table in tables) for arm, tables in by_arm.items()}
    shares = even_shares(sizes, MAX_ATTEMPTS)
    shown = [
        ShownAttempt(arm=arm, seed=seed, graded=graded)
        for arm, tables in by_arm.items()
        for seed, table in _sample(tables, shares[arm])
        for graded in rows_of(table, Graded)
    ]
    shown.sort(key=lambda a: (a.graded.attempt.problem_id, order.get(a.arm, 0), a.arm, a.seed))
    return tuple(shown), sum(sizes.values())


def _once(table: pa.Table) -> pa.Table:
    """The same attempts, each once: several probes look at the same samples."""
    ids = pc.struct_field(table["attempt"], "id").to_pylist()
    texts = pc.struct_field(table["attempt"], ["completion", "text"]).to_pylist()
    return table.take(
        list({pair: row for row, pair in reversed(list(enumerate(zip(ids, texts, strict=True))))}.values())[::-1]
    )


def even_shares(sizes: dict[str, int], total: int) -> dict[str, int]:
    """How many of each group to take so that at most `total` are taken, as evenly as the groups' sizes allow."""
    shares: dict[str, int] = {}
    left = total
    for done, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        shares[name] = min(size, left // (len(sizes) - done))
        left -= shares[name]
    return shares


def _sample(tables: list[tuple[int, pa.Table]], size: int) -> list[tuple[int, pa.Table]]:
    """`size` rows of one arm. Problems are drawn by a hash of their id, so every arm shows the same ones."""
    ranked = sorted(
        (blake2b(problem_id.encode(), digest_size=8).digest(), part, row)
        for part, (_, table) in enumerate(tables)
        for row, problem_id in enumerate(pc.struct_field(table["attempt"], "problem_id").to_pylist())
    )
    taken: dict[int, list[int]] = defaultdict(list)
    for _, part, row in ranked[:size]:
        taken[part].append(row)
    return [(seed, table.take(sorted(taken[part]))) for part, (seed, table) in enumerate(tables)]


def _trained(run: RunDir) -> list[Path]:
    """The directories of the study's checkpoints; one that has left the study may still lie beside them."""
    return [run / "checkpoints" / record.unit.partition("/")[2] for record in run.records.of_kind("train")]


def _checkpoints(run: RunDir, order: dict[str, int]) -> tuple[Checkpoint, ...]:
    found = [checkpoint for path in _trained(run) if (checkpoint := _json(path / "checkpoint.json", Checkpoint))]
    return tuple(sorted(found, key=lambda c: (order.get(c.arm, 0), c.arm, c.seed)))


def _steps(run: RunDir, order: dict[str, int]) -> Iterator[Logged]:
    paths = [path / "steps.jsonl" for path in _trained(run) if (path / "steps.jsonl").exists()]
    for path in sorted(paths, key=lambda path: (order.get(path.parts[-3], 0), path.parts[-3], int(path.parts[-2]))):
        with _naming(path):
            rows = [msgspec.json.decode(line, type=dict[str, Any]) for line in path.read_bytes().splitlines()]
        for name in LABELS:
            values = tuple(float(row[name]) for row in rows if isinstance(row.get(name), int | float))
            if values:
                yield Logged(arm=path.parts[-3], seed=int(path.parts[-2]), name=name, values=values)


def _readings(run: RunDir) -> list[str]:
    probed = [record.facts["readings"] for record in run.records.of_kind("probe")]
    return sorted([*probed, *(name for record in run.records.of_kind("dose") for name in record.files)])


def _results(path: Path) -> Results | None:
    if not path.exists():
        return None
    with _naming(path):
        return decode(path.read_bytes(), Results)


def _json(path: Path, kind: type[Noun]) -> Noun | None:
    if not path.exists():
        return None
    with _naming(path):
        return msgspec.json.decode(path.read_bytes(), type=kind)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except msgspec.DecodeError as error:
        raise RunDirError(f"{path} cannot be read ({error}). Remove it and run the same command again.") from error


def _name(name: Any, path: Path) -> str:
    """A study's name as it stands in a run: it becomes a file's name, so it must be one."""
    if not isinstance(name, str) or not re.search(NAME, name):
        raise RunDirError(
            f"{path}: the name {name!r} in study.toml is no name of a study ({NAME}). Restore study.toml."
        )
    return name


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RunDirError(f"{path} is not a TOML file ({error}). Restore it, or use another --out.") from error
