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
from counterform.findings.paired import Comparison, Pass, Verdict
from counterform.report import glossary
from counterform.report.answer import Sentence
from counterform.report.compared import as_json, difference, form_sentence, level, not_found, signed
from counterform.report.compared_sections import PageSection, sections
from counterform.report.html import asset, html, packed_json
from counterform.store.appearing import appearing, disk_errors
from counterform.text.numbers import number
from counterform.text.plain import plain_line

PAGE, DATA, ANSWERS = "report.html", "compare.json", "answers"
MAX_ITEM_BYTES = 2_500_000
"""What all items to read may add to the page, packed."""
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
    lead: tuple[Sentence, ...]
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
        scripts=[asset(f"{name}.js") for name in ("text", "address", "browse", "tables", "compared")],
        described={arm.letter: plain_line(arm.label) for arm in found.arms},
        terms=glossary.COMPARISON,
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


def _lead(found: Compared) -> tuple[Sentence, ...]:
    """For each arm the answer by its first scorer, what of it is format, and whether more samples show the gain too."""
    firsts: dict[tuple[str, str], Comparison] = {}
    for c in found.comparisons:
        firsts.setdefault((c.second, c.task), c)
    tasks = len({task for _, task in firsts})
    sentences = []
    for (second, task), c in list(firsts.items())[:3]:
        split = next((s for s in found.form_splits if (s.first, s.second, s.task) == (c.first, second, task)), None)
        sentences.append(Sentence(text=plain_line(_answer(c, tasks > 1)), anchor="read", link="Read first"))
        if split:
            sentences.append(Sentence(text=plain_line(f"{form_sentence(split)}."), anchor="form", link="Form"))
        if reached := _reached(c, found.passes):
            sentences.append(Sentence(text=plain_line(reached), anchor="samples", link="Samples"))
    return tuple(sentences)


def _answer(c: Comparison, with_task: bool) -> str:
    where = f" on {c.task}" if c.task and with_task else ""
    second, first = level(c.second_value, c.share), level(c.first_value, c.share)
    if c.verdict == "undecided":
        return f"{c.second} against {c.first}{where} is undecided: {second} and {first} by {c.metric}, {difference(c)}."
    return f"{c.second} is {c.verdict}{where}: {second} by {c.metric} where {c.first} has {first}, {difference(c)}."


def _reached(c: Comparison, passes: Sequence[Pass]) -> str:
    """Of a clear gain, whether it extends what k samples reach, at the largest k."""
    own = [
        p
        for p in passes
        if (p.first, p.second, p.task, p.metric, p.kind) == (c.first, c.second, c.task, c.metric, "pass@k")
    ]
    if c.verdict != "better" or not own:
        return ""
    p = max(own, key=lambda p: p.k)
    figures = f"{signed(p.estimate, True)} points [{signed(p.low, True)}, {signed(p.high, True)}]"
    if p.low > 0:
        return f"Extended: pass@{p.k} rose too, {figures}."
    if p.high < c.low:
        return f"Sharpened, not extended: pass@{p.k} did not follow, {figures}."
    return f"Sharpened or extended: open, by pass@{p.k}, {figures}."


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
        block = packed_json(_data(shown, limit))
        if len(block) <= MAX_ITEM_BYTES:
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
