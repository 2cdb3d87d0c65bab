"""Stage 7: readings into findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from counterform.findings import calibration
from counterform.findings.blindness import blindness, sentence
from counterform.findings.effects import dose_name, find_strategies
from counterform.findings.gains import find, find_inside
from counterform.findings.retention import find_traits
from counterform.parts import part
from counterform.probes.probe import HeldOut
from counterform.results import Baseline, Inside, SelfTrust, Strategies, Traits, WeightChanges
from counterform.stages.doses import dose_file, doses
from counterform.stages.probe import WEIGHTS, held_out_items
from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.study import BASE_ARM
from counterform.types import Reading


def find_units(work: Work) -> Iterator[Unit]:
    """The findings."""
    yield FindUnit("find", needs=("problems", "match", "probe/", "dose/", "weights"))


class FindUnit(Unit):
    """Readings into findings; what is no gain or loss of a share goes into a file of its own."""

    def key(self, work: Work) -> str:
        readings = [
            unit for unit in work.files.records if unit.partition("/")[0] in ("probe", "dose", "weights", "train")
        ]
        return work.keys.findings(readings)

    def make(self, work: Work) -> list[str]:
        _find_results(work)
        return ["findings.json", *(f"{name}.json" for name in APART if name in work.study.probes)]


def _find_results(work: Work) -> None:
    items = held_out_items(work)
    notes = _notes(work, items)
    readings = _readings(work)
    for name, find_apart in APART.items():
        if name in work.study.probes:
            found, readings = find_apart(work, readings)
            notes += found.notes
            work.files.write_json(f"{name}.json", found)
        else:
            work.files.clear(f"{name}.json")
    lines: list[Baseline] = []
    for name in work.study.probes:
        lines += part("probe", name)(work.bench()).baselines(work.problems("train"), items)
    results = find(
        readings,
        question=work.study.question,
        contrasts=work.study.contrasts,
        form_shares=work.study.form_shares,
        baselines=lines,
        notes=notes,
    )
    work.files.write_json("findings.json", results)


def _notes(work: Work, items: HeldOut) -> list[str]:
    """What a reader of the findings must know of how they came about."""
    notes: list[str] = [*work.files.records["problems"].notes, *work.differences()]
    notes += [f"{name} was refused: {why}" for name, why in work.refused.items()]
    for name in work.arms:
        checkpoints = [work.checkpoint(name, seed) for seed in work.study.seeds]
        notes += [f"{c.arm}, seed {c.seed}, was not read: {c.failure}" for c in checkpoints if c.failure]
    if len(work.study.seeds) == 1:
        notes.append("One seed: the intervals cover the choice of problems, and not the luck of training.")
    if "process" in work.study.probes:
        of = [graded.attempt.problem_id for graded in items.attempts]
        notes.append(sentence(blindness([graded.verdict for graded in items.attempts], of)))
    return notes


def _readings(work: Work) -> list[Reading]:
    """Those of the base and of every arm that has all its seeds: half a training is not the same experiment."""
    arms = [name for name in work.arms if not any(work.checkpoint(name, seed).failure for seed in work.study.seeds)]
    return [
        reading
        for name in work.study.probes
        for arm in (BASE_ARM, *arms)
        for seed in work.study.seeds
        for reading in work.files.read_rows(f"readings/{part('probe', name).name}/{arm}-{seed}.parquet", Reading)
    ]


def _inside(work: Work, readings: list[Reading]) -> tuple[Inside, list[Reading]]:
    inside = find_inside([r for r in readings if r.probe == "internals"], _weights(work))
    # Of what is inside, the mean AUROC alone is a share of which more is better.
    return inside, [r for r in readings if r.probe != "internals" or r.metric == "AUROC"]


def _traits(work: Work, readings: list[Reading]) -> tuple[Traits, list[Reading]]:
    return find_traits(readings), [r for r in readings if r.probe != "traits"]


def _trust(work: Work, readings: list[Reading]) -> tuple[SelfTrust, list[Reading]]:
    left = [r for r in readings if r.probe != "trust"] + calibration.metrics(readings)
    return calibration.self_trust(readings), left


def _strategies(work: Work, readings: list[Reading]) -> tuple[Strategies, list[Reading]]:
    between = [
        reading
        for first, second, share, seed in doses(work)
        for reading in work.files.read_rows(dose_file(dose_name(first, second, share), seed), Reading)
    ]
    shows = {name: work.recipes[name].shows for name in work.arms}
    study = work.study
    found = find_strategies([*readings, *between], contrasts=study.contrasts, shows=shows, doses=study.doses)
    return found, readings


APART: dict[str, Callable[[Work, list[Reading]], tuple[Any, list[Reading]]]] = {
    "internals": _inside,
    "traits": _traits,
    "trust": _trust,
    "strategy": _strategies,
}
"""By probe, what makes of all readings what stands apart from the findings, and hands on those that findings are made of."""


def _weights(work: Work) -> WeightChanges | None:
    made = "weights" in work.files.records and work.files.records["weights"].files
    return msgspec.json.decode((work.files / WEIGHTS).read_bytes(), type=WeightChanges) if made else None
