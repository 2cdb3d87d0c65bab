"""What a study will take on this machine, as its parts took in small."""

from __future__ import annotations

import msgspec

from counterform.findings.plan import Cost
from counterform.parts import part
from counterform.plan.small import Small
from counterform.plan.training import Training
from counterform.results import MatchCard
from counterform.study import BASE_ARM, Study
from counterform.types import Attempt, Graded

AFTER = 0.15
"""Seconds of findings and report for each model and probe of a study: 3.7 of the embedded quick study's four models and six probes,
measured on one core of 2026. They hardly matter, and are not measured anew."""


def ratio_of(study: Study, small: Small, probe: str) -> float:
    """How many times as much a probe reads of a model as it did in small."""
    reads, whole, few = part("probe", probe).reads, study.probe, small.work.study.probe
    held_out, read = small.problems["held_out"], small.work.study.problems.held_out
    if "shifted" in reads:
        return whole.shifted / few.shifted
    if "trusted" in reads:
        return min(whole.trusted, held_out) / min(few.trusted, read)
    if "attempts" in reads:
        return min(whole.attempts / few.attempts, held_out / read) if few.attempts < whole.attempts else 1.0
    return min(whole.problems, held_out) / min(few.problems, read)


def clusters_of(study: Study, small: Small, probe: str, few: int) -> int:
    """The problems that a probe will read as in training, by those that it read in small."""
    reads, whole, held_out = part("probe", probe).reads, study.probe, small.problems["held_out"]
    read = small.work.study.problems.held_out
    most = {"problems": whole.problems, "attempts": whole.attempts, "trusted": whole.trusted}
    asked = min((most[name] for name in ("trusted", "attempts", "problems") if name in reads), default=held_out)
    spec = small.work.study.probe
    here = {"problems": spec.problems, "attempts": spec.attempts, "trusted": spec.trusted}
    able = few / min(read, *(here[name] for name in here if name in reads))
    return round(able * min(asked, held_out))


def cases_of(study: Study, small: Small) -> int:
    """The cases that the whole study will have: as many for each problem as in small."""
    each = few_cases(small) / small.work.study.problems.train
    return min(study.match.cases, round(each * small.problems["train"]))


def few_cases(small: Small) -> int:
    """The cases in small."""
    cards = (small.work.files.fact(f"arm/{name}", "card") for name in small.work.arms)
    return next((msgspec.convert(card, MatchCard).cases for card in cards if card), 0)


def costs_of(study: Study, small: Small, training: Training) -> list[Cost]:
    """Seconds and tokens of each part of the study."""
    few = small.work.study.problems
    grown = (small.problems["train"] + small.problems["held_out"]) / (few.train + few.held_out)
    sampled = 0.0 if study.attempts.file else max(small.took("sample") - small.opening, 0.0) * grown + small.opening
    models = 1 + len(study.arm_specs) + len(study.partway)
    every = models * len(study.seeds)
    cases = cases_of(study, small) / max(few_cases(small), 1)
    probed, heard = 0.0, 0.0
    for name in study.probes:
        units = [f"probe/{BASE_ARM}/{seed}/{name}" for seed in small.work.study.seeds]
        # The first probe of a model loads it.
        loads = small.opening if name == study.probes[0] else 0.0
        ratio = ratio_of(study, small, name)
        probed += sum(max(small.seconds[unit] - loads, 0.0) for unit in units) / len(units) * ratio + loads
        heard += sum(_heard(small, unit) for unit in units) / len(units) * ratio
    files = small.work.files
    pool = sum(attempt.completion.tokens for attempt in files.read_rows("attempts", Attempt))
    return [
        Cost(part="problems", seconds=small.took("problems") + small.took("shifted"), tokens=0),
        Cost(part="attempts", seconds=sampled, tokens=0 if study.attempts.file else round(pool * grown)),
        Cost(part="grading", seconds=small.took("audit") + small.took("verify") * grown, tokens=0),
        Cost(part="arms", seconds=small.took("arm") * max(cases, 1.0), tokens=0),
        Cost(part="training", seconds=training.seconds, tokens=training.tokens),
        Cost(part="probes", seconds=probed * every, tokens=round(heard * every)),
        Cost(part="findings", seconds=AFTER * models * len(study.probes), tokens=0),
    ]


def _heard(small: Small, unit: str) -> int:
    """Tokens of the answers that a probe had graded; those of its own questions are not kept, and not counted."""
    files = small.work.files
    names = files.fact(unit, "attempts") or []
    return sum(graded.attempt.completion.tokens for name in names for graded in files.read_rows(name, Graded))
