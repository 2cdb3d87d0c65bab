"""The first screen: of every arm what it gained, how much of that is form, what it lost, and how it fails out of distribution. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from counterform.metrics import Measured
from counterform.report.labels import label_of
from counterform.report.sections.shift import ANSWER
from counterform.report.sections.traits import label as trait_label
from counterform.report.tables import Table
from counterform.results import Finding, FormShare, Level, Results, Retention
from counterform.study import BASE_ARM
from counterform.text import shifts
from counterform.text.numbers import difference, difference_interval, points, share, share_interval

HOME = (("accuracy", "pass@1"), ("instructions", "exact match"))
"""What a gain is a gain in: the first of these that was read."""
HEADINGS = ("Arm", "Gained in distribution", "Of that, form", "Lost most clearly", "Worst OOD")
MEANING = (
    "Against the base model, in percentage points, with 95 % intervals. Form: what a control without the content gains too, as a "
    "share of the arm's gain; the control with the largest. Lost, worst: the lowest of several readings, so look at them all below. "
    "Left: of the base model's."
)
MOST_TOLD = 3
"""Contrasts that the first sentence tells, where there is no base model to compare with."""
NOT_ASKED, NOTHING = "not asked", "nothing seen"


class Cell(Struct, frozen=True, kw_only=True):
    """A number with its interval, or why there is none; and below it what it is of."""

    text: str
    of: str = ""
    verdict: str = ""
    """Of a finding, for its sign; empty: nothing was compared."""


class ArmRow(Struct, frozen=True, kw_only=True):
    """The answer for one arm."""

    arm: str
    cells: tuple[Cell, Cell, Cell, Cell]
    """Gained, form, lost, away."""


class Overview(Struct, frozen=True, kw_only=True):
    """The question answered: one sentence, and one row per arm."""

    sentence: str
    rows: tuple[ArmRow, ...] = ()


def overview(results: Results, retained: Sequence[Retention] = ()) -> Overview:
    """The first screen of these results; without any finding it says so."""
    gains = [f for f in results.findings if f.versus == BASE_ARM]
    home = next((metric for metric in HOME if any((f.probe, f.metric) == metric for f in gains)), None)
    arms = list(dict.fromkeys([*(f.arm for f in gains), *(row.arm for row in retained)]))
    if not arms:
        return Overview(sentence=_without_base(results))
    gained = {f.arm: f for f in gains if (f.probe, f.metric) == home}
    shares = [found for found in results.form_shares if (found.probe, found.metric) == home]
    rows = [
        ArmRow(
            arm=arm,
            cells=(
                _gained(results, gained.get(arm)),
                _form(gained.get(arm), [found for found in shares if found.full == arm]),
                _lost(
                    results,
                    [f for f in gains if f.arm == arm and _is_asked(results, f, home)],
                    [r for r in retained if r.arm == arm],
                ),
                _away(results, [f for f in gains if f.arm == arm and _is_away(f)]),
            ),
        )
        for arm in arms
    ]
    return Overview(sentence=_sentence(list(gained.values())), rows=tuple(rows))


def table(found: Overview) -> Table:
    """The rows as text."""
    return Table(HEADINGS, tuple((row.arm, *map(_in_a_line, row.cells)) for row in found.rows), n_text=len(HEADINGS))


def _in_a_line(cell: Cell) -> str:
    verdict = f" {cell.verdict}" if cell.verdict else ""
    return f"{cell.text}{f' ({cell.of})' if cell.of else ''}{verdict}"


def _sentence(gains: Sequence[Finding]) -> str:
    if not gains:
        return "Right answers in distribution were not asked for."
    counts = {verdict: sum(f.verdict == verdict for f in gains) for verdict in ("better", "worse", "undecided")}
    better, worse, open_ = counts.values()
    arms = f"Of {len(gains)} arms" if len(gains) > 1 else "Of one arm"
    return (
        f"{arms}, {better} came out with more right answers than the base model, which has {share(gains[0].baseline)}, "
        f"{worse} with fewer, and {open_} undecided."
    )


def _without_base(results: Results) -> str:
    """What the contrasts came to in right answers, where no arm was compared with the base model."""
    if not results.findings:
        levels = ", ".join(dict.fromkeys(level.arm for level in results.levels))
        if not levels and results.own:
            return "No arms were compared by their right answers: the sections say what was found."
        return f"Nothing was compared: {levels} alone." if levels else "There are no findings yet."
    told = [f.sentence for home in HOME for f in results.findings if (f.probe, f.metric) == home]
    more = f" {len(told) - MOST_TOLD} more contrasts stand below." * (len(told) > MOST_TOLD)
    return f"No arm was compared with a base model. {' '.join(told[:MOST_TOLD])}{more}".strip()


def _gained(results: Results, gain: Finding | None) -> Cell:
    if gain is None:
        return Cell(text=NOT_ASKED)
    here = _level(results, gain, gain.arm)
    reached = f"{points(gain.baseline, signed=False)} to {share(here.estimate)}" if here else ""
    return Cell(text=_moved(results, gain), of=reached, verdict=gain.verdict)


def _level(results: Results, measured: Measured, arm: str) -> Level | None:
    return next((level for level in results.levels if (level.key, level.arm) == (measured.key, arm)), None)


def _form(gain: Finding | None, shares: Sequence[FormShare]) -> Cell:
    """The control that makes most of the gain; where the arm lost, of its loss."""
    if gain is None:
        return Cell(text=NOT_ASKED)
    if not shares:
        return Cell(text="–", of="no control declared")
    known = [
        (found.share, found.low, found.high, found.control)
        for found in shares
        if found.share is not None and found.low is not None and found.high is not None
    ]
    if gain.verdict == "undecided":  # after the correction for several arms, which a share alone does not know
        return Cell(text="undefined", of="its gain is not clear of 0")
    if not known:
        reasons = [(found.why or "undefined").partition(": ") for found in shares]
        return Cell(
            text="; ".join(dict.fromkeys(what for what, _, _ in reasons)),
            of="; ".join(dict.fromkeys(why for _, _, why in reasons)),
        )
    value, low, high, control = max(known)
    return Cell(
        text=f"{share(value)} {share_interval(low, high)}", of=f"{'of its loss, ' * (gain.estimate < 0)}by {control}"
    )


def _is_asked(results: Results, f: Finding, home: tuple[str, str] | None) -> bool:
    """Whether the first screen looks for losses in it: the headline of its probe, in distribution, which is not what a gain is a gain in."""
    metric = results.metric(f)
    under = metric.headline_condition in ("", f.condition)
    return (f.probe, f.metric) != home and metric.headline and under and f.shift is None and metric.better != "neither"


class _Loss(Struct, frozen=True):
    """One reading of an arm, so that readings of different kinds can be compared: what is left of the base model's, at most."""

    at_most: float
    clear: bool
    cell: Cell


