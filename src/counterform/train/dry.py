"""A trainer that trains nothing: the null test. Every arm is the base again, so nothing may be found."""

from __future__ import annotations

from pathlib import Path

from counterform.models.loading import load
from counterform.study import ModelSpec
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Ledger


class Dry(Trainer):
    """Saves the base unchanged under the arm's name."""

    def steps(self, rows: int) -> int:
        """None at all."""
        return 0

    def shortened(self, steps: int) -> Dry:
        """Nothing is shorter."""
        return self

    def train(self, arm: Arm, *, base: str | ModelSpec, seed: int, out: Path) -> Checkpoint:
        """Copy the base model to `out`."""
        model, tokenizer = load(base)
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=Ledger(examples=len(arm.examples)))
