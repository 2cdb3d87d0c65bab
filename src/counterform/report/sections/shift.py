"""What the `shift` probe found, as curves: where every model stands at growing distance from training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import plotly.graph_objects as go
from msgspec import Struct

from counterform.metrics import Measured
from counterform.report import figures
from counterform.report.data import ReportData
from counterform.report.labels import AxisLabel, MetricLabel, axis_label
from counterform.report.section import INTERVALS, PICK, Block, Figures, Folded, Grid, Key, Plot, Prose, Section, Sign
from counterform.report.tables import Table
from counterform.results import Finding, Level, Results
from counterform.study import BASE_ARM
from counterform.text.numbers import points, points_interval, share, share_interval, share_read
from counterform.types import Problem

HOME = "in distribution"
_CURVE = 250
"""Height of a curve's figure in pixels."""
Part = tuple[str, str]
"""What is compared: a metric of the probe, and its condition."""
ANSWER: Part = ("exact match", "answer")
WHOLE: Part = ("edit distance", "whole")
_BESIDE: tuple[Part, ...] = (
    ("exact match", "reasoning"),
    ("exact match", "whole"),
    ("edit distance", "answer"),
    ("edit distance", "reasoning"),
    WHOLE,
)
Place = tuple[str, str] | None
"""Axis and level of a shift; None in distribution."""


class Stop(Struct, frozen=True, kw_only=True):
    """One level of an axis; the first of each axis is in distribution, at distance 0."""

    place: Place
    name: str
    distance: float


class Axis(Struct, frozen=True, kw_only=True):
    """One way out of the training distribution, its levels in order of their distance, and every model's readings there."""

    label: AxisLabel
    stops: tuple[Stop, ...]
    arms: tuple[str, ...]
    levels: Mapping[tuple[Part, Place, str], Level]
    """By what is compared, where, and arm."""
    guesses: Mapping[str, tuple[float, ...]]
    """Right answers without any ability, one number per stop, by the baseline's name."""

    def at(self, part: Part, arm: str) -> list[Level | None]:
        """One model's reading at every stop; None where it was not read."""
        return [self.levels.get((part, stop.place, arm)) for stop in self.stops]


def axes(results: Results, problems: Iterable[Problem]) -> list[Axis]:
    """Every axis that was read, in the order of the readings."""
    rows = [level for level in results.levels if level.probe == "shift"]
    levels = {(_part(level), level.key[-1], level.arm): level for level in rows}
    values = {
        (line.key[-1], line.name): line.value
        for line in results.baselines
        if (line.probe, *_part(line)) == ("shift", *ANSWER)
    }
    found: dict[str, dict[Place, Stop]] = {}
    for level in rows:
        if level.shift:
            stop = Stop(place=level.key[-1], name=level.shift.level, distance=level.shift.distance)
            found.setdefault(level.shift.axis, {}).setdefault(stop.place, stop)
    users = {problem.shift.axis for problem in problems if problem.shift and problem.family == "user"}
    made = []
    for axis, stops_of in found.items():
        home = Stop(place=None, name=HOME, distance=0.0)
        stops = sorted([home, *stops_of.values()], key=lambda stop: stop.distance)
        guesses = {
            name: tuple(values.get((stop.place, name), math.nan) for stop in stops) for name in ("random", "majority")
        }
        arms = tuple(dict.fromkeys(level.arm for level in rows))
        label = axis_label(axis, users=axis in users)
        made.append(Axis(label=label, stops=tuple(stops), arms=arms, levels=levels, guesses=guesses))
    return made


def _part(measured: Measured) -> Part:
    return (measured.metric, measured.condition)


