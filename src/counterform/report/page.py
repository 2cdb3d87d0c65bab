"""The report of a study as one self-contained HTML page; the walls around its hostile text are in html.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from counterform.report import glossary, overview
from counterform.report.contents import sections
from counterform.report.data import ReportData, ShownAttempt, described, load, recorded, study_of
from counterform.report.html import asset, html, packed_json
from counterform.report.section import plots
from counterform.report.unread import warnings
from counterform.store import RunDir
from counterform.study import BASE_ARM
from counterform.types import Mark, Problem, StepVerdict

MAX_ATTEMPT_BYTES = 2_500_000
"""What all attempts together may add to the page, packed (plotly.js is 1.9 MB of the 6 MB)."""
TEXT_LIMITS = (8_000, 4_000, 2_000, 1_000, 500, 250, 120)
"""Characters kept of each text: the first limit at which all attempts fit."""
HINT_LIMIT = 200
_PROCESS = {Mark.RIGHT: "clean", Mark.WRONG: "violated", Mark.UNKNOWN: "unread"}


def write_page(run: RunDir) -> Path:
    """Write report.html into the run directory."""
    run.write_text("report.html", render(load(run)))
    return run / "report.html"


def render(data: ReportData) -> str:
    """The page's HTML."""
    attempts, text_limit = attempts_json(data)
    shown = [(section, blocks) for section in sections(data.results) if (blocks := section.blocks(data))]
    figures = {plot.id: plot.figure.to_plotly_json() for _, blocks in shown for plot in plots(blocks)}
    return html(
        "page.html.j2",
        name=data.name,
        scripts=[asset(f"{name}.js") for name in ("text", "address", "browse", "tables", "plots", "attempts")],
        library=get_plotlyjs(),
        data=data,
        results=data.results,
        first=overview.overview(data.results, recorded(data).retained),
        warnings=warnings(data.results, data.answered, study_of(data).probe.max_tokens),
        described=described(data),
        terms=glossary.STUDY,
        sections=shown,
        attempts=attempts,
        text_limit=text_limit,
        has_base=any(attempt.arm == BASE_ARM for attempt in data.attempts),
        undecided=sum(f.verdict == "undecided" for f in data.results.findings),
        plots=packed_json(figures),
    )


def attempts_json(data: ReportData) -> tuple[Markup, int]:
    """The attempts' data block, and the number of characters kept of each text so that the page stays small."""
    for limit in TEXT_LIMITS:
        block = packed_json(_attempts(data, limit))
        if len(block) <= MAX_ATTEMPT_BYTES:
            break
    return block, limit


def _attempts(data: ReportData, limit: int) -> dict[str, Any]:
    """Rows without names, and every problem once: names would be most of the page."""
    arms = list(dict.fromkeys(attempt.arm for attempt in data.attempts))
    ids = list(dict.fromkeys(attempt.graded.attempt.problem_id for attempt in data.attempts))
    place = {problem_id: index for index, problem_id in enumerate(ids)}
    return {
        "arms": arms,
        "problems": [_problem(problem_id, data.problems.get(problem_id), limit) for problem_id in ids],
        "rows": [
            _row(attempt, arms.index(attempt.arm), place[attempt.graded.attempt.problem_id], limit)
            for attempt in data.attempts
        ],
    }


def _problem(problem_id: str, problem: Problem | None, limit: int) -> tuple[str, str, str]:
    if problem is None:
        return problem_id, "", ""
    return problem_id, problem.prompt[:limit], problem.answer[:limit]


def _row(shown: ShownAttempt, arm: int, problem: int, limit: int) -> tuple[Any, ...]:
    attempt, verdict = shown.graded.attempt, shown.graded.verdict
    return (
        arm,
        shown.seed,
        problem,
        attempt.id,
        verdict.outcome,
        verdict.lenient,
        _PROCESS[verdict.process],
        verdict.reason[:HINT_LIMIT],
        attempt.completion.finish,
        max(0, len(attempt.completion.text) - limit),
        pieces(attempt.completion.text[:limit], verdict.steps),
    )


def pieces(text: str, steps: tuple[StepVerdict, ...]) -> list[Any]:
    """The text cut where its steps stand: a plain string outside a step, [text, mark, rule, hint, mends] for a step.

    Cut here, since a browser counts characters in UTF-16 and the spans do not.
    """
    found: list[Any] = []
    at = 0
    for step in steps:
        start, end = max(at, step.span[0]), min(len(text), step.span[1])
        if end <= start:
            continue
        if text[at:start].strip():
            found.append(text[at:start])
        found.append((text[start:end], step.mark, step.rule[:HINT_LIMIT], step.hint[:HINT_LIMIT], step.mends))
        at = end
    if text[at:].strip():
        found.append(text[at:])
    return found
