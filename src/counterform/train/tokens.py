"""Counts the tokens of training rows the way the trainer will see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from counterform.errors import extra
from counterform.models.hf import plain_text
from counterform.types import Example

with extra("train"):
    from transformers import PreTrainedTokenizerBase


def training_rows(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """Rows in TRL's prompt-completion format: messages where the tokenizer has a chat template, else text."""
    plain = plain_text(tokenizer)
    pairs = [(plain(example.prompt), plain(example.completion or "")) for example in examples]
    if tokenizer.chat_template is None:
        return [{"prompt": prompt, "completion": f"\n{completion}"} for prompt, completion in pairs]
    return [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "completion": [{"role": "assistant", "content": completion}],
        }
        for prompt, completion in pairs
    ]


def token_counter(
    tokenizer: PreTrainedTokenizerBase,
) -> Callable[[Sequence[Example]], tuple[list[int], list[int]]]:
    """A function from examples to their prompt tokens and their loss tokens."""

    def count(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
        rows = training_rows(examples, tokenizer)
        prompts, wholes = [], []
        for row in rows:
            if isinstance(row["prompt"], str):
                prompts.append(row["prompt"])
                wholes.append(row["prompt"] + row["completion"] + (tokenizer.eos_token or ""))
            else:
                template = tokenizer.apply_chat_template
                prompts.append(template(row["prompt"], tokenize=False, add_generation_prompt=True))
                wholes.append(template(row["prompt"] + row["completion"], tokenize=False))
        if not rows:
            return [], []
        before = [len(ids) for ids in tokenizer(prompts, add_special_tokens=False)["input_ids"]]
        total = [len(ids) for ids in tokenizer(wholes, add_special_tokens=False)["input_ids"]]
        # What the trainer is to sample is not known yet; the ledger counts it.
        given = [example.completion is not None for example in examples]
        return before, [(whole - prompt) * known for whole, prompt, known in zip(total, before, given, strict=True)]

    return count


def weights_of(
    examples: Sequence[Example], count: Callable[[Sequence[Example]], tuple[list[int], list[int]]]
) -> list[float] | None:
    """The weight of each example's loss with which all kinds count alike, 1 on the average of loss tokens; None: no kinds."""
    kinds = [example.kind for example in examples]
    if not any(kinds):
        return None
    tokens: Counter[str] = Counter()
    for kind, loss in zip(kinds, count(examples)[1], strict=True):
        tokens[kind] += loss
    return [tokens.total() / len(tokens) / tokens[kind] for kind in kinds]
