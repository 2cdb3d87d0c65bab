"""The one decode loop: plain samples, text that is read along and cut back, and a calculator's answers, all in one batch.

A prompt is read once however many texts follow it, and what all prompts begin with (a system prompt, worked examples) once for all of
them. A step writes one token into a buffer that grows by doubling, and a text that has ended leaves the batch. A token that is cut away
stays in the cache and is masked out, and what is added is fed in the sampled tokens' place, while the other rows go on. In a model whose
layers do not keep every token (a sliding window, a recurrent state) what is cut away cannot be masked out: there a row that was changed
is read anew, and every prompt is read whole.

Each text draws from a random stream of its own, so what it becomes does not depend on the batch that it stands in, but for the rounding of
a batched matrix product.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from counterform.errors import extra
from counterform.models.rows import Row

with extra("train"):
    import torch
    from transformers import DynamicCache, PreTrainedModel
    from transformers.cache_utils import DynamicLayer

_FULLEST = 7 / 8
"""Share of a batch that still grows at which the others leave it: each leaving copies the cache once."""
_FIRST_ROOM = 64
"""Tokens of room behind the prompt in a new buffer."""
_WORTH_SHARING = 16
"""Tokens that all prompts begin with, at the least, to be read by themselves."""


def decode(model: PreTrainedModel, rows: Sequence[Row], *, pad: int, temperature: float) -> None:
    """Let every row grow to its end, side by side. The caller turns gradients off.

    pad: the token that fills shorter prompts on the left. temperature: 0 is greedy.
    """
    keeps_all = keeps_every_token(model)
    growing = list(rows)
    while growing:
        growing = _grow(model, growing, pad=pad, temperature=temperature, keeps_all=keeps_all)


def _grow(model: PreTrainedModel, rows: Sequence[Row], *, pad: int, temperature: float, keeps_all: bool) -> list[Row]:
    """Read the rows and let them grow until none is left; those that must be read anew are returned."""
    batch = _Batch(model, rows, pad, shares=keeps_all)
    again: list[Row] = []
    going = list(rows)
    for slot in range(batch.width, 1 << 60):
        for row, token in zip(going, _chosen(batch.scores, going, temperature), strict=True):
            if not row.due:
                row.take(token)
        if not keeps_all:
            again += [row for row in going if row.holes and not row.finish]
        staying = [at for at, row in enumerate(going) if not row.finish and (keeps_all or not row.holes)]
        if not staying:
            break
        if len(staying) < len(going):
            going = [going[at] for at in staying]
            batch.leave(staying)
        batch.step(going, slot)
    return again


def _chosen(scores: torch.Tensor, rows: Sequence[Row], temperature: float) -> list[int]:
    """The next token of every row, from its own random stream: the inverse of the distribution function at a uniform draw."""
    if temperature == 0:
        greedy: list[int] = scores.argmax(-1).tolist()
        return greedy
    below = (scores.double() / temperature).softmax(-1).cumsum(-1)
    # One draw for every row that samples; a row whose next token is given draws nothing.
    draws = [0.0 if row.due else row.draw() for row in rows]
    wanted = torch.tensor(draws, dtype=below.dtype, device=below.device)[:, None] * below[:, -1:]
    sampled: list[int] = torch.searchsorted(below, wanted, right=True).clamp(max=scores.shape[-1] - 1)[:, 0].tolist()
    return sampled


class _Batch:
    """The tensors of the rows that grow: what is cached, what of it is seen, and what comes next."""

    def __init__(self, model: PreTrainedModel, rows: Sequence[Row], pad: int, *, shares: bool) -> None:
        self._model, self._pad = model, pad
        place = {prompt: at for at, prompt in enumerate(dict.fromkeys(row.so_far for row in rows))}
        self.width = max(map(len, place))
        self._cache = DynamicCache(config=model.config)
        self._cache.layers = [_Buffered() if type(layer) is DynamicLayer else layer for layer in self._cache.layers]
        # Of the last place alone, as a copy: a view of it is multiplied by the output layer row by row where that is frozen, as under a LoRA, which
        # in bfloat16 on a CPU took 57 s in place of 0.1 (24 rows, 152,000 tokens).
        self._last: dict[str, Any] = (
            {"logits_to_keep": torch.tensor([-1])}
            if "logits_to_keep" in inspect.signature(model.forward).parameters
            else {}
        )
        shared = _beginning([*place]) if shares else ()
        self._mask = torch.ones((1 if shared else len(place), 0), dtype=torch.long, device=model.device)
        if shared:
            self._read([shared], len(shared))
            self._select([0] * len(place))
        self.scores = self._read([prompt[len(shared) :] for prompt in place], self.width - len(shared))
        self._at = list(range(len(rows)))
        """Of every growing row, where it stands in the batch."""
        if len(place) < len(rows):
            self.scores = self.scores[self._select([place[row.so_far] for row in rows])]
        for row in rows:
            row.start(self.width - 1)

    def leave(self, staying: Sequence[int]) -> None:
        """Only these of the growing rows go on; the batch is made smaller once enough have left it."""
        self._at = [self._at[at] for at in staying]
        if len(self._at) <= _FULLEST * len(self._mask):
            self._select(self._at)
            self._at = list(range(len(self._at)))

    def step(self, rows: Sequence[Row], slot: int) -> None:
        """Feed the next token of every row into this place of the cache."""
        size, device = len(self._mask), self._mask.device
        fed, places, holes = [self._pad] * size, [0] * size, []
        for at, row in zip(self._at, rows, strict=True):
            holes += [(at, hole) for hole in row.holes]
            row.holes.clear()
            fed[at], places[at] = row.feed(slot)
        self._mask = torch.cat([self._mask, self._mask.new_ones((size, 1))], dim=1)
        if holes:
            of, where = zip(*holes, strict=True)
            self._mask[list(of), list(where)] = 0
        scores = self._forward(torch.tensor(fed, device=device)[:, None], torch.tensor(places, device=device)[:, None])
        self.scores = scores if len(rows) == size else scores[self._at]

    def _read(self, texts: Sequence[Sequence[int]], width: int) -> torch.Tensor:
        """Feed every row so many tokens, the shorter texts behind a gap."""
        gaps = [width - len(text) for text in texts]
        ids = [[self._pad] * gap + [*text] for gap, text in zip(gaps, texts, strict=True)]
        seen = self._mask.new_tensor([[0] * gap + [1] * (width - gap) for gap in gaps])
        self._mask = torch.cat([self._mask, seen], dim=1)
        places = (self._mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]
        return self._forward(torch.tensor(ids, device=places.device), places)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        out: Any = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            **self._last,
        )
        scores: torch.Tensor = out.logits[:, -1].float()
        return scores

    def _select(self, rows: Sequence[int]) -> torch.Tensor:
        chosen = torch.tensor(rows, device=self._mask.device)
        self._cache.reorder_cache(chosen)
        self._mask = self._mask[chosen]
        return chosen


class _Buffered(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values in buffers that double, so that a step writes one token and does not copy all that stand."""

    keys: torch.Tensor
    values: torch.Tensor

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """All keys and values, (rows, heads, tokens, width), the new ones behind the others."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = [key_states[:, :, :0], value_states[:, :, :0]]
        length = self.get_seq_length() + key_states.shape[-2]
        if length > self._room[0].shape[-2]:
            old = (self.keys, self.values) if self.get_seq_length() else (None, None)
            pairs = zip(old, (key_states, value_states), strict=True)
            self._room = [
                _enlarged(kept, new, max(2 * length - _FIRST_ROOM, length + _FIRST_ROOM)) for kept, new in pairs
            ]
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, length - new.shape[-2] : length] = new
        self.keys, self.values = (room[:, :, :length] for room in self._room)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Rows in another order, some twice, some no more."""
        super().reorder_cache(beam_idx)
        self._room = [self.keys, self.values]


def _enlarged(kept: torch.Tensor | None, new: torch.Tensor, length: int) -> torch.Tensor:
    rows, heads, _, width = new.shape
    room = new.new_empty((rows, heads, length, width))
    if kept is not None:
        room[:, :, : kept.shape[-2]] = kept
    return room


def _beginning(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What all prompts begin with, short of a prompt's last token; nothing where it is not worth a reading of its own."""
    first, last = min(prompts), max(prompts)
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    length = min(len(list(alike)), min(map(len, prompts)) - 1)
    return first[:length] if length >= _WORTH_SHARING and len(prompts) > 1 else ()


def keeps_every_token(model: PreTrainedModel) -> bool:
    """Whether every layer keeps the keys and values of every token, so that one can be masked out later."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)
