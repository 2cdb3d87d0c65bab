"""Of stage 6: models between two arms, read as the arms are."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from counterform.findings.effects import SHARES, dose_name
from counterform.models.sampling import derived_seed
from counterform.parts import made, part
from counterform.probes.probe import HeldOut
from counterform.stages.work import Work, dtype_read
from counterform.store import key_of
from counterform.types import Reading


def probe_doses(work: Work, items: Callable[[], HeldOut]) -> None:
    """The probe `strategy` on every model between two arms (`[doses]` of the study). items: made when first needed."""
    for first, second, share, seed in doses(work):
        name, key = dose_name(first, second, share), _dose_key(work, first, second, share, seed)
        if not work.files.is_done(f"probe/{name}/{seed}", key):
            _probe_dose(work, first, second, share, seed, items())
            work.files.done(f"probe/{name}/{seed}", key)


def doses(work: Work) -> Iterator[tuple[str, str, float, int]]:
    """The models between two arms: of every declared pair that was trained with every seed."""
    for first, second in work.study.doses:
        whole = {first, second} <= set(work.arms) and not any(
            work.checkpoint(arm, seed).failure for arm in (first, second) for seed in work.study.seeds
        )
        yield from ((first, second, share, seed) for share in SHARES for seed in work.study.seeds if whole)


def _dose_key(work: Work, first: str, second: str, share: float, seed: int) -> str:
    return key_of(*(work.reading_key("strategy", arm, seed) for arm in (first, second)), share)


def _probe_dose(work: Work, first: str, second: str, share: float, seed: int, items: HeldOut) -> None:
    from counterform.train.blend import blend

    name, started = dose_name(first, second, share), time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        one, other = (work.files / work.checkpoint(arm, seed).path for arm in (first, second))
        blend(one, other, share, Path(directory))
        spec = work.study.model
        blended = msgspec.structs.replace(spec, path=directory, revision="", dtype=dtype_read(spec))
        model = part("model", spec.kind).open(blended)
        reader = made("probe", "strategy", {}, "$.probes", bench=work.bench())
        readings = reader(model, items, arm=name, seed=derived_seed("probe", name, seed))
        model.close()
    readings = [msgspec.structs.replace(reading, seed=seed) for reading in readings]
    work.files.write_rows(dose_file(name, seed), readings, Reading)
    work.say(f"probe     {name} seed {seed}: {time.monotonic() - started:.1f} s")


def dose_file(name: str, seed: int) -> str:
    """Where the readings of a model between two arms lie; its name is no name for a file."""
    return f"readings/doses/{key_of(name)[:12]}-{seed}.parquet"
