"""Of stage 6: models between two arms, read as the arms are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from counterform.findings.effects import SHARES, dose_name
from counterform.models.sampling import derived_seed
from counterform.models.source import checkpoint_spec
from counterform.parts import made
from counterform.stages.probe import Items
from counterform.stages.unit import Unit
from counterform.stages.work import OpenLater, Work
from counterform.store import key_of
from counterform.types import Reading

PROBE = "strategy"
"""The one probe that is read of them."""


def dose_units(work: Work) -> Iterator[Unit]:
    """The probe `strategy` on every model between two arms (`[doses]` of the study)."""
    items = Items(work)
    yield from (DoseUnit(*dose, items) for dose in doses(work))


def doses(work: Work) -> Iterator[tuple[str, str, float, int]]:
    """The models between two arms: of every declared pair that was trained with every seed."""
    for first, second in work.study.doses:
        whole = {first, second} <= set(work.arms) and not any(
            work.failure(arm, seed) for arm in (first, second) for seed in work.study.seeds
        )
        yield from ((first, second, share, seed) for share in SHARES for seed in work.study.seeds if whole)


class DoseUnit(Unit):
    """One model part of the way from one arm's weights to another's, with one seed."""

    def __init__(self, first: str, second: str, share: float, seed: int, items: Items) -> None:
        trained = [f"train/{arm}/{seed}" for arm in (first, second)]
        super().__init__(f"dose/{first}/{second}/{share:g}/{seed}", needs=("problems", "audit", "verify/", *trained))
        self._first, self._second, self._share, self._seed, self._items = first, second, share, seed, items

    def key(self, work: Work) -> str:
        seed, ends = self._seed, []
        for arm in (self._first, self._second):
            ends.append(work.keys.reading(PROBE, work.checkpoint_key(arm, seed), arm, seed))
        return key_of(*ends, self._share)

    def make(self, work: Work) -> list[str]:
        from counterform.models.lora import whole
        from counterform.train.blend import blend

        name = dose_name(self._first, self._second, self._share)
        base = work.study.model
        with ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            ends = [work.files / work.checkpoint(arm, self._seed).path for arm in (self._first, self._second)]
            one, other = (stack.enter_context(whole(checkpoint_spec(base, end))) for end in ends)
            blend(one, other, self._share, Path(directory))
            with OpenLater(checkpoint_spec(base, Path(directory))) as model:
                reader = made("probe", PROBE, {}, "$.probes", bench=work.bench())
                seed = derived_seed("probe", name, self._seed)
                readings = reader(model(), self._items.all, arm=name, seed=seed)
                work.making.tokens = model().tokens
        readings = [msgspec.structs.replace(reading, seed=self._seed) for reading in readings]
        work.files.write_rows(dose_file(name, self._seed), readings, Reading)
        return [dose_file(name, self._seed)]


def dose_file(name: str, seed: int) -> str:
    """Where the readings of a model between two arms lie; its name is no name for a file."""
    return f"readings/doses/{key_of(name)[:12]}-{seed}.parquet"
