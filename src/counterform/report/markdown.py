"""A study as a Markdown page, so that no figure in the documentation is typed by hand."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from counterform.claims.recorded import to_json
from counterform.errors import RunDirError
from counterform.report import overview
from counterform.report.contents import sections
from counterform.report.data import ReportData, load, recorded
from counterform.report.section import Notes, grids
from counterform.report.tables import Table
from counterform.store import RunDir
from counterform.study import NAME
from counterform.text.numbers import number


def to_markdown(data: ReportData) -> str:
    """The page's text; the same figures as in report.html."""
    return "\n".join(_lines(data)).rstrip() + "\n"


def record(run: RunDir, folder: Path) -> tuple[Path, Path]:
    """Keep a study in a folder: its page, and its figures as `counterform claims` reads them."""
    data = load(run)
    if not re.search(NAME, data.name):
        raise RunDirError(
            f"{run.path}: a study called {data.name!r} cannot be kept under its name. Give it one in study.toml."
        )
    folder.mkdir(parents=True, exist_ok=True)
    page, figures = folder / f"{data.name}.md", folder / f"{data.name}.json"
    page.write_text(to_markdown(data), encoding="utf-8")
    figures.write_text(to_json(recorded(data)), encoding="utf-8")
    return page, figures


def _lines(data: ReportData) -> Iterator[str]:
    results = data.results
    yield from (f"# {plain(data.name)}", "", f"*{plain(results.question)}*", "")
    first = overview.overview(results, recorded(data).retained)
    yield from (line for part in first.answer for line in (plain(part.text), ""))
    yield from (line for block in first.blocks for line in _table("", overview.table(block), block.meaning))
    for section in sections(results):
        blocks = section.blocks(data)
        for grid in grids(blocks):
            yield from _table(grid.heading or section.title, grid.table, grid.intro)
        for block in blocks:
            if isinstance(block, Notes):
                yield from ("## Notes", "", *(f"- {plain(note)}" for note in block.items), "")
    yield from _how_it_was_run(data)


def _how_it_was_run(data: ReportData) -> Iterator[str]:
    seeds = sorted({checkpoint.seed for checkpoint in data.checkpoints})
    yield from ("## How it was run", "", "```sh", "counterform run study.toml", "```", "")
    if seeds:
        yield f"- Seeds: {', '.join(map(str, seeds))}. Every model is the last checkpoint of its training."
    yield f"- {number(data.n_attempts)} held-out attempts, {number(data.n_readings)} readings."
    for name, facts in (("Machine", data.machine), ("Versions", data.versions)):
        if facts:
            yield f"- {name}: {', '.join(f'{plain(str(key))} {plain(str(value))}' for key, value in facts.items())}."
    yield ""
    if data.study_text:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", data.study_text)), default=0))
        yield from ("`study.toml`:", "", f"{fence}toml", data.study_text.rstrip("\n"), fence, "")


def _table(title: str, table: Table, intro: str = "") -> Iterator[str]:
    """A heading, if any, with its table; nothing where there are no rows."""
    if not table.rows:
        return
    yield from ([f"## {title}", ""] if title else [])
    yield from ([plain(intro), ""] if intro else [])
    words = [index < table.n_text or heading == "Verdict" for index, heading in enumerate(table.headings)]
    yield row_of(table.headings)
    yield row_of(["---" if is_words else "---:" for is_words in words], raw=True)
    yield from (row_of(row) for row in table.rows)
    yield ""


def row_of(cells: Sequence[str], *, raw: bool = False) -> str:
    """A row of a table. raw: the cells are Markdown already."""
    return f"| {' | '.join(cell if raw else plain(cell) for cell in cells)} |"


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line, inside a table or out."""
    return re.sub(r"([\\`*|]|(?<!\w)_|_(?!\w)|(?<=\])\()", r"\\\1", html.escape(" ".join(text.split()), quote=False))
