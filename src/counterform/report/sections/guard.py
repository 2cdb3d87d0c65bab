"""What a guard adds to each model: its conditions side by side, and what of it is the hint's information."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.report import tables
from counterform.report.data import ReportData
from counterform.report.figures import intervals, share_row
from counterform.report.labels import MetricLabel
from counterform.report.section import Block, Figures, Grid, Heading, Key, Plot, Prose, Section, Sign, folded
from counterform.report.tables import Table
from counterform.results import Finding, Level, Results
from counterform.text.numbers import points, points_interval, share, share_interval, share_read

BUDGETS = ("equal tokens", "equal calls")
_ADDS = {
    ("check and retry", "none"): "a fair retry, over no guard",
    ("stop and retry", "check and retry"): "stopping early, over a fair retry",
    ("cut back", "check and retry"): "cutting back, over a fair retry",
    ("cut back", "stop and retry"): "keeping the sound steps, over beginning again",
    ("rule told", "cut back"): "the rule, where the guard cuts back",
    ("hint told", "cut back"): "the hint's information, where the guard cuts back",
    ("hint alone", "none"): "the hint's information, without a guard",
    ("hint told", "hint alone"): "cutting back, where the hint is told anyway",
}
_HEADINGS = {"violated": "Violated", "refused": "Refused", "tokens": "Tokens, of none's", "seconds": "Time, of none's"}
_PASS, _GAIN, _HINTED = "pass^1", "gain", "steps told"


class Guarding(Section):
    """The ways of guarding side by side."""

    title = "What a guard adds while a model writes"
    link = "Guard"
    anchor = "guard"
    holds_findings = True

    def blocks(self, data: ReportData) -> list[Block]:
        results = data.results
        if not arms(results):
            return []
        meaning = "Right and accepted answers (pass^1) at equal tokens, by way of guarding."
        plots = [
            Plot(
                id=f"guard-{arm}",
                label=MetricLabel(arm, meaning),
                summary=summary(results, arm),
                figure=figure(results, arm),
            )
            for arm in arms(results)
        ]
        hinted = "".join(
            f" {one.arm}: {share(one.estimate)} of the steps were the guard's own hint where it was told."
            for one in _of_guard(results, _HINTED)
        )
        return [
            Prose(_WAYS),
            Key((Sign(words="lines: 95 % intervals"),)),
            Figures(tuple(plots)),
            *(
                Grid(
                    table=conditions_table(results, budget),
                    heading=f"Guarded, at {budget}",
                    caption=f"At {budget}, with 95 % intervals. {_COLUMNS}",
                )
                for budget in BUDGETS
            ),
            Heading("The guard and the hint's information told apart"),
            Prose(f"A hint that is the right step is an oracle: what it adds is not the guard's.{hinted}"),
            Grid(
                table=adds_table(results),
                heading="Guard and hint told apart (percentage points, paired by problem)",
                caption="More right and accepted answers, in percentage points, paired by problem within one model, with 95 % intervals that "
                "are not corrected for the number of rows",
            ),
            *folded(
                "Models against each other, each guarded alike",
                Grid(
                    table=tables.findings_table(results, _findings(results), "Arm"),
                    heading="Guarded alike: models against each other (percentage points)",
                    caption="Against the base model and arm against arm, in percentage points",
                ),
            ),
        ]


_WAYS = (
    "None: nothing is stopped. Check and retry, the fair baseline: a finished answer with a wrong step is thrown away and asked for again. "
    "Stop and retry: at its first wrong step. Cut back: only the wrong step is thrown away. Rule told and hint told: and the rule, or the "
    "verifier's own right step, is said in its place. Hint alone: nothing is stopped, and the right step follows the wrong one: it has the "
    "hint's information and no guard. An answer from which no wrong step could be kept out within the budget is refused, and no right answer."
)
_COLUMNS = (
    "pass^1: right and accepted, of all that were asked for; pass^k: all k of a problem are. Violated: accepted with a wrong step. Tokens and "
    "time: as a share of those without a guard, those thrown away too."
)


def _findings(results: Results) -> list[Finding]:
    return [finding for finding in results.findings if finding.probe == "guard"]


def _of_guard(results: Results, metric: str) -> list[Level]:
    return [level for level in results.levels if (level.probe, level.metric) == ("guard", metric)]


def arms(results: Results) -> list[str]:
    """The models that were guarded."""
    return list(dict.fromkeys(level.arm for level in results.levels if level.probe == "guard"))


def conditions_table(results: Results, budget: str) -> Table:
    """One row per way of guarding, grouped by model; what a budget does not bear on stands in both tables."""
    levels = _levels(results, budget)
    metrics = list(dict.fromkeys(name for _, _, name in levels if name != _HINTED))
    return Table(
        ("Model", "Guard", *(_HEADINGS.get(metric, metric) for metric in metrics)),
        tuple(
            (arm, condition, *(_cell(levels.get((arm, condition, metric))) for metric in metrics))
            for arm in arms(results)
            for condition in _conditions(results)
        ),
        n_text=2,
        grouped=True,
    )


def adds_table(results: Results) -> Table:
    """What each part of guarding adds in right answers, paired by problem, grouped by model."""
    found = {(one.arm, one.condition, one.against, one.budget): one for one in _of_guard(results, _GAIN)}
    pairs = list(dict.fromkeys(key[1:3] for key in found))
    return Table(
        ("Model", "What is added", *(f"At {budget}" for budget in BUDGETS)),
        tuple(
            (
                arm,
                _ADDS.get(pair, " over ".join(pair)),
                *(_difference(found.get((arm, *pair, budget))) for budget in BUDGETS),
            )
            for arm in arms(results)
            for pair in pairs
        ),
        n_text=2,
        grouped=True,
    )


def figure(results: Results, arm: str) -> go.Figure:
    """Right and accepted answers of one model by way of guarding, at equal tokens, from 0 to 100 %."""
    rows = [share_row(name, one.estimate, one.low, one.high, symbol="circle") for name, one in _rights(results, arm)]
    drawn = intervals(rows, (-1, 101))
    drawn.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    return drawn


def summary(results: Results, arm: str) -> str:
    """The figure in words, for those who cannot see it."""
    return "; ".join(f"{name} {share(one.estimate)}" for name, one in _rights(results, arm))


def _rights(results: Results, arm: str) -> list[tuple[str, Level]]:
    levels = _levels(results, BUDGETS[0])
    found = [(name, levels.get((arm, name, _PASS))) for name in _conditions(results)]
    return [(name, level) for name, level in found if level is not None]


def _levels(results: Results, budget: str) -> dict[tuple[str, str, str], Level]:
    """Levels by (model, condition, name of the metric): those of this budget, and those of none."""
    return {
        (level.arm, level.condition, level.metric): level
        for level in results.levels
        if level.probe == "guard" and not level.against and level.budget in ("", budget)
    }


def _conditions(results: Results) -> Sequence[str]:
    return list(dict.fromkeys(condition for _, condition, name in _levels(results, BUDGETS[0]) if name == _PASS))


def _cell(level: Level | None) -> str:
    if level is None or not math.isfinite(level.estimate):
        return "–"
    return f"{share_read(level.estimate, level.unknown)} {share_interval(level.low, level.high)}"


def _difference(level: Level | None) -> str:
    if level is None or not math.isfinite(level.estimate):
        return "–"
    return f"{points(level.estimate)} {points_interval(level.low, level.high)}"
