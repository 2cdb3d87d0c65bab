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
        from counterform.verify.audit import audit_family, audit_recorded, audit_user, contradicted, require

        problems = work.problems("train", "held_out")
        if work.family is not None:
            rows = audit_family(work.family, work.outcome, work.steps)
        else:
            rows = audit_user(problems, work.outcome, work.steps)
        if _recorded(work):
            pool = work.files.read_rows("attempts/part-00000.parquet", Attempt)
            rows += audit_recorded(problems, pool, work.outcome)
        require(rows)
        for note in contradicted(rows):
            work.say(f"audit     {note}")
            work.making.notes.append(note)
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
    from counterform.problems.source import Split, columns, generated
    from counterform.verify.audit import audit_family, audit_recorded, audit_user

    outcome = part("outcome verifier", "answer")(study.verify.seconds)
    named, spec = study.verify.steps, study.problems
    if spec.family:
        family = made("family", spec.family, spec.options, "$.problems.options")
        # With the options of the study: the family is its own step verifier.
        steps = made("step verifier", named, {}, "$.verify.steps") if named else family
        split = generated(family, spec) if study.attempts.file else Split(train=[], held_out=[])
        problems = [*split.train, *split.held_out]
        rows = audit_family(family, outcome, steps)
    else:
        steps = made("step verifier", named or "arithmetic", {}, "$.verify.steps")
        problems = read_problems(problems_file(study), **columns(spec), keyless=study.keyless).problems
        rows = audit_user(problems, outcome, steps)
    if study.attempts.file:
        read = read_attempts(
            study.file(study.attempts.file),
            problems,
            problem=study.attempts.problem,
            responses=study.attempts.responses,
            template=spec.template,
        )
        rows += audit_recorded(problems, read.attempts, outcome)
    return rows


def verdict_table(graded: Sequence[Graded]) -> pa.Table:
    """Verdict rows, with the two columns that choosing cases needs without reading steps."""
    table = table_of([g.verdict for g in graded], Verdict)
    table = table.append_column("problem_id", pa.array([g.attempt.problem_id for g in graded], pa.string()))
    return table.append_column("located", pa.array([g.verdict.first_error is not None for g in graded], pa.bool_()))
