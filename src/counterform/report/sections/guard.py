"""What a guard adds to each model: its conditions side by side, and what of it is the hint's information."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.report.figures import intervals, share_row
from counterform.report.labels import points, points_interval, share, share_interval
from counterform.report.tables import Table
from counterform.results import Finding, Level, Results

BUDGETS = ("equal tokens", "equal calls")
_CONDITION = re.compile(r"(?P<name>.+?) \((?P<condition>[^,()]+)(?:, (?P<budget>[^,()]+))?\)")
_ADDS = {
    "check and retry over none": "a fair retry, over no guard",
    "stop and retry over check and retry": "stopping early, over a fair retry",
    "cut back over check and retry": "cutting back, over a fair retry",
    "cut back over stop and retry": "keeping the sound steps, over beginning again",
    "rule told over cut back": "the rule, where the guard cuts back",
    "hint told over cut back": "the hint's information, where the guard cuts back",
    "hint alone over none": "the hint's information, without a guard",
    "hint told over hint alone": "cutting back, where the hint is told anyway",
}


def findings(results: Results) -> list[Finding]:
    """All comparisons between models of the probe."""
    return [finding for finding in results.findings if finding.probe == "guard"]


def arms(results: Results) -> list[str]:
    """The models that were guarded."""
    return list(dict.fromkeys(level.arm for level in results.levels if level.probe == "guard"))


def conditions_table(results: Results, budget: str) -> Table:
    """One row a way of guarding, grouped by model; what a budget does not bear on stands in both tables."""
    levels = _levels(results, budget)
    metrics = list(dict.fromkeys(name for _, _, name in levels if name not in ("gain", "steps told")))
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
    by_budget = [_levels(results, budget) for budget in BUDGETS]
    pairs = list(dict.fromkeys(pair for levels in by_budget for _, pair, name in levels if name == "gain"))

    def cells(arm: str, pair: str) -> list[str]:
        found = [levels.get((arm, pair, "gain")) for levels in by_budget]
        return [_difference(level) for level in found]

    return Table(
        ("Model", "What is added", *(f"At {budget}" for budget in BUDGETS)),
        tuple((arm, _ADDS.get(pair, pair), *cells(arm, pair)) for arm in arms(results) for pair in pairs),
        n_text=2,
        grouped=True,
    )


def told(results: Results) -> list[Level]:
    """Of each model, the share of steps that the guard wrote itself where the hint was told."""
    return [level for level in results.levels if level.probe == "guard" and level.metric.startswith("steps told")]


def figure(results: Results, arm: str) -> go.Figure:
    """Right and accepted answers of one model by way of guarding, at equal tokens, from 0 to 100 %."""
    rows = [share_row(name, one.estimate, one.low, one.high, symbol="circle") for name, one in _rights(results, arm)]
    drawn = intervals(rows, (-1, 101))
    drawn.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    return drawn


def summary(results: Results, arm: str) -> str:
    """The figure in words, for those who cannot see it."""
    return "; ".join(f"{name} {share(one.estimate)}" for name, one in _rights(results, arm))


_HEADINGS = {"violated": "Violated", "refused": "Refused", "tokens": "Tokens, of none's", "seconds": "Time, of none's"}


def _rights(results: Results, arm: str) -> list[tuple[str, Level]]:
    levels = _levels(results, BUDGETS[0])
    found = [(name, levels.get((arm, name, "pass^1"))) for name in _conditions(results)]
    return [(name, level) for name, level in found if level is not None]


def _levels(results: Results, budget: str) -> dict[tuple[str, str, str], Level]:
    """Levels by (model, condition, name of the metric): those of this budget, and those of none."""
    found = {}
    for level in results.levels:
        metric = _CONDITION.fullmatch(level.metric) if level.probe == "guard" else None
        if metric and metric["budget"] in (None, budget):
            found[level.arm, metric["condition"], metric["name"]] = level
    return found


def _conditions(results: Results) -> Sequence[str]:
    return list(dict.fromkeys(condition for _, condition, name in _levels(results, BUDGETS[0]) if name == "pass^1"))


def _cell(level: Level | None) -> str:
    if level is None or not math.isfinite(level.estimate):
        return "–"
    return f"{share(level.estimate)} {share_interval(level.low, level.high)}"


def _difference(level: Level | None) -> str:
    if level is None or not math.isfinite(level.estimate):
        return "–"
    return f"{points(level.estimate)} {points_interval(level.low, level.high)}"
