"""Stage 7: readings into findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from counterform.findings import calibration
from counterform.findings.blindness import Blindness, Tally, sentence
from counterform.findings.effects import dose_name, find_strategies
from counterform.findings.gains import find, find_inside
from counterform.findings.retention import find_traits
from counterform.parts import part
from counterform.results import Baseline, Inside, SelfTrust, Strategies, Traits, WeightChanges
from counterform.stages.doses import dose_file, doses
from counterform.stages.probe import WEIGHTS, held_out_items
from counterform.stages.work import Work
from counterform.study import BASE_ARM
from counterform.types import HeldOut, Reading


def find_results(work: Work) -> None:
    """Readings into findings; what is no gain or loss of a share goes into a file of its own."""
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
        baselines = getattr(part("probe", name), "baselines", None)
        lines += baselines(work.problems("train"), items) if baselines else []
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
    notes: list[str] = [*work.files.facts.get("notes on problems", []), *work.differences()]
    refused = [name for name in work.arm_keys if name not in work.arms]
    notes += [f"{name} was refused: {work.files.facts[f'refused/{name}']['why']}" for name in refused]
    for name in work.arms:
        checkpoints = [work.checkpoint(name, seed) for seed in work.study.seeds]
        notes += [f"{c.arm}, seed {c.seed}, was not read: {c.failure}" for c in checkpoints if c.failure]
    if len(work.study.seeds) == 1:
        notes.append("One seed: the intervals cover the choice of problems, and not the luck of training.")
    if "process" in work.study.probes:
        notes.append(sentence(_blindness(work, items)))
    return notes


def _blindness(work: Work, items: HeldOut) -> Blindness:
    """Over every held-out attempt of the pool: those that find_error asks about are chosen by whether a step is wrong."""
    tally = Tally()
    for verdicts, problems in work.verdict_parts({problem.id for problem in items.problems}):
        tally.add(verdicts, problems)
    return tally.found()


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
    shows = {name: getattr(work.recipes[name], "shows", {}) for name in work.arms}
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
    path = work.files / WEIGHTS
    return msgspec.json.decode(path.read_bytes(), type=WeightChanges) if path.exists() else None
