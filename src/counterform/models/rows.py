"""Texts that grow in the decode loop: a plain sample, one with a calculator, and one that somebody reads along."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from counterform.errors import extra
from counterform.models.calc import Calculator
from counterform.models.growing import LOOK_AFTER, Change, Finish, Grown, Reader, changed

with extra("train"):
    from transformers import PreTrainedTokenizerBase

_BEHIND = 6
"""Tokens before new ones that are decoded and encoded with them: neither can be done to a token alone."""
_WINDOW = 30
"""Tokens that are decoded together, at most a look's more, before the window moves on."""
_DRAWN = 64
"""Uniform numbers that are drawn at once."""


class Row(ABC):
    """One text: its tokens, where each stands in the cache, and what is still to be fed.

    prompt: its tokens. ends: tokens that end a text. stream: what its random stream is made of (`stream_of`).
    """

    def __init__(self, prompt: Sequence[int], *, ends: Collection[int], max_tokens: int, stream: int) -> None:
        self.prompt, self.ends, self.max_tokens = list(prompt), ends, max_tokens
        self.rng = np.random.default_rng(stream)
        self.ids: list[int] = []
        """The text's tokens, without the one that ends it."""
        self.due: deque[int] = deque()
        """Tokens that are fed before the next one is sampled."""
        self.slots: list[int] = []
        """Where in the cache the prompt's last token and each of `ids` stand; those still due are missing."""
        self.holes: list[int] = []
        """Places in the cache of tokens that were cut away since the last step."""
        self.finish: Literal["", "stop", "length"] = ""
        self._draws: list[float] = []

    @property
    def so_far(self) -> tuple[int, ...]:
        """All that the model reads before it writes the next token."""
        return (*self.prompt, *self.ids)

    def start(self, slot: int) -> None:
        """All so far stands in the cache, the last token of it at this place."""
        self.due.clear()
        self.holes.clear()
        self.slots = list(range(slot - len(self.ids), slot + 1))

    def draw(self) -> float:
        """The next uniform number in [0, 1) of the text's own stream."""
        if not self._draws:
            self._draws = self.rng.random(_DRAWN).tolist()[::-1]
        return self._draws.pop()

    def feed(self, slot: int) -> tuple[int, int]:
        """The token that is fed at this place of the cache, and its position in the text."""
        self.slots.append(slot)
        return self.due.popleft(), len(self.prompt) + len(self.slots) - 2

    @abstractmethod
    def take(self, token: int) -> None:
        """A token was sampled: it is due to be fed, or the text ends."""


class Sample(Row):
    """A plain sample; with a calculator, its answers stand in the text behind the calls, and count as tokens."""

    def __init__(
        self,
        prompt: Sequence[int],
        *,
        ends: Collection[int],
        max_tokens: int,
        stream: int,
        calculator: Calculator | None = None,
    ) -> None:
        super().__init__(prompt, ends=ends, max_tokens=max_tokens, stream=stream)
        self._calculator = calculator
        self.ended_by: list[int] = []
        """The token that ended the text; none where it is as long as it may be."""
        self.calls = self.errors = 0
        self.given: set[int] = set()
        """Places in the text of the calculator's tokens."""

    def take(self, token: int) -> None:
        if token in self.ends:
            self.ended_by, self.finish = [token], "stop"
            return
        self._put([token])
        if self._calculator is not None and self._calculator.is_called_by(token) and not self.finish:
            said, failed = self._calculator.answer_to(self.ids, self.rng)
            self.calls += 1
            self.errors += failed
            self.given.update(range(len(self.ids), min(len(self.ids) + len(said), self.max_tokens)))
            self._put(said)

    def _put(self, tokens: Sequence[int]) -> None:
        tokens = tokens[: self.max_tokens - len(self.ids)]
        self.ids += tokens
        self.due += tokens
        if len(self.ids) >= self.max_tokens:
            self.finish = "length"


