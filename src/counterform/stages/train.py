"""Stage 6: every arm with every seed, from the same base."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from counterform.errors import TrainingDiverged
from counterform.models.sampling import derived_seed
from counterform.stages.arms import ARM_FACTS
from counterform.stages.unit import Unit
from counterform.stages.validation import validation_problems
from counterform.stages.work import Work
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Example, Ledger


def train_units(work: Work) -> Iterator[Unit]:
    """Every arm with every seed, from the same base; before the first, every arm that is to be trained is looked at."""
    checked = _Checked(work)
    yield from (TrainUnit(name, seed, checked) for name in work.arms for seed in work.study.seeds)


class TrainUnit(Unit):
    """One arm with one seed. One that diverges is recorded and the others go on."""

    def __init__(self, arm: str, seed: int, checked: _Checked) -> None:
        super().__init__(f"train/{arm}/{seed}", needs=("problems", f"arm/{arm}"))
        self._arm, self._seed, self._checked = arm, seed, checked

    def key(self, work: Work) -> str:
        return work.checkpoint_key(self._arm, self._seed)

    def make(self, work: Work) -> list[str]:
        self._checked()
        where = f"checkpoints/{self._arm}/{self._seed}"
        with work.files.appearing_dir(where) as directory:
            checkpoint = _train_one(work, arm_of(work, self._arm), self._seed, directory)
            checkpoint = msgspec.structs.replace(checkpoint, path=where)
            (directory / "checkpoint.json").write_bytes(msgspec.json.encode(checkpoint))
        if checkpoint.failure:
            work.say(f"train     {self._arm} seed {self._seed} STOPPED: {checkpoint.failure}")
        else:
            work.say(f"train     {self._arm} seed {self._seed}: {checkpoint.ledger.seconds:.1f} s")
        ledger = checkpoint.ledger
        work.making.tokens = ledger.prompt_tokens + ledger.loss_tokens
        return [where]


class _Checked:
    """Looks once, before anything is trained, whether every arm that is still to be can be trained as asked."""

    def __init__(self, work: Work) -> None:
        self._work, self._over = work, False

    def __call__(self) -> None:
        if self._over:
            return
        work, self._over = self._work, True
        missing = [
            name
            for name in work.arms
            if any(
                not work.files.records.stands(f"train/{name}/{s}", work.checkpoint_key(name, s))
                for s in work.study.seeds
            )
        ]
        if work.study.train.sweep and missing:
            validation_problems(work)
        arms = {name: arm_of(work, name) for name in missing if f"arm/{name}" in work.files.records}
        by_trainer: dict[Trainer, list[Arm]] = {}
        for name, arm in arms.items():
            by_trainer.setdefault(work.trainer(name), []).append(arm)
        for trainer, alike in by_trainer.items():
            trainer.check(alike, base=work.study.model)


def arm_of(work: Work, name: str) -> Arm:
    """A compiled arm, from its files."""
    examples = tuple(work.files.read_rows(f"arms/{name}.parquet", Example))
    facts = work.files.records[f"arm/{name}"].facts
    told = {part: facts[part] for part in ARM_FACTS if part in facts}
    return Arm(name=name, examples=examples, **told)


def _train_one(work: Work, arm: Arm, seed: int, directory: Path) -> Checkpoint:
    try:
        # The arm's name is part of the seed: two arms must not share their luck, or an A/A test would be no test.
        luck = derived_seed("train", arm.name, seed)
        checkpoint = work.trainer(arm.name).train(arm, base=work.study.model, seed=luck, out=directory)
        generated = checkpoint.ledger.generated_tokens + arm.generated_tokens
        ledger = msgspec.structs.replace(
            checkpoint.ledger, teacher_tokens=arm.teacher_tokens, generated_tokens=generated
        )
        own = work.own_options[arm.name]
        return msgspec.structs.replace(checkpoint, arm=arm.name, seed=seed, ledger=ledger, own_options=own)
    except TrainingDiverged as error:
        return Checkpoint(arm=arm.name, seed=seed, path="", ledger=Ledger(), failure=str(error))
