"""What changed inside, from the readings of the probe `internals` (whose docstring says what they are). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from counterform.findings import stats
from counterform.findings.gains import ALPHA, left_out, levels, pseudo
from counterform.findings.stats import Floats
from counterform.findings.table import BASE_ALONE, Fixed, Table, tables
from counterform.metrics import Metrics
from counterform.results import TOKEN_CLASSES, Inside, Level, WeightChanges
from counterform.types import Reading

AUROC, KL, TOKENS = "AUROC", "KL", "tokens"
LAYER, CONTROL = "AUROC of a layer", "AUROC of a layer, shuffled labels"


def find_inside(
    readings: Sequence[Reading],
    metrics: Metrics,
    weights: WeightChanges | None = None,
    fixed: Fixed = BASE_ALONE,
) -> tuple[Inside, list[str]]:
    """What is no gain or loss, and what a reader must know of it.

    KL is counted in nats and is neither good nor bad: ratios of sums over problems, with intervals. The base is left out there: its KL to itself
    is 0.
    """
    found = {(table.of.metric, table.of.condition): table for table in tables(readings, metrics, fixed=fixed)}
    divergences = {name: found[KL, name] for name in TOKEN_CLASSES if (KL, name) in found}
    shares: list[Level] = []
    per_token: list[Level] = []
    silent: Counter[str] = Counter()
    for name, table in divergences.items():
        whole = {arm: np.sum([t.values[arm] for t in divergences.values()], axis=0) for arm in table.values}
        shares += _ratio_levels(table, whole, stats.SHARE, silent)
        per_token += _ratio_levels(table, found[TOKENS, name].values, table.metric.range, silent)
    layers, control = ([t for (metric, _), t in found.items() if metric == what] for what in (LAYER, CONTROL))
    at_layers, of_controls = (tuple(_levels(of, silent)) for of in (layers, control))
    notes = [*_false_controls(control), *left_out(silent)]
    if readings and all(reading.value is None for reading in readings):
        notes.append("internals read nothing: it needs a base and arms of kind `hf`, whose insides can be seen.")
    elif readings and not layers:
        notes.append("internals: no held-out attempt has a step with a grade, so there is no linear probe.")
    inside = Inside(
        shares=tuple(shares),
        per_token=tuple(per_token),
        layers=at_layers,
        control=of_controls,
        weights=weights,
    )
    return inside, notes


def _ratio_levels(
    top: Table, bottom: Mapping[str, Floats], bounds: stats.Bounds, silent: Counter[str]
) -> Iterable[Level]:
    """sum(top) / sum(bottom) over items that are problems, of every arm in which it is defined.

    silent: where those that say nothing are counted.
    """
    rates = {
        arm: np.stack([stats.ratio_pseudo_values(*pair) for pair in zip(top.values[arm], bottom[arm], strict=True)], 1)
        for arm in top.arms
    }
    read = {arm: values for arm, values in rates.items() if not np.isnan(values).any()}
    for arm, values in read.items():
        others = [other for whose, other in read.items() if whose != arm and whose in top.trained]
        e = stats.estimate(values, None, others, lucky=top.lucky([arm]), bounds=bounds)
        if stats.says_nothing(e, len(values), bounds=bounds):
            silent[top.of.name] += 1
            continue
        yield Level(
            **top.columns,
            arm=arm,
            estimate=e.value,
            low=e.low,
            high=e.high,
            n_items=values.shape[0],
            n_seeds=top.n_seeds([arm]),
            unknown=top.unknown[arm],
        )


def _levels(layers: Sequence[Table], silent: Counter[str]) -> Iterable[Level]:
    """The levels of every arm at every layer; those that say nothing are counted."""
    asked = [(table, arm) for table in layers for arm in table.values if table.read_by([arm]).any()]
    found = levels(asked)
    silent.update(table.of.name for (table, _), level in zip(asked, found, strict=True) if level is None)
    return [level for level in found if level is not None]


def _false_controls(layers: Sequence[Table]) -> list[str]:
    """A note for every control that is not at 0.5, where shuffled labels must be in every model, whatever its luck."""
    rows = [
        (table, arm, stats.estimate(pseudo(table, arm, items) - 0.5, None, [], bounds=stats.UNBOUNDED))
        for table in layers
        for arm in table.values
        if (items := table.read_by([arm])).any()
    ]
    return [
        f"{arm}: the AUROC with shuffled labels at layer {table.of.condition} is {0.5 + e.value:.2f} and not 0.5; distrust its AUROC."
        for (table, arm, e), p in zip(rows, stats.holm([e.p for _, _, e in rows]), strict=True)
        if p <= ALPHA
    ]
