"""Stage 7: readings into findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from counterform.findings.blindness import blindness_in_parts, sentence
from counterform.findings.effects import dose_name
from counterform.findings.gains import find
from counterform.parts import made
from counterform.probes.probe import Context, Found, HeldOut, Probe
from counterform.results import Baseline, Results, WeightChanges
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
    """Readings into findings: each probe says what enters the comparison of arms, and what stands apart from it."""

    def key(self, work: Work) -> str:
        readings = [
            unit for unit in work.files.records if unit.partition("/")[0] in ("probe", "dose", "weights", "train")
        ]
        return work.keys.findings(readings)

    def make(self, work: Work) -> list[str]:
        _find_results(work)
        return ["findings.json"]


def _find_results(work: Work) -> None:
    items = held_out_items(work)
    notes = _notes(work, items)
    probes: list[Probe] = [made("probe", name, {}, "$.probes", bench=work.bench()) for name in work.study.probes]
    readings = {probe.name: probe.checked(_readings(work, probe)) for probe in probes}
    context = _context(work, readings)
    found: dict[str, Found] = {probe.name: probe.find(readings[probe.name], context) for probe in probes}
    lines: list[Baseline] = []
    for probe in probes:
        lines += probe.baselines(work.problems("train"), items)
    metrics = {probe.name: probe.metrics for probe in probes}
    gains = find(
        [reading for one in found.values() for reading in one.readings],
        metrics,
        contrasts=work.study.contrasts,
        form_shares=work.study.form_shares,
    )
    results = Results(
        question=work.study.question,
        findings=gains.findings,
        levels=gains.levels,
        baselines=tuple(lines),
        form_shares=gains.form_shares,
        notes=(*notes, *(note for one in found.values() for note in one.notes), *gains.notes),
        metrics=metrics,
        sections={probe.name: probe.section for probe in probes if probe.section},
        own={name: msgspec.to_builtins(one.own) for name, one in found.items() if one.own is not None},
    )
    work.files.write_json("findings.json", results)


def _notes(work: Work, items: HeldOut) -> list[str]:
    """What a reader of the findings must know of how they came about."""
    records = work.files.records
    answered = {note: None for kind in ("sample", "probe") for record in records.of_kind(kind) for note in record.notes}
    notes: list[str] = [*records["problems"].notes, *answered, *work.differences()]
    notes += [f"{name} was refused: {why}" for name, why in work.refused.items()]
    for name in work.arms:
        checkpoints = [work.checkpoint(name, seed) for seed in work.study.seeds]
        notes += [f"{c.arm}, seed {c.seed}, was not read: {c.failure}" for c in checkpoints if c.failure]
    if len(work.study.seeds) == 1:
        notes.append("One seed: the intervals cover the choice of problems, and not seed variance.")
    if "process" in work.study.probes:
        # Over the whole pool: the attempts that find_error asks about are chosen by whether a step is wrong.
        notes.append(sentence(blindness_in_parts(work.verdict_parts({problem.id for problem in items.problems}))))
    return notes


def _readings(work: Work, probe: Probe) -> list[Reading]:
    """Those of the base and of every arm that has all its seeds: half a training is not the same experiment."""
    arms = [name for name in work.arms if not any(work.checkpoint(name, seed).failure for seed in work.study.seeds)]
    return [
        reading
        for arm in (BASE_ARM, *arms)
        for seed in work.study.seeds
        for reading in work.files.read_rows(f"readings/{probe.name}/{arm}-{seed}.parquet", Reading)
    ]


def _context(work: Work, readings: dict[str, Sequence[Reading]]) -> Context:
    between = [
        reading
        for first, second, share, seed in doses(work)
        for reading in work.files.read_rows(dose_file(dose_name(first, second, share), seed), Reading)
    ]
    return Context(
        readings=readings,
        contrasts=work.study.contrasts,
        shows={name: work.recipes[name].shows for name in work.arms},
        doses=work.study.doses,
        between=between,
        weights=_weights(work),
    )


def _weights(work: Work) -> WeightChanges | None:
    made = "weights" in work.files.records and work.files.records["weights"].files
    return msgspec.json.decode((work.files / WEIGHTS).read_bytes(), type=WeightChanges) if made else None
