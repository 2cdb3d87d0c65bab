"""A study as a Markdown page, so that no figure in the documentation is typed by hand."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from counterform.claims import published as claims
from counterform.claims.recorded import to_json
from counterform.errors import RunDirError
from counterform.report import overview, tables
from counterform.report.data import ReportData, load, recorded
from counterform.report.labels import number
from counterform.report.sections import claims as published
from counterform.report.sections import guard as of_guard
from counterform.report.sections import shift as curves
from counterform.report.sections import steps as of_steps
from counterform.report.sections import strategy as of_strategy
from counterform.report.sections import traits as of_traits
from counterform.report.sections import trust as of_trust
from counterform.report.tables import Table
from counterform.store import RunDir
from counterform.study import NAME


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
    first = overview.overview(results, data.traits.retained if data.traits else ())
    yield from (plain(first.sentence), "")
    yield from _section("", overview.table(first), overview.MEANING)
    said = claims.verdicts([recorded(data)])
    yield from _section("Published claims", published.asked(said), published.not_asked(said))
    yield from _section(
        "Gains over the untrained model (percentage points)",
        tables.findings_table(tables.gains(results.findings), "Arm"),
    )
    yield from _section("Levels", tables.levels_table(tables.at_home(results.levels), results.baselines))
    yield from _section(
        "Arm against arm (percentage points)",
        tables.findings_table(tables.contrasts(results.findings), "Contrast"),
    )
    yield from _section("Form: gain of a control as a share of an arm's gain", tables.form_table(results.form_shares))
    axes = curves.axes(results, data.problems.values())
    yield from _section("Away from home", curves.shift_table(axes, results.findings), curves.counted(results.findings))
    if data.traits:
        yield from _section("Traits kept and lost", of_traits.table(data.traits))
    if data.trust:
        yield from _section("Confidence in one's own answers", of_trust.levels_table(results))
        yield from _section(
            "Confidence: against the untrained model (percentage points)",
            tables.findings_table(of_trust.findings(results), "Arm"),
        )
        yield from _section("Reliability", of_trust.reliability_table(data.trust))
    for budget in of_guard.BUDGETS if of_guard.arms(results) else ():
        yield from _section(f"Guarded, at {budget}", of_guard.conditions_table(results, budget))
    yield from _section(
        "Guard and hint told apart (percentage points, paired by problem)", of_guard.adds_table(results)
    )
    yield from _section(
        "Guarded alike: models against each other (percentage points)",
        tables.findings_table(of_guard.findings(results), "Arm"),
    )
    if data.strategy:
        yield from _section("Order of search: effect sizes", of_strategy.effects_table(data.strategy))
        yield from _section("Order of search: between two arms", of_strategy.doses_table(data.strategy))
    if data.inside:
        yield from _section("Inside: where the KL from the untrained model falls", tables.divergence_table(data.inside))
        yield from _section("Inside: wrong steps told apart by layer (AUROC)", tables.layers_table(data.inside))
        if data.inside.weights:
            yield from _section("Inside: size of the weight changes", tables.weights_table(data.inside.weights))
            yield from _section("Inside: cosine of the weight changes", tables.cosines_table(data.inside.weights))
    yield from _section("While they learnt, over steps", of_steps.table(data.steps))
    if data.card:
        yield from _section("Match card", tables.card_table(data.card), tables.card_sentence(data.card))
    yield from _section("Ledger", tables.ledger_table(data.checkpoints))
    yield from _section("Audit of the graders", tables.audit_table(data.audit))
    yield from _section("Counts", tables.pairs_table("Counted", data.counts))
    notes = [*results.notes, *tables.failures(data.checkpoints)]
    if notes:
        yield from ("## Notes", "", *(f"- {plain(note)}" for note in notes), "")
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


def _section(title: str, table: Table, intro: str = "") -> Iterator[str]:
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
