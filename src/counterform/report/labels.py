"""Metrics and axes in a reader's words, as every part of a report writes them."""

from __future__ import annotations

from msgspec import Struct

from counterform.metrics import Measured
from counterform.results import Results
from counterform.text.numbers import share

VERDICT_SIGNS = {
    **dict.fromkeys(("better", "more", "higher", "supported"), "●"),
    **dict.fromkeys(("worse", "less", "lower", "refuted"), "◆"),
    "undecided": "○",
}
"""Of findings, and of published claims. A verdict is never told by colour alone: the sign is the marker of its row in the plots."""


class MetricLabel(Struct, frozen=True):
    """A metric in a reader's words."""

    title: str
    meaning: str
    lower_is_better: bool = False


def label_of(results: Results, measured: Measured) -> MetricLabel:
    """What was measured, in the words of the probe that declares it."""
    metric = results.metric(measured)
    return MetricLabel(measured.fill(metric.title), measured.fill(metric.meaning), metric.better == "low")


class AxisLabel(Struct, frozen=True):
    """An axis of distribution shift in a reader's words."""

    title: str
    unit: str
    """What distance is counted in."""
    is_share: bool = False

    def distance(self, value: float) -> str:
        """A distance in the axis's unit."""
        return share(value) if self.is_share else f"{value:g}".replace("-", "−")


_UNSEEN = "share of the prompt's words that no training prompt has"
_EDITED = "share of the prompt's words that was edited, rounded to whole words"
_AXES = {
    "length": AxisLabel(
        "Length", "steps more than the longest problem of training, or (negative) fewer than the shortest"
    ),
    "composition": AxisLabel("Composition", "pairs of neighbouring operations that training held out"),
    "composition reversed": AxisLabel("Composition, control", "the same pairs the other way round, which training had"),
    "vocabulary": AxisLabel("Vocabulary", _UNSEEN, True),
    "noise insert": AxisLabel("Noise: words inserted", _EDITED, True),
    "noise delete": AxisLabel("Noise: words deleted", _EDITED, True),
    "noise modify": AxisLabel("Noise: words replaced", _EDITED, True),
    "shift": AxisLabel("Shifts of the study's own", _UNSEEN, True),
}


def axis_label(axis: str, *, users: bool = False) -> AxisLabel:
    """The label of an axis; `users`: of the user's own problems, whose distance is always counted in unseen words."""
    known = _AXES.get(axis, AxisLabel(axis.capitalize(), "distance from training"))
    return AxisLabel(known.title, _UNSEEN, True) if users and known.unit != _EDITED else known
