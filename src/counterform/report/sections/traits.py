"""What an arm lost or kept of its traits, beside what it gained in right answers: one table, and one figure per trait."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import plotly.graph_objects as go

from counterform.findings.retention import HOME
from counterform.report.data import ReportData
from counterform.report.figures import Line, arm_style, bars, layout, share_row, upright
from counterform.report.labels import MetricLabel
from counterform.report.section import Block, Grid, Plot, Prose, Section, figures
from counterform.report.tables import Table
from counterform.results import Finding, Retention, Traits
from counterform.text.numbers import number, points, points_interval, probability, share, share_interval

_TRADE = 300
_MARKERS = "Markers per 1,000 tokens, as a share of the base model's."
LABELS = {
    "all markers": MetricLabel("All markers", f"Doubt, checks, taking back and other ways, together. {_MARKERS}"),
    "hedge": MetricLabel("Doubt", f"Perhaps, I think, not sure. {_MARKERS}"),
    "self-check": MetricLabel("Self-checks", f"Let me check, to verify. {_MARKERS}"),
    "backtrack": MetricLabel("Turning back", f"Wait, that's wrong, dead end. {_MARKERS}"),
    "alternative": MetricLabel("Other ways", f"Alternatively, another approach. {_MARKERS}"),
    "mended": MetricLabel(
        "Mended errors",
        "Answers in which a wrong step is taken back and put right, as a share of the base model's.",
    ),
    "entropy": MetricLabel(
        "Token entropy", "Nats per token over the model's own answers, as a share of the base model's."
    ),
    "length": MetricLabel("Length", "Tokens per answer, as a share of the base model's."),
}
TRADE = MetricLabel(
    "The trade",
    "Across: markers that an arm kept, as a share of the base model's, at like lengths where there are enough of them in "
    "common. Up: right answers it gained in distribution (filled) and out of distribution (open), in percentage points; 95 % intervals.",
)
_UNITS = {"mended": "of answers", "entropy": "nats per token", "length": "tokens"}


class TraitsKept(Section):
    """The traits that each arm kept, and the trade against right answers."""

    title = "What was kept and lost besides right answers"
    link = "Traits"
    anchor = "traits"

    def blocks(self, data: ReportData) -> list[Block]:
        found = data.results.own_of("traits", Traits)
        if found is None or not found.retained:
            return []
        both = trade(found)
        plots = [Plot(id="trade", label=TRADE, summary=both[1], figure=both[0])] if both else []
        plots += [
            Plot(id=f"trait-{trait}", label=label(trait), summary=summary(rows), figure=retained(rows))
            for trait, rows in by_trait(found).items()
        ]
        return [
            Prose(_MEANING),
            *figures(plots),
            Grid(
                table=table(found),
                heading="Traits kept and lost",
                caption="Traits of each arm and of the base model; right answers in percentage points over the base model",
            ),
        ]


_MEANING = (
    "A trait of each trained model as a share of the base model's: 100 % is as before, 0 is gone. A trait is neither good nor bad; the "
    "table has what the same arm gained in right answers in distribution, and pooled over the shifts out of distribution. Shorter answers may hold other "
    "markers than long ones, so beside it stands the same at like lengths: both models' answers in strata of length, 20 % wide, weighed by what "
    "both have there. A marker makes an answer longer, so where answers are short the comparison at like lengths can hide a loss; verdicts are "
    "on the rate as it comes. 95 % intervals by Fieller's theorem."
)


def label(trait: str) -> MetricLabel:
    """A trait in a reader's words; a kind of the study's own lexicon is shown under its own name."""
    return LABELS.get(trait, MetricLabel(trait.capitalize(), _MARKERS))


def by_trait(traits: Traits) -> dict[str, list[Retention]]:
    """The rows of each trait, in their order; a trait that is undefined for every arm is left to the table."""
    groups: dict[str, list[Retention]] = {}
    for row in traits.retained:
        groups.setdefault(row.trait, []).append(row)
    return {trait: rows for trait, rows in groups.items() if any(row.kept is not None for row in rows)}


def retained(rows: Sequence[Retention]) -> go.Figure:
    """One trait of every arm from none (0) to as much as the base model (100 %), with 95 % intervals."""
    drawn = [line for row in rows for line in _lines(row)]
    reach = max([115.0, *(1.05 * row.high for row in drawn if row.high == row.high)])
    figure = bars(drawn, (-5.0, min(reach, 400.0)), [upright(100)])
    figure.update_xaxes(ticksuffix=" %")
    return figure


def trade(traits: Traits) -> tuple[go.Figure, str] | None:
    """All markers that each arm kept against the right answers that it gained, and the same in words; None without either.

    An arm stands at one height in distribution and at one out of it; both hang on one retention.
    """
    gains = {(f.arm, f.metric == HOME.name): f for f in traits.accuracy}
    rows = [row for row in traits.retained if row.trait == "all markers" and row.kept is not None]
    arms = [row.arm for row in rows]
    figure = go.Figure(layout=layout(_TRADE, None))
    figure.update_layout(margin={"l": 46, "r": 18, "t": 8, "b": 34}, hovermode="closest")
    figure.update_xaxes(ticksuffix=" %", rangemode="tozero")
    figure.update_yaxes(fixedrange=True, gridcolor="var(--rule)", zeroline=True, zerolinecolor="var(--muted)")
    words = []
    for row in rows:
        colour, symbol, _ = arm_style(arms, row.arm)
        matched = row.matched is not None
        kept = (row.matched, row.matched_low, row.matched_high) if matched else (row.kept, row.low, row.high)
        for home in (True, False):
            gain = gains.get((row.arm, home))
            if gain is None:
                continue
            ends = (gain.estimate, gain.low, gain.high)
            where = "in distribution" if home else "OOD"
            said = f"{row.arm} kept {_kept(*kept)[0]} {_kept(*kept)[1]}, {where} {_gain(traits.accuracy, row.arm, home=home)}"
            words.append(said)
            figure.add_scatter(
                name=row.arm,
                x=[100 * _number(kept[0])],
                y=[100 * gain.estimate],
                mode="markers+text" if home else "markers",
                text=[row.arm] if home else None,
                textposition="top right",
                marker={"color": colour, "symbol": symbol if home else f"{symbol}-open", "size": 10},
                error_x=_bar(*kept, colour=colour),
                error_y=_bar(*ends, colour=colour),
                hovertext=[said],
                hoverinfo="text",
                cliponaxis=False,
            )
    return (figure, "; ".join(words)) if words else None


def _bar(value: float | None, low: float | None, high: float | None, *, colour: str) -> dict[str, object]:
    """An error bar in per cent; none of an end that is not known."""
    middle, below, above = (_number(end) for end in (value, low, high))
    known = math.isfinite(below) and math.isfinite(above)
    ends = {"array": [100 * (above - middle) if known else 0], "arrayminus": [100 * (middle - below) if known else 0]}
    return {"type": "data", **ends, "color": colour, "thickness": 1, "width": 0}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def table(traits: Traits) -> Table:
    """One row per arm, grouped by trait, and beside it what the arm gained in distribution and out of distribution."""
    headings = (
        "Trait",
        "Arm",
        "Base",
        "Arm's",
        "Unit",
        "Kept",
        "95 % interval",
        "Kept, like lengths",
        "95 % interval",
    )
    more = (
        "p (Holm)",
        "Lengths in common",
        "Verdict",
        "Right answers in distribution",
        "Right answers OOD",
        "Answers",
        "Problems",
        "Seeds",
    )
    return Table(
        (*headings, *more),
        tuple(
            (
                label(row.trait).title,
                row.arm,
                f"{row.base:.3g}",
                f"{row.rate:.3g}",
                _UNITS.get(row.trait, "per 1,000"),
                *_kept(row.kept, row.low, row.high),
                *_kept(row.matched, row.matched_low, row.matched_high),
                probability(row.p_holm),
                share(row.in_common) if row.in_common else "–",
                row.verdict,
                *(_gain(traits.accuracy, row.arm, home=home) for home in (True, False)),
                number(row.n_answers),
                number(row.n_problems),
                number(row.n_seeds),
            )
            for row in traits.retained
        ),
        n_text=2,
        grouped=True,
    )


def summary(rows: Iterable[Retention]) -> str:
    """The figure in words, for those who cannot see it."""
    return " ".join(row.sentence for row in rows)


def _kept(value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    if value is None or low is None or high is None:
        return "undefined", ""
    return share(value), share_interval(low, high)


def _lines(row: Retention) -> Iterator[Line]:
    """An arm as it comes, and below it the same at like lengths."""
    yield _line(row.arm, row.kept, row.low, row.high)
    if row.matched is not None:
        yield _line(f"{row.arm}, like lengths", row.matched, row.matched_low, row.matched_high)


def _line(name: str, *ends: float | None) -> Line:
    value, low, high = (float("nan") if end is None else end for end in ends)
    return share_row(name, value, low, high, symbol="line-ns")


def _gain(accuracy: Sequence[Finding], arm: str, *, home: bool) -> str:
    found = [f for f in accuracy if f.arm == arm and (f.metric == HOME.name) is home]
    return f"{points(found[0].estimate)} {points_interval(found[0].low, found[0].high)}" if found else "–"
