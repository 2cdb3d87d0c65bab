"""Stage 6: every arm with every seed, from the same base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from counterform.errors import TrainingDiverged
from counterform.models.sampling import derived_seed
from counterform.stages.arms import ARM_FACTS
from counterform.stages.doses import dose_units
from counterform.stages.probe import probe_units
from counterform.stages.unit import Unit, stands
from counterform.stages.validation import validation_problems
from counterform.stages.work import Work
from counterform.store import DROPPED, key_of, key_of_path
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Example, Ledger

KEPT_FILES = ("checkpoint.json", "steps.jsonl")
"""Of a checkpoint that is not kept."""


def train_units(work: Work) -> Iterator[Unit]:
    """Every arm with every seed, from the same base; before the first, every arm that is to be trained is looked at."""
    checked, missed = _Checked(work), _Missed(work)
    yield from (TrainUnit(name, seed, checked, missed) for name in work.arms for seed in work.study.seeds)


def drop_checkpoints(work: Work) -> None:
    """Remove what was trained, where all that is read of it stands: its ledger and its history stay. `[train] keep = "none"`."""
    missed = _Missed(work)
    for unit in train_units(work):
        record = work.files.records.get(unit.name)
        if record is None or unit.name in missed.names or not work.files.records.stands(unit.name, unit.key(work)):
            continue
        gone = _not_kept(record.files)
        if not gone:
            continue
        # Recorded first: whatever ends this in between leaves a file too many, and no unit without its files.
        facts = record.facts | {DROPPED: _hash(work, gone)}
        kept = {name: size for name, size in record.files.items() if name not in gone}
        work.files.records.write(msgspec.structs.replace(record, files=kept, facts=facts))
        for name in gone:
            work.files.clear(name)


def _not_kept(files: Iterable[str]) -> list[str]:
    return sorted(name for name in files if Path(name).name not in KEPT_FILES)


def _hash(work: Work, names: Sequence[str]) -> str:
    return key_of([(name, key_of_path(work.files / name)) for name in names])


class TrainUnit(Unit):
    """One arm with one seed. One that diverges is recorded and the others go on."""

    def __init__(self, arm: str, seed: int, checked: _Checked, missed: _Missed) -> None:
        super().__init__(f"train/{arm}/{seed}", needs=("problems", f"arm/{arm}"))
        self._arm, self._seed, self._checked, self._missed = arm, seed, checked, missed
        self._dropped: str | None = None

    def key(self, work: Work) -> str:
        return work.checkpoint_key(self._arm, self._seed)

    def is_missed(self, work: Work) -> bool:
        self._dropped = work.files.fact(self.name, DROPPED)
        return self._dropped is not None and self.name in self._missed.names

    def make(self, work: Work) -> list[str]:
        self._checked()
        where = f"checkpoints/{self._arm}/{self._seed}"
        with work.files.appearing_dir(where) as directory:
            checkpoint = _train_one(work, arm_of(work, self._arm), self._seed, directory)
            checkpoint = msgspec.structs.replace(checkpoint, path=where)
            (directory / "checkpoint.json").write_bytes(msgspec.json.encode(checkpoint))
        if self._dropped not in (None, _hash(work, _not_kept(work.files.sizes([where])))):
            work.making.notes.append(
                f"{self._arm} with seed {self._seed} was trained again, since its checkpoint was not kept, and did not come out the same: "
                "what was read of it before is of another training."
            )
        if checkpoint.failure:
            work.say(f"train     {self._arm} seed {self._seed} STOPPED: {checkpoint.failure}")
        else:
            work.say(f"train     {self._arm} seed {self._seed}: {checkpoint.ledger.seconds:.1f} s")
        ledger = checkpoint.ledger
        work.making.tokens = ledger.prompt_tokens + ledger.loss_tokens
        return [where]


class _Missed:
    """The trainings that something is still to be read of."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @cached_property
    def names(self) -> set[str]:
        """Names of their units."""
        work = self._work
        readers = (unit for units in (probe_units, dose_units) for unit in units(work))
        return {need for unit in readers if not stands(work, unit) for need in unit.needs if need.startswith("train/")}


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
