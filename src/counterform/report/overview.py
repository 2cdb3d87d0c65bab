"""The first screen: the answer in sentences, then the declared contrasts, then a row per treatment, then the controls. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from counterform.findings.undecided import Undecided, needed_to_decide
from counterform.report.answer import Sentence, answer
from counterform.report.labels import VERDICT_SIGNS, label_of
from counterform.report.losses import besides, changes, clearest_loss, moved
from counterform.report.outline import Outline, level_at, of_k, outline
from counterform.report.sections.shift import ANSWER
from counterform.report.tables import Table, comparison
from counterform.results import Finding, FormShare, Results, Retention
from counterform.study import BASE_ARM
from counterform.text import shifts
from counterform.text.numbers import at_least, level, level_read, number, share, share_interval

NOTHING = "nothing seen"
NO_SHARE = "no share: the control gains nothing"
"""Of a share that was kept although it is not above 0."""
_SHOWN = 2
"""Clear differences besides right answers that a contrast's row names."""


class Cell(Struct, frozen=True, kw_only=True):
    """A number with its interval, or why there is none; below it what it is of, and what would decide it."""

    text: str
    of: str = ""
    verdict: str = ""
    """Of a finding, for its sign; empty: nothing was compared."""
    decides: str = ""


UNASKED, NO_CONTROL = Cell(text="not asked"), Cell(text="–", of="no control declared")


class Row(Struct, frozen=True, kw_only=True):
    """What is known of an arm, or of two."""

    name: str
    arms: tuple[str, ...]
    cells: tuple[Cell, ...]


class Block(Struct, frozen=True, kw_only=True):
    """Rows of one kind; the cells of a row stand under the headings after the first."""

    kind: Literal["contrasts", "treatments", "controls"]
    headings: tuple[str, ...]
    meaning: str
    rows: tuple[Row, ...]


class Overview(Struct, frozen=True, kw_only=True):
    """The question answered."""

    answer: tuple[Sentence, ...]
    blocks: tuple[Block, ...]
    """Those that have a row."""


def overview(results: Results, retained: Sequence[Retention] = ()) -> Overview:
    """The first screen of these results; without any finding it says so."""
    o = outline(results, [row.arm for row in retained])
    blocks = (_contrasts(results, o), _treatments(results, o, retained), _controls(results, o))
    return Overview(
        answer=answer(results, o, retained),
        blocks=tuple(block for block in blocks if block.rows and block.headings[1:]),
    )


def table(block: Block) -> Table:
    """The rows as text."""
    rows = tuple((row.name, *map(_in_a_line, row.cells)) for row in block.rows)
    return Table(block.headings, rows, n_text=len(block.headings))


def _in_a_line(cell: Cell) -> str:
    beside = "; ".join(filter(None, (cell.of, cell.decides)))
    return f"{cell.text}{f' ({beside})' if beside else ''}{f' {cell.verdict}' if cell.verdict else ''}"


def decides(results: Results, f: Finding) -> str:
    """What would decide an undecided finding, in words; empty for a decided one."""
    if f.verdict != "undecided":
        return ""
    match needed_to_decide(f.estimate, f.low, f.high, f.mde, f.n_problems):
        case Undecided.CORRECTION:
            return "clear alone, not among all comparisons made: ask for fewer, or more problems"
        case Undecided.SEEDS:
            what = "its seeds lie too far apart: more of them" if f.n_seeds > 1 else "more problems"
            return f"{what} would decide it, if it is real"
        case Undecided.SMALL:
            return f"a difference under {at_least(results.metric(f), f.mde)} mostly goes unseen here"
        case needed:
            least = "at least " if f.n_seeds > 1 else ""
            return f"{least}{number(needed)} problems would decide it, if it is real ({number(f.n_problems)} here)"


def _contrasts(results: Results, o: Outline) -> Block:
    rows = []
    for f in o.contrasts:
        clear = [one for one in besides(results, o, f.arm, f.versus) if one.verdict != "undecided"]
        clear.sort(key=lambda one: min(abs(one.low), abs(one.high)), reverse=True)
        named = "; ".join(_beside(results, one) for one in clear[:_SHOWN])
        more = f"; and {len(clear) - _SHOWN} more" if len(clear) > _SHOWN else ""
        counts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(one.verdict for one in clear).items())
        cells = (_gained(results, f), Cell(text=counts or "none", of=f"{named}{more}"))
        rows.append(Row(name=comparison(f), arms=(f.arm, f.versus), cells=cells))
    return Block(
        kind="contrasts",
        headings=("Contrast", "Right answers", "Clear differences besides"),
        meaning="The first arm less the second.",
        rows=tuple(rows),
    )


def _beside(results: Results, f: Finding) -> str:
    return f"{VERDICT_SIGNS[f.verdict]} {label_of(results, f).title} {moved(results, f)}"


def _treatments(results: Results, o: Outline, retained: Sequence[Retention]) -> Block:
    shares: dict[str, list[FormShare]] = {}
    home = {f.key for f in o.gained.values()}
    for found in results.form_shares:
        if found.key in home:
            shares.setdefault(found.full, []).append(found)
    rows = []
    for arm in o.treatments:
        gain = o.gained.get(arm)
        cells = {
            "Right answers": _gained(results, gain),
            "Of that, form": _form(gain, shares.get(arm, [])),
            "Lost most clearly": _lost(results, o, arm, retained),
            "Worst OOD": _away(results, arm),
        }
        rows.append((arm, cells))
    # A column in which nothing was asked of any arm says nothing.
    kept = (
        [name for name in rows[0][1] if any(cells[name] not in (UNASKED, NO_CONTROL) for _, cells in rows)]
        if rows
        else []
    )
    return Block(
        kind="treatments",
        headings=("Arm", *kept),
        meaning="Against the base model, in percentage points, with 95 % intervals. "
        + " ".join(_MEANINGS[name] for name in kept),
        rows=tuple(Row(name=arm, arms=(arm,), cells=tuple(cells[name] for name in kept)) for arm, cells in rows),
    )


