"""What arms that sample for themselves logged while they learnt: a table, and one figure a measure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import plotly.graph_objects as go
from msgspec import Struct

from counterform.report.figures import arm_style, layout
from counterform.report.labels import MetricLabel, number
from counterform.report.tables import Table

LABELS = {
    "roc/tool_errors/right": MetricLabel(
        "Tool errors inside right answers",
        "Penalty of right rollouts before the selection: the share of their tool calls that failed, 0.5 where none was made.",
        lower_is_better=True,
    ),
    "roc/tool_errors/right_kept": MetricLabel(
        "Tool errors inside right answers that are learnt from", "The same after the selection.", lower_is_better=True
    ),
    "roc/reward": MetricLabel("Reward", "Mean over the rollouts, before the selection."),
    "completions/mean_length": MetricLabel("Length", "Tokens that the model wrote, a rollout."),
    "entropy": MetricLabel("Token entropy", "Nats a token, over the rollouts that are learnt from."),
    "roc/used": MetricLabel(
        "Rollouts sampled",
        "In units of those that are learnt from: 1 for G of G, 2 for G of 2G, between them where a group stops in waves.",
        lower_is_better=True,
    ),
}
_ENDS = 5
"""At the start and at the end of training a mean over this part of all steps is taken: a fifth."""
_CURVE = 250


class Logged(Struct, frozen=True, kw_only=True):
    """One measure of one training run, step by step."""

    arm: str
    seed: int
    name: str
    values: tuple[float, ...]


def by_measure(logged: Iterable[Logged]) -> dict[str, dict[str, list[Logged]]]:
    """The runs of each arm under each measure, in the order of `LABELS`."""
    groups: dict[str, dict[str, list[Logged]]] = {name: {} for name in LABELS}
    for run in logged:
        groups[run.name].setdefault(run.arm, []).append(run)
    return {name: arms for name, arms in groups.items() if arms}


def table(logged: Iterable[Logged]) -> Table:
    """One row an arm, grouped by measure: the first and the last fifth of its steps, over seeds."""
    rows = []
    for name, arms in by_measure(logged).items():
        for arm, runs in arms.items():
            ends = [_ends(run.values) for run in runs]
            cells = [text for end in zip(*ends, strict=True) for text in (_figure(fmean(end)), _range(end))]
            steps = number(max(len(run.values) for run in runs))
            rows.append((LABELS[name].title, arm, *cells, steps, number(len(runs))))
    headings = ("Measure", "Arm", "First fifth", "least to most", "Last fifth", "least to most", "Steps", "Seeds")
    return Table(headings, tuple(rows), n_text=2, grouped=True)


def curves(arms: dict[str, list[Logged]]) -> go.Figure:
    """One measure against steps, a line an arm: the mean over its seeds."""
    figure = go.Figure(layout=layout(_CURVE, None))
    figure.update_layout(margin={"l": 46, "r": 18, "t": 8, "b": 34}, hovermode="closest")
    figure.update_yaxes(fixedrange=True, gridcolor="var(--rule)", zeroline=False, tickfont={"color": "var(--muted)"})
    for arm, means in _means(arms).items():
        colour, symbol, _ = arm_style(list(arms), arm)
        figure.add_scatter(
            x=list(range(1, len(means) + 1)),
            y=means,
            mode="lines+markers",
            line={"color": colour, "width": 1.5},
            marker={"color": colour, "symbol": symbol, "size": 5},
            hovertemplate=f"{arm}, step %{{x}}: %{{y:.3g}}<extra></extra>",
            cliponaxis=False,
        )
    return figure


def summary(arms: dict[str, list[Logged]]) -> str:
    """The figure in words, for those who cannot see it."""
    found = {arm: _ends(means) for arm, means in _means(arms).items()}
    return "; ".join(f"{arm} from {_figure(first)} to {_figure(last)}" for arm, (first, last) in found.items())


def _means(arms: dict[str, list[Logged]]) -> dict[str, list[float]]:
    # As far as all seeds went.
    return {arm: [fmean(at) for at in zip(*(run.values for run in runs), strict=False)] for arm, runs in arms.items()}


def _ends(values: Sequence[float]) -> tuple[float, float]:
    part = max(1, len(values) // _ENDS)
    return fmean(values[:part]), fmean(values[-part:])


def _figure(value: float) -> str:
    return f"{value:.3g}"


def _range(values: Sequence[float]) -> str:
    return f"{_figure(min(values))} to {_figure(max(values))}"
