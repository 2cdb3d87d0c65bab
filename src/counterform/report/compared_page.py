"""A comparison as one self-contained HTML page: the answer, then the answers that went from right to wrong, then everything else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from counterform.compare.result import Compared, Shown
from counterform.errors import DataError
from counterform.findings.paired import Comparison, Verdict
from counterform.report.compared import as_json, difference, form_sentence, level, not_found
from counterform.report.compared_sections import PageSection, sections
from counterform.report.html import asset, html, script_json
from counterform.store.appearing import appearing, disk_errors
from counterform.text.numbers import number
from counterform.text.plain import plain_line

PAGE, DATA, ANSWERS = "report.html", "compare.json", "answers"
MAX_ITEM_BYTES = 4_500_000
"""What all items to read may add to the page."""
TEXT_LIMITS = (8_000, 4_000, 2_000, 1_000, 500, 250, 120)
"""Characters kept of each text: the first limit at which all items fit."""
_ITEM = 32
"""Characters of an item's name that are shown; a hash is longer, and no clearer."""
_HALF = 54.0
"""Half of a bar's width, in its own units."""
HEADINGS = ("Scorer", "Levels", "Difference, 95 % interval", "Verdict", "Pairs")


class ArmLine(Struct, frozen=True):
    """What one arm is."""

    letter: str
    label: str
    words: tuple[str, ...]


class ScoredRow(Struct, frozen=True, kw_only=True):
    """One comparison on the first screen, in words, with its bar."""

    scorer: str
    of: str
    levels: str
    difference: str
    verdict: Verdict
    mde: str
    counts: str
    low: float
    high: float
    at: float


class Kind(Struct, frozen=True):
    """A kind of items to read."""

    kind: str
    words: str
    count: int


class View(Struct, frozen=True, kw_only=True):
    """All that the template lays out."""

    question: str
    lead: tuple[str, ...]
    arms: tuple[ArmLine, ...]
    caption: str
    headings: tuple[str, ...]
    rows: tuple[ScoredRow, ...]
    kinds: tuple[Kind, ...]
    shown: str
    first: tuple[Shown, ...]
    sections: tuple[PageSection, ...]


def require_free(folder: Path) -> None:
    """Raises DataError where a folder holds anything but an earlier comparison."""
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - {PAGE, DATA, ANSWERS}):
        raise DataError(
            f"{str(folder)!r} holds other things and is left as it is. Give an empty folder, or a new name."
        )


def write_page(found: Compared, folder: Path) -> list[Path]:
    """Write report.html and compare.json. Raises DataError where the folder holds anything else."""
    require_free(folder)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((PAGE, page(found)), (DATA, as_json(found) + "\n")):
        with appearing(folder / name) as new:
            new.write_text(text, encoding="utf-8")
    return [folder / PAGE, folder / DATA]


def page(found: Compared) -> str:
    """The page's HTML."""
    return html(
        "compared.html.j2",
        name=" · ".join(_short(arm.label) for arm in found.arms[:4]),
        scripts=[asset("text.js"), asset("compared.js")],
        view=_view(found),
        items=_items(found.shown),
    )


def _view(found: Compared) -> View:
    letters = [arm.letter for arm in found.arms]
    every = sum(found.differing.values())
    shown = (
        f"{number(len(found.shown))} of {number(every)} are on this page." if every > len(found.shown) else ""
    ) or ("" if every else "No pair of answers differs by a scorer that gives marks.")
    return View(
        question=f"{' and '.join(letters[1:])} against {letters[0]}, item by item",
        lead=_lead(found),
        arms=tuple(
            ArmLine(
                arm.letter,
                plain_line(arm.label),
                tuple(
                    plain_line(words)
                    for words in (", ".join(arm.models), ", ".join(arm.tasks), f"{number(arm.answers)} answers")
                    if words
                ),
            )
            for arm in found.arms
        ),
        caption="The second arm less the first, by each scorer that both logs have. Bars: 95 % intervals; shares to one scale.",
        headings=HEADINGS,
        rows=tuple(_rows(found.comparisons)),
        kinds=_kinds(found),
        shown=shown,
        first=tuple(item for item in found.shown if item.kind == "flip")[:5],
        sections=sections(found),
    )


