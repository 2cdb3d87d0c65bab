"""Grades the graders, before a study believes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterform.errors import AuditError
from counterform.types import (
    Attempt,
    AuditRow,
    Completion,
    Family,
    Mark,
    OutcomeVerifier,
    Problem,
    StepVerifier,
)
from counterform.verify.steps import grade, grade_steps

MUST_CATCH = 0.99
MUST_READ_KEYS = 0.95
N_PROBLEMS = 200


def audit_family(family: Family, outcome: OutcomeVerifier, steps: StepVerifier) -> list[AuditRow]:
    """A family's own worked solutions must all pass, and planted errors of every kind must be caught where they are."""
    rng = np.random.default_rng(0)
    problems = family.generate(N_PROBLEMS, rng=rng)
    solutions = [_attempt(problem, problem.solution or "") for problem in problems]
    verdicts = grade(solutions, {problem.id: problem for problem in problems}, outcome=outcome, steps=steps)
    passed = sum(v.outcome is v.lenient is v.process is Mark.RIGHT for v in verdicts)
    rows = [_row(family.name, "own solutions", passed, len(problems), 1.0)]
    caught: dict[str, list[bool]] = {}
    for problem in problems:
        for planted in family.plant_errors(problem, rng=rng):
            graded = grade_steps(steps, problem, planted.text)
            first = next((i for i, step in enumerate(graded) if step.mark is Mark.WRONG), None)
            caught.setdefault(planted.kind, []).append(first == planted.first_error)
    rows += [_row(family.name, f"planted: {kind}", sum(hits), len(hits), MUST_CATCH) for kind, hits in caught.items()]
    return rows


def audit_user(
    problems: Sequence[Problem],
    attempts: Sequence[Attempt],
    outcome: OutcomeVerifier,
    steps: StepVerifier,
) -> list[AuditRow]:
    """The same for the user's own data: keys must be readable in their own solutions; the rest is shown, not required."""
    rows = []
    solved = [problem for problem in problems if problem.solution]
    by_id = {problem.id: problem for problem in problems}
    if solved:
        verdicts = grade([_attempt(p, p.solution or "") for p in solved], by_id, outcome=outcome, steps=steps)
        read = sum(v.outcome is Mark.RIGHT for v in verdicts)
        rows.append(_row("answer", "own solutions", read, len(solved), MUST_READ_KEYS))
        clean = sum(v.process is not Mark.WRONG for v in verdicts)
        rows.append(_row("steps", "own solutions without a wrong step", clean, len(solved), 0.0))
    recorded = [attempt for attempt in attempts if attempt.recorded is not Mark.UNKNOWN]
    if recorded:
        ours = outcome([(by_id[attempt.problem_id], attempt.completion.text) for attempt in recorded])
        agree = sum(o.strict is attempt.recorded for o, attempt in zip(ours, recorded, strict=True))
        unknown = sum(o.strict is Mark.UNKNOWN for o in ours)
        rows.append(_row("answer", "recorded grades", agree, len(recorded), 0.0, unknown))
    return rows


def require(rows: Sequence[AuditRow]) -> None:
    """Raise AuditError naming every grader that did worse than it must."""
    failed = [row for row in rows if row.total and row.passed < row.required * row.total]
    if failed:
        words = "; ".join(
            f"{row.verifier}, {row.check}: {row.passed} of {row.total} passed, {row.required:.0%} must"
            for row in failed
        )
        raise AuditError(f"a grader cannot be believed: {words}. Mend the verifier or the answer keys before a study.")


def _attempt(problem: Problem, text: str) -> Attempt:
    completion = Completion(text=text, tokens=len(text.split()), finish="stop")
    return Attempt(id=f"{problem.id}/solution", problem_id=problem.id, model="solution", seed=0, completion=completion)


def _row(verifier: str, check: str, passed: int, total: int, required: float, unknown: int = 0) -> AuditRow:
    return AuditRow(verifier=verifier, check=check, passed=passed, total=total, unknown=unknown, required=required)
