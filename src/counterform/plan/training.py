"""What training will take on this machine, by a few real steps of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.errors import TrainingDiverged
from counterform.plan.small import Clock, Small
from counterform.results import MatchCard
from counterform.stages.train import arm_of
from counterform.study import Study
from counterform.train.memory import process_peak_mb
from counterform.types import Arm, Checkpoint, Objective

FEW, FEW_LONG = (2, 14), (1, 3)
"""Optimizer steps of the two trainings from whose difference the cost of one is told; the second of arms that sample, whose steps are long."""
SAMPLING: tuple[Objective, ...] = ("grpo", "sdft", "sdpo")


class Training(Struct, frozen=True, kw_only=True):
    """What the trainings of a study cost."""

    seconds: float = 0.0
    """Of all arms with all seeds."""
    tokens: int = 0
    disk_mb: float = 0.0
    """Of all checkpoints."""
    memory_mb: float = 0.0
    """The most that was held."""
    notes: tuple[str, ...] = ()


class _Rate(Struct, frozen=True, kw_only=True):
    """What a few steps of one arm took."""

    beginning: float
    """Seconds of a training before and after its steps."""
    seconds: float
    """Of one step."""
    tokens: float
    """Of one step."""
    size: float
    """Of one row of this arm, in what the seconds of a step are proportional to."""
    disk_mb: float
    memory_mb: float


def train_few(study: Study, small: Small, *, grown: float, folder: Path, clock: Clock) -> Training:
    """A few steps of one arm of each objective; the others are reckoned by their steps and the length of their rows.

    grown: how many times as many cases the whole study has.
    """
    work, rates, found = small.work, dict[str, _Rate](), Training(memory_mb=process_peak_mb())
    for name in work.arms:
        arm, trainer = arm_of(work, name), work.trainer(name)
        steps = trainer.steps(round(len(arm.examples) * grown))
        if steps is None:
            found = _noting(found, f"{name}: how long its trainer takes is not known before, and not in the hours")
            continue
        if arm.objective not in rates:
            try:
                rates[arm.objective] = _rate(small, arm, folder / name, clock)
            except TrainingDiverged as error:
                found = _noting(found, f"{name}: the first steps of its training failed: {error}")
                continue
        rate = rates[arm.objective]
        longer = _size(small, arm) / rate.size
        runs = len(study.seeds)
        found = Training(
            seconds=found.seconds + runs * (rate.beginning + rate.seconds * longer * steps),
            tokens=found.tokens + round(runs * rate.tokens * longer * steps),
            disk_mb=found.disk_mb + runs * rate.disk_mb,
            memory_mb=max(found.memory_mb, rate.memory_mb),
            notes=found.notes,
        )
    return found


def _noting(found: Training, note: str) -> Training:
    return msgspec.structs.replace(found, notes=(*found.notes, note))


def _rate(small: Small, arm: Arm, folder: Path, clock: Clock) -> _Rate:
    """Train twice for a few steps, and tell what does not depend on their number from what does."""
    took: list[float] = []
    made: list[Checkpoint] = []
    few, more = FEW_LONG if arm.objective in SAMPLING else FEW
    for steps in (few, more):
        shorter = small.work.trainer(arm.name).shortened(steps)
        if shorter is None:  # a trainer that can count its steps and cannot be stopped
            raise TrainingDiverged("it cannot be stopped after a few steps")
        out = folder / str(steps)
        out.mkdir(parents=True)
        started = clock()
        made.append(shorter.train(arm, base=small.work.study.model, seed=0, out=out))
        took.append(clock() - started)
    a_step = max(took[1] - took[0], 0.0) / (more - few)
    ledger = made[1].ledger
    tokens = ledger.loss_tokens + ledger.prompt_tokens
    return _Rate(
        beginning=max(took[0] - few * a_step, 0.0),
        seconds=a_step,
        tokens=tokens / max(ledger.optimizer_steps, 1),
        size=_size(small, arm),
        disk_mb=sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 2**20,
        memory_mb=max(each.ledger.peak_memory_mb for each in made),
    )


def _size(small: Small, arm: Arm) -> float:
    """Tokens of a row on average; of an arm that samples for itself, its rollouts a prompt in multiples of the others'."""
    if arm.objective in SAMPLING:
        return float(arm.options.get("generate", 1))
    [card] = msgspec.convert(small.work.files.fact(f"arm/{arm.name}", "card"), MatchCard).arms
    return max((card.prompt_tokens + card.loss_tokens) / max(card.examples, 1), 1.0)
