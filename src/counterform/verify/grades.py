"""Grading without a study: one row, or a whole file of them, and how far that agrees with what somebody recorded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from msgspec import Struct, field

from counterform.text import answers
from counterform.types import Mark, Problem
from counterform.verify.answer import Answers
from counterform.verify.steps import Arithmetic, grade_steps

SECONDS = 5.0
"""What one answer may take in math-verify."""
MAX_STEPS_TEXT = 100_000
"""Characters of a response in which steps are read; the steps of a longer one are not."""
MOST_FORMS = 10_000
"""Different reasons and forms that are counted."""
MOST_DISAGREEMENTS = 100
"""Disagreements that are kept to be shown."""
_SHOWN = 120


class StepGrade(Struct, frozen=True, kw_only=True):
    """The mark of one step; `start` and `end` are character offsets in the response."""

    mark: Mark
    rule: str
    hint: str
    start: int
    end: int


class RowGrade(Struct, frozen=True, kw_only=True):
    """The grade of one response."""

    strict: Mark
    """Of the answer that it states."""
    lenient: Mark
    """Of that, or where it states none of the last thing that could be an answer."""
    stated: str | None = None
    """The answer that it states, where there is exactly one."""
    reason: str = ""
    """Why a mark is UNKNOWN."""
    steps: tuple[StepGrade, ...] = ()


class Row(Struct, frozen=True, kw_only=True):
    """A response with its answer key."""

    answer: str
    response: str
    prompt: str = ""
    solution: str | None = None
    recorded: Mark = Mark.UNKNOWN
    """The grade that came with it."""


class Grader:
    """Grades rows: the outcome with the outcome verifier, each step with the arithmetic one."""

    def __init__(self) -> None:
        self._answers, self._steps = Answers(SECONDS), Arithmetic()

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._answers.close()

    def __call__(self, rows: Sequence[Row]) -> list[RowGrade]:
        """The grade of every row, in order."""
        problems = [Problem(id="", prompt=row.prompt, answer=row.answer, solution=row.solution) for row in rows]
        verdicts = self._answers([(problem, row.response) for problem, row in zip(problems, rows, strict=True)])
        return [
            RowGrade(
                strict=verdict.strict,
                lenient=verdict.lenient,
                stated=answers.stated(row.response).answer,
                reason=verdict.reason,
                steps=self._graded(problem, row.response),
            )
            for problem, row, verdict in zip(problems, rows, verdicts, strict=True)
        ]

    def _graded(self, problem: Problem, text: str) -> tuple[StepGrade, ...]:
        if len(text) > MAX_STEPS_TEXT:
            return ()
        return tuple(
            StepGrade(mark=step.mark, rule=step.rule, hint=step.hint, start=step.span[0], end=step.span[1])
            for step in grade_steps(self._steps, problem, text)
        )


def grade(answer: str, response: str, *, prompt: str = "", solution: str | None = None) -> RowGrade:
    """Grade one response by its answer key; the prompt settles units, and nothing else.

    For many, a Grader is faster.
    """
    with Grader() as grader:
        return grader([Row(answer=answer, response=response, prompt=prompt, solution=solution)])[0]


class Disagreement(Struct, frozen=True, kw_only=True):
    """A row whose recorded grade is the opposite of ours."""

    line: int
    answer: str
    stated: str | None
    recorded: Mark
    strict: Mark


class Summary(Struct, kw_only=True):
    """The counts of a graded file, and how far they agree with what was recorded. Its size does not grow with the file."""

    rows: int = 0
    strict: Counter[str] = field(default_factory=Counter)
    lenient: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why an outcome is UNKNOWN, with what differs from row to row left out."""
    unread: Counter[str] = field(default_factory=Counter)
    """The forms of answers whose outcome is UNKNOWN: each digit a 0."""
    against: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(recorded, strict)."""
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, line: int, row: Row | None, grade: RowGrade) -> None:
        """Count one row; None: a row that could not be read."""
        self.rows += 1
        self.strict[grade.strict] += 1
        self.lenient[grade.lenient] += 1
        self.steps.update(step.mark.value for step in grade.steps)
        if grade.strict is Mark.UNKNOWN:
            _count(self.reasons, re.sub(r"'[^']*'|\"[^\"]*\"|\d[\d,]*", "…", grade.reason))
            if row is not None:
                _count(self.unread, form(row.response, grade.stated))
        if row is None or row.recorded is Mark.UNKNOWN:
            return
        self.against[row.recorded, grade.strict] += 1
        if grade.strict not in (row.recorded, Mark.UNKNOWN) and len(self.disagreements) < MOST_DISAGREEMENTS:
            self.disagreements.append(
                Disagreement(
                    line=line,
                    answer=row.answer[:_SHOWN],
                    stated=grade.stated and grade.stated[:_SHOWN],
                    recorded=row.recorded,
                    strict=grade.strict,
                )
            )


def form(response: str, stated: str | None) -> str:
    """The form of an answer, or of the last line of a response that states none: each digit a 0, and cut short."""
    shown = stated if stated is not None else response[-2_000:].rstrip().rpartition("\n")[2]
    return re.sub(r"\d", "0", " ".join(shown.split()))[:60]


def _count(counter: Counter[str], name: str) -> None:
    if name in counter or len(counter) < MOST_FORMS:
        counter[name] += 1
