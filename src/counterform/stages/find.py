"""Stage 8: readings into findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from counterform.findings.blindness import blindness_in_parts, sentence
from counterform.findings.effects import dose_name
from counterform.findings.gains import find
from counterform.parts import made
from counterform.probes.probe import Context, Found, HeldOut, Probe
from counterform.results import Baseline, Results, WeightChanges
from counterform.stages.answering import Answering
from counterform.stages.decide import decision_notes
from counterform.stages.doses import dose_file, doses
from counterform.stages.probe import WEIGHTS, held_out_items
from counterform.stages.probed import fixed, not_asked, probed
from counterform.stages.unit import Unit
from counterform.stages.validation import stands_for, sweeps
from counterform.stages.work import Work
from counterform.types import Checkpoint, Graded, Mark, Objective, Reading, Verdict


def find_units(work: Work) -> Iterator[Unit]:
    """The findings."""
    yield FindUnit("find", needs=("problems", "match", "probe/", "dose/", "weights", "validation/"))


class FindUnit(Unit):
    """Readings into findings: each probe says what enters the comparison of arms, and what stands apart from it."""

    def key(self, work: Work) -> str:
        readings = [
            unit
            for unit in work.files.records
            if unit.partition("/")[0] in ("probe", "dose", "weights", "train", "decision", "validation")
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
    notes += [note for name, rows in readings.items() for note in _all_unknown(name, rows)]
    context = _context(work, readings)
    found: dict[str, Found] = {probe.name: probe.find(readings[probe.name], context) for probe in probes}
    lines: list[Baseline] = []
    for probe in probes:
        lines += probe.baselines(work.problems("train") or work.problems("held_out"), items)
    metrics = {probe.name: probe.metrics for probe in probes}
    swept = sweeps(work)
    gains = find(
        [reading for one in found.values() for reading in one.readings],
        metrics,
        contrasts=stands_for(swept, work.study.contrasts),
        form_shares=stands_for(swept, work.study.form_shares),
        fixed=context.fixed,
    )
    results = Results(
        question=work.study.question,
        findings=gains.findings,
        levels=gains.levels,
        baselines=tuple(lines),
        form_shares=gains.form_shares,
        notes=(*notes, *(note for one in found.values() for note in one.notes), *gains.notes),
        partway={name: of for name, of in work.study.partway.items() if of[0] in work.arms},
        sweeps=swept,
        metrics=metrics,
        sections={probe.name: probe.section for probe in probes if probe.section},
        existing={arm.name: arm.what for arm in work.existing.values()},
        own={name: msgspec.to_builtins(one.own) for name, one in found.items() if one.own is not None},
    )
    work.files.write_json("findings.json", results)


def _notes(work: Work, items: HeldOut) -> list[str]:
    """What a reader of the findings must know of how they came about."""
    records = work.files.records
    kinds = ("sample", "audit", "match", "train", "probe")
    answered = {note: None for kind in kinds for record in records.of_kind(kind) for note in record.notes}
    notes: list[str] = [*decision_notes(work), *records["problems"].notes, *answered, *work.differences()]
    notes += [f"{name} was refused: {why}" for name, why in work.refused.items()]
    for name in work.arms:
        checkpoints = [work.checkpoint(name, seed) for seed in work.study.seeds]
        notes += [f"{c.arm}, seed {c.seed}, was not read: {c.failure}" for c in checkpoints if c.failure]
        objective = work.recipes[name].objective
        notes += [_no_update(c, objective) for c in checkpoints if 0 < c.ledger.optimizer_steps == c.ledger.idle_steps]
    notes += [f"{arm.name} was not trained here: {arm.what}." for arm in work.existing.values()]
    notes += [note for record in work.files.records.of_kind("answers") for note in record.notes]
    of_probes = [note for record in work.files.records.of_kind("probe") for note in record.notes]
    notes += [*not_asked(work), *dict.fromkeys(of_probes)]
    if any(not problem.answer for problem in items.problems):
        notes.append(
            "The problems have no keys: right and wrong are as they were recorded, strict and lenient alike, and answers "
            "without a recorded grade have no accuracy."
        )
    if len(work.study.seeds) == 1 and work.arms:
        whose = f" of {', '.join(work.arms)}" if work.existing else ""
        notes.append(f"One seed{whose}: the intervals cover the choice of problems, and not seed variance.")
    if "process" in work.study.probes:
        if work.keys.splits:
            # Over the whole pool: the attempts that find_error asks about are chosen by whether a step is wrong.
            parts = work.verdict_parts({problem.id for problem in items.problems})
            notes.append(sentence(blindness_in_parts(parts)))
        of_arms = {arm.name: blindness_in_parts(_verdicts(work, arm)) for arm in work.existing.values()}
        notes += [sentence(found, name) for name, found in of_arms.items() if found.attempts]
    return notes


def _verdicts(work: Work, arm: Answering) -> Iterator[tuple[list[Verdict], list[str]]]:
    """The verdicts on what an arm answered when its process was read, seed by seed, and of each its problem."""
    for seed in arm.seeds:
        for name in work.files.fact(f"probe/{arm.name}/{seed}/process", "attempts") or []:
            rows = work.files.read_rows(name, Graded)
            yield [row.verdict for row in rows], [row.attempt.problem_id for row in rows]


def _no_update(checkpoint: Checkpoint, objective: Objective) -> str:
    why = {
        "sdpo": "there was nothing to show its teacher",
        "sdft": "it wrote nothing that its teacher could be asked about",
    }.get(objective, "no group of rollouts had two different rewards")
    return (
        f"{checkpoint.arm}, seed {checkpoint.seed}: none of its {checkpoint.ledger.optimizer_steps} steps was an update, since {why}. It is the "
        "base model again."
    )


def _all_unknown(probe: str, readings: Sequence[Reading]) -> list[str]:
    """A sentence for each model of which a probe could grade nothing at all."""
    marks: dict[str, list[Mark]] = {}
    for reading in readings:
        marks.setdefault(reading.arm, []).append(reading.mark)
    return [
        f"{arm}: every one of {len(found)} readings of {probe} is UNKNOWN. Nothing it answered could be graded, so they say nothing of what "
        "it can do."
        for arm, found in marks.items()
        if set(found) == {Mark.UNKNOWN}
    ]


def _readings(work: Work, probe: Probe) -> list[Reading]:
    """Those of the base and of every arm that has all its seeds: half a training is not the same experiment."""
    return [
        reading
        for who in probed(work)
        if not any(who.failure(seed) for seed in who.seeds) and not who.missing(probe.needs)
        for seed in who.seeds
        for reading in work.files.read_rows(f"readings/{probe.name}/{who.name}-{seed}.parquet", Reading)
    ]


def _context(work: Work, readings: dict[str, Sequence[Reading]]) -> Context:
    between = [
        reading
        for first, second, share, seed in doses(work)
        for reading in work.files.read_rows(dose_file(dose_name(first, second, share), seed), Reading)
    ]
    return Context(
        readings=readings,
        contrasts=stands_for(sweeps(work), work.study.contrasts),
        shows={name: work.recipes[name].shows for name in work.arms},
        doses=work.study.doses,
        between=between,
        weights=_weights(work),
        fixed=fixed(work),
    )


def _weights(work: Work) -> WeightChanges | None:
    made = "weights" in work.files.records and work.files.records["weights"].files
    return msgspec.json.decode((work.files / WEIGHTS).read_bytes(), type=WeightChanges) if made else None
