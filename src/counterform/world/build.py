"""Makes the tiny base model: `counterform world build`. Seeded, resumable, under an hour on two cores."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from counterform.errors import extra
from counterform.problems.ledger import MAX_TOTAL
from counterform.world.documents import MORE_ROUTE, PARTS, Part, exchanges
from counterform.world.tokenizer import build_tokenizer

with extra("train"):
    import torch
    from datasets import Dataset
    from transformers import (
        DataCollatorForLanguageModeling,
        GenerationConfig,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
        set_seed,
    )
    from transformers.trainer_utils import get_last_checkpoint

TOOL_WORDS = ("error",)
"""What a calculator says beside numbers: in no document, but to be read and learnt in studies with a tool."""


class Term(NamedTuple):
    """A part of the reading, with a learning rate that starts and ends at 0."""

    parts: tuple[Part, ...]
    share: float
    """Of all documents."""
    learning_rate: float


TERMS = (Term(PARTS, 0.75, 1e-3), Term(MORE_ROUTE, 0.25, 7e-4))


class Recipe(Struct, frozen=True, kw_only=True):
    """Everything that decides what the base becomes."""

    seed: int = 0
    documents: int = 320_000
    batch: int = 16
    initializer: float = 0.05
    hidden: int = 128
    layers: int = 4
    heads: int = 4


def build(out: Path, recipe: Recipe) -> dict[str, float]:
    """Train the base model into `out`. Interrupted, it goes on from its last checkpoint.

    Returns the figures of the run: documents, tokens, parameters, seconds, last loss.
    """
    set_seed(recipe.seed)
    texts = [
        list(itertools.islice(exchanges(recipe.seed + at, term.parts), int(term.share * recipe.documents)))
        for at, term in enumerate(TERMS)
    ]
    words = itertools.chain(*itertools.chain(*texts), TOOL_WORDS)
    tokenizer = build_tokenizer(words, range(MAX_TOTAL + 1))
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=3 * recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=1024,
            initializer_range=recipe.initializer,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    figures = {"documents": 0.0, "tokens": 0.0, "parameters": float(model.num_parameters()), "seconds": 0.0}
    for at, term in enumerate(TERMS):
        rows = _encode(tokenizer, texts[at])
        seconds, loss = _read(model, tokenizer, rows, term, recipe, out / "build" / f"term-{at + 1}")
        figures["documents"] += len(rows)
        figures["tokens"] += sum(row["length"] for row in rows)
        figures |= {"seconds": figures["seconds"] + seconds, "loss": loss}
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        max_new_tokens=160,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model.to(torch.float32).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return figures


def _read(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    rows: list[dict[str, Any]],
    term: Term,
    recipe: Recipe,
    work: Path,
) -> tuple[float, float]:
    """Train the model on a term's rows; seconds and mean loss. A term that was read to its end is at its last checkpoint."""
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(work),
            seed=recipe.seed,
            num_train_epochs=1,
            per_device_train_batch_size=recipe.batch,
            learning_rate=term.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=200,
            weight_decay=0.01,
            adam_beta2=0.95,
            train_sampling_strategy="group_by_length",
            save_steps=1000,
            save_total_limit=1,
            logging_steps=100,
            report_to=[],
        ),
        train_dataset=Dataset.from_list(rows),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    result = trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)) if work.is_dir() else None)
    return result.metrics["train_runtime"], result.training_loss


def _encode(tokenizer: PreTrainedTokenizerFast, texts: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Token rows. The loss is on every token, the user's too, as in plain pretraining."""
    rows = []
    for user, answer in texts:
        ids = tokenizer(f"<s><user>{user}<model>{answer}</s>", add_special_tokens=False)["input_ids"]
        rows.append({"input_ids": ids, "length": len(ids)})
    return rows