def _lost(results: Results, findings: Sequence[Finding], retained: Sequence[Retention]) -> Cell:
    """The clear loss of which least is left at best; where none is clear, how low the lowest reading lies."""
    losses = [loss for f in findings if (loss := _of_finding(results, f))]
    losses += [loss for row in retained if (loss := _of_trait(row))]
    if not losses:
        return Cell(text=NOT_ASKED, of="nothing was read besides right answers")
    clear = [loss for loss in losses if loss.clear]
    if clear:
        return min(clear, key=lambda loss: loss.at_most).cell
    lowest = min(losses, key=lambda loss: loss.at_most).cell
    return Cell(text=NOTHING, of=f"lowest of {len(losses)}: {lowest.of} {lowest.text}", verdict="undecided")


def _of_finding(results: Results, f: Finding) -> _Loss | None:
    """What is left of what the base had above the worst end of the metric; None where a metric has no such end, or the base nothing."""
    metric = results.metric(f)
    lower = metric.better == "low"
    worst = metric.most if lower else metric.least
    had = abs(worst - f.baseline)
    best = had - f.low if lower else had + f.high
    if not math.isfinite(had) or had == 0 or math.isnan(f.estimate):
        return None
    of = f"{label_of(results, f).title}{', lower is better' if lower else ''}"
    return _Loss(best / had, f.verdict == "worse", Cell(text=_moved(results, f), of=of, verdict=f.verdict))


def _of_trait(row: Retention) -> _Loss | None:
    """Length is no thing to lose; a trait that the base model does not show cannot be lost."""
    if row.trait == "length" or row.kept is None or row.low is None or row.high is None:
        return None
    text = f"{share(row.kept)} left {share_interval(row.low, row.high)}"
    return _Loss(row.high, row.verdict == "fell", Cell(text=text, of=trait_label(row.trait).title))


def _is_away(f: Finding) -> bool:
    return (
        f.probe == "shift"
        and (f.metric, f.condition) == ANSWER
        and f.shift is not None
        and f.shift.axis != shifts.REVERSED
    )


def _away(results: Results, findings: Sequence[Finding]) -> Cell:
    """The shift at which the arm stands lowest against the base model there."""
    read = [f for f in findings if not math.isnan(f.estimate)]
    if not read:
        return Cell(text="too few problems" if "shift" in results.metrics else NOT_ASKED)
    worst = min(read, key=lambda f: f.estimate)
    there, home = (_level(results, where, worst.arm) for where in (worst, replace(worst, shift=None)))
    right = f": {share(there.estimate)} {share_interval(there.low, there.high)} right" if there else ""
    right += f", {share(home.estimate)} in distribution" if there and home else ""
    return Cell(
        text=_moved(results, worst), of=f"{worst.shift.label if worst.shift else ''}{right}", verdict=worst.verdict
    )


def _moved(results: Results, f: Finding) -> str:
    metric = results.metric(f)
    return f"{difference(metric, f.estimate)} {difference_interval(metric, f.low, f.high)}"
