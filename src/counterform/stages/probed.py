"""Whom a study asks, and what: the base, the arms that were trained here, and those that answer already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from counterform.errors import RunDirError
from counterform.findings.table import Fixed
from counterform.models.source import checkpoint_spec
from counterform.parts import part
from counterform.probes.probe import Need
from counterform.specs import part_dir
from counterform.stages.answering import NEEDS, Answering, opened, shown_by
from counterform.stages.work import Work
from counterform.store import DROPPED, key_of
from counterform.study import BASE_ARM
from counterform.types import Model


class Base(Answering):
    """The base model, asked once for each seed: another sample, and no luck."""

    alone = ""

    def __init__(self, work: Work) -> None:
        super().__init__(BASE_ARM, work.study.seeds)
        self._work = work

    def key(self, seed: int) -> str:
        """Of the model."""
        return self._work.keys.base

    def open(self, seed: int) -> Model:
        """The base model."""
        return opened(self._work.study.model)

    def missing(self, needs: frozenset[Need]) -> frozenset[Need]:
        """What its kind of model does not show."""
        return shown_by(self._work.study.model.kind, needs)


class Trained(Answering):
    """An arm of this study: a checkpoint for each seed."""

    def __init__(self, work: Work, name: str) -> None:
        super().__init__(name, work.study.seeds)
        self._work = work

    def key(self, seed: int) -> str:
        """Of everything that decides what the training becomes."""
        return self._work.checkpoint_key(self.name, seed)

    def open(self, seed: int) -> Model:
        """The checkpoint, read as the base is."""
        return opened(checkpoint_spec(self._work.study.model, _kept(self._work, self.name, seed)))

    def needs(self, seed: int) -> tuple[str, ...]:
        """Its training."""
        return (f"train/{self.name}/{seed}",)

    def failure(self, seed: int) -> str:
        """Why its training stopped early."""
        return self._work.failure(self.name, seed)

    def missing(self, needs: frozenset[Need]) -> frozenset[Need]:
        """What the base's kind of model does not show."""
        return shown_by(self._work.study.model.kind, needs)


def _kept(work: Work, arm: str, seed: int) -> Path:
    """Where a checkpoint lies. Raises RunDirError for one that was not kept."""
    if work.files.fact(f"train/{arm}/{seed}", DROPPED) is not None:
        raise RunDirError(
            f"the checkpoint of {arm!r} with seed {seed} was not kept ($.train.keep). Train it again: "
            f"counterform unit {work.files.path} train/{arm}/{seed}"
        )
    return work.files / work.checkpoint(arm, seed).path


class PartWay(Trained):
    """An arm before the end of its training: what it was after a share of its steps."""

    def __init__(self, work: Work, name: str, arm: str, part: float) -> None:
        super().__init__(work, arm)
        self.name, self._arm, self._part = name, arm, part

    def key(self, seed: int) -> str:
        """Of its training, and of how much of it."""
        return key_of(self._work.checkpoint_key(self._arm, seed), self._part)

    def open(self, seed: int) -> Model:
        """What was kept on the way, read as the base is."""
        path = _kept(self._work, self._arm, seed) / part_dir(self._part)
        return opened(checkpoint_spec(self._work.study.model, path))

    def needs(self, seed: int) -> tuple[str, ...]:
        """The whole training."""
        return (f"train/{self._arm}/{seed}",)

    def failure(self, seed: int) -> str:
        """Why the training stopped early."""
        return self._work.failure(self._arm, seed)


def probed(work: Work) -> list[Answering]:
    """The base, where it is probed, and every arm that was not refused, in the order of the study."""
    arms: dict[str, list[Answering]] = {name: [who] for name, who in work.existing.items()}
    for name in work.arms:
        parts = [(at, part) for at, (arm, part) in work.study.partway.items() if arm == name]
        arms[name] = [*(PartWay(work, at, name, part) for at, part in parts), Trained(work, name)]
    return [
        *([Base(work)] if work.study.base else []),
        *(who for spec in work.study.arm_specs for who in arms.get(spec.name, [])),
    ]


def probes_of(work: Work, who: Answering) -> list[str]:
    """The probes that one of them can be asked."""
    return [name for name in work.study.probes if not who.missing(part("probe", name).needs)]


def not_asked(work: Work) -> Iterator[str]:
    """For each probe, of whom it was not asked, and why."""
    for name in work.study.probes:
        without: dict[frozenset[Need], list[str]] = {}
        for who in probed(work):
            if missing := who.missing(part("probe", name).needs):
                without.setdefault(missing, []).append(who.name)
        for missing, names in without.items():
            needs = " and ".join(words for need, words in NEEDS.items() if need in missing)
            yield f"{name} was not asked of {', '.join(names)}: it needs {needs}."


def fixed(work: Work) -> Fixed:
    """Which of them are one thing each, and no sample of trainings."""
    return {who.name: who.alone for who in probed(work) if who.alone is not None}
