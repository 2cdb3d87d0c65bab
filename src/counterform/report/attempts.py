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
    problems = {p.id: p for p in files.read_rows("problems.parquet", Problem)}
    problem_id = name if name in problems else name.rsplit("/", 2)[0]
    if problem_id not in problems:
        raise DataError(
            f"no problem or attempt {name!r} in {files.path}. Ids stand in the report's browser, e.g. {next(iter(problems))!r}."
        )
    attempts, verdicts = files.read_table("attempts"), files.read_table("verdicts")
    pool = rows_of(attempts.filter(pc.equal(attempts["problem_id"], problem_id)), Attempt)
    found = rows_of(verdicts.filter(pc.equal(verdicts["problem_id"], problem_id)), Verdict)
    graded = [Graded(attempt=a, verdict=v) for a, v in zip(pool, found, strict=True)]
    for path in sorted((files / "readings" / "attempts").glob("*.parquet")):
        rows = files.read_rows(f"readings/attempts/{path.name}", Graded)
        graded += [g for g in rows if g.attempt.problem_id == problem_id]
    wanted = [g for g in graded if name in (problem_id, g.attempt.id)]
    if not wanted:
        raise DataError(
            f"problem {problem_id!r} has no attempt {name!r}. It has: {[g.attempt.id for g in graded][:12]}."
        )
    return problems[problem_id], wanted
