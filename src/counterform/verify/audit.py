"""Grades the graders, before a study believes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from counterform.errors import AuditError
from counterform.results import AuditRow
from counterform.types import Attempt, Completion, Family, Mark, OutcomeVerifier, Problem, StepVerifier
from counterform.verify.steps import grade

MUST_CATCH = 0.99
MUST_READ_KEYS = 0.95
N_PROBLEMS = 200
RECORDED = "recorded grades"
TOLERATED = 0.01
"""Of recorded grades, the share that may be the opposite of ours before it is said."""


class Checked(AuditRow, frozen=True, kw_only=True):
    """An audit row that can show what failed."""

    example: str = ""
    """The first failure, in words; empty if there is none."""


def audit_family(family: Family, outcome: OutcomeVerifier, steps: StepVerifier) -> list[AuditRow]:
    """A family's own worked solutions must all pass, and planted errors of every kind must be caught where they are."""
    rng = np.random.default_rng(0)
    problems = family.generate(N_PROBLEMS, rng=rng)
    by_id = {problem.id: problem for problem in problems}
    solutions = [_attempt(problem, problem.solution or "") for problem in problems]
    passed = [
        (attempt, verdict.outcome is verdict.lenient is verdict.process is Mark.RIGHT)
        for attempt, verdict in zip(solutions, grade(solutions, by_id, outcome=outcome, steps=steps), strict=True)
    ]
    rows: list[AuditRow] = [_row(family.name, "own solutions", passed, 1.0)]
    planted = [(_attempt(p, error.text), error) for p in problems for error in family.plant_errors(p, rng=rng)]
    verdicts = grade([attempt for attempt, _ in planted], by_id, outcome=outcome, steps=steps)
    caught: dict[str, list[tuple[Attempt, bool]]] = {}
    for (attempt, error), verdict in zip(planted, verdicts, strict=True):
        caught.setdefault(error.kind, []).append((attempt, verdict.first_error == error.first_error))
    return rows + [_row(family.name, f"planted: {kind}", hits, MUST_CATCH) for kind, hits in caught.items()]


def audit_user(problems: Sequence[Problem], outcome: OutcomeVerifier, steps: StepVerifier) -> list[AuditRow]:
    """The same for the user's own data: keys must be readable in their own solutions; the rest is shown, not required."""
    rows: list[AuditRow] = []
    by_id = {problem.id: problem for problem in problems}
    keyed = [problem for problem in problems if problem.answer]
    solutions = [_attempt(problem, problem.solution) for problem in keyed if problem.solution]
    if solutions:
        graded = list(zip(solutions, grade(solutions, by_id, outcome=outcome, steps=steps), strict=True))
        read = [(attempt, verdict.outcome is Mark.RIGHT) for attempt, verdict in graded]
        unknown = sum(verdict.outcome is Mark.UNKNOWN for _, verdict in graded)
        rows.append(_row("answer", "own solutions", read, MUST_READ_KEYS, unknown))
        clean = [(attempt, verdict.first_error is None) for attempt, verdict in graded]
        unread = sum(verdict.process is Mark.UNKNOWN for _, verdict in graded)
        rows.append(_row(steps.name, "own solutions without a wrong step", clean, 0.0, unread))
    return rows


def audit_recorded(
    problems: Sequence[Problem], attempts: Sequence[Attempt], outcome: OutcomeVerifier
) -> list[AuditRow]:
    """How far grades that came with attempts agree with ours, where there is a key. They stand, whatever ours are; no row where none came."""
    by_id = {problem.id: problem for problem in problems}
    recorded = [a for a in attempts if a.recorded is not Mark.UNKNOWN and by_id[a.problem_id].answer]
    if not recorded:
        return []
    ours = outcome([(by_id[attempt.problem_id], attempt.completion.text) for attempt in recorded])
    read = list(zip(recorded, (reading.strict for reading in ours), strict=True))
    unknown = sum(mark is Mark.UNKNOWN for _, mark in read)
    # An example of the opposite before one that we cannot read.
    read.sort(key=lambda one: one[1] is Mark.UNKNOWN)
    return [_row("answer", RECORDED, [(attempt, mark is attempt.recorded) for attempt, mark in read], 0.0, unknown)]


def contradicted(rows: Iterable[AuditRow]) -> list[str]:
    """What is to be said where recorded grades are the opposite of what the key says."""
    return [
        f"{opposite:,} of {row.total:,} recorded grades are the opposite of what the key says of the text (the first: {row.example}). The recorded "
        "ones stand, and a case may hold a right answer as its wrong attempt: look at both with `counterform audit`, or leave the column out "
        "($.attempts.responses) to have all graded by the key."
        for row in rows
        if row.check == RECORDED and isinstance(row, Checked)
        if (opposite := row.total - row.passed - row.unknown) > TOLERATED * row.total
    ]


def require(rows: Iterable[AuditRow]) -> None:
    """Raise AuditError naming every grader that did worse than it must, with an example."""
    failed = [row for row in rows if row.passed < row.required * row.total]
    if not failed:
        return
    words = "; ".join(
        f"{row.verifier}, {row.check}: {row.passed} of {row.total} passed, {row.required:.0%} must"
        + (f" (fails on {row.example})" if isinstance(row, Checked) else "")
        for row in failed
    )
    raise AuditError(f"a grader cannot be believed: {words}. Mend the verifier or the answer keys before a study.")


def _attempt(problem: Problem, text: str) -> Attempt:
    completion = Completion(text=text, tokens=len(text.split()), finish="stop")
    return Attempt(id=f"{problem.id}/known", problem_id=problem.id, model="known", seed=0, completion=completion)


def _row(
    verifier: str, check: str, results: Sequence[tuple[Attempt, bool]], required: float, unknown: int = 0
) -> Checked:
    failed = next((attempt for attempt, passed in results if not passed), None)
    return Checked(
        verifier=verifier,
        check=check,
        passed=sum(passed for _, passed in results),
        total=len(results),
        unknown=unknown,
        required=required,
        example=f"problem {failed.problem_id}: {failed.completion.text[-200:]!r}" if failed else "",
    )
