"""How each arm searches: the forest of effect sizes, format beside domain, and the curve between two arms."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.metrics import by_key
from counterform.report.data import ReportData
from counterform.report.figures import SIGNS, Line, add_line, intervals, shares_against, upright
from counterform.report.labels import MetricLabel, label_of
from counterform.report.section import INTERVALS, Block, Grid, Heading, Key, Plot, Prose, Section, Sign, figures, folded
from counterform.report.tables import Table
from counterform.results import Dose, Effect, Results, Strategies
from counterform.text.numbers import number, share, share_interval

DRAWN = ("breadth first", "candidates before the first is followed")
"""The readings whose effects have a figure; the table has all."""
_HEIGHT = 260


class OrderOfSearch(Section):
    """Effect sizes of the order of search, and the models between two arms."""

    title = "How each arm searches"
    link = "Order of search"
    anchor = "strategy"

    def blocks(self, data: ReportData) -> list[Block]:
        results, found = data.results, data.results.own_of("strategy", Strategies)
        if found is None:
            return []
        blocks: list[Block] = []
        if found.effects:
            plots = [
                Plot(
                    id=f"effect-{at}",
                    label=label_of(results, rows[0]),
                    summary=effects_summary(rows),
                    figure=effects(rows),
                )
                for at, rows in enumerate(effects_drawn(found))
            ]
            blocks += [
                Prose(_MEANING),
                *figures(plots),
                Grid(
                    table=effects_table(results, found),
                    heading="Order of search: effect sizes",
                    caption="Effect sizes of every contrast",
                ),
            ]
        if found.doses:
            plots = [
                Plot(
                    id=f"dose-{arm}-{other}-{metric}",
                    label=MetricLabel(metric.capitalize(), f"From {arm} (0 %) to {other} (100 %)."),
                    summary=doses_summary(rows),
                    figure=dose_curve(rows),
                )
                for (arm, other, metric), rows in curves(found).items()
            ]
            blocks += [
                Heading("Between two arms"),
                Prose(
                    "Models whose weights lie on the straight line between those of two arms, read as the arms themselves are."
                ),
                Key((*(Sign(words=f"{sign} {asked}") for asked, sign in signs(found)), INTERVALS)),
                *figures(plots),
                *folded(
                    "The same in figures",
                    Grid(
                        table=doses_table(results, found),
                        heading="Order of search: between two arms",
                        caption="Models between two arms",
                    ),
                ),
            ]
        return blocks


_MEANING = (
    "Cohen's h of each contrast, 2 asin √p₁ − 2 asin √p₂, with its 95 % interval, paired and clustered by problem, over seeds: an effect of "
    "format (multiple choice against free form, on the same problems) stands beside one of domain (other problems in the same format). Above 0 "
    "the first arm does more of it; by convention 0.2 is small, 0.5 medium, 0.8 large. The table has Cohen's d too."
)


def effects_drawn(found: Strategies) -> list[list[Effect]]:
    """The effects on each measurement that is drawn, those of format first and those of domain after them."""
    order = ("format", "domain")
    drawn = by_key(effect for effect in found.effects if effect.metric in DRAWN).values()
    return [
        sorted(rows, key=lambda row: order.index(row.differs_by) if row.differs_by in order else len(order))
        for rows in drawn
    ]


def effects(rows: Sequence[Effect]) -> go.Figure:
    """Cohen's h of every contrast on one axis, with 95 % intervals and the line of no effect."""
    lines = [
        Line(
            name=_name(row),
            figures=f"{_size(row.h)}  {_interval(row.h_low, row.h_high)}",
            estimate=row.h,
            low=row.h_low,
            high=row.h_high,
            colour="var(--ink)",
            symbol="circle-open" if row.h_low <= 0 <= row.h_high else "circle",
        )
        for row in rows
    ]
    reach = max(0.5, *(1.1 * abs(end) for row in rows for end in (row.h_low, row.h_high)))
    return intervals(lines, (-reach, reach), [upright(0)])


def effects_summary(rows: Sequence[Effect]) -> str:
    """The figure in words, for those who cannot see it."""
    return "; ".join(f"{_name(row)}: h {_size(row.h)} {_interval(row.h_low, row.h_high)}" for row in rows)


def effects_table(results: Results, found: Strategies) -> Table:
    """One row per contrast, grouped by metric."""
    return Table(
        (
            "Metric",
            "Contrast",
            "Differs by",
            "Cohen's h",
            "95 % interval",
            "Cohen's d",
            "95 % interval",
            "Problems",
            "Seeds",
        ),
        tuple(
            (
                label_of(results, row).title,
                f"{row.arm} − {row.versus}",
                row.differs_by or "–",
                _size(row.h),
                _interval(row.h_low, row.h_high),
                _size(row.d),
                _interval(row.d_low, row.d_high),
                number(row.n_items),
                number(row.n_seeds),
            )
            for row in found.effects
        ),
        n_text=3,
        grouped=True,
    )


def curves(found: Strategies) -> dict[tuple[str, str, str], list[Dose]]:
    """The levels of each pair of arms and each reading, in all formats in which it was asked."""
    groups: dict[tuple[str, str, str], list[Dose]] = {}
    for dose in found.doses:
        groups.setdefault((dose.arm, dose.other, dose.metric), []).append(dose)
    return groups


def signs(found: Strategies) -> list[tuple[str, str]]:
    """Each format that was asked for, with the sign of its marker, for the key."""
    return [(asked, SIGNS[at][1]) for at, asked in enumerate(_formats(found.doses))]


def dose_curve(rows: Sequence[Dose]) -> go.Figure:
    """One reading from one arm to another, one line per format that was asked for."""
    title = f"of the way from {rows[0].arm} to {rows[0].other}"
    figure = shares_against(title, (-4, 108), step=25, height=_HEIGHT)
    for at, asked in enumerate(_formats(rows)):
        own = [row for row in rows if row.condition == asked]
        add_line(
            figure,
            at,
            [100 * row.share + 1.2 * at for row in own],  # side by side, so that no interval hides behind another
            [(row.estimate, row.low, row.high) for row in own],
            [f"{asked}, {share(row.share)}: {share(row.estimate)} {share_interval(row.low, row.high)}" for row in own],
        )
    return figure


def doses_summary(rows: Sequence[Dose]) -> str:
    """The figure in words, for those who cannot see it."""
    return "; ".join(
        f"{asked}: "
        + ", ".join(f"{share(row.estimate)} at {share(row.share)}" for row in rows if row.condition == asked)
        for asked in _formats(rows)
    )


def doses_table(results: Results, found: Strategies) -> Table:
    """One row per model, grouped by metric."""
    return Table(
        ("Metric", "From", "To", "Of the way", "Level", "95 % interval", "Problems", "Seeds"),
        tuple(
            (
                label_of(results, dose).title,
                dose.arm,
                dose.other,
                share(dose.share),
                share(dose.estimate),
                share_interval(dose.low, dose.high),
                number(dose.n_items),
                number(dose.n_seeds),
            )
            for dose in found.doses
        ),
        n_text=3,
        grouped=True,
    )


def _name(row: Effect) -> str:
    return f"{row.differs_by + ': ' if row.differs_by else ''}{row.arm} − {row.versus}"


def _formats(doses: Sequence[Dose]) -> list[str]:
    return list(dict.fromkeys(dose.condition for dose in doses))


def _size(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _interval(low: float, high: float) -> str:
    return f"[{_size(low)}, {_size(high)}]"
