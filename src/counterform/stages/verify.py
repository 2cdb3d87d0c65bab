"""Stage 3: the graders are graded, and then grade every attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from counterform.parts import made, part
from counterform.results import AuditRow
from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.store import table_of
from counterform.study import Study
from counterform.types import Attempt, Graded, Mark, Verdict


def verify_units(work: Work) -> Iterator[Unit]:
    """The graders' own grades first, and then those of every part of the pool."""
    yield AuditUnit("audit", needs=("problems", "sample/") if _recorded(work) else ("problems",))
    yield from (VerifyUnit(name) for name in work.parts())


def _recorded(work: Work) -> bool:
    return bool(work.study.attempts.file and work.keys.splits)


class AuditUnit(Unit):
    """How the verifiers do on what is known. Raises AuditError where one does worse than it must."""

    def key(self, work: Work) -> str:
        return work.keys.audit

    def make(self, work: Work) -> list[str]:
        from counterform.verify.audit import audit_family, audit_user, require

        if work.family is not None:
            rows = audit_family(work.family, work.outcome, work.steps)
        else:
            pool = work.files.read_rows("attempts/part-00000.parquet", Attempt) if _recorded(work) else []
            rows = audit_user(work.problems("train", "held_out"), pool, work.outcome, work.steps)
        require(rows)
        work.making.facts["rows"] = [msgspec.to_builtins(row) for row in rows]
        return []


class VerifyUnit(Unit):
    """The verdicts on one part of the pool, in the order of its attempts."""

    def __init__(self, part_name: str) -> None:
        super().__init__(f"verify/{part_name}", needs=("problems", "audit", f"sample/{part_name}"))
        self._part = part_name

    def key(self, work: Work) -> str:
        return work.keys.verdicts(self._part)

    def make(self, work: Work) -> list[str]:
        problems = {p.id: p for p in work.problems("train", "held_out")}
        graded = work.grade(work.files.read_rows(f"attempts/{self._part}.parquet", Attempt), problems)
        work.count("pool attempts whose outcome is UNKNOWN", sum(g.verdict.outcome is Mark.UNKNOWN for g in graded))
        work.files.write_table(f"verdicts/{self._part}.parquet", verdict_table(graded))
        return [f"verdicts/{self._part}.parquet"]


def audit(study: Study) -> list[AuditRow]:
    """Grade the graders of a study, without a run directory."""
    from counterform.problems.hub import problems_file
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
    problems = read_problems(problems_file(study), **columns(spec), keyless=study.keyless).problems
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


def verdict_table(graded: Sequence[Graded]) -> pa.Table:
    """Verdict rows, with the two columns that choosing cases needs without reading steps."""
    table = table_of([g.verdict for g in graded], Verdict)
    table = table.append_column("problem_id", pa.array([g.attempt.problem_id for g in graded], pa.string()))
    return table.append_column("located", pa.array([g.verdict.first_error is not None for g in graded], pa.bool_()))
