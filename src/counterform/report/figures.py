"""One small function a figure. Colours are the page's own variables (`var(--ink)`), painted in by the page's script,
so that one figure serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import plotly.graph_objects as go
from msgspec import Struct
from msgspec.structs import replace

from counterform.metrics import Metric
from counterform.report.tables import comparison
from counterform.results import Baseline, Finding, FormShare, Level, Results
from counterform.study import BASE_ARM
from counterform.text.numbers import (
    difference,
    difference_interval,
    is_share,
    level_interval,
    level_read,
    share,
    share_interval,
)

Part = dict[str, Any]
"""A trace, shape or annotation of a figure, in plotly's words."""
_Row = TypeVar("_Row")
_ROW = 44
"""Height of a row in pixels: a line of text above, its interval below."""
AXIS = 34
"""Room for the labels of an axis."""
SIDE = 18
"""Room at both ends of an axis for half a tick label; the rows' text reaches over it."""
_SYMBOLS = {
    "better": "circle",
    "more": "circle",
    "worse": "diamond",
    "less": "diamond",
    "undecided": "circle-open",
}
DASHES = {"random": "dot", "majority": "dash"}
"""How the lines of the baselines are drawn."""
SIGNS = (("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("cross", "✚"), ("x", "✖"))
"""Markers of the arms in the curves and their signs in the key: no arm is told by its colour alone."""


class Line(Struct, frozen=True):
    """One interval on a common axis, in per cent or percentage points."""

    name: str
    figures: str
    estimate: float
    low: float
    high: float
    colour: str
    symbol: str


def forest(results: Results, findings: Sequence[Finding]) -> go.Figure:
    """Differences of one measurement with their 95 % intervals, the zero line, and each row's minimum detectable effect as a band."""
    metric = results.metric(findings[0])
    scale = 100.0 if is_share(metric) else 1.0
    rows = [
        Line(
            name=comparison(finding),
            figures=f"{difference(metric, finding.estimate)}  {difference_interval(metric, finding.low, finding.high)}",
            estimate=scale * finding.estimate,
            low=scale * finding.low,
            high=scale * finding.high,
            colour=f"var(--{finding.verdict})",
            symbol=_SYMBOLS[finding.verdict],
        )
        for finding in findings
    ]
    bands = [scale * finding.mde if math.isfinite(finding.mde) else 0.0 for finding in findings]
    shapes = [_box(at, (-band, band), (-0.3, 0.12), fillcolor="var(--band)") for at, band in _upwards(bands)]
    return intervals(rows, _reach(rows, bands), [*shapes, upright(0)])


def levels(metric: Metric, models: Sequence[Level], baselines: Iterable[Baseline]) -> go.Figure:
    """Where each model stands, against what no ability at all would show; shares from 0 to 100 %."""
    scale = 100.0 if is_share(metric) else 1.0
    rows = [
        Line(
            name=one.arm,
            figures=f"{level_read(metric, one.estimate, one.unknown)}  {level_interval(metric, one.low, one.high)}",
            estimate=scale * one.estimate,
            low=scale * one.low,
            high=scale * one.high,
            colour="var(--ink)",
            symbol="circle",
        )
        for one in models
    ]
    shapes = [upright(scale * line.value, color="var(--accent)", dash=DASHES[line.name]) for line in baselines]
    if metric.unit != "share":
        return intervals(rows, _reach(rows, []), shapes)
    figure = intervals(rows, (-1, 101), shapes)
    figure.update_xaxes(tick0=0, dtick=20, ticksuffix=" %")
    return figure


def arm_style(arms: Sequence[str], arm: str) -> tuple[str, str, str]:
    """The colour, marker and sign of a model in the curves, a pair of its own for 36 arms; the base model is grey."""
    trained = [name for name in arms if name != BASE_ARM]
    if arm == BASE_ARM:
        return "var(--muted)", "circle-open", "○"
    turn, index = divmod(trained.index(arm), len(SIGNS))
    return f"var(--arm-{index})", *SIGNS[(index + turn) % len(SIGNS)]


def layout(height: int, reach: tuple[float, float] | None) -> dict[str, Any]:
    """What all figures share. `reach`: the horizontal axis; None where the data decides."""
    return {
        "template": "none",
        "height": height,
        "margin": {"l": SIDE, "r": SIDE, "t": 0, "b": AXIS},
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
    }


def form_shares(shares: Sequence[FormShare]) -> go.Figure:
    """Which share of an arm's gain a control has too: bars with their 95 % intervals, from none (0) to all (100 %)."""
    rows = []
    for found in shares:
        ends = [math.nan if end is None else end for end in (found.share, found.low, found.high)]
        row = share_row(f"{found.control} of {found.full}", *ends, symbol="line-ns")
        rows.append(row if found.share is not None else replace(row, figures="no share"))
    low, high = _reach(rows, [])
    figure = bars(rows, (low, max(high, 105.0)), [upright(0), upright(100)])
    figure.update_xaxes(ticksuffix=" %")
    return figure


def share_row(name: str, estimate: float, low: float, high: float, *, symbol: str) -> Line:
    """A share with its interval as a row in per cent."""
    return Line(
        name=name,
        figures=f"{share(estimate)}  {share_interval(low, high)}",
        estimate=100 * estimate,
        low=100 * low,
        high=100 * high,
        colour="var(--ink)",
        symbol=symbol,
    )


def bars(rows: Sequence[Line], reach: tuple[float, float], shapes: Sequence[Part] = ()) -> go.Figure:
    """Rows of intervals, each over a bar that starts at zero."""
    own = [
        _box(
            at, (0, min(max(row.estimate, reach[0]), reach[1])), (-0.24, 0.06), fillcolor="var(--accent)", opacity=0.35
        )
        for at, row in _upwards(rows)
        if math.isfinite(row.estimate)
    ]
    return intervals(rows, reach, [*own, *shapes])


def intervals(rows: Sequence[Line], reach: tuple[float, float], shapes: Sequence[Part] = ()) -> go.Figure:
    """Rows of intervals below each other, each under its name and figures, over the shapes.

    One that goes beyond the axis is cut there and says so.
    """
    texts = [
        _text(text, at + 0.12, side=side, colour=colour)
        for at, row in _upwards(rows)
        for side, text, colour in (
            (0, _shortened(row.name), "var(--ink)"),
            (1, f"{row.figures}{_cut(row, reach)}", "var(--muted)"),
        )
    ]
    across = {"range": (-0.5, len(rows) - 0.5), "fixedrange": True, "visible": False}
    # All at once: what is added to a figure one by one has plotly look at all of it again.
    return go.Figure(
        data=[_interval(_within(row, reach), at - 0.09) for at, row in _upwards(rows) if math.isfinite(row.estimate)],
        layout=layout(_ROW * len(rows) + AXIS, reach) | {"yaxis": across, "annotations": texts, "shapes": list(shapes)},
    )


def upright(x: float, *, color: str = "var(--muted)", **line: Any) -> Part:
    """A line from the bottom to the top of a plot, below what is drawn."""
    ends = {"x0": x, "x1": x, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain"}
    return {"type": "line", **ends, "line": {"color": color, "width": 1.5, **line}, "layer": "below"}


def _upwards(rows: Sequence[_Row]) -> list[tuple[int, _Row]]:
    """Each with its height in the figure: the first stands on top."""
    return [(len(rows) - 1 - index, row) for index, row in enumerate(rows)]


def _box(at: int, across: tuple[float, float], up: tuple[float, float], **fill: Any) -> Part:
    ends = {"x0": across[0], "x1": across[1], "y0": at + up[0], "y1": at + up[1]}
    return {"type": "rect", **ends, "line": {"width": 0}, "layer": "below", **fill}


def _within(row: Line, reach: tuple[float, float]) -> Line:
    estimate, low, high = (min(max(end, reach[0]), reach[1]) for end in (row.estimate, row.low, row.high))
    return replace(row, estimate=estimate, low=low, high=high) if _cut(row, reach) else row


def _cut(row: Line, reach: tuple[float, float]) -> str:
    """Says at which end of the axis a row is cut."""
    ends = [end for end in (row.estimate, row.low, row.high) if math.isfinite(end)]
    left, right = any(end < reach[0] for end in ends), any(end > reach[1] for end in ends)
    return f"  {'◂ ' * left}cut{' ▸' * right}" if left or right else ""


def _interval(row: Line, y: float) -> Part:
    known = math.isfinite(row.low) and math.isfinite(row.high)
    return {
        "type": "scatter",
        "x": [row.estimate],
        "y": [y],
        "mode": "markers",
        "marker": {"color": row.colour, "symbol": row.symbol, "size": 10, "line": {"width": 2, "color": row.colour}},
        "error_x": {
            "type": "data",
            "array": [row.high - row.estimate if known else 0],
            "arrayminus": [row.estimate - row.low if known else 0],
            "color": row.colour,
            "thickness": 2,
            "width": 0,
        },
        "hovertemplate": f"{row.name}: {row.figures}<extra></extra>",
        "cliponaxis": False,
    }


def _text(text: str, y: float, *, side: int, colour: str) -> Part:
    return {
        "text": text,
        "x": side,
        "xref": "paper",
        "xanchor": "right" if side else "left",
        "y": y,
        "yanchor": "bottom",
        "xshift": SIDE if side else -SIDE,
        "showarrow": False,
        "borderpad": 1,
        "bgcolor": "var(--paper)",
        "font": {"color": colour, "size": 12 if side else 13},
    }


def _reach(rows: Sequence[Line], bands: Sequence[float]) -> tuple[float, float]:
    """An axis that holds zero, every interval and every band, with a little air."""
    ends = [0.0, *bands, *(-band for band in bands)]
    ends += [end for row in rows for end in (row.estimate, row.low, row.high) if math.isfinite(end)]
    air = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - air, max(ends) + air


def _shortened(name: str, limit: int = 30) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def shares_against(title: str, span: tuple[float, float], *, step: int, height: int) -> go.Figure:
    """An empty plot of shares upwards against shares across, both in per cent."""
    figure = go.Figure(layout=layout(height, span))
    figure.update_layout(margin={"l": 46, "r": SIDE, "t": 8, "b": 44}, hovermode="closest")
    muted = {"size": 12, "color": "var(--muted)"}
    across = {"text": title, "font": muted, "standoff": 6}
    figure.update_xaxes(title=across, dtick=step, tick0=0, ticksuffix=" %")
    figure.update_yaxes(range=(-3, 103), fixedrange=True, dtick=20, ticksuffix=" %", gridcolor="var(--rule)")
    figure.update_yaxes(zeroline=False, tickfont=muted)
    return figure


def add_line(
    figure: go.Figure,
    at: int,
    across: Sequence[float],
    levels: Sequence[tuple[float, float, float]],
    words: Sequence[str],
) -> None:
    """The at-th line of a plot of shares: points at `across` (per cent) of (estimate, low, high), each with its words."""
    colour = f"var(--arm-{at})"
    figure.add_scatter(
        x=list(across),
        y=[100 * estimate for estimate, _, _ in levels],
        mode="lines+markers",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "symbol": SIGNS[at][0], "size": 8},
        error_y={
            "type": "data",
            "array": [100 * (high - estimate) for estimate, _, high in levels],
            "arrayminus": [100 * (estimate - low) for estimate, low, _ in levels],
            "color": colour,
            "thickness": 1,
            "width": 0,
        },
        hovertext=list(words),
        hoverinfo="text",
        cliponaxis=False,
    )
