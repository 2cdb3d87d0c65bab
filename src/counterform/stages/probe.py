"""Stage 6: the same questions to the base and to every checkpoint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec

from counterform.models.sampling import derived_seed
from counterform.parts import made, part
from counterform.probes.probe import HeldOut
from counterform.stages.doses import probe_doses
from counterform.stages.work import Work, dtype_read
from counterform.store import key_of
from counterform.study import BASE_ARM
from counterform.types import Attempt, Graded, Model, Reading

EXEMPLARS = 16
"""Training problems from which every exemplar of a few-shot prompt is drawn."""
WEIGHTS = "readings/internals/weights.json"


def probe(work: Work) -> None:
    """Every probe on the base and on every checkpoint: the same held-out items for all."""
    items = cache(lambda: _with_exemplars(work, held_out_items(work)))
    for arm in (BASE_ARM, *work.arms):
        for seed in work.study.seeds:
            missing = [
                name
                for name in work.study.probes
                if not work.files.is_done(f"probe/{name}/{arm}/{seed}", work.reading_key(name, arm, seed))
            ]
            if not missing or (arm != BASE_ARM and work.checkpoint(arm, seed).failure):
                continue
            started = time.monotonic()
            _probe_one(work, arm, seed, missing, items())
            work.say(f"probe     {arm} seed {seed}: {time.monotonic() - started:.1f} s")
    if "internals" in work.study.probes and work.study.model.kind == "hf":
        _compare_weights(work)
    probe_doses(work, items)


def _probe_one(work: Work, arm: str, seed: int, names: Sequence[str], items: HeldOut) -> None:
    problems = {problem.id: problem for problem in (*items.problems, *items.shifted)}
    shown: dict[str, Graded] = {}

    def grade(attempts: Sequence[Attempt]) -> list[Graded]:
        new = [attempt for attempt in attempts if attempt.id not in shown]
        shown.update({g.attempt.id: g for g in work.grade(new, problems)})
        return [shown[attempt.id] for attempt in attempts]

    spec = work.study.model
    if arm != BASE_ARM:
        path = str(work.files / work.checkpoint(arm, seed).path)
        spec = msgspec.structs.replace(spec, path=path, revision="", dtype=dtype_read(spec))
    model = part("model", spec.kind).open(spec)
    bench = work.bench(grade)
    for name in names:
        reader = made("probe", name, {}, "$.probes", bench=bench)
        readings = reader.checked(reader(model, items, arm=arm, seed=derived_seed("probe", arm, seed)))
        readings = [msgspec.structs.replace(reading, seed=seed) for reading in readings]
        work.files.write_rows(f"readings/{reader.name}/{arm}-{seed}.parquet", readings, Reading)
        if shown:
            work.files.write_rows(f"readings/attempts/{arm}-{seed}.parquet", list(shown.values()), Graded)
        work.files.done(f"probe/{name}/{arm}/{seed}", work.reading_key(name, arm, seed))
    model.close()


def held_out_items(work: Work) -> HeldOut:
    """What every model is asked about; the base opens for a probe that compares with it."""
    from counterform.probes.find_error import choose_attempts

    problems = tuple(work.problems("held_out"))
    pool = work.graded("problem_id", {problem.id for problem in problems})
    attempts = choose_attempts(pool, n=work.study.probe.attempts)
    if not attempts and "find_error" in work.study.probes:
        work.say("probe     find_error has no held-out attempts with a label: no step verifier could read them")

    @contextlib.contextmanager
    def open_base() -> Iterator[Model]:
        model = part("model", work.study.model.kind).open(work.study.model)
        yield model
        model.close()

    return HeldOut(problems=problems, attempts=attempts, shifted=work.shifted(), open_base=open_base)


def _with_exemplars(work: Work, items: HeldOut) -> HeldOut:
    if "validity" not in work.study.probes:
        return items
    import numpy as np

    from counterform.text.rationales import exemplars

    rng, n = np.random.default_rng(derived_seed("exemplars")), EXEMPLARS * work.study.probe.exemplars
    found = exemplars(work.problems("train"), work.grade_training, rng, n=n)
    work.count("training problems whose solutions make exemplars of validity", len(found["valid"]))
    if len(found["valid"]) < work.study.probe.exemplars:
        work.say("probe     validity is not read: too few worked solutions that the step verifier can read")
    return msgspec.structs.replace(items, exemplars=found)


def _compare_weights(work: Work) -> None:
    """How far every checkpoint moved from the base: no reading, since it is of no item."""
    checkpoints = [work.checkpoint(arm, seed) for arm in work.arms for seed in work.study.seeds]
    sound = {(c.arm, c.seed): work.files / c.path for c in checkpoints if not c.failure}
    key = key_of(work.base_key, [work.checkpoint_key(*whose) for whose in sound])
    if sound and not work.files.is_done("probe/weights", key):
        from counterform.probes.internals import weight_changes

        work.files.write_json(WEIGHTS, weight_changes(work.study.model, sound))
        work.files.done("probe/weights", key)
