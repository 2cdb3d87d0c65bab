"""The report as one self-contained HTML page that asks the network for nothing.

Completions are hostile text. Three walls stand between them and the reader's browser: the data is escaped JSON
in a block that is never run, the script writes it with `textContent` only, and the page's Content-Security-Policy
lets exactly its own two scripts run, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import plotly.graph_objects as go
from markupsafe import Markup
from msgspec import Struct
from plotly.offline import get_plotlyjs

from counterform.claims import published as claims
from counterform.report import figures, labels, overview, tables
from counterform.report.data import ReportData, ShownAttempt, load, recorded
from counterform.report.sections import claims as published
from counterform.report.sections import guard as of_guard
from counterform.report.sections import inside as figures_inside
from counterform.report.sections import shift as curves
from counterform.report.sections import steps as of_steps
from counterform.report.sections import strategy as of_strategy
from counterform.report.sections import traits as of_traits
from counterform.report.sections import trust as of_trust
from counterform.results import Baseline, Finding, FormShare, Inside
from counterform.store import RunDir
from counterform.study import BASE_ARM
from counterform.types import Mark, Problem, StepVerdict

MAX_ATTEMPT_BYTES = 4_000_000
"""What all attempts together may add to the page (plotly.js is 4.8 MB of the 10 MB)."""
TEXT_LIMITS = (8_000, 4_000, 2_000, 1_000, 500, 250, 120)
"""Characters kept of each text: the first limit at which all attempts fit."""
HINT_LIMIT = 200
_PROCESS = {Mark.RIGHT: "clean", Mark.WRONG: "violated", Mark.UNKNOWN: "unread"}


class Plot(Struct, frozen=True, kw_only=True):
    """A figure with the words around it."""

    id: str
    label: labels.MetricLabel
    summary: str
    """What the figure shows, for those who cannot see it."""
    figure: go.Figure
    lines: tuple[Baseline, ...] = ()


def write_page(run: RunDir) -> Path:
    """Write report.html into the run directory."""
    run.write_text("report.html", render(load(run)))
    return run / "report.html"


def render(data: ReportData) -> str:
    """The page's HTML."""
    attempts, text_limit = attempts_json(data)
    axes = curves.axes(data.results, data.problems.values())
    kept = recorded(data)
    said = claims.verdicts([kept])
    sections = {
        "gains": _forests(tables.gains(data.results.findings)),
        "form": _form_plots(data.results.form_shares),
        "levels": _level_plots(data),
        "contrasts": _forests(tables.contrasts(data.results.findings)),
        "away": _curves(axes),
        "traits": _trait_plots(data),
        "trust_gains": _forests(of_trust.headlines(data.results)),
        "reliability": _reliability_plots(data),
        "guarded": _guard_plots(data),
        "steps": _step_plots(data),
        "effects": _effect_plots(data),
        "doses": _dose_plots(data),
        **_inside_plots(data.inside),
    }
    plots = {plot.id: plot.figure.to_plotly_json() for section in sections.values() for plot in section}
    scripts = [get_plotlyjs(), _asset("page.js")]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals.update(
        labels=labels,
        overview=overview,
        tables=tables,
        curves=curves,
        figures=figures,
        of_guard=of_guard,
        of_steps=of_steps,
        of_strategy=of_strategy,
        of_traits=of_traits,
        of_trust=of_trust,
    )
    return environment.from_string(_asset("page.html.j2")).render(
        data=data,
        results=data.results,
        first=overview.overview(data.results, kept.retained),
        asked=published.asked(said),
        left_out=published.left_out(said),
        setting=kept.setting,
        **sections,
        axes=axes,
        attempts=attempts,
        text_limit=text_limit,
        plots=script_json(plots),
        css=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        script_sources=" ".join(_source_hash(script) for script in scripts),
    )


def _forests(findings: list[Finding]) -> list[Plot]:
    return [
        Plot(
            id=f"forest-{probe}-{metric}-{'gain' if group[0].versus == BASE_ARM else 'contrast'}",
            label=labels.metric_label(probe, metric),
            summary=" ".join(finding.sentence for finding in group),
            figure=figures.forest(group),
        )
        for (probe, metric), group in tables.by_metric(findings).items()
    ]


def _guard_plots(data: ReportData) -> list[Plot]:
    return [
        Plot(
            id=f"guard-{arm}",
            label=labels.MetricLabel(arm, "Right and accepted answers (pass^1) at equal tokens, by way of guarding."),
            summary=of_guard.summary(data.results, arm),
            figure=of_guard.figure(data.results, arm),
        )
        for arm in of_guard.arms(data.results)
    ]


def _form_plots(shares: Sequence[FormShare]) -> list[Plot]:
    return [
        Plot(
            id=f"form-{probe}-{metric}",
            label=labels.metric_label(probe, metric),
            summary=" ".join(found.sentence for found in group),
            figure=figures.form_shares(group),
        )
        for (probe, metric), group in tables.by_metric(shares).items()
        if any(found.share is not None for found in group)
    ]