class ReadAlong(Row):
    """A text that somebody reads as it grows, cuts back and adds to.

    looked: of every token, whether the text is read once the next one is there. budget: of all that is sampled for the text.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt: Sequence[int],
        reader: Reader,
        *,
        ends: Collection[int],
        looked: Sequence[bool],
        max_tokens: int,
        budget: int,
        stream: int,
    ) -> None:
        super().__init__(prompt, ends=ends, max_tokens=max_tokens, stream=stream)
        self._tokenizer: Any = tokenizer
        self._reader, self._looked, self._budget = reader, looked, budget
        self._text, self._read = "", 0  # the text of the first `_read` tokens
        self._from, self._known = 0, ""  # the text of those of them from `_from` on, decoded by themselves
        self._sampled = self._told = 0
        self._calls, self._changed = 1, False

    def take(self, token: int) -> None:
        self._sampled += 1
        finish: Finish = ""
        # A step's end is certain with the first character behind it, so the text is looked at one token later.
        look = bool(self.ids) and self._looked[self.ids[-1]]
        if token in self.ends:
            finish = "stop"
        else:
            self.ids.append(token)
            self.due.append(token)
            if len(self.ids) >= self.max_tokens:
                finish = "length"
            elif self._sampled >= self._budget:
                finish = "budget"
        if look or finish or len(self.ids) - self._read >= LOOK_AFTER:
            self._show(finish)

    def grown(self) -> Grown:
        """The text as it ended, and what it cost."""
        assert self.finish
        return Grown(text=self._text, sampled=self._sampled, told=self._told, calls=self._calls, finish=self.finish)

    def _show(self, finish: Finish) -> None:
        if not self._settle(final=bool(finish)):
            return
        change = self._reader.read(self._text, finish)
        if change is not None:
            self._change(change, finish)
        elif finish:
            self.finish = "stop" if finish == "stop" else "length"

    def _settle(self, *, final: bool) -> bool:
        """Bring the text up to the tokens; False while the last of them is half a character."""
        if final and not self._changed:
            self._text = self._decoded(self.ids)
        else:
            whole = self._decoded(self.ids[self._from :])
            if whole.endswith("\ufffd") and not final:
                return False
            self._text += whole[len(self._known) :]
            self._known = whole
        self._read = len(self.ids)
        if self._read - self._from > _WINDOW:
            self._move_window()
        return True

    def _move_window(self) -> None:
        self._from = max(0, self._read - _BEHIND)
        self._known = self._decoded(self.ids[self._from : self._read])

    def _change(self, change: Change, finish: Finish) -> None:
        self._changed = True
        kept, length = self._tokens_within(change.keep)
        added = [] if change.stop else self._encoded(kept, self._text[length : change.keep] + change.add)
        self._text = changed(self._text, change)
        if change.stop:
            self.finish = "stop"
            return
        # The last token that stays is fed again, for what the model says behind it.
        self.holes += self.slots[kept:]
        self.slots = self.slots[:kept]
        self.due = deque([self.ids[kept - 1] if kept else self.prompt[-1], *added])
        self.ids = [*self.ids[:kept], *added]
        self._read = len(self.ids)
        self._move_window()
        self._told += len(added)
        self._calls += 1
        if finish == "budget" or self._sampled >= self._budget or len(self.ids) >= self.max_tokens:
            # There is nothing left to go on with; whatever the reader would change now, it ends.
            last = self._reader.read(self._text, "budget")
            self._text = changed(self._text, last) if last else self._text
            self.finish = "length"

    def _tokens_within(self, characters: int) -> tuple[int, int]:
        """How many tokens stand whole within the first characters of the text, and how long their text is."""
        low, high = 0, len(self.ids)
        if characters >= len(self._text):
            return high, len(self._text)
        while low < high:  # the text of more tokens is never shorter
            middle = (low + high + 1) // 2
            if len(self._decoded(self.ids[:middle])) <= characters:
                low = middle
            else:
                high = middle - 1
        while low and not self._text.startswith(self._decoded(self.ids[:low])):
            low -= 1  # half a character, or words put in that the tokenizer does not know
        return low, len(self._decoded(self.ids[:low]))

    def _encoded(self, kept: int, text: str) -> list[int]:
        """The tokens of a text that stands behind the first `kept` tokens."""
        if not text:
            return []
        behind = self.ids[max(0, kept - _BEHIND) : kept]
        before = self._decoded(behind)
        alone, whole = (
            list(self._tokenizer(t, add_special_tokens=False)["input_ids"]) for t in (before, before + text)
        )
        if whole[: len(alone)] == alone:
            return whole[len(alone) :]
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _decoded(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


def tokens_with(tokenizer: PreTrainedTokenizerBase, size: int, wanted: str) -> list[bool]:
    """Of each of `size` tokens, whether one of these characters, or half of any character, stands in it."""
    pieces = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    found = [not {*wanted, "\ufffd"}.isdisjoint(piece) for piece in pieces]
    return found + [False] * (size - len(found))


def stream_of(seed: int, prompt: str, occurrence: int) -> int:
    """The seed of one text's random stream: of the call's seed, the prompt's words, and how many texts of this prompt come before it."""
    return int.from_bytes(
        hashlib.blake2b(f"{seed}/{occurrence}/{prompt}".encode(errors="surrogatepass"), digest_size=16).digest()
    )
