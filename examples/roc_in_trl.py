"""GRPO that keeps the clean successes (RoC) in TRL, on your own rows or on the embedded world.

    python examples/roc_in_trl.py                              the tiny base model of the world; a minute on two cores
    python examples/roc_in_trl.py MODEL ROWS.jsonl             a hub id or directory; rows with `prompt` and `answer`

TRL's GRPOTrainer samples `num_generations` rollouts a prompt; RoC keeps `keep` of them: half of the failures as they come, and of the
successes those with the fewest wrong steps. All else is TRL's.
"""

import json
import sys
from pathlib import Path

import datasets
import numpy as np
import torch
from trl import GRPOConfig

import counterform
from counterform import RoCGRPOTrainer
from counterform.models.loading import load
from counterform.problems.ledger import Ledger
from counterform.types import Mark


def right(completions, answer, **_):
    """1 for a right answer, 0 for a wrong one, None for one that nobody can read: an unread answer is no failure."""
    marks = [counterform.grade(key, text).strict for key, text in zip(answer, completions, strict=True)]
    return [None if mark is Mark.UNKNOWN else float(mark is Mark.RIGHT) for mark in marks]


def wrong_steps(completions, answer, **_):
    """The share of steps whose arithmetic is wrong, 0 to 1; 0.5 where no step could be read."""
    shares = []
    for key, text in zip(answer, completions, strict=True):
        read = [step.mark for step in counterform.grade(key, text).steps if step.mark is not Mark.UNKNOWN]
        shares.append(sum(mark is Mark.WRONG for mark in read) / len(read) if read else 0.5)
    return shares


if sys.argv[2:]:
    rows = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines()]
else:
    problems = Ledger().generate(64, rng=np.random.default_rng(0))
    rows = [{"prompt": problem.prompt, "answer": problem.answer} for problem in problems]
model, tokenizer = load(sys.argv[1] if sys.argv[1:] else "world", dtype="float32")
trainer = RoCGRPOTrainer(
    model=model,
    processing_class=tokenizer,
    reward_funcs=right,
    penalty_funcs=[wrong_steps],
    keep=4,
    args=GRPOConfig(
        output_dir="roc",
        num_generations=8,
        per_device_train_batch_size=32,
        max_steps=4,
        max_completion_length=64,
        learning_rate=1e-5,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
    ),
    train_dataset=datasets.Dataset.from_list(rows),
)
trainer.train()
for row in trainer.state.log_history:
    kept = {name: round(value, 3) for name, value in row.items() if name.startswith("roc/")}
    if kept:
        print(row["step"], kept)
