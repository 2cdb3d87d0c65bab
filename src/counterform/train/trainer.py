"""What a trainer offers: one arm in, one checkpoint and its ledger out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from counterform.bench import Bench
from counterform.study import ModelSpec, TrainSpec
from counterform.types import Arm, Checkpoint


class Trainer(ABC):
    """Teaches one arm to the base model and leaves the last checkpoint in `out`."""

    keeps_part_way: ClassVar[bool] = False
    """It leaves what an arm was after the shares of its steps in `spec.readings`, each in `out` under `specs.part_dir`."""

    def __init__(self, spec: TrainSpec, *, bench: Bench | None = None) -> None:
        self.spec, self.bench = spec, bench or Bench()

    def check(self, arms: Sequence[Arm], *, base: str | ModelSpec) -> None:
        """Raises StudyError for an arm that could not be trained as asked; called before the first is trained."""
        return None

    def steps(self, rows: int) -> int | None:
        """Optimizer steps that training an arm of so many rows takes; None where nobody can say before."""
        return None

    def shortened(self, steps: int) -> Trainer | None:
        """The same trainer for so many steps, to see what one costs; None where it cannot be stopped."""
        return None

    @abstractmethod
    def train(self, arm: Arm, *, base: str | ModelSpec, seed: int, out: Path) -> Checkpoint:
        """Train. Raises TrainingDiverged for a loss that is not a number."""
