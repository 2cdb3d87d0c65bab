"""The reader of training rows: those that other trainers read, back into examples.

    prompt + completion (TRL, as text or as messages)    prompt + chosen + rejected (TRL's preference format, either way)
    messages (verl, TRL)    instruction + input + output (Alpaca)
    conversations (ShareGPT)    input + output (OpenRLHF)

A text is taken as it stands, to the last space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.problems.rows import BrokenRow, Row, Unusable, excerpt, nothing_usable, read_rows
from counterform.types import Example

TRL_SEPARATOR = "\n"
"""Stands before a completion that TRL is given as text, since TRL puts nothing between prompt and completion."""


class ReadExamples(Struct, frozen=True, kw_only=True):
    """The examples of a file, and the rows that could not be used."""

    examples: list[Example]
    broken: list[BrokenRow]


def read_examples(path: str | Path) -> ReadExamples:
    """Read the training rows of a JSONL, JSON or Parquet file, each by the columns that it has.

    `problem_id` and `attempt_ids` are kept where a row has them; else the problem is named by a hash of the prompt.
    Raises DataError when the file or all its rows are unusable.
    """
    path = Path(path)
    examples: list[Example] = []
    broken: list[BrokenRow] = []
    for line, row in read_rows(path, broken):
        try:
            examples.append(_example(row))
        except Unusable as reason:
            broken.append(BrokenRow(line, str(reason)))
    if not examples:
        raise nothing_usable(path, "training row", broken)
    return ReadExamples(examples=examples, broken=sorted(broken))


def _example(row: Row) -> Example:
    prompt, completion, rejected = _texts(row)
    problem, attempts = row.get("problem_id"), row.get("attempt_ids") or ()
    if not isinstance(attempts, list | tuple) or not all(isinstance(name, str) for name in attempts):
        raise Unusable(f"`attempt_ids` is {excerpt(attempts)}, not a list of ids")
    return Example(
        problem_id=problem
        if isinstance(problem, str)
        else f"user-{blake2b(prompt.encode(), digest_size=8).hexdigest()}",
        attempt_ids=tuple(attempts),
        prompt=prompt,
        completion=completion,
        rejected=rejected,
    )


def _texts(row: Row) -> tuple[str, str, str | None]:
    """Prompt, completion, and what it is preferred to."""
    if all(name in row for name in _PREFERENCE):
        sides = [_trl({"prompt": row["prompt"], "completion": row[side]}) for side in ("chosen", "rejected")]
        return *sides[0], sides[1][1]
    for columns, read in _FORMATS:
        if all(name in row for name in columns):
            return *read(row), None
    readable = "; ".join(" + ".join(columns) for columns in (_PREFERENCE, *(columns for columns, _ in _FORMATS)))
    raise Unusable(f"no known columns among {excerpt(sorted(row))}. Readable: {readable}")


def _trl(row: Row) -> tuple[str, str]:
    if isinstance(row["prompt"], list) and isinstance(row["completion"], list):
        return _turns([*row["prompt"], *row["completion"]], "role", "content", ("user", "assistant"))
    return _text(row, "prompt"), _text(row, "completion").removeprefix(TRL_SEPARATOR)


def _alpaca(row: Row) -> tuple[str, str]:
    asked = [_text(row, "instruction"), *([_text(row, "input")] if row.get("input") else [])]
    return "\n".join(asked), _text(row, "output")


def _turns(messages: Any, role: str, content: str, names: tuple[str, str]) -> tuple[str, str]:
    """Prompt and completion of one question with one answer; a system's turn stands before the user's."""
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise Unusable(f"not a list of messages: {excerpt(messages)}")
    said = [(turn.get(role), _text(turn, content)) for turn in messages]
    roles = [name for name, _ in said]
    if roles not in (list(names), ["system", *names]):
        raise Unusable(f"its turns are {excerpt(roles)}, not one question of {names[0]!r} and one answer")
    return "\n\n".join(text for _, text in said[:-1]), said[-1][1]


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise Unusable(f"`{name}` is {excerpt(value)}, not text")
    return value


_PREFERENCE = ("prompt", "chosen", "rejected")
_FORMATS: Sequence[tuple[tuple[str, ...], Callable[[Row], tuple[str, str]]]] = (
    (("prompt", "completion"), _trl),
    (("messages",), lambda row: _turns(row["messages"], "role", "content", ("user", "assistant"))),
    (("instruction", "output"), _alpaca),
    (("conversations",), lambda row: _turns(row["conversations"], "from", "value", ("human", "gpt"))),
    (("input", "output"), lambda row: (_text(row, "input"), _text(row, "output"))),
)
