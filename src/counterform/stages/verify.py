"""Stage 3: the graders are graded, and then grade every attempt."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from counterform.parts import made, part
from counterform.results import AuditRow
from counterform.stages.work import Work
from counterform.store import table_of
from counterform.study import Study
from counterform.types import Attempt, Graded, Mark, Problem, Verdict


def verify(work: Work) -> None:
    """Audit the verifiers, then grade every attempt."""
    if work.files.is_done("verify", work.verdicts_key):
        return
    problems = {p.id: p for p in work.problems("train", "held_out")}
    work.files.clear("verdicts")
    parts = sorted((work.files / "attempts").glob("part-*.parquet"))
    pool: list[Attempt] = []
    unknown = 0
    for path in parts:
        attempts = work.files.read_rows(f"attempts/{path.name}", Attempt)
        graded = work.grade(attempts, problems)
        unknown += sum(g.verdict.outcome is Mark.UNKNOWN for g in graded)
        pool += attempts if work.study.attempts.file else []
        work.files.write_table(f"verdicts/{path.name}", verdict_table(graded))
    _audit(work, list(problems.values()), pool)
    work.count("pool attempts whose outcome is UNKNOWN", unknown)
    work.files.done("verify", work.verdicts_key)


def audit(study: Study) -> list[AuditRow]:
    """Grade the graders of a study, without a run directory."""
    from counterform.problems.readers import read_attempts, read_problems
    from counterform.problems.source import columns
    from counterform.verify.audit import audit_family, audit_user

    outcome = part("outcome verifier", "answer")(study.verify.seconds)
    named = study.verify.steps
    if study.problems.family:
        family = made("family", study.problems.family, study.problems.options, "$.problems.options")
        # With the options of the study: the family is its own step verifier.
        steps = made("step verifier", named, {}, "$.verify.steps") if named else family
        return audit_family(family, outcome, steps)
    steps = made("step verifier", named or "arithmetic", {}, "$.verify.steps")
    spec = study.problems
    problems = read_problems(study.file(spec.file), **columns(spec)).problems
    attempts = []
    if study.attempts.file:
        read = read_attempts(
            study.file(study.attempts.file),
            problems,
            problem=study.attempts.problem,
            responses=study.attempts.responses,
            template=spec.template,
        )
        attempts = read.attempts
    return audit_user(problems, attempts, outcome, steps)


def _audit(work: Work, problems: list[Problem], pool: list[Attempt]) -> None:
    from counterform.verify.audit import audit_family, audit_user, require

    if work.family is not None:
        rows = audit_family(work.family, work.outcome, work.steps)
    else:
        rows = audit_user(problems, pool, work.outcome, work.steps)
    work.files.note("audit", [msgspec.to_builtins(row) for row in rows])
    require(rows)


def verdict_table(graded: Sequence[Graded]) -> pa.Table:
    """Verdict rows, with the two columns that choosing cases needs without reading steps."""
    table = table_of([g.verdict for g in graded], Verdict)
    table = table.append_column("problem_id", pa.array([g.attempt.problem_id for g in graded], pa.string()))
    return table.append_column("located", pa.array([g.verdict.first_error is not None for g in graded], pa.bool_()))
