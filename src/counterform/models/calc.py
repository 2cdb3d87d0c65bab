"""The calculator: what a model writes before "=" is a call, and what stands after it is the tool's answer.

    model: 7 + 5 =   tool: 12   model: . 12 * 2 =   tool: error   model: . 12 * 2 =   tool: 24   model: . The answer is 24.

A call that is no operation on two numbers is malformed, and a sound one fails at a set rate; both are answered by `error`.
The tool answers inside the decode loop (models/decoding.py), so that an attempt costs what it would cost without it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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


class Calculator:
    """Answers the calls of texts as they grow, in tokens. failures: the share of sound calls that fail."""

    def __init__(self, tokenizer: Any, *, failures: float) -> None:
        self._tokenizer, self._failures = tokenizer, failures
        # "=" with or without the space before it, as word-level, byte-level and sentencepiece vocabularies write it.
        self._signs = {token for text, token in tokenizer.get_vocab().items() if text.lstrip(" Ġ▁") == "="}
        self._head = len(self._ids("="))

    def is_called_by(self, token: int) -> bool:
        """Whether a model that writes this token calls."""
        return token in self._signs

    def answer_to(self, ids: Sequence[int], rng: np.random.Generator) -> tuple[list[int], bool]:
        """What is said to the call at the end of a text (token ids), and whether it is an error; rng decides of a sound call."""
        said = answer(self._tokenizer.decode(ids[-MAX_CALL:], skip_special_tokens=True))
        failed = said is None or rng.random() < self._failures
        return self._ids(f"= {ERROR if failed else said}")[self._head :], failed

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
