"""Text that is read along while a Hugging Face model writes it: cut back and added to in place, the cache kept.

A cut token stays in the cache and is masked out; what is added is fed in the sampled tokens' place, while the other rows
of the batch go on. So no row waits for another's correction, and no prefix is computed twice.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from counterform.errors import ModelError, extra
from counterform.models.growing import LOOK_AFTER, Change, Finish, Grown, Reader, changed

with extra("train"):
    import torch
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

_BEHIND = 6
"""Tokens before new ones that are decoded and encoded with them: neither can be done to a token alone."""
_WINDOW = 30
"""Tokens that are decoded together, at most a look's more, before the window moves on."""


def write_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    readers: Sequence[Reader],
    *,
    ends: set[int],
    looked: Sequence[bool],
    temperature: float,
    max_tokens: int,
    budget: int,
) -> list[Grown]:
    """One text a prompt (token ids), sampled side by side. The caller sets the seed and turns gradients off.

    ends: tokens that end a text. looked: of every token, whether the text is read once the next one is there.

    Raises ModelError for a model whose state cannot be taken back (recurrent ones).
    """
    if getattr(model, "_is_stateful", False):
        raise ModelError(
            f"{type(model).__name__} keeps a state that cannot be cut back. A guard can stop it and ask again: "
            "use a model with a key-value cache, or the guard of an endpoint."
        )
    rows = [
        _Row(tokenizer, prompt, reader, ends=ends, max_tokens=max_tokens, budget=budget)
        for prompt, reader in zip(prompts, readers, strict=True)
    ]
    for row, token in _sampled(model, tokenizer.pad_token_id, prompts, rows, temperature):
        row.take(token, looked)
    return [row.grown() for row in rows]


def _sampled(
    model: PreTrainedModel, pad: int, prompts: Sequence[list[int]], rows: Sequence[_Row], temperature: float
) -> Iterator[tuple[_Row, int]]:
    """Every row that goes on with its newly sampled token, step by step, until none goes on."""
    device, width = model.device, max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    last = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    going: Sequence[_Row] = rows
    for index, row in enumerate(rows):
        row.index, row.slots = index, [width - 1]
    column = torch.ones((len(rows), 1), dtype=mask.dtype, device=device)
    for slot in range(width, 1 << 60):
        out: Any = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, **last
        )
        scores = out.logits[:, -1].float()
        if temperature > 0:
            chosen = torch.multinomial((scores / temperature).softmax(-1), 1)[:, 0]
        else:
            chosen = scores.argmax(-1)
        tokens: list[int] = chosen.tolist()
        for row in going:
            if not row.due:
                yield row, tokens[row.index]
        going = [row for row in going if not row.finish]
        if not going:
            return
        if 2 * len(going) <= len(mask) and any(row.changed for row in rows):
            # The last few rows may go on for long. Not where nothing is changed: there the batch is the one of `generate`.
            kept = torch.tensor([row.index for row in going], device=device)
            cache.batch_select_indices(kept)
            mask, column = mask[kept], column[kept]
            for index, row in enumerate(going):
                row.index = index
        fed, places = [pad] * len(mask), [0] * len(mask)
        holes: list[tuple[int, int]] = []
        for row in going:
            holes += [(row.index, hole) for hole in row.holes]
            row.holes.clear()
            fed[row.index], places[row.index] = row.feed(slot)
        mask = torch.cat([mask, column], dim=1)
        if holes:
            of, at = zip(*holes, strict=True)
            mask[list(of), list(at)] = 0
        ids = torch.tensor(fed, device=device)[:, None]
        positions = torch.tensor(places, device=device)[:, None]


