"""Recorded conversations, in the shapes that people have them, as rows of OpenAI's messages.

| file | a conversation |
|---|---|
| tau-bench, a JSON list of runs | `traj`; `task_id`, `trial`, `reward` |
| tau2-bench and tau3-bench, an object with `simulations` | `messages` with flat calls `{id, name, arguments, requestor}`, answers by `id`; `reward_info.reward` |
| Inspect, an object with `samples` or an .eval archive | `messages` with calls `{id, function, arguments}`; `scores` |
| OpenAI messages, JSON or JSONL | a list of messages, or an object with `messages` |
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import DataError

MAX_BYTES = 2_000_000_000
"""Of a file, and of what an archive holds."""
_SHAPES = "tau-bench runs (`traj`), tau2-bench simulations (`simulations`), Inspect logs (`samples`, .eval), OpenAI messages (`messages`)"


class Recorded(Struct, frozen=True, kw_only=True):
    """One conversation that was recorded."""

    name: str
    task: str
    messages: tuple[Mapping[str, Any], ...]
    """OpenAI's messages; those that are none are left out."""
    reward: float | None = None
    """As it was recorded; None: it was not."""


class Recordings(Struct, frozen=True):
    """What a file holds."""

    conversations: tuple[Recorded, ...]
    left_out: int
    """Rows that are no conversation."""


def read_recorded(path: Path) -> Recordings:
    """The conversations of a file. Raises DataError for a file that cannot be read, or holds none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES:,} bytes. Cut it into several files.")
        rows = list(_archived(path)) if zipfile.is_zipfile(path) else list(_rows(path.read_bytes()))
    except (OSError, zipfile.BadZipFile, UnicodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{path} is neither JSON nor JSONL: {error}. It should hold {_SHAPES}.") from error
    found = [one for at, row in enumerate(rows) if (one := _conversation(row, at)) is not None]
    if not found:
        raise DataError(f"{path} holds no conversation that can be read. It should hold {_SHAPES}.")
    return Recordings(tuple(found), len(rows) - len(found))


def _archived(path: Path) -> Iterator[Any]:
    """The samples of an Inspect archive."""
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.startswith("samples/")]
        if sum(entry.file_size for entry in entries) > MAX_BYTES:
            raise DataError(f"{path} holds more than {MAX_BYTES:,} bytes. Cut it into several files.")
        for entry in entries:
            try:
                yield msgspec.json.decode(archive.read(entry))
            except NotImplementedError as error:
                raise DataError(
                    f"{path} is compressed in a way that Python does not read ({error}). Convert it first: inspect log convert --to json."
                ) from error


def _rows(data: bytes) -> Iterable[Any]:
    try:
        whole = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]
    if isinstance(whole, dict):
        for key in ("simulations", "samples"):
            if isinstance(whole.get(key), list):
                return list(whole[key])
        return [whole]
    if isinstance(whole, list) and whole and all(isinstance(one, dict) and "role" in one for one in whole):
        return [{"messages": whole}]
    return whole if isinstance(whole, list) else []


def _conversation(row: Any, at: int) -> Recorded | None:
    if isinstance(row, list):
        row = {"messages": row}
    if not isinstance(row, dict):
        return None
    messages: list[Any] = next((row[key] for key in ("traj", "messages") if isinstance(row.get(key), list)), [])
    read = [
        _message(one) for message in messages for one in _several(message) if isinstance(one, dict) and one.get("role")
    ]
    if not read:
        return None
    task = next((str(row[key]) for key in ("task_id", "id") if row.get(key) is not None), f"row {at + 1}")
    trial = next((row[key] for key in ("trial", "epoch") if row.get(key) is not None), None)
    name = task if trial is None else f"{task}, trial {trial}"
    return Recorded(name=name, task=task, messages=tuple(read), reward=_reward(row))


def _several(message: Any) -> list[Any]:
    """tau2 puts the answers to calls of one message into one of its own."""
    inner = message.get("tool_messages") if isinstance(message, dict) else None
    return inner if isinstance(inner, list) else [message]


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """A message as OpenAI writes it. Calls that the user's own device gets, and what it answers, are left out."""
    if message.get("role") == "tool":
        if message.get("requestor") == "user":
            return {"role": "user device", "content": message.get("content")}
        return {**message, "tool_call_id": message.get("tool_call_id", message.get("id"))}
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [_call(call) for call in calls]}


def _call(call: Any) -> Any:
    """A call as OpenAI writes it: tau2 and Inspect write it flat."""
    if not isinstance(call, dict) or isinstance(call.get("function"), dict):
        return call
    name = call.get("function", call.get("name"))
    return {"id": call.get("id"), "type": "function", "function": {"name": name, "arguments": call.get("arguments")}}


def _reward(row: Mapping[str, Any]) -> float | None:
    """The reward of a run; of an Inspect sample, its first score that is a number or right or wrong."""
    info = row.get("reward_info")
    found = info.get("reward") if isinstance(info, dict) else row.get("reward")
    if isinstance(found, int | float):
        return float(found)
    scores = row.get("scores")
    for score in scores.values() if isinstance(scores, dict) else ():
        value = score.get("value") if isinstance(score, dict) else score
        value = {"C": 1.0, "I": 0.0}.get(value, value) if isinstance(value, str) else value
        if isinstance(value, int | float):
            return float(value)
    return None
