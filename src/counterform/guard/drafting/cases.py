"""Examples: a call, and as much of the conversation before it as the rule may look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

MAX_CHARACTERS = 20_000
"""Of one example as JSON."""
Label = Literal["keeps", "breaks", "unsure"]
"""`unsure`: the sentences leave it open, and the rule says that it cannot tell."""


class LookedUp(Struct, frozen=True, kw_only=True):
    """A tool that answered earlier in the conversation."""

    tool: str
    arguments: dict[str, Any] = {}
    answer: Any = None


class Case(Struct, frozen=True, kw_only=True):
    """One call that is about to be made."""

    tool: str
    arguments: dict[str, Any] = {}
    user: str = ""
    """What the user said last."""
    agent: str = ""
    """What the agent says to the user in the same message."""
    other_calls: int = 0
    """Calls that the same message makes besides."""
    earlier: tuple[LookedUp, ...] = ()
    """What tools have answered, the oldest first."""


class Example(Struct, frozen=True, kw_only=True):
    """A case, and whether it keeps or breaks the rule."""

    case: Case
    label: Label
    origin: Literal["draft", "sentence", "asked"]
    """`draft`: came with the code. `sentence`: written from the sentence alone, without the code. `asked`: found by search, and labelled
    from the sentence alone."""


def read_examples(rows: object, origin: Literal["draft", "sentence"]) -> tuple[list[Example], int]:
    """The examples of a model's JSON, and how many could not be read. A row is a case with its `label`."""
    found, left_out = list[Example](), 0
    for row in rows if isinstance(rows, list) else []:
        example = _example(row, origin)
        if example is None:
            left_out += 1
        elif example not in found:
            found.append(example)
    return found, left_out


def _example(row: object, origin: Literal["draft", "sentence"]) -> Example | None:
    label = row.get("label") if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping) or not isinstance(label, str):
        return None
    word = label.strip().lower()
    try:
        case = msgspec.convert({key: value for key, value in row.items() if key != "label"}, Case)
        small = len(msgspec.json.encode(case)) <= MAX_CHARACTERS
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError):
        return None
    if not small or not word.startswith(("keep", "break")):
        return None
    return Example(case=case, label="keeps" if word.startswith("keep") else "breaks", origin=origin)


def shown(case: Case) -> str:
    """A case as JSON, without what is empty."""
    return msgspec.json.encode(
        {key: value for key, value in msgspec.to_builtins(case).items() if value not in ("", 0, (), {})}
    ).decode()
