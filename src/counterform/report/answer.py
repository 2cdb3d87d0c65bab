"""The question answered in two to four sentences made of findings, each with its intervals and the section that shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from msgspec import Struct

from counterform.metrics import Key
from counterform.report.labels import label_of
from counterform.report.losses import besides, changes, clearest_loss, moved
from counterform.report.outline import Outline, of_k
from counterform.report.section import Section, own_sections
from counterform.report.sections.form import Form
from counterform.report.sections.gains import Contrasts, Gains
from counterform.report.sections.shift import ANSWER, Shifts
from counterform.report.sections.traits import TraitsKept
from counterform.report.tables import comparison
from counterform.results import Finding, FormShare, Level, Results, Retention
from counterform.study import BASE_ARM
from counterform.text import shifts
from counterform.text.numbers import level, share, share_interval
from counterform.text.numbers import moved as moved_by

MOST_NAMED = 3
"""Arms, or contrasts, that a sentence names one by one."""
_ALIKE = 0.05
"""Shares of right answers that are kept count as equal within this."""


class Sentence(Struct, frozen=True, kw_only=True):
    """A part of the answer, and where its figures stand."""

    text: str
    anchor: str
    link: str


def answer(results: Results, o: Outline, retained: Sequence[Retention]) -> tuple[Sentence, ...]:
    """What was gained, what of it is form, what was lost, and where it fails; what was not asked is left out."""
    if not results.findings and not retained:
        return (_nothing(results),)
    parts: list[tuple[str, Section]] = [
        (_gained(results, o), Gains()) if o.gained else (_contrasted(results, o), Contrasts()),
        (_form(results, o), Form()),
        (_kept(results, o, retained), TraitsKept() if retained and "traits" in own_sections(results) else Gains()),
        (_failed(results, o), Shifts()),
    ]
    return tuple(Sentence(text=text, anchor=at.anchor, link=at.link) for text, at in parts if text)


def _nothing(results: Results) -> Sentence:
    """What there is where no arm was compared with another."""
    levels = ", ".join(dict.fromkeys(level.arm for level in results.levels))
    if levels:
        return Sentence(text=f"Nothing was compared: {levels} alone.", anchor="levels", link="Levels")
    own = "No arms were compared by their right answers: the sections say what was found."
    return Sentence(
        text=own if results.own else "There are no findings yet.", anchor="reading", link="How to read this"
    )


def _gained(results: Results, o: Outline) -> str:
    """Which treatment gained what in right answers, and whether it was sharpened or extended."""
    gains = [o.gained[arm] for arm in o.treatments if arm in o.gained]
    if not gains:
        return ""
    parts = []
    for verdict, verb in (("better", "gained"), ("worse", "worse"), ("undecided", "undecided")):
        some = [f for f in gains if f.verdict == verdict]
        named = [f"{f.arm} {_points(results, f)}" for f in some]
        if len(some) > MOST_NAMED:
            most = max(some, key=lambda f: abs(f.estimate))
            utmost = f", most {most.arm} {_points(results, most)}" if verdict != "undecided" else ""
            parts.append(f"{len(some)} of {len(gains)} arms {'are ' * (verdict != 'better')}{verb}{utmost}")
        elif some and verdict == "better":
            parts.append(_listed([f"{some[0].arm} gained {_points(results, some[0])}", *named[1:]]))
        elif some:
            parts.append(f"{verb}: {_listed(named)}")
    start = f"Over the base model's {level(results.metric(gains[0]), gains[0].baseline)} right answers"
    rose = [f for f in gains if f.verdict == "better"]
    return " ".join([f"{start}, {'; '.join(parts)}.", *_reached(results, rose)])


def _points(results: Results, f: Finding) -> str:
    return moved_by(results.metric(f), f.estimate, f.low, f.high)


def _reached(results: Results, rose: Sequence[Finding]) -> Iterator[str]:
    """Of the arms that gained in pass@1, those whose pass@k rose too, and those whose pass@k did not follow."""
    pairs = [(f, k) for f in rose if (k := of_k(results, f))]
    extended = [k for _, k in pairs if k.verdict == "better"]
    sharpened = [k for f, k in pairs if k.low <= 0 and k.high < f.low]
    unclear = [k for _, k in pairs if k not in extended and k not in sharpened]
    for some, words in (
        (extended, "Extended: {k} rose too"),
        (sharpened, "Sharpened, not extended: {k} did not follow"),
        (unclear, "Sharpened or extended: open, by {k}"),
    ):
        if some:
            named = _listed([f"{k.arm} {moved(results, k)}" for k in some[:MOST_NAMED]], len(some) - MOST_NAMED)
            yield f"{words.format(k=some[0].metric)} (from {level(results.metric(some[0]), some[0].baseline)}: {named})."


def _contrasted(results: Results, o: Outline) -> str:
    """The declared contrasts in right answers, where no arm stands against a base model."""
    if not o.contrasts:
        return "Right answers in distribution were not asked for."
    shown = [f"{comparison(f)} {_points(results, f)} ({f.verdict})" for f in o.contrasts[:MOST_NAMED]]
    return f"No arm was compared with a base model. Arm against arm: {_listed(shown, len(o.contrasts) - MOST_NAMED)}."


def _form(results: Results, o: Outline) -> str:
    """What the controls make of each clear gain."""
    home = {f.key for f in o.gained.values()}
    of: dict[str, list[FormShare]] = {}
    for found in results.form_shares:
        gain = o.gained.get(found.full)
        if found.key in home and gain is not None and gain.verdict != "undecided":
            of.setdefault(found.full, []).append(found)
    return " ".join([_of_one(o, full, shares) for full, shares in of.items()][:MOST_NAMED])


def _of_one(o: Outline, full: str, shares: Sequence[FormShare]) -> str:
    change = "loss" if o.gained[full].estimate < 0 else "gain"
    some = [found for found in shares if found.share is not None and found.share > 0]
    names = _listed([found.control for found in shares])
    if some:
        most = max(some, key=lambda found: found.share or 0.0)
        figures = f"{share(most.share or 0.0)} {share_interval(most.low or 0.0, most.high or 0.0)}"
        return f"Of {full}'s {change}, {figures} is form: so much has the control {most.control} too."
    alike = [o.gained[found.control].verdict == o.gained[full].verdict for found in shares if found.control in o.gained]
    if any(alike):
        return f"How much of {full}'s {change} is form is open: {shares[0].why or 'undefined'} ({names})."
    return f"None of {full}'s {change} is form as far as its controls tell: {names} did not {'lose' if change == 'loss' else 'gain'}."


def _kept(results: Results, o: Outline, retained: Sequence[Retention]) -> str:
    """What treatments without a gain in right answers gained elsewhere, and the clearest loss of each treatment."""
    gained, lost, read = [], [], 0
    for arm in o.treatments:
        gain = o.gained.get(arm)
        others = [f for f in besides(results, o, arm) if gain is None or f != of_k(results, gain)]
        if gain is None or gain.verdict != "better":
            clear = [f for f in others if f.verdict == "better"]
            gained += [f"{arm} in {_title(results, f)} ({moved(results, f)})" for f in clear]
        found = changes(results, others, [row for row in retained if row.arm == arm])
        read += len(found)
        loss = clearest_loss(found)
        if loss is not None and loss.verdict == "worse":
            lost.append(f"{arm} in {_lowered(loss.what)} ({loss.figures})")
    parts = []
    if gained:
        parts.append(f"Gained besides: {_listed(gained[:MOST_NAMED], len(gained) - MOST_NAMED)}.")
    if lost:
        parts.append(f"Lost most clearly: {_listed(lost[:MOST_NAMED], len(lost) - MOST_NAMED)}.")
    elif read:
        parts.append(f"No clear loss in {read} readings besides right answers.")
    return " ".join(parts)


def _title(results: Results, f: Finding) -> str:
    label = label_of(results, f)
    return f"{_lowered(label.title)}{', lower is better' if label.lower_is_better else ''}"


def _failed(results: Results, o: Outline) -> str:
    """The shift, noise apart, at which the treatments keep least of their right answers in distribution; of equals on one axis the nearest."""
    rows = [one for one in results.levels if (one.probe, one.metric, one.condition) == ("shift", *ANSWER)]
    home = {one.arm: one for one in rows if one.shift is None and one.estimate > 0}
    arms = [arm for arm in o.treatments if arm in home]
    away: dict[Key, dict[str, Level]] = {}
    for one in rows:
        if one.shift and one.shift.distance and one.shift.axis not in (*shifts.NOISE, shifts.REVERSED):
            away.setdefault(one.key, {})[one.arm] = one
    kept = {
        key: fmean(there[arm].estimate / home[arm].estimate for arm in arms)
        for key, there in away.items()
        if arms and all(arm in there for arm in arms)
    }
    if not kept:
        return ""
    least = [key for key, value in kept.items() if value <= min(kept.values()) + _ALIKE]
    axis = [key for key in least if key[-1] and least[0][-1] and key[-1][0] == least[0][-1][0]]
    there = min((away[key] for key in axis), key=lambda levels: abs(_distance(levels[arms[0]])))
    shift = there[arms[0]].shift
    where = shift.label if shift else ""
    if not any(there[arm].high < home[arm].low for arm in arms):
        return f"Out of distribution no arm falls clearly below its right answers in distribution; lowest: {_at(there[arms[0]])} of {arms[0]} at {where}."
    named = [f"{arm} {_at(there[arm])} (from {share(home[arm].estimate)})" for arm in arms[:MOST_NAMED]]
    base = f"; the base model {_at(there[BASE_ARM])}" if BASE_ARM in there else ""
    return f"Out of distribution, at {where}, right answers fall: {_listed(named, len(arms) - MOST_NAMED)}{base}."


def _distance(one: Level) -> float:
    return one.shift.distance if one.shift else 0.0


def _at(one: Level) -> str:
    return f"{share(one.estimate)} {share_interval(one.low, one.high)}"


def _listed(parts: Sequence[str], more: int = 0) -> str:
    """Some parts as one list, and how many are left out."""
    every = [*parts, *([f"{more} more"] if more > 0 else [])]
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def _lowered(title: str) -> str:
    """A title inside a sentence; one that begins with an abbreviation keeps it."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
