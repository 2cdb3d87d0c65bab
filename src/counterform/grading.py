"""`counterform grade`: the rows of a file, graded one after the other in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from counterform.errors import DataError
from counterform.problems.readers import answer_key, final_answer
from counterform.problems.rows import BrokenRow, Unusable, excerpt, read_rows, recorded_mark
from counterform.problems.rows import Row as Raw
from counterform.types import Mark
from counterform.verify.grades import Grader, Row, RowGrade

BATCH = 64
"""Rows that are held at once."""


def grade_file(path: Path, *, against: str = "") -> Iterator[tuple[int, Row | None, RowGrade]]:
    """Grade every row of a file (JSONL, CSV, Parquet; `-`: JSONL from standard input), in order, with its number.

    A row that cannot be read is UNKNOWN with the reason, and stands without its Row. against: the column of recorded
    correctness. Raises DataError where the file cannot be read, or no row has the columns.
    """
    seen: set[str] = set()
    first: Raw | None = None
    with Grader() as grader:
        batch: list[tuple[int, Row | str]] = []
        for line, raw in _numbered(path):
            if isinstance(raw, dict):
                first = first or raw
                seen |= raw.keys()
            batch.append((line, _row(raw, against) if isinstance(raw, dict) else raw))
            if len(batch) == BATCH:
                yield from _graded(grader, batch)
                batch = []
        yield from _graded(grader, batch)
    _require(path, first, seen, against)


def _numbered(path: Path) -> Iterator[tuple[int, Raw | str]]:
    """Every row with its number, and of a broken one the reason."""
    broken: list[BrokenRow] = []
    for line, raw in read_rows(path, broken):
        yield from broken
        broken.clear()
        yield line, raw
    yield from broken


def _graded(grader: Grader, batch: list[tuple[int, Row | str]]) -> Iterator[tuple[int, Row | None, RowGrade]]:
    grades = iter(grader([row for _, row in batch if isinstance(row, Row)]))
    for line, row in batch:
        if isinstance(row, Row):
            yield line, row, next(grades)
        else:
            yield line, None, RowGrade(strict=Mark.UNKNOWN, lenient=Mark.UNKNOWN, reason=row)


def _row(raw: Raw, against: str) -> Row | str:
    """One row, or why it cannot be graded."""
    try:
        solution = raw.get("solution")
        solution = solution if isinstance(solution, str) and solution.strip() else None
        if "answer" in raw:
            key = answer_key(raw["answer"], "answer")[0]
        elif solution is not None:
            key = final_answer(solution)[0]
        else:
            raise Unusable("no column `answer`")
        prompt = raw.get("prompt")
        return Row(
            answer=key,
            response=_response(raw.get("response")),
            prompt=prompt if isinstance(prompt, str) else "",
            solution=solution,
            recorded=_recorded(raw.get(against), against) if against else Mark.UNKNOWN,
        )
    except Unusable as reason:
        return str(reason)


def _response(value: object) -> str:
    """The text of a response: itself, or the last message of a list."""
    if isinstance(value, list) and value:
        value = value[-1]["content"] if isinstance(value[-1], dict) and "content" in value[-1] else value
    if isinstance(value, str):
        return value
    raise Unusable(f"`response` is {excerpt(value)}, not text")


def _recorded(value: object, column: str) -> Mark:
    mark = recorded_mark(value)
    if mark is None:
        raise Unusable(f"`{column}` is {excerpt(value)}, not true, false, 1, 0, right, wrong or null")
    return mark


def _require(path: Path, first: Raw | None, seen: set[str], against: str) -> None:
    """Refuse a file that has no rows, or none with a column that is needed."""
    if first is None:
        raise DataError(f"{str(path)!r} holds no row. A row is an object with `answer` (the key) and `response`.")
    missing = [name for name in ("response", against) if name and name not in seen]
    if not {"answer", "solution"} & seen:
        missing.insert(0, "answer")
    if missing:
        names = ", ".join(map(repr, sorted(seen)))
        raise DataError(
            f"{str(path)!r} has no column {', '.join(map(repr, missing))}. Found: {names}. Rename yours: a row has "
            "`answer` (the key) and `response`, and may have `prompt` and `solution`."
        )
