"""The calculator: what a model writes before "=" is a call, and what stands after it is the tool's answer.

    model: 7 + 5 =   tool: 12   model: . 12 * 2 =   tool: error   model: . 12 * 2 =   tool: 24   model: . The answer is 24.

A call that is no operation on two numbers is malformed, and a sound one fails at a set rate; both are answered by `error`.
The tool answers inside one `generate`, by forcing its tokens, so that an attempt costs what it would cost without it.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

ERROR = "error"
MAX_CALL = 80
"""Characters before "=" that are looked at."""

_SAID = re.compile(rf"=[ ]?({ERROR}\b|)")
_CALL = re.compile(r"(?:Wait, )?(-?\d{1,6}) ([-+*/]) (-?\d{1,6}) ?=")


def answer(text: str) -> str | None:
    """What the calculator says to the call at the end of `text`; None for one that is malformed. Division rounds down."""
    call = _CALL.fullmatch(re.split(r"[.!?\n]", text[-MAX_CALL:])[-1].strip())
    if not call:
        return None
    left, right = int(call[1]), int(call[3])
    match call[2]:
        case "+":
            return str(left + right)
        case "-":
            return str(left - right)
        case "*":
            return str(left * right)
        case _:
            return str(left // right) if right else None


def failed_calls(text: str) -> tuple[int, int]:
    """How many calls a text that was written with this tool holds, and how many of them came back as an error."""
    said = _SAID.findall(text)
    return len(said), said.count(ERROR)


class Answering:
    """A logits processor of transformers' `generate` that forces the tool's tokens after every call of a batch of rows.

    start: tokens of the (padded) prompts. failures: the share of sound calls that fail. `calls` and `errors` count by row,
    `forced` holds the places of the tool's tokens in each completion.
    """

    def __init__(self, tokenizer: Any, start: int, rows: int, *, failures: float, rng: np.random.Generator) -> None:
        self._tokenizer, self._start, self._failures, self._rng = tokenizer, start, failures, rng
        # "=" with or without the space before it, as word-level, byte-level and sentencepiece vocabularies write it.
        self._signs = {token for text, token in tokenizer.get_vocab().items() if text.lstrip(" Ġ▁") == "="}
        self._head = len(self._ids("="))
        self._due: dict[int, list[int]] = {}
        self.calls, self.errors = [0] * rows, [0] * rows
        self.forced: list[set[int]] = [set() for _ in range(rows)]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        at = input_ids.shape[1] - self._start
        for row, token in enumerate(input_ids[:, -1].tolist() if at else []):
            if token in self._signs and at - 1 not in self.forced[row]:
                self._due[row] = self._call(row, input_ids[row, self._start :])
        for row, tokens in list(self._due.items()):
            scores[row] = -np.inf
            scores[row, tokens.pop(0)] = 0.0
            self.forced[row].add(at)
            if not tokens:
                del self._due[row]
        return scores

    def _call(self, row: int, ids: Any) -> list[int]:
        said = answer(self._tokenizer.decode(ids[-MAX_CALL:], skip_special_tokens=True))
        failed = said is None or self._rng.random() < self._failures
        self.calls[row] += 1
        self.errors[row] += failed
        return self._ids(f"= {ERROR if failed else said}")[self._head :]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
