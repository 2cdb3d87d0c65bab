"""Between a model that writes and somebody who reads along: the text as it grows, and what becomes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from counterform.types import Model

Finish = Literal["", "stop", "length", "budget"]
"""Why a text ends: not yet; the model ended it; it is as long as an answer may be; no more may be sampled."""

LOOK_AFTER = 64
"""Tokens after which a text is read even if nothing in it looks like the end of a step."""


class Change(Struct, frozen=True, kw_only=True):
    """What becomes of a growing text: its first `keep` characters stay, `add` is put behind them, and the model goes on."""

    keep: int
    add: str = ""
    stop: bool = False
    """The model does not go on."""


class Reader(ABC):
    """Somebody who reads one text along."""

    ends: str
    """The characters behind which a step may end: a model need not show the text before one of them stands in it."""

    @abstractmethod
    def read(self, text: str, finish: Finish) -> Change | None:
        """Given the whole text so far; None: go on, or, where it has ended, be it so."""


class Grown(Struct, frozen=True, kw_only=True):
    """A text that was read along to its end, and what it cost."""

    text: str
    sampled: int
    """Tokens the model wrote, those that were cut away again too."""
    told: int
    """Tokens that were put into its text."""
    calls: int
    """How often the model was set to write: once, and once more for every change after which it went on."""
    finish: Literal["stop", "length", "error"]


class Writer(Model):
    """A model whose text can be read along."""

    @abstractmethod
    def write(
        self,
        prompts: Sequence[str],
        readers: Sequence[Reader],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
        budget: int,
    ) -> list[Grown]:
        """One text per prompt, each read along by its own reader.

        max_tokens: of a text as it stands, added ones included; budget: of all that is sampled for it.
        Where nothing is changed in any of them, the same texts as of `generate` with these prompts, n = 1 and this seed.
        """


def changed(text: str, change: Change) -> str:
    """The text that the model goes on from."""
    return text[: change.keep] + change.add
