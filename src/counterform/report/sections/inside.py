"""The figures of what changed inside a model: token classes, layers, weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.report.figures import SIDE, bars, layout, share_row
from counterform.report.labels import share, share_interval
from counterform.results import Level, WeightChange


def token_shares(classes: Sequence[Level]) -> go.Figure:
    """Of one arm, which share of its KL from the base falls on each class of token: bars with their 95 % intervals."""
    rows = [share_row(level.metric, level.estimate, level.low, level.high, symbol="line-ns") for level in classes]
    figure = bars(rows, (-1, 101))
    figure.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    return figure


def layers(arm: Sequence[Level], base: Sequence[Level], control: Sequence[Level]) -> go.Figure:
    """AUROC by layer of one model with its 95 % intervals; the base dashed, the control with shuffled labels grey."""
    figure = _by_layer()
    figure.update_yaxes(ticksuffix=" %")
    figure.add_hline(y=50, line_color="var(--rule)", line_width=1.5, layer="below")
    for levels, colour, dash, width in (
        (control, "var(--muted)", "solid", 1.5),
        (base, "var(--ink)", "dash", 1.5),
        (arm, "var(--accent)", "solid", 2.5),
    ):
        seen = [level for level in levels if math.isfinite(level.estimate)]
        bounded = all(math.isfinite(level.low + level.high) for level in seen)
        figure.add_scatter(
            x=[int(level.metric) for level in seen],
            y=[100 * level.estimate for level in seen],
            mode="lines+markers" if levels is arm else "lines",
            line={"color": colour, "dash": dash, "width": width},
            marker={"color": colour, "size": 7},
            error_y={
                "type": "data",
                "visible": levels is not base and bounded,
                "array": [100 * (level.high - level.estimate) if bounded else 0 for level in seen],
                "arrayminus": [100 * (level.estimate - level.low) if bounded else 0 for level in seen],
                "color": colour,
                "thickness": 1.5,
                "width": 0,
            },
            text=[f"{level.arm}: {share(level.estimate)} {share_interval(level.low, level.high)}" for level in seen],
            hovertemplate="layer %{x}, %{text}<extra></extra>",
        )
    return figure


def weight_profile(arm: Sequence[WeightChange], others: Sequence[WeightChange]) -> go.Figure:
    """How far training moved the weights of each layer, in per cent of their size: a line a seed, other arms grey."""
    figure = _by_layer()
    figure.update_yaxes(ticksuffix=" %", rangemode="tozero")
    for change in (*others, *arm):
        own = change in arm
        figure.add_scatter(
            x=list(range(1, len(change.layers) + 1)),
            y=[100 * size for size in change.layers],
            mode="lines+markers" if own else "lines",
            line={"color": "var(--accent)" if own else "var(--rule)", "width": 2 if own else 1.5},
            marker={"color": "var(--accent)", "size": 6},
            hovertemplate=f"{change.arm}, seed {change.seed}, layer %{{x}}: %{{y:.3g}}<extra></extra>",
        )
    return figure


def _by_layer() -> go.Figure:
    """An empty figure with layers along its foot."""
    figure = go.Figure(layout=layout(240, None))
    figure.update_layout(margin={"l": 46, "r": SIDE, "t": 8, "b": 44})
    title = {"text": "layer", "font": {"size": 12, "color": "var(--muted)"}, "standoff": 6}
    figure.update_xaxes(title=title, showgrid=False, tickformat="d", nticks=0)
    grid = {"fixedrange": True, "gridcolor": "var(--rule)", "zeroline": False}
    figure.update_yaxes(**grid, nticks=6, tickfont={"size": 12, "color": "var(--muted)"})
    return figure
