"""What arms that sample for themselves or learn from pairs logged while they learnt: a table, and one figure per measure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import plotly.graph_objects as go

from counterform.report.data import ReportData
from counterform.report.figures import arm_style, layout
from counterform.report.logged import LABELS, Logged
from counterform.report.section import PICK, Block, Figures, Grid, Key, Plot, Prose, Section, Sign
from counterform.report.tables import Table
from counterform.text.numbers import number

_ENDS = 5
"""At the start and at the end of training a mean over this part of all steps is taken: a fifth."""
_CURVE = 250


class WhileTheyLearnt(Section):
    """What arms that sample for themselves or learn from pairs logged."""

    title = "While they learnt"
    link = "While they learnt"
    anchor = "steps"

    def blocks(self, data: ReportData) -> list[Block]:
        measures = by_measure(data.steps)
        if not measures:
            return []
        own = list(dict.fromkeys(run.arm for run in data.steps))
        styles = {arm: arm_style(own, arm) for arm in own}
        plots = [
            Plot(id=f"steps-{name}", label=LABELS[name], summary=summary(arms), figure=curves(arms))
            for name, arms in measures.items()
        ]
        return [
            Prose(
                "What arms that sample for themselves or learn from pairs logged at every step: lines are means over seeds. What is said of "
                "right answers before the selection is the model's doing; what is said after it is the selection's."
            ),
            Key((*(Sign(arm=arm, sign=sign, colour=colour) for arm, (colour, _, sign) in styles.items()), PICK)),
            Figures(tuple(plots)),
            Grid(
                table=table(data.steps),
                heading="While they learnt, over steps",
                caption="The first and the last fifth of the steps: mean over seeds, with the least and the most of a seed",
            ),
        ]


def by_measure(logged: Iterable[Logged]) -> dict[str, dict[str, list[Logged]]]:
    """The runs of each arm under each measure, in the order of `LABELS`."""
    groups: dict[str, dict[str, list[Logged]]] = {name: {} for name in LABELS}
    for run in logged:
        groups[run.name].setdefault(run.arm, []).append(run)
    return {name: arms for name, arms in groups.items() if arms}


def table(logged: Iterable[Logged]) -> Table:
    """One row per arm, grouped by measure: the first and the last fifth of its steps, over seeds."""
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
    """One measure against steps, one line per arm: the mean over its seeds."""
    figure = go.Figure(layout=layout(_CURVE, None))
    figure.update_layout(margin={"l": 46, "r": 18, "t": 8, "b": 34}, hovermode="closest")
    figure.update_yaxes(fixedrange=True, gridcolor="var(--rule)", zeroline=False, tickfont={"color": "var(--muted)"})
    for arm, means in _means(arms).items():
        colour, symbol, _ = arm_style(list(arms), arm)
        figure.add_scatter(
            name=arm,
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