def _lead(found: Compared) -> tuple[str, ...]:
    """For each arm the answer by its first scorer, and what of it is format."""
    firsts: dict[tuple[str, str], Comparison] = {}
    for c in found.comparisons:
        firsts.setdefault((c.second, c.task), c)
    sentences = []
    for (second, task), c in list(firsts.items())[:3]:
        split = next((s for s in found.form_splits if (s.first, s.second, s.task) == (c.first, second, task)), None)
        where = f" on {task}" if task and len({key[1] for key in firsts}) > 1 else ""
        sentence = (
            f"{second} is {c.verdict}{where}: {level(c.second_value, c.share)} by {c.metric} where {c.first} has "
            f"{level(c.first_value, c.share)}, {difference(c)}."
            if c.verdict != "undecided"
            else f"{second} against {c.first}{where} is undecided: {level(c.second_value, c.share)} and "
            f"{level(c.first_value, c.share)} by {c.metric}, {difference(c)}."
        )
        sentences += [sentence, *([f"{form_sentence(split)}."] if split else [])]
    return tuple(plain_line(sentence) for sentence in sentences)


def _rows(comparisons: Sequence[Comparison]) -> list[ScoredRow]:
    several = len({c.second for c in comparisons}) > 1
    tasks = len({c.task for c in comparisons}) > 1
    widest = _widest([c for c in comparisons if c.share])
    rows = []
    for c in comparisons:
        scale = widest if c.share else _widest([c])
        low, high, at = (max(-_HALF, min(_HALF, _HALF * value / scale)) for value in (c.low, c.high, c.estimate))
        of = [f"{c.second} − {c.first}" if several else "", c.task if tasks else ""]
        rows.append(
            ScoredRow(
                scorer=plain_line(c.metric),
                of=plain_line(", ".join(filter(None, of))),
                levels=f"{c.first} {level(c.first_value, c.share)}, {c.second} {level(c.second_value, c.share)}",
                difference=difference(c),
                verdict=c.verdict,
                mde=not_found(c),
                counts=_counts(c),
                low=round(low, 1),
                high=round(high, 1),
                at=round(at, 1),
            )
        )
    return rows


def _widest(comparisons: Sequence[Comparison]) -> float:
    ends = [abs(end) for c in comparisons for end in (c.low, c.high, c.estimate) if math.isfinite(end)]
    return max(ends, default=0.0) or 1.0


def _counts(c: Comparison) -> str:
    parts = [f"{number(c.pairs)}" + (f" of {number(c.clusters)} items" if c.clusters != c.pairs else "")]
    if c.first_only is not None and c.second_only is not None:
        parts.append(f"only {c.first} right {number(c.first_only)}, only {c.second} {number(c.second_only)}")
    if c.mcnemar_p is not None:
        parts.append(f"McNemar p = {c.mcnemar_p:.2g}")
    return "; ".join(parts)


def _kinds(found: Compared) -> tuple[Kind, ...]:
    base, others = found.arms[0].letter, [arm.letter for arm in found.arms[1:]]
    other = others[0] if len(others) == 1 else "other"
    words = {
        "flip": f"{base} right, {other} wrong",
        "gain": f"{base} wrong, {other} right",
        "disagreement": "Graded in two ways",
    }
    return tuple(Kind(kind, words[kind], found.differing[kind]) for kind in words if found.differing.get(kind))


def _items(shown: Sequence[Shown]) -> Markup:
    """The items' data block, small enough."""
    for limit in TEXT_LIMITS:
        block = script_json(_data(shown, limit))
        if len(block.encode()) <= MAX_ITEM_BYTES:
            break
    return block


def _data(shown: Sequence[Shown], limit: int) -> dict[str, Any]:
    """Rows without names, and each scorer once: names would be most of the page."""
    scorers: dict[str, int] = {}

    def place(scorer: str) -> int:
        return scorers.setdefault(scorer, len(scorers))

    items = [
        (
            item.kind,
            [response.arm for response in item.responses],
            [place(metric) for metric in item.metrics],
            item.item[:_ITEM],
            item.prompt[:limit],
            None if item.key is None else item.key[:limit],
            f"{', '.join(item.metrics)}: {item.note}" if item.note else "",
            [
                (
                    response.arm,
                    response.text[:limit],
                    response.cut + max(0, len(response.text) - limit),
                    [(place(scorer), value) for scorer, value in response.marks],
                )
                for response in item.responses
            ],
        )
        for item in shown
    ]
    return {"scorers": list(scorers), "items": items}


def _short(label: str) -> str:
    return plain_line(label.rstrip("/").rpartition("/")[2] or label)[:40]