class Shifts(Section):
    """The curves away from training."""

    title = "Out of distribution"
    link = "Out of distribution"
    anchor = "away"
    holds_findings = True

    def blocks(self, data: ReportData) -> list[Block]:
        found = axes(data.results, data.problems.values())
        if not found:
            return []
        styles = {arm: figures.arm_style(found[0].arms, arm) for arm in found[0].arms}
        return [
            Prose(
                "How each model does as problems move away from those of training. In distribution is distance 0, where training took place. "
                f"{counted(data.results.findings)}"
            ),
            Prose(
                "Format noise leaves the answer key as it was, and can destroy what the answer needs: its curves are bounds on robustness, and "
                "no model can stay at the top of them. The worked solution is one of several good ones: edits to it measure imitation, and "
                "only right answers measure solving."
            ),
            Key(
                (
                    *(Sign(arm=arm, sign=sign, colour=colour) for arm, (colour, _, sign) in styles.items()),
                    Sign(words="random guess", line="line"),
                    Sign(words="commonest answer", line="line majority"),
                    INTERVALS,
                    PICK,
                )
            ),
            Figures(tuple(_plots(found))),
            Folded(
                "All figures of the curves",
                (
                    Grid(
                        table=shift_table(found, data.results.findings),
                        heading="Out of distribution",
                        intro=counted(data.results.findings),
                        caption="By axis, level and model. Right: the answer, as the grader says. Exact and edits: against the worked solution. "
                        "Verdicts are corrected over all levels and comparisons of an axis.",
                    ),
                ),
            ),
        ]


def _plots(found: Sequence[Axis]) -> Iterator[Plot]:
    """Two figures an axis: right answers, and how far the whole text is from the worked solution where there is one."""
    for axis in found:
        for part, what, lower in (
            (ANSWER, "right answers", False),
            (WHOLE, "edits to the worked solution", True),
        ):
            if any(level for arm in axis.arms for level in axis.at(part, arm)):
                yield Plot(
                    id=f"curve-{axis.label.title}-{'-'.join(part)}",
                    label=MetricLabel(f"{axis.label.title}: {what}", f"Distance: {axis.label.unit}.", lower),
                    summary=summary(axis, part),
                    figure=drawn(axis, part),
                )


def drawn(axis: Axis, part: Part) -> go.Figure:
    """One reading from 0 to 100 % against distance, one line per model with its intervals, and what a guess would show.

    Levels that are numbers stand at their distance; levels that are words stand side by side in its order.
    """
    named = any(not stop.name[0].isdigit() for stop in axis.stops if stop.place)
    scale = 100.0 if axis.label.is_share else 1.0
    places = [float(place) if named else scale * stop.distance for place, stop in enumerate(axis.stops)]
    width = max(places) - min(places) or 1.0
    figure = go.Figure(layout=figures.layout(_CURVE, (min(places) - 0.06 * width, max(places) + 0.06 * width)))
    figure.update_layout(
        margin={"l": 46, "r": figures.SIDE, "t": 8, "b": 44 if named else figures.AXIS}, hovermode="closest"
    )
    figure.update_yaxes(
        range=(-3, 103), fixedrange=True, dtick=20, ticksuffix=" %", gridcolor="var(--rule)", zeroline=False
    )
    figure.update_yaxes(tickfont={"size": 12, "color": "var(--muted)"})
    if named:
        texts = [f"{stop.name}<br>{axis.label.distance(stop.distance)}" for stop in axis.stops]
        figure.update_xaxes(tickvals=places, ticktext=texts)
    elif axis.label.is_share:
        figure.update_xaxes(ticksuffix=" %")
    elif width <= 8:
        figure.update_xaxes(dtick=1)
    for name, values in axis.guesses.items() if part == ANSWER else ():
        shares = [100 * value if math.isfinite(value) else None for value in values]
        line = {"color": "var(--accent)", "width": 1.5, "dash": figures.DASHES[name]}
        figure.add_scatter(x=places, y=shares, mode="lines", line=line, hoverinfo="skip")
    gap = min(0.014, 0.09 / len(axis.arms)) * width
    for index, arm in enumerate(axis.arms):
        # Side by side, so that no interval hides behind another.
        aside = (index - (len(axis.arms) - 1) / 2) * gap
        _add_curve(figure, axis, part, arm, [place + aside for place in places])
    return figure


