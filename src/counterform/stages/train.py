"""Stage 5: every arm with every seed, from the same base."""

from __future__ import annotations

from pathlib import Path

import msgspec

from counterform.errors import TrainingDiverged
from counterform.models.sampling import derived_seed
from counterform.stages.work import Work
from counterform.types import Arm, Checkpoint, Example, Ledger


def train(work: Work) -> None:
    """Every arm with every seed, from the same base. An arm that diverges is recorded and the others go on."""
    missing = [
        (name, seed)
        for name in work.arms
        for seed in work.study.seeds
        if not work.files.is_done(f"train/{name}/{seed}", work.checkpoint_key(name, seed))
    ]
    arms = {name: _arm(work, name) for name in dict.fromkeys(name for name, _ in missing)}
    for trainer in {id(found): found for found in map(work.trainer, arms)}.values():
        alike = [arm for name, arm in arms.items() if work.trainer(name) is trainer]
        trainer.check(alike, base=work.study.model)
    for name, seed in missing:
        where = f"checkpoints/{name}/{seed}"
        with work.files.appearing_dir(where) as directory:
            checkpoint = _train_one(work, arms[name], seed, directory)
            checkpoint = msgspec.structs.replace(checkpoint, path=where)
            (directory / "checkpoint.json").write_bytes(msgspec.json.encode(checkpoint))
        work.files.done(f"train/{name}/{seed}", work.checkpoint_key(name, seed))
        if checkpoint.failure:
            work.say(f"train     {name} seed {seed} STOPPED: {checkpoint.failure}")
        else:
            work.say(f"train     {name} seed {seed}: {checkpoint.ledger.seconds:.1f} s")


def _arm(work: Work, name: str) -> Arm:
    examples = tuple(work.files.read_rows(f"arms/{name}.parquet", Example))
    return Arm(name=name, examples=examples, **work.files.facts[f"arm/{name}"])


def _train_one(work: Work, arm: Arm, seed: int, directory: Path) -> Checkpoint:
    try:
        # The arm's name is part of the seed: two arms must not share their luck, or an A/A test would be no test.
        luck = derived_seed("train", arm.name, seed)
        checkpoint = work.trainer(arm.name).train(arm, base=work.study.model, seed=luck, out=directory)
        ledger = msgspec.structs.replace(checkpoint.ledger, teacher_tokens=arm.teacher_tokens)
        own = work.own_options[arm.name]
        return msgspec.structs.replace(checkpoint, arm=arm.name, seed=seed, ledger=ledger, own_options=own)
    except TrainingDiverged as error:
        return Checkpoint(arm=arm.name, seed=seed, path="", ledger=Ledger(), failure=str(error))
