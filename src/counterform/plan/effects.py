"""What a study could find, measurement by measurement, from its base in small."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from counterform.findings.gains import pseudo
from counterform.findings.plan import Effect, Measure, Size
from counterform.findings.power import HIGH_LUCK, LOW_LUCK, Pilot, pilot_of, predicted
from counterform.findings.stats import FEW_CLUSTERS
from counterform.findings.table import Table
from counterform.parts import part
from counterform.plan.costs import clusters_of
from counterform.plan.small import Small
from counterform.stages.sound import base_tables
from counterform.study import BASE_ARM, Study

MORE_SEEDS = (2, 3, 5)
MORE_PROBLEMS = (2, 4)
"""What else is shown: so many seeds, and so many times the problems."""

Predict = Callable[[int, int, float], float]
"""(problems, seeds, luck) -> the minimum detectable effect."""


def measures_of(study: Study, small: Small) -> list[Measure]:
    """The first measurement of each probe; of the very first, what other sizes would buy too."""
    found: list[Measure] = []
    for table in base_tables(small.work):
        items = table.read_by([BASE_ARM])
        values = pseudo(table, BASE_ARM, items)
        # Of what the base never does nothing says how it would vary.
        if len(values) >= FEW_CLUSTERS and (values.any() or table.metric.unit == "share"):
            found.append(_measure(study, small, table, pilot_of(values, table.metric.range), first=not found))
    return found


def _measure(study: Study, small: Small, table: Table, pilot: Pilot, *, first: bool) -> Measure:
    probe = _named(study, table)
    problems = clusters_of(study, small, probe, pilot.clusters)
    seeds, arms = len(study.seeds), len(study.arm_specs) + len(study.partway)

    def gain(problems: int, seeds: int, luck: float) -> float:
        return predicted(pilot, problems=problems, seeds=seeds, luck=luck, others=arms - 1, lucky=(True, False))

    def contrast(problems: int, seeds: int, luck: float) -> float:
        return predicted(pilot, problems=problems, seeds=seeds, luck=luck, others=arms - 2)

    several = arms > 1
    return Measure(
        probe=table.of.probe,
        words=table.of.words,
        level=pilot.level,
        unit=table.metric.unit,
        problems=problems,
        gain=effect(gain, problems, seeds),
        contrast=effect(contrast, problems, seeds) if several else None,
        sizes=tuple(sizes(contrast if several else gain, problems, float(study.probe.samples), seeds) if first else ()),
    )


def _named(study: Study, table: Table) -> str:
    """The probe's name in the study file."""
    return next(name for name in study.probes if part("probe", name).name == table.of.probe)


def effect(predict: Predict, problems: int, seeds: int) -> Effect:
    """With little luck, and with much."""
    return Effect(low=predict(problems, seeds, LOW_LUCK), high=predict(problems, seeds, HIGH_LUCK))


def sizes(predict: Predict, problems: int, samples: float, seeds: int) -> list[Size]:
    """The planned size, other numbers of seeds, and more problems with as many seeds."""
    rows = [_size(predict, problems, samples, each) for each in sorted({seeds, *MORE_SEEDS})]
    more = [_size(predict, problems * times, samples, seeds) for times in MORE_PROBLEMS]
    return [*falling(rows), *falling([next(row for row in rows if row.seeds == seeds), *more])[1:]]


def falling(rows: Sequence[Size]) -> list[Size]:
    """The same sizes, growing: more of the same cannot be worse, and what a simulation scatters upwards is cut off.

    One seed stands apart: its effect does not cover seed variance.
    """
    least = Effect(low=np.inf, high=np.inf)
    found = []
    for row in rows:
        if row.seeds > 1:
            least = Effect(low=min(least.low, row.effect.low), high=min(least.high, row.effect.high))
        found.append(
            Size(
                problems=row.problems,
                samples=row.samples,
                seeds=row.seeds,
                effect=least if row.seeds > 1 else row.effect,
            )
        )
    return found


def _size(predict: Predict, problems: int, samples: float, seeds: int) -> Size:
    return Size(problems=problems, samples=samples, seeds=seeds, effect=effect(predict, problems, seeds))