def _add_curve(figure: go.Figure, axis: Axis, part: Part, arm: str, places: Sequence[float]) -> None:
    colour, symbol, _ = figures.arm_style(axis.arms, arm)
    rows = [
        (place, stop, level)
        for place, stop, level in zip(places, axis.stops, axis.at(part, arm), strict=True)
        if level is not None and math.isfinite(level.estimate)
    ]
    known = [math.isfinite(level.low) and math.isfinite(level.high) for _, _, level in rows]
    figure.add_scatter(
        name=arm,
        x=[place for place, _, _ in rows],
        y=[100 * level.estimate for _, _, level in rows],
        mode="lines+markers",
        line={"color": colour, "width": 1.5, "dash": "dash" if arm == BASE_ARM else "solid"},
        marker={"color": colour, "symbol": symbol, "size": 8},
        error_y={
            "type": "data",
            "array": [100 * (row[2].high - row[2].estimate) if ok else 0 for row, ok in zip(rows, known, strict=True)],
            "arrayminus": [
                100 * (row[2].estimate - row[2].low) if ok else 0 for row, ok in zip(rows, known, strict=True)
            ],
            "color": colour,
            "thickness": 1,
            "width": 0,
        },
        hovertext=[
            f"{arm}, {stop.name}: {share(level.estimate)}  {share_interval(level.low, level.high)}"
            for _, stop, level in rows
        ],
        hoverinfo="text",
        cliponaxis=False,
    )


def summary(axis: Axis, part: Part) -> str:
    """The figure in words, for those who cannot see it."""
    lines = []
    for arm in axis.arms:
        read = zip(axis.stops, axis.at(part, arm), strict=True)
        lines.append(f"{arm}: " + ", ".join(f"{stop.name} {share(level.estimate)}" for stop, level in read if level))
    return "; ".join(lines)


def counted(findings: Iterable[Finding]) -> str:
    """How often an arm's right answers differ from the base model's out of distribution, in a sentence."""
    away = [f for f in findings if f.probe == "shift" and f.versus == BASE_ARM and f.shift and _part(f) == ANSWER]
    if not away:
        return "Out of distribution too few problems were read to say anything."
    better, worse = (sum(f.verdict == verdict for f in away) for verdict in ("better", "worse"))
    return (
        f"Of {len(away)} comparisons of an arm's right answers with the base model's, {better} came out better, "
        f"{worse} worse and {len(away) - better - worse} undecided."
    )


def shift_table(axes: Iterable[Axis], findings: Iterable[Finding]) -> Table:
    """One row per level and model, grouped by axis: right answers against the base model, and the other readings."""
    gains = {(f.key, f.arm): f for f in findings if f.probe == "shift" and f.versus == BASE_ARM}
    rows = []
    for axis in axes:
        for stop in axis.stops:
            for arm in axis.arms:
                level = axis.levels.get((ANSWER, stop.place, arm))
                if level is None:
                    continue
                gain = gains.get((level.key, arm))
                beside = [axis.levels.get((part, stop.place, arm)) for part in _BESIDE]
                rows.append(
                    (
                        axis.label.title,
                        stop.name,
                        arm,
                        axis.label.distance(stop.distance),
                        share_read(level.estimate, level.unknown),
                        share_interval(level.low, level.high),
                        f"{points(gain.estimate)} {points_interval(gain.low, gain.high)}" if gain else "",
                        gain.verdict if gain else "",
                        points(gain.mde, signed=False) if gain else "",
                        *(share(other.estimate) if other else "–" for other in beside),
                        str(level.n_items),
                    )
                )
    headings = ("Axis", "Level", "Model", "Distance", "Right", "95 % interval", "Over base", "Verdict", "MDE")
    texts = ("Reasoning exact", "Whole exact", "Answer edits", "Reasoning edits", "Whole edits")
    return Table((*headings, *texts, "Items"), tuple(rows), n_text=3, grouped=True)
