"""Watches what a training run does to doubt, checking and turning back, in TRL's own SFTTrainer; and the same for GRPO.

    python examples/watch_traits.py [sft|grpo]

The tiny base model of the world; a minute on two cores. `report_to=["tensorboard"]`, "wandb" or any other tracker gets the same figures.
"""

import sys

import datasets
import numpy as np
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from counterform.models.loading import load
from counterform.problems.ledger import Ledger
from counterform.train import TraitCallback

problems = Ledger().generate(300, rng=np.random.default_rng(0))
watched, trained = problems[:100], problems[100:]
model, tokenizer = load("world", dtype="float32")
common = {
    "output_dir": "watched", "max_steps": 30, "logging_steps": 10, "report_to": [], "save_strategy": "no",
    "bf16": False, "use_cpu": True, "gradient_checkpointing": False,
}  # fmt: skip


def brevity(completions, **_):
    """A reward that makes doubt expensive."""
    return [-len(text.split()) / 30 for text in completions]


if sys.argv[1:] == ["grpo"]:
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=brevity,
        args=GRPOConfig(
            **common, per_device_train_batch_size=32, num_generations=8, max_completion_length=64, learning_rate=1e-4
        ),
        train_dataset=datasets.Dataset.from_list([{"prompt": problem.prompt} for problem in trained]),
    )
else:
    rows = [{"prompt": problem.prompt, "completion": f"\n{problem.solution}"} for problem in trained]
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        args=SFTConfig(**common, per_device_train_batch_size=16, learning_rate=1e-3),
        train_dataset=datasets.Dataset.from_list(rows),
    )
trainer.add_callback(TraitCallback(trainer, [problem.prompt for problem in watched], every=10, samples=4))
trainer.train()
for row in trainer.state.log_history:
    if "traits/tokens" in row:
        print(row["step"], {name: round(value, 3) for name, value in row.items() if name.startswith("traits/")})
