"""A comparison as a page of Markdown with everything, the answers that went from right to wrong first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from counterform.compare.result import Compared, Shown
from counterform.errors import DataError
from counterform.findings.paired import Comparison
from counterform.report.compared import as_json, cell, difference, level, markdown_table, signed, summary

_PAGE, _DATA = "compare.md", "compare.json"
_ITEM = 24
"""Signs of an item's name that are shown; a hash is longer, and no clearer."""
_HEAD = ("arms", "scorer", "pairs", "base", "other", "difference [95 %]", "verdict")


def require_free(folder: Path) -> None:
    """Raises DataError where a folder holds anything but an earlier comparison."""
    if folder.exists() and (
        not folder.is_dir() or {path.name for path in folder.iterdir()} - {_PAGE, _DATA, "answers"}
    ):
        raise DataError(
            f"{str(folder)!r} holds other things and is left as it is. Give an empty folder, or a new name."
        )


def write_page(found: Compared, folder: Path) -> list[Path]:
    """Write compare.md and compare.json. Raises DataError where the folder holds anything else."""
    require_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PAGE).write_text(page(found), encoding="utf-8")
    (folder / _DATA).write_text(as_json(found) + "\n", encoding="utf-8")
    return [folder / _PAGE, folder / _DATA]


def page(found: Compared) -> str:
    """Everything: first the answers that went from right to wrong, to read."""
    out = [summary(found), *_read_first(found)]
    if found.regraded:
        out += ["## Graded again by counterform", "", *markdown_table(_HEAD, [_row(c) for c in found.regraded]), ""]
    if found.levels:
        rows = [(level.level or "(none)", *_row(level.comparison)) for level in found.levels]
        out += ["## By level", "", *markdown_table((found.levels[0].column, *_HEAD), rows), ""]
    if found.passes:
        out += ["## Several samples of an item", "", *_passes(found), ""]
    if found.traits:
        out += ["## The texts", "", *markdown_table(_HEAD, [_row(c) for c in found.traits]), ""]
    return "\n".join([*out, "## What was read", "", *_files(found)]) + "\n"


def _read_first(found: Compared) -> Iterator[str]:
    for title, kind in (
        ("Right by the base, wrong by the other: read these first", "flip"),
        ("Wrong by the base, right by the other", "gain"),
        (f"Graded in two ways: {found.disagreements:,} answers", "disagreement"),
    ):
        shown = [item for item in found.shown if item.kind == kind]
        if shown:
            yield from (f"## {title}", "")
            for item in shown:
                yield from _item(item)


def _passes(found: Compared) -> list[str]:
    head = ("scorer", "arms", "", "base", "other", "difference, points [95 %]", "items")
    rows = [
        (
            p.metric,
            f"{p.second} − {p.first}",
            p.kind.replace("k", str(p.k)),
            level(p.first_value, True),
            level(p.second_value, True),
            f"{signed(p.estimate, True)} [{signed(p.low, True)}, {signed(p.high, True)}]",
            f"{p.items:,}",
        )
        for p in found.passes
    ]
    return markdown_table(head, rows)


def _files(found: Compared) -> list[str]:
    head = ("arm", "file", "format", "status", "rows", "unreadable", "unscored")
    rows = [
        (letter, file.path, file.format, file.status, f"{file.rows:,}", f"{file.broken:,}", _reasons(file.unscored))
        for letter, file in found.files
    ]
    return markdown_table(head, rows)


def _row(c: Comparison) -> tuple[str, ...]:
    values = (level(c.first_value, c.share), level(c.second_value, c.share), difference(c), c.verdict)
    return (f"{c.second} − {c.first}", c.metric, f"{c.pairs:,}", *values)


def _reasons(unscored: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(
        f"{scorer}: {', '.join(f'{why} {n:,}' for why, n in of.items())}" for scorer, of in unscored.items()
    )


def _item(item: Shown) -> Iterator[str]:
    yield f"### {cell(item.item[:_ITEM])}" + (f": {cell(item.note)}" if item.note else "")
    yield ""
    yield from _fenced(item.prompt)
    if item.key is not None:
        yield f"Key: {cell(item.key)}"
        yield ""
    for letter, text in item.responses:
        yield f"{letter}, by {cell(item.metric)}:"
        yield ""
        yield from _fenced(text)


def _fenced(text: str) -> Iterator[str]:
    """Untrusted text as a block of code that it cannot end."""
    safe = "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in text)
    longest = max((len(run) for run in re.findall("`+", safe)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}text", safe, fence, "")
