"""A trainer that trains nothing: the null test. Every arm is the base again, so nothing may be found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from counterform.models.hf import load
from counterform.study import TrainSpec
from counterform.types import Arm, Checkpoint, Ledger


class Dry:
    """Saves the base unchanged under the arm's name."""

    def __init__(self, spec: TrainSpec) -> None:
        self.spec = spec

    def check(self, arms: Sequence[Arm], *, base: str) -> None:
        """Nothing can go wrong with nothing."""

    def train(self, arm: Arm, *, base: str, seed: int, out: Path) -> Checkpoint:
        """Copy the base model to `out`."""
        model, tokenizer = load(base)
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=Ledger(examples=len(arm.examples)))
