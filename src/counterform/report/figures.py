"""One small function a figure. Colours are the page's own variables (`var(--ink)`), painted in by the page's script,
so that one figure serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import plotly.graph_objects as go
from msgspec import Struct

from counterform.report.labels import points, points_interval, share, share_interval
from counterform.report.tables import comparison
from counterform.types import Baseline, Finding, Level, WeightChange

_ROW = 44
"""Height of a row in pixels: a line of text above, its interval below."""
_AXIS = 34
_SIDE = 18
"""Room at both ends of an axis for half a tick label; the rows' text reaches over it."""
_SYMBOLS = {"supported": "circle", "refuted": "diamond", "undecided": "circle-open"}
_DASHES = {"random": "dot", "majority": "dash"}


class _Row(Struct, frozen=True):
    """One interval on a common axis, in per cent or percentage points."""

    name: str
    figures: str
    estimate: float
    low: float
    high: float
    colour: str
    symbol: str


def forest(findings: Sequence[Finding]) -> go.Figure:
    """Differences with their 95 % intervals, the zero line, and each row's minimum detectable effect as a band."""
    rows = [
        _Row(
            name=comparison(finding),
            figures=f"{points(finding.estimate)}  {points_interval(finding.low, finding.high)}",
            estimate=100 * finding.estimate,
            low=100 * finding.low,
            high=100 * finding.high,
            colour=f"var(--{finding.verdict})",
            symbol=_SYMBOLS[finding.verdict],
        )
        for finding in findings
    ]
    bands = [100 * finding.mde if math.isfinite(finding.mde) else 0.0 for finding in findings]
    figure = _intervals(rows, _reach(rows, bands))
    for index, band in enumerate(bands):
        y = len(rows) - 1 - index
        figure.add_shape(
            type="rect",
            x0=-band,
            x1=band,
            y0=y - 0.3,
            y1=y + 0.12,
            fillcolor="var(--band)",
            line_width=0,
            layer="below",
        )
    figure.add_vline(x=0, line_color="var(--muted)", line_width=1.5, layer="below")
    return figure


def levels(models: Sequence[Level], baselines: Iterable[Baseline]) -> go.Figure:
    """Where each model stands, from 0 to 100 %, against what no ability at all would show."""
    rows = [
        _Row(
            name=level.arm,
            figures=f"{share(level.estimate)}  {share_interval(level.low, level.high)}",
            estimate=100 * level.estimate,
            low=100 * level.low,
            high=100 * level.high,
            colour="var(--ink)",
            symbol="circle",
        )
        for level in models
    ]
    figure = _intervals(rows, (-1, 101))
    figure.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    for line in baselines:
        figure.add_vline(
            x=100 * line.value, line_color="var(--accent)", line_width=1.5, line_dash=_DASHES[line.name], layer="below"
        )
    return figure


def token_shares(classes: Sequence[Level]) -> go.Figure:
    """Of one arm, which share of its KL from the base falls on each class of token: bars with their 95 % intervals."""
    rows = [
        _Row(
            name=level.metric,
            figures=f"{share(level.estimate)}  {share_interval(level.low, level.high)}",
            estimate=100 * level.estimate,
            low=100 * level.low,
            high=100 * level.high,
            colour="var(--ink)",
            symbol="line-ns",
        )
        for level in classes
    ]
    figure = _intervals(rows, (-1, 101))
    figure.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    for index, row in enumerate(rows):
        y = len(rows) - 1 - index
        if math.isfinite(row.estimate):
            figure.add_shape(
                type="rect",
                x0=0,
                x1=row.estimate,
                y0=y - 0.24,
                y1=y + 0.06,
                fillcolor="var(--accent)",
                opacity=0.35,
                line_width=0,
                layer="below",
            )
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
    axis = {
        "fixedrange": True,
        "gridcolor": "var(--rule)",
        "zeroline": False,
        "tickfont": {"size": 12, "color": "var(--muted)"},
    }
    return go.Figure(
        layout={
            "template": "none",
            "height": 240,
            "margin": {"l": 46, "r": _SIDE, "t": 8, "b": 44},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
            "dragmode": False,
            "font": {"family": "var(--sans)", "size": 13, "color": "var(--ink)"},
            "hoverlabel": {"bgcolor": "var(--paper)", "font": {"color": "var(--ink)"}},
            "xaxis": {
                **axis,
                "title": {"text": "layer", "font": {"size": 12, "color": "var(--muted)"}, "standoff": 6},
                "showgrid": False,
                "tickformat": "d",
            },
            "yaxis": {**axis, "nticks": 6},
        }
    )


def _intervals(rows: Sequence[_Row], reach: tuple[float, float]) -> go.Figure:
    figure = go.Figure(
        layout={
            "template": "none",
            "height": _ROW * len(rows) + _AXIS,
            "margin": {"l": _SIDE, "r": _SIDE, "t": 0, "b": _AXIS},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
            "dragmode": False,
            "font": {"family": "var(--sans)", "size": 13, "color": "var(--ink)"},
            "hoverlabel": {"bgcolor": "var(--paper)", "font": {"color": "var(--ink)"}},
            "xaxis": {
                "range": reach,
                "fixedrange": True,
                "nticks": 6,
                "gridcolor": "var(--rule)",
                "zeroline": False,
                "tickfont": {"size": 12, "color": "var(--muted)"},
            },
            "yaxis": {"range": (-0.5, len(rows) - 0.5), "fixedrange": True, "visible": False},
        }
    )
    for index, row in enumerate(rows):
        y = len(rows) - 1 - index
        _add_interval(figure, row, y - 0.09)
        _add_text(figure, _shortened(row.name), y + 0.12, at=0, colour="var(--ink)")
        _add_text(figure, row.figures, y + 0.12, at=1, colour="var(--muted)")
    return figure


def _add_interval(figure: go.Figure, row: _Row, y: float) -> None:
    if not math.isfinite(row.estimate):
        return
    known = math.isfinite(row.low) and math.isfinite(row.high)
    figure.add_scatter(
        x=[row.estimate],
        y=[y],
        mode="markers",
        marker={"color": row.colour, "symbol": row.symbol, "size": 10, "line": {"width": 2, "color": row.colour}},
        error_x={
            "type": "data",
            "array": [row.high - row.estimate if known else 0],
            "arrayminus": [row.estimate - row.low if known else 0],
            "color": row.colour,
            "thickness": 2,
            "width": 0,
        },
        hovertemplate=f"{row.name}: {row.figures}<extra></extra>",
        cliponaxis=False,
    )


def _add_text(figure: go.Figure, text: str, y: float, *, at: int, colour: str) -> None:
    figure.add_annotation(
        text=text,
        x=at,
        xref="paper",
        xanchor="right" if at else "left",
        y=y,
        yanchor="bottom",
        xshift=_SIDE if at else -_SIDE,
        showarrow=False,
        borderpad=1,
        bgcolor="var(--paper)",
        font={"color": colour, "size": 13 if at == 0 else 12},
    )


def _reach(rows: Sequence[_Row], bands: Sequence[float]) -> tuple[float, float]:
    """An axis that holds zero, every interval and every band, with a little air."""
    ends = [0.0, *bands, *(-band for band in bands)]
    ends += [end for row in rows for end in (row.estimate, row.low, row.high) if math.isfinite(end)]
    air = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - air, max(ends) + air


def _shortened(name: str, limit: int = 30) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"
