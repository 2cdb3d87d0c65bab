"""A Hugging Face causal language model: `world`, a hub id, a directory (LoRA too), a .gguf file, or PACKAGE:FILE.gguf."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from counterform.errors import MissingExtra, ModelError, extra
from counterform.models.calc import Answering
from counterform.models.decoding import tokens_with, write_batch
from counterform.models.growing import Grown, Reader, Writer
from counterform.models.inside import Inspectable
from counterform.models.source import commits, files_of, lora_base, named_failures, spec_of
from counterform.study import ModelSpec
from counterform.types import Completion

with extra("train"):
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
        GenerationConfig,
        GgufConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

MAX_CONTEXT_UNKNOWN = 2048
"""Tokens of context assumed for a model whose configuration does not say."""


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
    ) -> None:
        self.model, self.tokenizer, self.name, self.batch_size = model.eval(), tokenizer, name, batch_size
        self.tool_failures = tool_failures
        self._plain = plain_text(tokenizer)
        self._looked: dict[str, list[bool]] = {}
        named = model.generation_config.eos_token_id
        ends = [] if named is None else named if isinstance(named, list) else [named]
        self._ends = sorted({*ends, tokenizer.eos_token_id} - {None})
        # transformers fills whatever a request leaves open from the model's own defaults, and a repetition penalty
        # or top_k 50 would change what is measured.
        self._defaults = GenerationConfig(pad_token_id=tokenizer.pad_token_id, eos_token_id=self._ends)
        model.generation_config = self._defaults

    @classmethod
    def open(cls, spec: ModelSpec) -> HFModel:
        """Load the model a study names, on the accelerator if there is one.

        Raises ModelError naming what was tried when it cannot be loaded.
        """
        model, tokenizer = load(spec, dtype=spec.dtype)
        failures = spec.tool_failures if spec.tool else None
        return cls(
            model.to(best_device()), tokenizer, name=spec.path, batch_size=spec.batch_size, tool_failures=failures
        )

    @classmethod
    def wrap(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, batch_size: int = 64) -> HFModel:
        """A model and a tokenizer that are loaded already, as they are: where the model is, in its dtype.

        The model is put into evaluation mode; its generation defaults are not used here, and stay as they are. Raises
        ModelError for a tokenizer with neither a padding nor an end token.
        """
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise ModelError(
                    "the tokenizer has neither a padding nor an end token. Set tokenizer.pad_token, e.g. to one of its unused tokens."
                )
            tokenizer = copy.copy(tokenizer)
            tokenizer.pad_token = tokenizer.eos_token
        defaults = model.generation_config
        wrapped = cls(model, tokenizer, name=model.config.name_or_path or type(model).__name__, batch_size=batch_size)
        model.generation_config = defaults
        return wrapped

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """`n` completions for each prompt, in prompt order; temperature 0 is greedy.

        Deterministic for an equal seed, batch size and machine. The global random state is left alone.
        """
        encoded = [self._prompt_ids(prompt) for prompt in prompts]
        # Rows of like length stand together, so that little is padded and rows tend to end together.
        jobs = sorted(
            ((index, sample) for index in range(len(prompts)) for sample in range(n)),
            key=lambda job: (len(encoded[job[0]]), job),
        )
        texts: dict[tuple[int, int], Completion] = {}
        for number, start in enumerate(range(0, len(jobs), self.batch_size)):
            batch = jobs[start : start + self.batch_size]
            with self._seeded(seed, number):
                rng = np.random.default_rng([seed, number])
                rows = self._generate_batch([encoded[index] for index, _ in batch], temperature, max_tokens, rng)
            texts.update(zip(batch, rows, strict=True))
        return [[texts[index, sample] for sample in range(n)] for index in range(len(prompts))]

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
        """One text a prompt, each read along by its own reader (models/growing.py: Writer)."""
        encoded = [self._prompt_ids(prompt) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda index: (len(encoded[index]), index))
        ends = "".join(sorted({character for reader in readers for character in reader.ends}))
        if ends not in self._looked:
            self._looked[ends] = tokens_with(self.tokenizer, self.model.config.vocab_size, ends)
        found: dict[int, Grown] = {}
        for number, start in enumerate(range(0, len(order), self.batch_size)):
            batch = order[start : start + self.batch_size]
            self._check_room(max(len(encoded[index]) for index in batch), max_tokens)
            with self._seeded(seed, number):
                rows = write_batch(
                    self.model,
                    self.tokenizer,
                    [encoded[index] for index in batch],
                    [readers[index] for index in batch],
                    ends=set(self._ends),
                    looked=self._looked[ends],
                    temperature=temperature,
                    max_tokens=max_tokens,
                    budget=budget,
                )
            found.update(zip(batch, rows, strict=True))
        return [found[index] for index in range(len(prompts))]

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
        """The summed log-probability (nats) of each continuation after the prompt, without the end token."""
        start = self._prompt_ids(prompt)
        texts = [self._plain(text) for text in continuations]
        ends = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        found = []
        for at in range(0, len(ends), self.batch_size):
            batch = ends[at : at + self.batch_size]
            width = max(len(end) for end in batch)
            # Padding stands on the right: causal attention never looks at it from the tokens that count.
            ids = torch.tensor([start + end + [0] * (width - len(end)) for end in batch], device=self.model.device)
            with torch.inference_mode():
                logits = self.model(input_ids=ids).logits[:, len(start) - 1 : -1].float()
            scores = logits.log_softmax(-1).gather(-1, ids[:, len(start) :, None])[..., 0]
            found += [float(scores[row, : len(end)].sum()) for row, end in enumerate(batch)]
        return found

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
        """Give the memory back before the next model comes."""
        self.model = None
        free_memory()

    @contextmanager
    def _seeded(self, seed: int, batch: int) -> Iterator[None]:
        """Sampling with a seed of its own for every batch, without gradients."""
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(seed * 1_000_003 + batch)
            yield

    def _check_room(self, width: int, max_tokens: int) -> None:
        room = getattr(self.model.config, "max_position_embeddings", MAX_CONTEXT_UNKNOWN) - max_tokens
        if width > room:
            raise ModelError(
                f"a prompt of {width} tokens and {max_tokens} new ones do not fit the context of {self.name!r} "
                f"({room + max_tokens}). Shorten the prompts, or lower max_tokens in the study file."
            )

    def _prompt_ids(self, prompt: str) -> list[int]:
        prompt = self._plain(prompt)
        if self.tokenizer.chat_template is None:
            return list(self.tokenizer(prompt)["input_ids"])
        messages = [{"role": "user", "content": prompt}]
        ids = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        return list(ids)

    def _generate_batch(
        self, rows: list[list[int]], temperature: float, max_tokens: int, rng: np.random.Generator
    ) -> list[Completion]:
        width = max(len(row) for row in rows)
        self._check_room(width, max_tokens)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.model.device)
        tool = None
        if self.tool_failures is not None:
            tool = [Answering(self.tokenizer, width, len(rows), failures=self.tool_failures, rng=rng)]
        theirs, self.model.generation_config = self.model.generation_config, self._defaults
        try:
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=self._sampling(temperature, max_tokens),
                logits_processor=tool,
            )[:, width:]
        finally:
            self.model.generation_config = theirs
        return [self._completion(row) for row in out.tolist()]

    def _sampling(self, temperature: float, max_tokens: int) -> GenerationConfig:
        sampled: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        return GenerationConfig(
            **(sampled if temperature > 0 else {"do_sample": False}),
            max_new_tokens=max_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self._ends,
        )

    def _completion(self, ids: list[int]) -> Completion:
        length = next((at for at, token in enumerate(ids) if token in self._ends), None)
        kept = ids if length is None else ids[:length]
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        # The end token was generated too, so it counts.
        tokens = len(kept) + (length is not None)
        return Completion(text=text, tokens=tokens, finish="length" if length is None else "stop")


def load(
    model: str | ModelSpec, *, dtype: torch.dtype | str = "auto"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer at a hub id, a directory (LoRA directories too), a .gguf file, or `world`.

    dtype: of the weights; "auto" keeps the file's own, which is float32 for a .gguf. No code of the model's own is run
    unless its spec allows it, and no pickle is read.
    A tokenizer without a padding token pads with its end token. Raises ModelError.
    """
    spec = spec_of(model)
    with named_failures(spec.path):
        source = files_of(spec)
        if source.suffix == ".gguf":
            loaded, tokenizer = _load_gguf(source, torch.float32 if dtype == "auto" else dtype)
        else:
            loaded = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, use_safetensors=True, **_revision(spec, source), **_trusted(spec)
            )
            tokenizer = AutoTokenizer.from_pretrained(source, **_trusted(spec))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return loaded, tokenizer


