"""Reader of questions with answers that somebody already has: JSONL, a JSON list or Parquet, as every reader's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.problems.rows import BrokenRow, Unusable, excerpt, nothing_usable, read_rows
from counterform.text.answers import bare
from counterform.text.wording import MOST_OPTIONS


class Question(Struct, frozen=True, kw_only=True):
    """A question and the answers that were given to it; an answer given twice stands twice."""

    line: int
    question: str
    answers: tuple[str, ...]


class ReadQuestions(Struct, frozen=True, kw_only=True):
    """The questions of a file, and the rows that could not be used."""

    questions: list[Question]
    broken: list[BrokenRow]


def read_questions(path: str | Path) -> ReadQuestions:
    """Read rows with `question` (text) and `answers` (a list of texts). Raises DataError where no row is usable."""
    path = Path(path)
    broken: list[BrokenRow] = []
    questions = []
    for line, row in read_rows(path, broken):
        try:
            questions.append(Question(line=line, question=_question(row), answers=_answers(row)))
        except Unusable as reason:
            broken.append(BrokenRow(line, str(reason)))
    if not questions:
        raise nothing_usable(path, "question with its answers", broken)
    return ReadQuestions(questions=questions, broken=broken)


def _question(row: dict[str, Any]) -> str:
    if "question" not in row:
        raise Unusable(f"no `question`; its columns: {', '.join(map(repr, row)) or 'none'}")
    if not isinstance(row["question"], str) or not row["question"].strip():
        raise Unusable(f"`question` is {excerpt(row['question'])}, not text")
    return row["question"]


def _answers(row: dict[str, Any]) -> tuple[str, ...]:
    answers = row.get("answers")
    if not isinstance(answers, list) or not answers:
        raise Unusable(f"`answers` is {excerpt(answers)}, not a list of at least one text")
    for answer in answers:
        if not isinstance(answer, str) or not answer.strip():
            raise Unusable(f"an answer is {excerpt(answer)}, not text")
    different = len({bare(answer) for answer in answers})
    if different > MOST_OPTIONS:
        raise Unusable(f"{different} different answers; at most {MOST_OPTIONS} can be compared")
    return tuple(answers)
