"""The report as one self-contained HTML page that asks the network for nothing.

Completions are hostile text. Three walls stand between them and the reader's browser: the data is escaped JSON
in a block that is never run, the script writes it with `textContent` only, and the page's Content-Security-Policy
lets exactly its own two scripts run, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from counterform.report import labels, overview, tables
from counterform.report.contents import sections
from counterform.report.data import ReportData, ShownAttempt, load, recorded
from counterform.report.section import plots
from counterform.store import RunDir
from counterform.text import numbers
from counterform.types import Mark, Problem, StepVerdict

MAX_ATTEMPT_BYTES = 4_000_000
"""What all attempts together may add to the page (plotly.js is 4.8 MB of the 10 MB)."""
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
    scripts = [get_plotlyjs(), _asset("page.js")]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals.update(labels=labels, numbers=numbers, overview=overview, tables=tables)
    environment.tests["kind"] = lambda block, name: type(block).__name__ == name
    return environment.from_string(_asset("page.html.j2")).render(
        data=data,
        results=data.results,
        first=overview.overview(data.results, recorded(data).retained),
        sections=shown,
        attempts=attempts,
        text_limit=text_limit,
        plots=script_json(figures),
        css=Markup(_asset("page.css")),
        wordmark=Markup(_asset("wordmark.svg").rstrip()),
        scripts=[Markup(script) for script in scripts],
        script_sources=" ".join(_source_hash(script) for script in scripts),
    )


def attempts_json(data: ReportData) -> tuple[Markup, int]:
    """The attempts' data block, and the number of characters kept of each text so that the page stays small."""
    for limit in TEXT_LIMITS:
        block = script_json(_attempts(data, limit))
        if len(block.encode()) <= MAX_ATTEMPT_BYTES:
            break
    return block, limit


def script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or start another."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


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


def _source_hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("counterform.report").joinpath(name).read_text(encoding="utf-8")