def own_dtype(model: str | ModelSpec) -> str:
    """The dtype in which a model's weights lie, e.g. `bfloat16`; float32 for a .gguf. Raises ModelError."""
    spec = spec_of(model)
    with named_failures(spec.path):
        source = files_of(spec)
        if source.suffix == ".gguf":
            return "float32"
        return str(AutoConfig.from_pretrained(source, **_trusted(spec)).dtype or torch.float32).removeprefix("torch.")


def _trusted(spec: ModelSpec) -> dict[str, Any]:
    # Never left open: in a terminal transformers would ask, and run the model's code at a keystroke.
    return {"trust_remote_code": spec.trust_remote_code}


def _revision(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """For the base of a LoRA, the commit that is recorded; the files of anything else lie in their folder."""
    base, _ = lora_base(folder)
    commit = commits(spec).get(base)
    return {"revision": commit} if commit else {}


def plain_text(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], str]:
    """A function after which nothing in a text is read as a special token: "<|im_end|>" becomes "< |im_end|>".

    Attempts are anybody's text; an attempt that is shown in a critique's prompt must not end the user's turn.
    """
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= set(tokenizer.all_special_tokens)
    tokens = sorted((token for token in special if len(token) > 1), key=len, reverse=True)

    def plain(text: str) -> str:
        for token in tokens:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    return plain


def _places(text: str, spaced: str) -> list[int]:
    """Where each character of `spaced`, and its end, stands in `text`, of which it is a copy with spaces put in."""
    places, at = [], 0
    for character in spaced:
        places.append(at)
        at += at < len(text) and text[at] == character
    return [*places, len(text)]


def load_tokenizer(model: str | ModelSpec) -> PreTrainedTokenizerBase:
    """The tokenizer alone, for counting tokens before anything is trained. Raises ModelError."""
    spec = spec_of(model)
    with named_failures(spec.path):
        source = files_of(spec)
        if source.suffix == ".gguf":
            return AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name, **_trusted(spec))
        return AutoTokenizer.from_pretrained(source, **_trusted(spec))


def best_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def free_memory() -> None:
    """Return memory that no model uses any more, to the accelerator too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load_gguf(file: Path, dtype: torch.dtype | str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if find_spec("gguf") is None:
        raise MissingExtra("gguf", "train")
    if not file.is_file():
        raise ModelError(f"there is no file {str(file)!r}.")
    folder, name = str(file.parent), file.name
    quantization = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, quantization_config=quantization, dtype=dtype, trust_remote_code=False
    )
    # Now an ordinary float model: without this it could be neither trained nor saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, AutoTokenizer.from_pretrained(folder, gguf_file=name, trust_remote_code=False)
