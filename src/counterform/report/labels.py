"""Names of metrics and forms of numbers: what every part of a report writes, so that they all write it alike."""

from __future__ import annotations

import math
import re

from msgspec import Struct

VERDICT_SIGNS = {"supported": "●", "refuted": "◆", "undecided": "○"}
"""A verdict is never told by colour alone: the sign is the marker of its row in the plots."""


class MetricLabel(Struct, frozen=True):
    """A metric in a reader's words."""

    title: str
    meaning: str
    lower_is_better: bool = False


_LABELS = {
    ("find_error", "F1"): MetricLabel(
        "Finding errors (F1)",
        "Harmonic mean of the two shares below, as in ProcessBench: naming errors counts only with leaving sound work alone.",
    ),
    ("find_error", "erroneous"): MetricLabel(
        "Finding errors: erroneous", "Attempts with an error in which the first wrong step is named."
    ),
    ("find_error", "correct"): MetricLabel("Finding errors: sound", "Sound attempts that are called right."),
    ("internals", "AUROC"): MetricLabel(
        "Wrong steps told apart inside (AUROC)",
        "Chance that a linear probe on the hidden states scores a wrong step above a right one, mean over the layers; 50 % is none.",
    ),
    ("process", "violated"): MetricLabel(
        "Wrong steps", "Attempts with a step that is wrong and stays so, of those that could be read.", True
    ),
    ("process", "right by wrong steps"): MetricLabel(
        "Right by wrong steps", "Attempts that reach the right answer over a wrong step.", True
    ),
}


def metric_label(probe: str, metric: str) -> MetricLabel:
    """The label of a metric; one that nobody described is shown under its own name."""
    if solving := re.fullmatch(r"pass@(\d+)( lenient)?", metric):
        k, lenient = int(solving.group(1)), bool(solving.group(2))
        form = "in any form" if lenient else "in the form that was asked for"
        tries = "One attempt has" if k == 1 else f"At least one of {k} attempts has"
        return MetricLabel(f"Solving ({metric})", f"{tries} the right answer {form}.")
    return _LABELS.get((probe, metric), MetricLabel(f"{probe}: {metric}", ""))


def points(value: float, *, signed: bool = True) -> str:
    """A difference of shares in percentage points, one decimal: `+12.3`, `−0.4`, `0.0`."""
    if not math.isfinite(value):
        return "–"
    text = f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def points_interval(low: float, high: float) -> str:
    """An interval of a difference: `[+8.1, +16.4]`."""
    return f"[{points(low)}, {points(high)}]"


def share(value: float) -> str:
    """A level in per cent: `44.2 %`."""
    return f"{100 * value:.1f}\u00a0%" if math.isfinite(value) else "–"


def share_interval(low: float, high: float) -> str:
    """An interval of a level: `[41.0, 47.5]`."""
    return f"[{points(low, signed=False)}, {points(high, signed=False)}]"


def nats(value: float) -> str:
    """A KL in nats with three significant digits: `0.0543`, `0`."""
    return f"{value:.3g}" if math.isfinite(value) else "–"


def number(value: float) -> str:
    """A count with thousands separators; a measure keeps one decimal."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def probability(value: float) -> str:
    """A p-value with three decimals: `0.012`, `<0.001`."""
    if not math.isfinite(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
