"""Counts the tokens of training rows the way the trainer will see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from counterform.errors import extra
from counterform.models.chat import plain_text
from counterform.study import NO_CHAT, ChatSpec
from counterform.types import Example

with extra("train"):
    from transformers import PreTrainedTokenizerBase


def training_rows(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, chat: ChatSpec = NO_CHAT
) -> list[dict[str, Any]]:
    """Rows in TRL's prompt-completion format: messages where the tokenizer has a chat template, else text."""
    turns = _turns(examples, [example.completion or "" for example in examples], tokenizer, chat)
    return [{"prompt": prompt, "completion": completion, **_template(chat)} for prompt, completion in turns]


def preference_rows(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, chat: ChatSpec = NO_CHAT
) -> list[dict[str, Any]]:
    """Rows in TRL's preference format, with the prompt apart."""
    chosen = _turns(examples, [example.completion or "" for example in examples], tokenizer, chat)
    rejected = _turns(examples, [example.rejected or "" for example in examples], tokenizer, chat)
    return [
        {"prompt": prompt, "chosen": right, "rejected": wrong, **_template(chat)}
        for (prompt, right), (_, wrong) in zip(chosen, rejected, strict=True)
    ]


def _template(chat: ChatSpec) -> dict[str, Any]:
    """The column by which TRL is told arguments of the chat template."""
    return {"chat_template_kwargs": chat.template} if chat.template else {}


def _turns(
    examples: Sequence[Example], texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, chat: ChatSpec
) -> list[tuple[Any, Any]]:
    """Each prompt with an answer to it: messages where the tokenizer has a chat template, else text."""
    plain = plain_text(tokenizer)
    pairs = [(plain(example.prompt), plain(text)) for example, text in zip(examples, texts, strict=True)]
    if tokenizer.chat_template is None:
        return [(prompt, f"\n{text}") for prompt, text in pairs]
    messages = [chat.messages(prompt, text) for prompt, text in pairs]
    return [(turns[:-1], turns[-1:]) for turns in messages]


def token_counter(
    tokenizer: PreTrainedTokenizerBase,
    chat: ChatSpec = NO_CHAT,
) -> Callable[[Sequence[Example]], tuple[list[int], list[int]]]:
    """A function from examples to their prompt tokens and their loss tokens.

    A pair has both for each of its texts: the prompt is read twice.
    """

    def count(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
        prompts, losses = count_chosen(examples)
        paired = [at for at, example in enumerate(examples) if example.rejected is not None]
        others = [replace(examples[at], completion=examples[at].rejected) for at in paired]
        for at, prompt, loss in zip(paired, *count_chosen(others), strict=True):
            prompts[at] += prompt
            losses[at] += loss
        return prompts, losses

    def count_chosen(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
        rows = training_rows(examples, tokenizer, chat)
        prompts, wholes = [], []
        for row in rows:
            if isinstance(row["prompt"], str):
                prompts.append(row["prompt"])
                wholes.append(row["prompt"] + row["completion"] + (tokenizer.eos_token or ""))
            else:
                template = partial(tokenizer.apply_chat_template, **chat.template)
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