def _level_plots(data: ReportData) -> list[Plot]:
    plots = []
    for (probe, metric), group in tables.by_metric(tables.at_home(data.results.levels)).items():
        lines = [line for line in data.results.baselines if (line.probe, line.metric) == (probe, metric)]
        plots.append(
            Plot(
                id=f"level-{probe}-{metric}",
                label=labels.metric_label(probe, metric),
                summary="; ".join(f"{level.arm} {labels.share(level.estimate)}" for level in group),
                figure=figures.levels(group, lines),
                lines=tuple(lines),
            )
        )
    return plots


def _curves(axes: list[curves.Axis]) -> list[Plot]:
    """Two figures an axis: right answers, and how far the whole text is from the worked solution where there is one."""
    return [
        Plot(
            id=f"curve-{axis.label.title}-{reading}",
            label=labels.MetricLabel(
                f"{axis.label.title}: {what}", f"Distance: {axis.label.unit}.", lower_is_better=lower
            ),
            summary=curves.summary(axis, reading),
            figure=figures.curves(axis, reading),
        )
        for axis in axes
        for reading, what, lower in (
            (curves.ANSWER, "right answers", False),
            (curves.WHOLE, "edits to the worked solution", True),
        )
        if any(level for arm in axis.arms for level in axis.at(reading, arm))
    ]


def _trait_plots(data: ReportData) -> list[Plot]:
    trade = of_traits.trade(data.traits) if data.traits else None
    return [
        *([Plot(id="trade", label=of_traits.TRADE, summary=trade[1], figure=trade[0])] if trade else []),
        *(
            Plot(
                id=f"trait-{trait}",
                label=of_traits.label(trait),
                summary=of_traits.summary(rows),
                figure=of_traits.retained(rows),
            )
            for trait, rows in (of_traits.by_trait(data.traits) if data.traits else {}).items()
        ),
    ]


def _step_plots(data: ReportData) -> list[Plot]:
    return [
        Plot(
            id=f"steps-{name}",
            label=of_steps.LABELS[name],
            summary=of_steps.summary(arms),
            figure=of_steps.curves(arms),
        )
        for name, arms in of_steps.by_measure(data.steps).items()
    ]


def _reliability_plots(data: ReportData) -> list[Plot]:
    """A figure a model, the untrained one first."""
    return [
        Plot(
            id=f"reliability-{arm}",
            label=labels.MetricLabel(arm, ""),
            summary=of_trust.summary(bins),
            figure=of_trust.reliability(bins),
        )
        for arm, bins in (of_trust.by_arm(data.trust) if data.trust else {}).items()
    ]


def _effect_plots(data: ReportData) -> list[Plot]:
    return [
        Plot(
            id=f"effect-{metric}",
            label=labels.metric_label("strategy", metric),
            summary=of_strategy.effects_summary(rows),
            figure=of_strategy.effects(rows),
        )
        for metric, rows in (of_strategy.effects_by_metric(data.strategy) if data.strategy else {}).items()
    ]


def _dose_plots(data: ReportData) -> list[Plot]:
    return [
        Plot(
            id=f"dose-{arm}-{other}-{metric}",
            label=labels.MetricLabel(metric.capitalize(), f"From {arm} (0 %) to {other} (100 %)."),
            summary=of_strategy.doses_summary(rows),
            figure=of_strategy.dose_curve(rows),
        )
        for (arm, other, metric), rows in (of_strategy.curves(data.strategy) if data.strategy else {}).items()
    ]


def _inside_plots(inside: Inside | None) -> dict[str, list[Plot]]:
    """The three groups of figures of what changed inside, a figure an arm."""
    groups: dict[str, list[Plot]] = {"token_shares": [], "layers": [], "weights": []}
    if inside is None:
        return groups
    for arm, classes in tables.by_arm(inside.shares).items():
        summary = "; ".join(f"{level.metric} {labels.share(level.estimate)}" for level in classes)
        groups["token_shares"].append(_inside_plot("shares", arm, summary, figures_inside.token_shares(classes)))
    by_arm, controls = tables.by_arm(inside.layers), tables.by_arm(inside.control)
    base = by_arm.pop(BASE_ARM, [])
    for arm, levels in by_arm.items():
        summary = "; ".join(f"layer {level.metric} {labels.share(level.estimate)}" for level in levels)
        groups["layers"].append(
            _inside_plot("layers", arm, summary, figures_inside.layers(levels, base, controls[arm]))
        )
    changes = inside.weights.changes if inside.weights else ()
    for arm, own in tables.by_arm(changes).items():
        profile = tables.weight_profile(own).items()
        summary = "; ".join(f"{where} {labels.share(sum(sizes) / len(sizes))}" for where, sizes in profile)
        others = [change for change in changes if change.arm != arm]
        groups["weights"].append(_inside_plot("weights", arm, summary, figures_inside.weight_profile(own, others)))
    return groups


def _inside_plot(group: str, arm: str, summary: str, figure: go.Figure) -> Plot:
    return Plot(id=f"inside-{group}-{arm}", label=labels.MetricLabel(arm, ""), summary=summary, figure=figure)


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
