"""Anybody's own rows: JSON lines, a JSON list, Parquet or CSV, with columns of known or given names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.errors import DataError, StudyError, unknown_name
from counterform.logs.reader import (
    Broken,
    Head,
    Identified,
    LogReader,
    Row,
    Score,
    content_id,
    item_name,
    key_text,
    message_text,
    number,
    numeric,
)
from counterform.logs.streams import delimited, head, lines, members, parquet

KNOWN: dict[str, tuple[str, ...]] = {
    "item": ("item", "item_id", "id", "problem_id", "question_id", "example_id", "sample_id", "doc_id"),
    "prompt": ("prompt", "question", "problem", "input", "query"),
    "text": ("response", "completion", "output", "prediction", "generation", "model_output"),
    "score": ("score", "correct", "is_correct", "mark", "accuracy", "acc", "passed", "reward", "grade"),
    "key": ("answer", "target", "gold", "ground_truth", "expected", "key", "label"),
    "sample": ("sample", "epoch", "repeat", "trial", "attempt"),
    "model": ("model", "model_name"),
    "task": ("task", "task_name", "benchmark", "dataset", "data_source"),
}
"""What a row can hold, and the names of columns that are taken for it, the likeliest first."""
_MARKS = dict.fromkeys(("true", "right", "correct", "c", "yes", "pass", "passed"), 1.0) | dict.fromkeys(
    ("false", "wrong", "incorrect", "i", "no", "fail", "failed"), 0.0
)
_NO_SCORE = frozenset({"", "none", "null", "nan", "unknown", "n/a"})


def parse_columns(text: str) -> dict[str, list[str]]:
    """`item=qid,score=ok,score=style` as columns by what they hold. Raises StudyError."""
    found: dict[str, list[str]] = {}
    for part in filter(None, text.split(",")):
        what, _, column = (side.strip() for side in part.partition("="))
        if what not in KNOWN or not column:
            raise StudyError(f"--columns: {part!r} is not of the form WHAT=COLUMN. WHAT is one of {', '.join(KNOWN)}.")
        found.setdefault(what, []).append(column)
    return found


class Columns(Struct, frozen=True):
    """Which columns of a file hold what; several may hold scores."""

    names: Mapping[str, tuple[str, ...]]

    def of(self, what: str) -> str:
        """The column of one thing; empty where there is none."""
        return next(iter(self.names.get(what, ())), "")


class Plain(LogReader):
    """Rows of a file that no tool's reader knows. `columns`: what is named differently, e.g. {"item": ["qid"], "score": ["ok"]}."""

    name = "plain"

    def __init__(self, columns: Mapping[str, Sequence[str]] | None = None) -> None:
        self._given = columns or {}

    def recognises(self, head: Head) -> bool:
        """Rows of which it can be said which item they answer, and how well."""
        try:
            self.columns(head)
        except DataError:
            return False
        return True

    def columns(self, head: Head) -> Columns:
        """The columns of a file. Raises DataError that says what is missing and how to name it."""
        for column in (column for given in self._given.values() for column in given):
            if column not in head.names:
                raise DataError(f"{str(head.path)!r}: {unknown_name('column', column, head.names)}")
        found = {
            what: tuple(self._given.get(what) or [name for name in known if name in head.names][:1])
            for what, known in KNOWN.items()
        }
        names = ", ".join(sorted(head.names)) or "none"
        if not (found["item"] or found["prompt"]):
            raise DataError(
                f"{str(head.path)!r}: no column says which item a row answers. Columns: {names}. "
                "Name one: --columns item=COLUMN or prompt=COLUMN"
            )
        if not found["score"] and not (found["text"] and found["key"]):
            raise DataError(
                f"{str(head.path)!r}: no column holds a score, nor do two hold a response and its key. Columns: {names}. "
                "Name them: --columns score=COLUMN or text=COLUMN,key=COLUMN"
            )
        return Columns(found)

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each row."""
        beginning = head(path, lambda _: ())
        columns = self.columns(beginning)
        for index, row in enumerate(rows(beginning, broken), 1):
            item, prompt = item_name(row.get(columns.of("item"))), message_text(row.get(columns.of("prompt")))
            if item is None and not prompt:
                broken.add(f"row {index}", "names no item")
                continue
            yield _row(row, columns, item, prompt)


def rows(beginning: Head, broken: Broken) -> Iterator[Mapping[str, Any]]:
    """Every row of a file of rows, whatever holds them."""
    path = beginning.path
    if beginning.container == "parquet":
        yield from parquet(path)
    elif beginning.container == "csv":
        yield from delimited(path, broken)
    elif beginning.container == "jsonl":
        yield from lines(path, broken)
    else:
        for index, (_, value) in enumerate(members(path), 1):
            if isinstance(value, dict):
                yield value
            else:
                broken.add(f"row {index}", "not an object")


def _row(row: Mapping[str, Any], columns: Columns, item: str | None, prompt: str) -> Row:
    key = key_text(row.get(columns.of("key")))
    identified: Identified = "content" if item is None else "id"
    scores = tuple(_score(name, row.get(name)) for name in columns.names["score"])
    text, sample = row.get(columns.of("text")), str(row.get(columns.of("sample")))
    return Row(
        item=content_id(prompt, key or "") if item is None else item,
        identified=identified,
        content=content_id(prompt) if prompt else "",
        prompt=prompt,
        sample=int(sample) if re.fullmatch(r"\d{1,6}", sample) else None,
        scores=scores,
        failure="" if scores else "no column holds a score",
        text=None if text is None else message_text(text),
        key=key,
        model=str(row.get(columns.of("model")) or ""),
        task=str(row.get(columns.of("task")) or ""),
        columns=row,
    )


def _score(name: str, value: Any) -> Score:
    """A number or a word for right or wrong."""
    if not isinstance(value, str):
        return numeric(name, value)
    word = value.strip().casefold()
    if word in _MARKS:
        return Score(name, _MARKS[word])
    if word in _NO_SCORE:
        return Score(name, None, "no score")
    try:
        found = number(float(word))
    except ValueError:
        found = None
    return Score(name, found, "" if found is not None else f"not a number: {value[:40]}")
