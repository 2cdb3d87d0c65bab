"""Training rows in the formats of other trainers. What was written is read back, and must be the arm again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.problems.examples import TRL_SEPARATOR, read_examples
from counterform.types import Example

Row = dict[str, Any]


def _turn(role: str, text: str | None) -> Row:
    return {"role": role, "content": text}


def _trl(example: Example) -> Row:
    return {"prompt": example.prompt, **{name: f"{TRL_SEPARATOR}{text}" for name, text in _answers(example).items()}}


def _trl_messages(example: Example) -> Row:
    # Not one list of `messages`: TRL would put the loss on the prompt too.
    answers = {name: [_turn("assistant", text)] for name, text in _answers(example).items()}
    return {"prompt": [_turn("user", example.prompt)], **answers}


def _answers(example: Example) -> dict[str, str | None]:
    """By TRL's columns: of its preference format where there are two."""
    if example.rejected is None:
        return {"completion": example.completion}
    return {"chosen": example.completion, "rejected": example.rejected}


def _messages(example: Example) -> Row:
    return {"messages": [_turn("user", example.prompt), _turn("assistant", example.completion)]}


def _alpaca(example: Example) -> Row:
    return {"instruction": example.prompt, "input": "", "output": example.completion}


def _sharegpt(example: Example) -> Row:
    pairs = (("human", example.prompt), ("gpt", example.completion))
    return {"conversations": [{"from": name, "value": text} for name, text in pairs]}


def _openrlhf(example: Example) -> Row:
    return {"input": example.prompt, "output": example.completion}


ROW_FORMATS: dict[str, dict[str, Callable[[Example], Row]]] = {
    "trl": {"{arm}.jsonl": _trl},
    "trl-messages": {"{arm}.jsonl": _trl_messages},
    "llama-factory": {"{arm}-alpaca.jsonl": _alpaca, "{arm}-sharegpt.jsonl": _sharegpt},
    "verl": {"{arm}.parquet": _messages},
    "openrlhf": {"{arm}.jsonl": _openrlhf},
}
"""Format -> file name -> row of one example."""
PAIR_FORMATS = ("trl", "trl-messages")
"""Those that can hold a pair, of which one text is preferred."""

_MESSAGES = pa.schema(
    [
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("problem_id", pa.string()),
        ("attempt_ids", pa.list_(pa.string())),
    ]
)


def write_arm(folder: Path, arm: str, examples: Sequence[Example], to: str) -> int:
    """Write every file of the format, and say how many rows each has. Raises DataError where reading one back is not the arm."""
    for name, row_of in ROW_FORMATS[to].items():
        path = folder / name.format(arm=arm)
        rows = (
            {**row_of(example), "problem_id": example.problem_id, "attempt_ids": example.attempt_ids}
            for example in examples
        )
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(list(rows), schema=_MESSAGES), path, compression="zstd")
        else:
            with path.open("wb") as stream:
                stream.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
        # No format has weights of rows, and so none has the kinds that they are reckoned from.
        if read_examples(path).examples != [replace(example, kind="") for example in examples]:
            raise DataError(
                f"{path.name} does not read back as the arm {arm!r}, so nothing is written. Please report it."
            )
    if to == "llama-factory":
        (folder / "dataset_info.json").write_text(json.dumps(_dataset_info(arm), indent=2) + "\n", encoding="utf-8")
    return len(examples)


def _dataset_info(arm: str) -> Row:
    """The entries by which LLaMA-Factory knows the two files."""
    alpaca = {"prompt": "instruction", "query": "input", "response": "output"}
    tags = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}
    return {
        f"{arm}-alpaca": {"file_name": f"{arm}-alpaca.jsonl", "formatting": "alpaca", "columns": alpaca},
        f"{arm}-sharegpt": {
            "file_name": f"{arm}-sharegpt.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"},
            "tags": tags,
        },
    }
