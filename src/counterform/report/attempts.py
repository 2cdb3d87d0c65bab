"""One problem and the attempts at it, from a run directory."""

from __future__ import annotations

import pyarrow.compute as pc

from counterform.errors import DataError
from counterform.store import RunDir, rows_of
from counterform.types import Attempt, Graded, Problem, Verdict


def find_attempts(files: RunDir, name: str) -> tuple[Problem, list[Graded]]:
    """A problem and the attempts at it: all of them by the problem's id, one by the attempt's.

    Looks at the pool and at what every arm wrote on held-out problems. Raises DataError for an unknown id.
    """
    names = [file for unit in ("problems", "shifted") for file in files.files_of(unit)]
    problems = {p.id: p for file in names for p in files.read_rows(file, Problem)}
    # Ids may hold slashes themselves, and one problem's may begin with another's.
    of = [problem for problem in problems if name == problem or name.startswith(f"{problem}/")]
    if not of:
        shown = f" Ids stand in the report's browser, e.g. {next(iter(problems))!r}." if problems else ""
        raise DataError(f"no problem or attempt {name!r} in {files.path}.{shown}")
    for problem_id in sorted(of, key=len, reverse=True):
        graded = _attempts_at(files, problem_id)
        wanted = [g for g in graded if name in (problem_id, g.attempt.id)]
        if wanted:
            return problems[problem_id], wanted
    known = [g.attempt.id for g in graded][:12]
    raise DataError(
        f"problem {problem_id!r} has no attempt{'' if name == problem_id else f' {name!r}'}. It has: {known}."
    )


def _attempts_at(files: RunDir, problem_id: str) -> list[Graded]:
    """All attempts at a problem, each once: first those of the pool that are graded, then what models wrote when they were probed."""
    found: list[Graded] = []
    for record in files.records.of_kind("verify"):
        part = record.unit.partition("/")[2]
        attempts, verdicts = files.read_table(f"attempts/{part}.parquet"), files.read_table(f"verdicts/{part}.parquet")
        pool = rows_of(attempts.filter(pc.equal(attempts["problem_id"], problem_id)), Attempt)
        marks = rows_of(verdicts.filter(pc.equal(verdicts["problem_id"], problem_id)), Verdict)
        found += [Graded(attempt=a, verdict=v) for a, v in zip(pool, marks, strict=True)]
    for record in files.records.of_kind("probe"):
        for name in record.facts["attempts"]:
            rows = files.read_rows(name, Graded)
            found += [g for g in rows if g.attempt.problem_id == problem_id]
    return list({(g.attempt.id, g.attempt.completion.text): g for g in found}.values())
