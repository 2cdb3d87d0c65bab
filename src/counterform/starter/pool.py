"""Recorded attempts, as far as must be looked at them before a study is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.logs.attempts import column_of_answers
from counterform.logs.plain import KNOWN
from counterform.problems.readers import read_attempts
from counterform.problems.rows import read_rows, recorded_mark
from counterform.study import AttemptsSpec, ResponseColumns, Study
from counterform.types import Attempt, Mark, Problem
from counterform.verify.grades import Grader, Row, RowGrade

GRADED = 1_000
"""Attempts that are graded here, at most; a study grades them all."""
ROWS = 100
"""Rows from which a column of marks is told."""


class Pool(Struct, frozen=True, kw_only=True):
    """Recorded attempts, and what some of them were graded."""

    responses: tuple[ResponseColumns, ...]
    attempts: list[Attempt]
    grades: Mapping[str, RowGrade]
    """By attempt."""
    notes: tuple[str, ...]

    @property
    def located(self) -> float:
        """The share of wrong attempts in which the step verifier finds the wrong step; 0 where none is wrong."""
        wrong = [grade for grade in self.grades.values() if grade.strict is Mark.WRONG]
        found = sum(any(step.mark is Mark.WRONG for step in grade.steps) for grade in wrong)
        return found / len(wrong) if wrong else 0.0

    def both(self, problems: Collection[str]) -> int:
        """How many of these problems have a right and a wrong attempt, if those that were not graded are as the others."""
        there = {attempt.problem_id for attempt in self.attempts} & set(problems)
        marks: dict[str, set[Mark]] = defaultdict(set)
        for attempt in self.attempts:
            if attempt.id in self.grades and attempt.problem_id in problems:
                marks[attempt.problem_id].add(self.grades[attempt.id].strict)
        both = sum({Mark.RIGHT, Mark.WRONG} <= found for found in marks.values())
        return int(len(there) * both / len(marks)) if marks else 0


def read_pool(path: Path, problems: Sequence[Problem], study: Study) -> Pool:
    """The attempts of a file at these problems, by columns that are recognised where the study leaves them at their defaults.

    Raises DataError for columns or rows that cannot be used.
    """
    responses = study.attempts.responses
    if responses == AttemptsSpec().responses:
        responses = (ResponseColumns(text=column_of_answers(path), correct=_column_of_marks(path)),)
    found = read_attempts(
        path, problems, problem=study.attempts.problem, responses=responses, template=study.problems.template
    )
    known = {problem.id: problem for problem in problems if problem.answer}
    some = [attempt for attempt in found.attempts if attempt.problem_id in known][:GRADED]
    with Grader() as grader:
        grades = grader([_row(known[attempt.problem_id], attempt) for attempt in some])
    columns = "; ".join(f"text = {one.text!r}, correct = {one.correct!r}" for one in responses)
    notes = [f"{len(found.attempts):,} attempts of {path}: {columns}"]
    if found.left_out:
        first = found.left_out[0]
        notes.append(f"left out: {len(found.left_out):,}; the first at line {first.line}: {first.reason}")
    return Pool(
        responses=responses,
        attempts=found.attempts,
        grades={attempt.id: grade for attempt, grade in zip(some, grades, strict=True)},
        notes=tuple(notes),
    )


def _row(problem: Problem, attempt: Attempt) -> Row:
    return Row(
        answer=problem.answer, response=attempt.completion.text, prompt=problem.prompt, solution=problem.solution
    )


def _column_of_marks(path: Path) -> str:
    """The column that says whether an attempt is right, by its name and by what stands in it; empty where there is none."""
    rows: list[dict[str, Any]] = []
    for _, row in read_rows(path, []):
        rows.append(row)
        if len(rows) == ROWS:
            break
    return next((name for name in KNOWN["score"] if _marks([row[name] for row in rows if name in row])), "")


def _marks(values: Sequence[object]) -> bool:
    return bool(values) and all(recorded_mark(value) is not None for value in values)