class _Row:
    """One text: its tokens, where each stands in the cache, and what is still to be fed."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt: list[int],
        reader: Reader,
        *,
        ends: set[int],
        max_tokens: int,
        budget: int,
    ) -> None:
        self._tokenizer, self._prompt, self._reader = tokenizer, prompt, reader
        self._ends, self._max_tokens, self._budget = ends, max_tokens, budget
        self.index = 0
        self.due: deque[int] = deque()
        """Tokens that are fed before the next one is sampled."""
        self.slots: list[int] = []
        """Where in the cache the prompt's last token and each of `_ids` stand; those still due are missing."""
        self.holes: list[int] = []
        """Places in the cache of tokens that were cut away since the last step."""
        self.finish: Literal["", "stop", "length"] = ""
        self._ids: list[int] = []
        self._text, self._read = "", 0  # the text of the first `_read` tokens
        self._from, self._known = 0, ""  # the text of those of them from `_from` on, decoded by themselves
        self._sampled = self._told = 0
        self._calls, self.changed = 1, False

    def take(self, token: int, looked: Sequence[bool]) -> None:
        """A token was sampled."""
        self._sampled += 1
        finish: Finish = ""
        # A step's end is certain with the first character behind it, so the text is looked at one token later.
        look = bool(self._ids) and looked[self._ids[-1]]
        if token in self._ends:
            finish = "stop"
        else:
            self._ids.append(token)
            self.due.append(token)
            if len(self._ids) >= self._max_tokens:
                finish = "length"
            elif self._sampled >= self._budget:
                finish = "budget"
        if look or finish or len(self._ids) - self._read >= LOOK_AFTER:
            self._show(finish)

    def feed(self, slot: int) -> tuple[int, int]:
        """The token that is fed at this place of the cache, and its position in the text."""
        self.slots.append(slot)
        return self.due.popleft(), len(self._prompt) + len(self.slots) - 2

    def grown(self) -> Grown:
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
        if final and not self.changed:
            self._text = self._decoded(self._ids)
        else:
            whole = self._decoded(self._ids[self._from :])
            if whole.endswith("\ufffd") and not final:
                return False
            self._text += whole[len(self._known) :]
            self._known = whole
        self._read = len(self._ids)
        if self._read - self._from > _WINDOW:
            self._move_window()
        return True

    def _move_window(self) -> None:
        self._from = max(0, self._read - _BEHIND)
        self._known = self._decoded(self._ids[self._from : self._read])

    def _change(self, change: Change, finish: Finish) -> None:
        self.changed = True
        kept, length = self._tokens_within(change.keep)
        added = [] if change.stop else self._encoded(kept, self._text[length : change.keep] + change.add)
        self._text = changed(self._text, change)
        if change.stop:
            self.finish = "stop"
            return
        # The last token that stays is fed again, for what the model says behind it.
        self.holes += self.slots[kept:]
        self.slots = self.slots[:kept]
        self.due = deque([self._ids[kept - 1] if kept else self._prompt[-1], *added])
        self._ids = [*self._ids[:kept], *added]
        self._read = len(self._ids)
        self._move_window()
        self._told += len(added)
        self._calls += 1
        if finish == "budget" or self._sampled >= self._budget or len(self._ids) >= self._max_tokens:
            # There is nothing left to go on with; whatever the reader would change now, it ends.
            last = self._reader.read(self._text, "budget")
            self._text = changed(self._text, last) if last else self._text
            self.finish = "length"

    def _tokens_within(self, characters: int) -> tuple[int, int]:
        """How many tokens stand whole within the first characters of the text, and how long their text is."""
        low, high = 0, len(self._ids)
        if characters >= len(self._text):
            return high, len(self._text)
        while low < high:  # the text of more tokens is never shorter
            middle = (low + high + 1) // 2
            if len(self._decoded(self._ids[:middle])) <= characters:
                low = middle
            else:
                high = middle - 1
        while low and not self._text.startswith(self._decoded(self._ids[:low])):
            low -= 1  # half a character, or words put in that the tokenizer does not know
        return low, len(self._decoded(self._ids[:low]))

    def _encoded(self, kept: int, text: str) -> list[int]:
        """The tokens of a text that stands behind the first `kept` tokens."""
        if not text:
            return []
        behind = self._ids[max(0, kept - _BEHIND) : kept]
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
