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
    ("agreement", "verdict"): MetricLabel(
        "Critiques: verdict", "Attempts that are called right or wrong as the step verifier has it."
    ),
    ("agreement", "steps"): MetricLabel(
        "Critiques: steps",
        "Of the steps that the critique, or a full one by the step verifier, calls right or wrong: those on which both agree.",
    ),
    ("repair", "repaired"): MetricLabel(
        "Repair: wrong attempts",
        "Attempts with a wrong step after which, and the own critique of which, the answer is right.",
    ),
    ("repair", "kept"): MetricLabel(
        "Repair: sound attempts", "Sound attempts after which, and the own critique of which, the answer is right."
    ),
    ("internals", "AUROC"): MetricLabel(
        "Wrong steps told apart inside (AUROC)",
        "Chance that a linear probe on the hidden states scores a wrong step above a right one, mean over the layers; 50 % is none.",
    ),
    ("process", "violated"): MetricLabel(
        "Wrong steps", "Attempts with a step that is wrong and stays so, of those in which a step could be read.", True
    ),
    ("process", "right by wrong steps"): MetricLabel(
        "Right by wrong steps", "Attempts that reach the right answer over a wrong step.", True
    ),
    ("tool_errors", "failed calls"): MetricLabel(
        "Failed calls", "Of an answer's calls to the tool those that came back as an error.", True
    ),
    ("tool_errors", "failed calls in right answers"): MetricLabel(
        "Failed calls in right answers",
        "The same of right answers alone. A comparison is over the problems that both sides solve.",
        True,
    ),
    ("instructions", "exact match"): MetricLabel(
        "Instructions: exact match", "Held-out tasks, definition and demonstrations whole: the stated label is right."
    ),
    ("instructions", "in space"): MetricLabel(
        "Instructions: in space", "The stated answer is one of the answer space, right or wrong."
    ),
    ("instructions", "exact match in space"): MetricLabel(
        "Instructions: exact match in space",
        "Of answers in the space, those that are right. A comparison is over the items that both sides answer in the space.",
    ),
    ("instructions", "beyond form"): MetricLabel(
        "Instructions: beyond form",
        "Exact match, with an answer outside the space worth a guess in it: a gain of form alone is none.",
    ),
}

_VALIDITY = {
    "answer": ("Few-shot answer", "Right answers", False),
    "answer lost": ("Few-shot answers lost", "Right answers after valid exemplars that are not there", True),
    "clean steps": ("Few-shot clean steps", "Attempts whose steps are all right, of those that could be read,", False),
    "right by wrong steps": (
        "Few-shot right by wrong steps",
        "Attempts that reach the right answer over a wrong step, of those that could be read,",
        True,
    ),
}


_GUARD = {
    "pass^1": ("Right answers that were accepted, of all that were asked for", False),
    "violated": ("Accepted answers with a step that is wrong and stays so, of all that were asked for", True),
    "refused": ("Answers that no wrong step could be kept out of within the budget", True),
    "gain": ("The paired difference in right answers, two ways of guarding the same model", False),
    "tokens": ("Tokens sampled, those thrown away too, as a share of those without a guard", True),
    "seconds": ("Time, as a share of that without a guard", True),
    "steps told": ("Steps of an answer that are the guard's own hint and not the model's", False),
}


_TRUST = {
    "AUROC": ("Chance that a right answer is trusted more than a wrong one; 50 % is none", False),
    "AUROC within a problem": (
        "Chance that a right answer is trusted more than a wrong one to the same problem; 50 % is none",
        False,
    ),
    "PR-AUC": (
        "Mean precision over the thresholds that reach one more right answer; chance is the share of right answers",
        False,
    ),
    "ECE": ("Mean distance between confidence and the share of right answers, over ten bins of confidence", True),
    "self-trust gap": (
        "Confidence in the own wrong answer, less that in the same answer when it is said to be another's",
        True,
    ),
    "self-trust gap closed": ("The gap of an answer alone less that in the joint comparison", False),
}


_STRATEGY = {
    "breadth first": (
        "Openings in the order of a breadth-first search, where a depth-first one would open another place; of texts, those that name "
        "two candidates or more before they follow one"
    ),
    "candidates before the first is followed": "Opened from the start before one of them is followed, of all that could be, or are named",
    "depth at first switch": "How deep it stands when it first turns away: of the map's greatest depth, or steps of all",
    "switches": "Openings from another place than the one opened last; of texts, steps that turn to another candidate",
    "revisits": "Openings of a place that was open; of texts, turns back to a candidate that was left",
}


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


def metric_label(probe: str, metric: str) -> MetricLabel:
    """The label of a metric; one that nobody described is shown under its own name."""
    if solving := re.fullmatch(r"pass@(\d+)( lenient)?", metric):
        k, lenient = int(solving.group(1)), bool(solving.group(2))
        form = "in any form" if lenient else "in the form that was asked for"
        tries = "One attempt has" if k == 1 else f"At least one of {k} attempts has"
        return MetricLabel(f"Solving ({metric})", f"{tries} the right answer {form}.")
    name, _, condition = metric.removesuffix(")").partition(" (")
    if probe == "validity" and name in _VALIDITY:
        title, meaning, lower = _VALIDITY[name]
        return MetricLabel(f"{title}, {condition} exemplars", f"{meaning} after {condition} exemplars.", lower)
    if probe == "agreement" and metric.startswith("first error, "):
        rule = metric.removeprefix("first error, ")
        return MetricLabel(
            f"First error found: {rule}", "Attempts whose first wrong step breaks this rule, and it is named."
        )
    if probe == "trust" and name in _TRUST:
        meaning, lower = _TRUST[name]
        return MetricLabel(f"{name[0].upper()}{name[1:]}: {condition}", f"{meaning}.", lower)
    if probe == "strategy" and name in _STRATEGY:
        title = f"{name[0].upper()}{name[1:]}, {condition}"
        return MetricLabel(title, f"{_STRATEGY[name]}. Neither is better: supported is more, refuted less.")
    if probe == "guard":
        meaning, lower = _GUARD.get(name, ("All of k answers are right and accepted", False))
        return MetricLabel(f"Guard: {metric}", f"{meaning}.", lower)
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
    return f"{100 * value:.1f}\u00a0%".replace("-", "−") if math.isfinite(value) else "–"


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
