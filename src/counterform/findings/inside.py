"""What changed inside, from the readings of the probe `internals` (whose docstring says what they are). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from counterform.findings import stats
from counterform.findings.gains import ALPHA, estimate, level
from counterform.findings.stats import Floats
from counterform.findings.table import Table, tables
from counterform.metrics import Metrics
from counterform.results import TOKEN_CLASSES, Inside, Level, WeightChanges
from counterform.study import BASE_ARM
from counterform.types import Reading

AUROC, KL, TOKENS = "AUROC", "KL", "tokens"
LAYER, CONTROL = "AUROC of a layer", "AUROC of a layer, shuffled labels"


def find_inside(
    readings: Sequence[Reading], metrics: Metrics, weights: WeightChanges | None = None
) -> tuple[Inside, list[str]]:
    """What is no gain or loss, and what a reader must know of it.

    KL is counted in nats and is neither good nor bad: ratios of sums over problems, with intervals. The base is left out there: its KL to itself
    is 0.
    """
    found = {(table.of.metric, table.of.condition): table for table in tables(readings, metrics)}
    divergences = {name: found[KL, name] for name in TOKEN_CLASSES if (KL, name) in found}
    shares: list[Level] = []
    per_token: list[Level] = []
    for name, table in divergences.items():
        whole = {arm: np.sum([t.values[arm] for t in divergences.values()], axis=0) for arm in table.values}
        # Luck multiplies a KL, and shifts the odds of a share.
        shares += _ratio_levels(table, whole, luck=lambda share: share * (1 - share), limit=1.0)
        per_token += _ratio_levels(table, found[TOKENS, name].values, luck=lambda nats: nats, limit=np.inf)
    layers, control = ([t for (metric, _), t in found.items() if metric == what] for what in (LAYER, CONTROL))
    notes = _false_controls(control)
    if readings and all(reading.value is None for reading in readings):
        notes.append("internals read nothing: it needs a base and arms of kind `hf`, whose insides can be seen.")
    elif readings and not layers:
        notes.append("internals: no held-out attempt has a step with a grade, so there is no linear probe.")
    inside = Inside(
        shares=tuple(shares),
        per_token=tuple(per_token),
        layers=tuple(_levels(layers)),
        control=tuple(_levels(control)),
        weights=weights,
    )
    return inside, notes


def _ratio_levels(
    top: Table, bottom: Mapping[str, Floats], *, luck: Callable[[float], float], limit: float
) -> list[Level]:
    """sum(top) / sum(bottom) over items that are problems, of every trained arm in which it is defined.

    Training luck is pooled over the arms as everywhere, but in proportion to `luck` of an arm's own level: arms may
    be orders of magnitude apart here.
    """
    pseudo = {
        arm: np.stack([stats.ratio_pseudo_values(*pair) for pair in zip(values, bottom[arm], strict=True)], axis=1)
        for arm, values in top.values.items()
        if arm != BASE_ARM
    }
    pseudo = {arm: values for arm, values in pseudo.items() if not np.isnan(values).any()}
    scale = {arm: luck(float(values.mean())) for arm, values in pseudo.items()}
    levels = []
    for arm, values in pseudo.items():
        alike = [other * scale[arm] / scale[whose] for whose, other in pseudo.items() if scale[whose] > 0]
        e = stats.estimate(values, None, alike, lucky=1)
        levels.append(
            Level(
                **top.columns,
                arm=arm,
                estimate=e.value,
                low=max(e.low, 0.0),
                high=min(e.high, limit),
                n_items=values.shape[0],
                n_seeds=values.shape[1],
                unknown=top.unknown[arm],
            )
        )
    return levels


def _levels(layers: Sequence[Table]) -> list[Level]:
    """The levels of every arm at every layer."""
    return [level(table, arm) for table in layers for arm in table.values if table.read_by([arm]).any()]


def _false_controls(layers: Sequence[Table]) -> list[str]:
    """A note for every control that is not at 0.5, where shuffled labels must be."""
    from_half = [table.less(0.5) for table in layers]
    rows = [(t, arm, estimate(t, arm, None)[0]) for t in from_half for arm in t.values if t.read_by([arm]).any()]
    return [
        f"{arm}: the AUROC with shuffled labels at layer {table.of.condition} is {0.5 + e.value:.2f} and not 0.5; distrust its AUROC."
        for (table, arm, e), p in zip(rows, stats.holm([e.p for _, _, e in rows]), strict=True)
        if p <= ALPHA
    ]
