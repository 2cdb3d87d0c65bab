"""Where guarding starts to hurt: right answers against the verifier's rate of errors, by what becomes of a refused draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from counterform.findings.wrong_guard import DRAFTS, Guarded, Harm, WrongVerifiers
from counterform.report.data import ReportData
from counterform.report.figures import SIGNS, add_line, shares_against
from counterform.report.labels import MetricLabel
from counterform.report.section import Block, Grid, Key, Plot, Prose, Section, Sign, figures, folded
from counterform.report.tables import Table
from counterform.results import Level
from counterform.text.numbers import points, points_interval, share, share_interval

_PASS = "pass^1"
_HEADINGS = {"violated": "Violated", "refused": "Refused", "tokens": "Tokens, of none's"}


class GuardedWrongly(Section):
    """Right answers under guards whose verifiers err at known rates."""

    title = "Where guarding starts to hurt"
    link = "Wrong verifiers"
    anchor = "wrong-guard"
    holds_findings = True

    def blocks(self, data: ReportData) -> list[Block]:
        found = data.results.own_of("wrong_guard", WrongVerifiers)
        if found is None or not found.guarded:
            return []
        signs = [Sign(words=draft, sign=SIGNS[at][1], colour=f"var(--arm-{at})") for at, draft in enumerate(DRAFTS)]
        return [
            Prose(_WAYS),
            Key((*signs, Sign(words="dashed: without a guard. Lines: 95 % intervals"))),
            *figures(list(plots(found))),
            Grid(
                table=harm_table(found),
                heading="From which rate of errors on guarding hurts",
                caption="The highest rate up to which the gain over no guard lies above 0, and the lowest at which it lies below, by 95 % intervals that are "
                "not corrected for the number of rows",
            ),
            *folded(
                "Every way with every verifier",
                Grid(
                    table=ways_table(found),
                    heading="Guarded by verifiers that err",
                    caption="Gains in percentage points of right and accepted answers, paired by problem. Violated: accepted with a wrong step, by the verifier that "
                    "does not err. 95 % intervals",
                ),
            ),
        ]


_WAYS = (
    "A guard cuts back to the last step that its verifier calls sound, and its verifier errs at a known rate: it takes another step for the right one (false alarms), "
    "or passes a wrong one (misses). Removed: the refused step is thrown away. Left in context: the model alone still sees it and that it was refused. Replaced: "
    "the same note with a step of another problem. Corrected: the verifier's hint, wrong where the verifier is, is written as the step. Errors are those of "
    "rules, the same for the same text, unless they are drawn anew at each look, as by a judge that is sampled."
)


def plots(found: WrongVerifiers) -> Iterator[Plot]:
    """One figure per model and kind of errors, at the first budget: right answers against the rate."""
    budget = found.guarded[0].budget
    for number, (arm, kind) in enumerate(dict.fromkeys((one.arm, one.errors) for one in found.harm)):
        rows = [one for one in found.guarded if one.arm == arm and one.budget == budget]
        lines = {draft: line for draft in DRAFTS if (line := list(_line(rows, draft, kind)))}
        if not lines:  # of all that was read no interval says anything
            continue
        yield Plot(
            id=f"wrong-guard-{number}",
            label=MetricLabel(
                f"{arm}, {kind}", f"Right and accepted answers at {budget} (up), by rate of errors (across)."
            ),
            summary="; ".join(
                f"{draft} from {share(line[0][1].estimate)} to {share(line[-1][1].estimate)}"
                for draft, line in lines.items()
            ),
            figure=_figure(lines, next((one.figures.get(_PASS) for one in rows if one.way is None), None)),
        )


def harm_table(found: WrongVerifiers) -> Table:
    """One row per model, kind of errors and way."""

    def rate(of: float | None) -> str:
        return "–" if of is None else share(of) if of else "never wrong"

    def cell(harm: Harm) -> str:
        return f"{rate(harm.helps_up_to)} / {rate(harm.hurts_from)}"

    budgets = list(dict.fromkeys(one.budget for one in found.harm))
    cells = {(one.arm, one.errors, one.draft, one.budget): cell(one) for one in found.harm}
    rows = dict.fromkeys(key[:3] for key in cells)
    return Table(
        ("Model", "Errors", "Refused step", *(f"At {budget}: helps up to / hurts from" for budget in budgets)),
        tuple((*row, *(cells[*row, budget] for budget in budgets)) for row in rows),
        n_text=3,
        grouped=True,
    )


def ways_table(found: WrongVerifiers) -> Table:
    """One row per model, verifier and way; of all budgets."""
    metrics = list(dict.fromkeys(metric for one in found.guarded for metric in one.figures))
    rows = [
        (
            one.arm,
            one.budget,
            one.way.errors.words if one.way else "no guard",
            one.way.draft if one.way else "",
            *(_level(one.figures.get(metric)) for metric in metrics),
            _gain(one.over_none),
            _gain(one.over_removed),
        )
        for one in found.guarded
    ]
    headings = [_HEADINGS.get(metric, metric) for metric in metrics]
    return Table(
        ("Model", "At", "Verifier", "Refused step", *headings, "Gain over none", "Gain over removed"),
        tuple(rows),
        n_text=4,
        grouped=True,
    )


def _line(rows: Sequence[Guarded], draft: str, kind: str) -> Iterator[tuple[float, Level]]:
    """Right answers of one way by rate, the verifier that never errs first."""
    for one in sorted((row for row in rows if row.way), key=lambda row: row.way.errors.rate if row.way else 0.0):
        if (
            one.way
            and one.way.draft == draft
            and one.way.errors.kind in ("", kind)
            and (level := one.figures.get(_PASS))
        ):
            yield one.way.errors.rate, level


def _figure(lines: dict[str, list[tuple[float, Level]]], none: Level | None) -> go.Figure:
    most = max(rate for line in lines.values() for rate, _ in line)
    figure = shares_against("Rate of errors", (-2, 100 * most + 2), step=5, height=280)
    for at, (draft, line) in enumerate(lines.items()):
        add_line(
            figure,
            at,
            [100 * rate for rate, _ in line],
            [(level.estimate, level.low, level.high) for _, level in line],
            [f"{draft}, {share(rate)}: {_level(level)}" for rate, level in line],
        )
    if none is not None:
        figure.add_hline(y=100 * none.estimate, line_color="var(--muted)", line_dash="dash", layer="below")
    return figure


def _level(level: Level | None) -> str:
    return "–" if level is None else f"{share(level.estimate)} {share_interval(level.low, level.high)}"


def _gain(level: Level | None) -> str:
    return "–" if level is None else f"{points(level.estimate)} {points_interval(level.low, level.high)}"