_MEANINGS = {
    "Right answers": "",
    "Of that, form": "Form: what a control without the content gains too, as a share of the arm's gain; of several controls, the largest share.",
    "Lost most clearly": "Lost: the clearest of several readings, so look at them all below; left: of the base model's.",
    "Worst OOD": "OOD: the shift at which the arm stands lowest against the base model there.",
}


def _gained(results: Results, gain: Finding | None) -> Cell:
    if gain is None:
        return UNASKED
    higher = of_k(results, gain)
    of = [_levels(results, gain), f"{higher.metric} {_plain_levels(results, higher)}" if higher else ""]
    return Cell(
        text=moved(results, gain),
        of="; ".join(filter(None, of)),
        verdict=gain.verdict,
        decides=decides(results, gain),
    )


def _levels(results: Results, f: Finding) -> str:
    """Where the two models stand, and the share of each one's readings that nobody could grade."""
    metric, there, here = results.metric(f), level_at(results, f, f.versus), level_at(results, f, f.arm)
    if here is None:
        return f"from {level(metric, f.baseline)}"
    return f"{level_read(metric, f.baseline, there.unknown if there else 0.0)} to {level_read(metric, here.estimate, here.unknown)}"


def _plain_levels(results: Results, f: Finding) -> str:
    """The same without the UNKNOWN shares, which stand beside it: of the same samples."""
    metric = results.metric(f)
    return f"{level(metric, f.baseline)} to {level(metric, f.baseline + f.estimate)}"


def _form(gain: Finding | None, shares: Sequence[FormShare]) -> Cell:
    """The control that makes most of the gain; where the arm lost, of its loss. No share of what is not clear, and none below 0."""
    if gain is None or not shares:
        return NO_CONTROL
    if gain.verdict == "undecided":  # after the correction for several arms, which a share alone does not know
        return Cell(text="–", of="no clear gain to take a share of")
    known = [
        (found.share, found.low, found.high, found.control)
        for found in shares
        if found.share is not None and found.low is not None and found.high is not None and found.share > 0
    ]
    if not known:
        words, _, why = (shares[0].why or NO_SHARE).partition(": ")
        return Cell(text=words, of=f"{why} ({', '.join(found.control for found in shares)})" if why else "")
    value, low, high, control = max(known)
    of = f"{'of its loss, ' * (gain.estimate < 0)}by {control}"
    return Cell(text=f"{share(value)} {share_interval(low, high)}", of=of)


def _lost(results: Results, o: Outline, arm: str, retained: Sequence[Retention]) -> Cell:
    """The clearest loss; where none is clear, the nearest to one."""
    found = changes(results, besides(results, o, arm), [row for row in retained if row.arm == arm])
    if not found:
        return UNASKED
    loss = clearest_loss(found)
    if loss is None or loss.verdict != "worse":
        nearest = f"; nearest to it: {loss.what} {loss.figures}" if loss else ""
        return Cell(text=NOTHING, of=f"in {len(found)} {'readings' if len(found) > 1 else 'reading'}{nearest}")
    return Cell(text=loss.figures, of=loss.what, verdict="worse")


def _is_away(f: Finding) -> bool:
    at = (f.probe, f.metric, f.condition) == ("shift", *ANSWER)
    return at and f.shift is not None and f.shift.axis != shifts.REVERSED


def _away(results: Results, arm: str) -> Cell:
    """The shift at which the arm stands lowest against the base model there."""
    found = [f for f in results.findings if (f.arm, f.versus) == (arm, BASE_ARM) and _is_away(f)]
    read = [f for f in found if not math.isnan(f.estimate)]
    if not read:
        return Cell(text="too few problems") if "shift" in results.metrics else UNASKED
    worst = min(read, key=lambda f: f.estimate)
    metric = results.metric(worst)
    there, home = (level_at(results, where, arm) for where in (worst, replace(worst, shift=None)))
    right = f": {level_read(metric, there.estimate, there.unknown)} right" if there else ""
    right += f", {share(home.estimate)} in distribution" if there and home else ""
    of = f"{worst.shift.label if worst.shift else ''}{right}"
    return Cell(text=moved(results, worst), of=of, verdict=worst.verdict)


def _controls(results: Results, o: Outline) -> Block:
    rows = []
    home = {f.key for f in o.gained.values()}
    for arm in o.controls:
        makes = [_makes(found, o.gained) for found in results.form_shares if found.control == arm and found.key in home]
        rows.append(
            Row(name=arm, arms=(arm,), cells=(_gained(results, o.gained.get(arm)), Cell(text="; ".join(makes) or "–")))
        )
    return Block(
        kind="controls",
        headings=("Control", "Right answers", "What it makes of a gain"),
        meaning="A control keeps the form of an arm and takes its content away: what it gains all the same is form.",
        rows=tuple(rows),
    )


def _makes(found: FormShare, gained: Mapping[str, Finding]) -> str:
    gain = gained.get(found.full)
    if gain is None or gain.verdict == "undecided":
        return f"{found.full} has no clear gain"
    if found.share is None or found.low is None or found.high is None or found.share <= 0:
        return f"of {found.full}'s: {found.why or NO_SHARE}"
    return f"of {found.full}'s: {share(found.share)} {share_interval(found.low, found.high)}"
