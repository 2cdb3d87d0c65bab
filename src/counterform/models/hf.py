"""A Hugging Face causal language model: `world`, a hub id, a directory (LoRA too), a .gguf file, or PACKAGE:FILE.gguf, in parts too."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from counterform.errors import ModelError, extra
from counterform.models.calc import Calculator
from counterform.models.chat import plain_text, prompt_ids
from counterform.models.decoding import decode, keeps_every_token
from counterform.models.growing import Grown, Reader, Writer
from counterform.models.inside import Inspectable
from counterform.models.loading import MAX_CONTEXT_UNKNOWN, best_device, free_memory, load, load_tokenizer
from counterform.models.lora import Worn
from counterform.models.rows import ReadAlong, Row, Sample, stream_of, tokens_with
from counterform.models.source import Adapted, named_failures, with_base
from counterform.study import NO_CHAT, ChatSpec, LoadSpec, ModelSpec
from counterform.types import Completion

with extra("train"):
    import torch
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

_TOO_LONG = Completion(text="", tokens=0, finish="error", failure="context")
Place = TypeVar("Place")


class Trace(NamedTuple):
    """A text read under teacher forcing: what the model says before, and holds after, each of its tokens."""

    spans: list[tuple[int, int]]
    """Where each token stands in the text, as character offsets."""
    logprobs: torch.Tensor
    """(tokens, vocabulary), nats: the distribution that each token was predicted from."""
    hidden: torch.Tensor
    """(layers + 1, tokens, width), after each token was read; layer 0 is the embedding."""


class HFModel(Writer, Inspectable):
    """Batched, length-sorted generation with its own seeds."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        batch_size: int = 64,
        tool_failures: float | None = None,
        chat: ChatSpec = NO_CHAT,
    ) -> None:
        self.model, self.tokenizer, self.name, self.batch_size = model.eval(), tokenizer, name, batch_size
        self.tool_failures, self.chat, self.parameters = tool_failures, chat, model.num_parameters()
        self._failures: Counter[str] = Counter()
        self._bare = False
        self._worn: Worn | None = None
        self._plain = plain_text(tokenizer)
        self._looked: dict[str, list[bool]] = {}
        named = model.generation_config.eos_token_id
        ends = [] if named is None else named if isinstance(named, list) else [named]
        self._ends = sorted({*ends, tokenizer.eos_token_id} - {None})

    @property
    def failures(self) -> Counter[str]:
        """Prompts that were too long for the context."""
        return self._failures

    @classmethod
    def open(cls, spec: ModelSpec) -> HFModel:
        """Load the model a study names, on the accelerator if there is one.

        Raises ModelError naming what was tried when it cannot be loaded.
        """
        spec = with_base(spec)
        worn = None
        if isinstance(spec, Adapted):
            with named_failures(spec.adapter):
                worn = Worn(spec, _on_device)
        model, tokenizer = (worn.model, load_tokenizer(spec)) if worn else _on_device(spec)
        opened = cls(
            model,
            tokenizer,
            name=spec.path,
            batch_size=spec.batch_size,
            tool_failures=spec.tool_failures if spec.tool else None,
            chat=spec.chat,
        )
        opened._worn = worn
        return opened

    @classmethod
    def wrap(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, batch_size: int = 64) -> HFModel:
        """A model and a tokenizer that are loaded already, as they are: where the model is, in its dtype.

        The model is put into evaluation mode; of its generation defaults only the end tokens are used, and they stay as they are. Raises
        ModelError for a tokenizer with neither a padding nor an end token.
        """
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise ModelError(
                    "the tokenizer has neither a padding nor an end token. Set tokenizer.pad_token, e.g. to one of its unused tokens."
                )
            tokenizer = copy.copy(tokenizer)
            tokenizer.pad_token = tokenizer.eos_token
        return cls(model, tokenizer, name=model.config.name_or_path or type(model).__name__, batch_size=batch_size)

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """`n` completions for each prompt, in prompt order; temperature 0 is greedy.

        Each text has a random stream of its own, made of the seed, its prompt's words and its number among those of this prompt: what it
        becomes does not depend on the other prompts, nor on the batch. The global random state is left alone.
        """
        found = self.completions(prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens)
        texts = {(index, sample): completion for index, sample, completion in found}
        return [[texts[index, sample] for sample in range(n)] for index in range(len(prompts))]

    def completions(
        self,
        prompts: Sequence[str],
        *,
        n: int,
        seed: int,
        temperature: float,
        max_tokens: int,
        known: Container[tuple[int, int]] = (),
    ) -> Iterator[tuple[int, int, Completion]]:
        """Batch by batch; what is known is not generated again, and changes nothing for the others."""
        jobs = [(index, sample) for index in range(len(prompts)) for sample in range(n)]
        streams = _streams(seed, [prompts[index] for index, _ in jobs])
        encoded = [self._prompt_ids(prompt) for prompt in prompts]
        calculator = None if self.tool_failures is None else Calculator(self.tokenizer, failures=self.tool_failures)
        rows: dict[tuple[int, int], Sample] = {}
        for (index, sample), stream in zip(jobs, streams, strict=True):
            if (index, sample) in known:
                continue
            if not self._fits(encoded[index], max_tokens):
                yield index, sample, _TOO_LONG
                continue
            rows[index, sample] = Sample(
                encoded[index], ends=self._ends, max_tokens=max_tokens, stream=stream, calculator=calculator
            )
        for batch in self._decoded(rows, temperature):
            yield from ((*job, self._completion(rows[job])) for job in batch)

    def bare(self) -> HFModel:
        """The same weights; a prompt is read as it stands, its special tokens too."""
        found = copy.copy(self)
        found._bare = True
        return found

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
        """One text per prompt, each read along by its own reader (models/growing.py: Writer)."""
        ends = "".join(sorted({character for reader in readers for character in reader.ends}))
        if ends not in self._looked:
            self._looked[ends] = tokens_with(self.tokenizer, self.model.config.vocab_size, ends)
        found = [Grown(text="", sampled=0, told=0, calls=1, finish="error")] * len(prompts)
        rows: dict[int, ReadAlong] = {}
        for at, (prompt, reader, stream) in enumerate(zip(prompts, readers, _streams(seed, prompts), strict=True)):
            ids = self._prompt_ids(prompt)
            if self._fits(ids, max_tokens):
                rows[at] = ReadAlong(
                    self.tokenizer,
                    ids,
                    reader,
                    ends=self._ends,
                    looked=self._looked[ends],
                    max_tokens=max_tokens,
                    budget=budget,
                    stream=stream,
                )
        for batch in self._decoded(rows, temperature):
            for at in batch:
                found[at] = rows[at].grown()
                self.tokens += found[at].sampled
        return found

    def unread_words(self, text: str) -> str:
        """The words to which the tokenizer gives its token for unknown ones."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None:
            return ""
        words = self._plain(text).split()
        return " ".join(
            word for word in words if unknown in self.tokenizer(word, add_special_tokens=False)["input_ids"]
        )

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """The summed log-probability (nats) of each continuation after the prompt, which is read once, without the end token."""
        start = self._prompt_ids(prompt)
        texts = [self._plain(text) for text in continuations]
        ends = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        read = len(start) - 1 if keeps_every_token(self.model) else 0
        found = []
        with torch.inference_mode():
            cache = self._read(start[:read]) if read else None
            for at in range(0, len(ends), self.batch_size):
                batch = ends[at : at + self.batch_size]
                width = max(len(end) for end in batch)
                # Padding stands on the right: causal attention never looks at it from the tokens that count.
                rows = [[*start[read:], *end, *[0] * (width - len(end))] for end in batch]
                ids = torch.tensor(rows, device=self.model.device)
                past = copy.deepcopy(cache)
                if past is not None:
                    past.batch_repeat_interleave(len(batch))
                logits = self.model(input_ids=ids, past_key_values=past, use_cache=past is not None).logits
                of_next = logits[:, len(start) - read - 1 : -1].float().log_softmax(-1)
                scores = of_next.gather(-1, ids[:, len(start) - read :, None])[..., 0]
                found += [float(scores[row, : len(end)].sum()) for row, end in enumerate(batch)]
        return found

    def _read(self, ids: Sequence[int]) -> DynamicCache:
        cache = DynamicCache(config=self.model.config)
        self.model.get_decoder()(
            input_ids=torch.tensor([ids], device=self.model.device), past_key_values=cache, use_cache=True
        )
        return cache

    def trace(self, prompt: str, text: str) -> Trace:
        """What the model says before, and holds after, each token of `text` as its answer to the prompt.

        Tokens that do not fit the model's context are left out, at the end. Raises ModelError where the tokenizer
        cannot say where its tokens stand, or the model shows no hidden states.
        """
        if not self.tokenizer.is_fast:
            raise ModelError(
                f"the tokenizer of {self.name!r} does not say where its tokens stand; it needs a fast one."
            )
        plain = self._plain(text)
        encoded = self.tokenizer(plain, add_special_tokens=False, return_offsets_mapping=True)
        start = self._prompt_ids(prompt)
        room = max(0, getattr(self.model.config, "max_position_embeddings", MAX_CONTEXT_UNKNOWN) - len(start))
        ids, places = encoded["input_ids"][:room], _places(text, plain)
        with torch.inference_mode():
            seen = self.model(
                input_ids=torch.tensor([start + ids], device=self.model.device), output_hidden_states=True
            )
        if not getattr(seen, "hidden_states", None):
            raise ModelError(f"{self.name!r} shows no hidden states.")
        return Trace(
            spans=[(places[a], places[b]) for a, b in encoded["offset_mapping"][:room]],
            logprobs=seen.logits[0, len(start) - 1 : len(start) - 1 + len(ids)].float().log_softmax(-1),
            hidden=torch.stack([layer[0, len(start) : len(start) + len(ids)].float() for layer in seen.hidden_states]),
        )

    def close(self) -> None:
        """Give the memory back before the next model comes; the base of a LoRA stays for the next adapter."""
        if self._worn is not None:
            self._worn.take_off()
        self.model = self._worn = None
        free_memory()

    def _decoded(self, rows: Mapping[Place, Row], temperature: float) -> Iterator[list[Place]]:
        """The places of the rows, batch by batch as they have grown to their end."""
        # Rows of like length stand together, so that little is padded and rows tend to end together.
        order = sorted(rows, key=lambda place: (len(rows[place].prompt), rows[place].prompt))
        for at in range(0, len(order), self.batch_size):
            batch = order[at : at + self.batch_size]
            with torch.inference_mode():
                pad = self.tokenizer.pad_token_id
                decode(self.model, [rows[place] for place in batch], pad=pad, temperature=temperature)
            yield batch

    def _fits(self, prompt: list[int], max_tokens: int) -> bool:
        """Whether a prompt leaves room for an answer: one that does not is an error row, and counted.

        Raises ModelError where none ever could.
        """
        room = getattr(self.model.config, "max_position_embeddings", MAX_CONTEXT_UNKNOWN) - max_tokens
        if room < 1:
            raise ModelError(
                f"a prompt of {len(prompt)} tokens and {max_tokens} new ones do not fit the context of {self.name!r} "
                f"({room + max_tokens}). Lower max_tokens in the study file."
            )
        self._failures["context"] += len(prompt) > room
        return len(prompt) <= room

    def _prompt_ids(self, prompt: str) -> list[int]:
        if self._bare:
            begins = bool(self.tokenizer.bos_token) and prompt.startswith(self.tokenizer.bos_token)
            return list(self.tokenizer(prompt, add_special_tokens=not begins)["input_ids"])
        prompt = self._plain(prompt)
        if self.tokenizer.chat_template is None:
            return list(self.tokenizer(prompt)["input_ids"])
        return prompt_ids(self.tokenizer, self.chat.messages(prompt), self.chat)

    def _completion(self, row: Sample) -> Completion:
        text = self.tokenizer.decode(row.ids, skip_special_tokens=True)
        # The end token was generated too, so it counts.
        tokens = len(row.ids) + len(row.ended_by)
        self.tokens += tokens
        return Completion(text=text, tokens=tokens, finish="stop" if row.finish == "stop" else "length")


def _on_device(spec: ModelSpec) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    model, tokenizer = load(spec, dtype=spec.dtype)
    return (model if spec.load != LoadSpec() else model.to(best_device())), tokenizer


def _streams(seed: int, prompts: Sequence[str]) -> list[int]:
    """The random stream of one text behind each of these prompts."""
    before: Counter[str] = Counter()
    found = []
    for prompt in prompts:
        found.append(stream_of(seed, prompt, before[prompt]))
        before[prompt] += 1
    return found


def _places(text: str, spaced: str) -> list[int]:
    """Where each character of `spaced`, and its end, stands in `text`, of which it is a copy with spaces put in."""
    places, at = [], 0
    for character in spaced:
        places.append(at)
        at += at < len(text) and text[at] == character
    return [*places, len(text)]
