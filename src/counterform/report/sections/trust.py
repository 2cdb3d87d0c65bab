"""How far each model trusts its own answers: the reliability plot, and the tables beside it."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.report import tables
from counterform.report.data import ReportData
from counterform.report.figures import SIGNS, add_line, shares_against
from counterform.report.labels import MetricLabel
from counterform.report.section import (
    FOREST,
    INTERVALS,
    Block,
    Figures,
    Grid,
    Heading,
    Key,
    Plot,
    Prose,
    Section,
    Sign,
    figures,
    folded,
)
from counterform.report.sections.gains import forests
from counterform.report.tables import Table
from counterform.results import ReliabilityBin, SelfTrust
from counterform.study import BASE_ARM
from counterform.text.numbers import number, share, share_interval

_HEIGHT = 260
_HEADLINES = ("AUROC", "AUROC within a problem", "self-trust gap")
"""The metrics whose comparisons with the base have a figure."""


class Confidence(Section):
    """Reliability, and what the confidences amount to."""

    title = "How far each model trusts its own answers"
    link = "Confidence"
    anchor = "confidence"
    holds_findings = True

    def blocks(self, data: ReportData) -> list[Block]:
        results, found = data.results, data.results.own_of("trust", SelfTrust)
        if found is None or not found.reliability:
            return []
        findings = [finding for finding in results.findings if finding.probe == "trust"]
        levels = [level for level in results.levels if level.probe == "trust"]
        shown = [f for f in findings if f.versus == BASE_ARM and f.metric in _HEADLINES]
        forest = [FOREST, *figures(forests(results, shown, "trust"))] if shown else []
        plots = [
            Plot(id=f"reliability-{arm}", label=MetricLabel(arm, ""), summary=summary(bins), figure=reliability(bins))
            for arm, bins in by_arm(found).items()
        ]
        return [
            Prose(_METHODS),
            *forest,
            Heading("Confidence against right answers"),
            Prose(
                "Answers in ten bins of confidence: on the diagonal as many are right as the model trusts; below it, it trusts too much."
            ),
            Key((*(Sign(words=f"{sign} {method}") for method, sign in signs(found)), INTERVALS)),
            Figures(tuple(plots)),
            *folded(
                "Every figure of confidence",
                Grid(
                    table=tables.levels_table(results, levels),
                    heading="Confidence in one's own answers",
                    caption="Confidence of each model, in per cent",
                ),
                Grid(
                    table=tables.findings_table(results, findings, "Arm"),
                    heading="Confidence: against the base model (percentage points)",
                    caption="Against the base model and arm against arm, in percentage points",
                ),
            ),
            *folded(
                "The reliability plots in figures",
                Grid(
                    table=reliability_table(found), heading="Reliability", caption="Bins of confidence, over all seeds"
                ),
            ),
        ]


_METHODS = (
    'Self-consistency: how often the model gives the answer. P(True): it reads one answer and checks it, the probability of "right". Joint: '
    'all its answers with a justification of each stand side by side, in several orders, and "a different answer" beside them. Verbalised: the '
    "same in words, where a model shows no probabilities. All methods are read at the same answers. The self-trust gap is confidence in the "
    "model's own wrong answer, less that in the same answer when it is said to be another's; above 0 it trusts itself more."
)


def by_arm(trust: SelfTrust) -> dict[str, list[ReliabilityBin]]:
    """The bins of each model, in their order."""
    groups: dict[str, list[ReliabilityBin]] = {}
    for one in trust.reliability:
        groups.setdefault(one.arm, []).append(one)
    return groups


def signs(trust: SelfTrust) -> list[tuple[str, str]]:
    """Each method with the sign of its marker, for the key."""
    methods = _methods(trust.reliability)
    return [(method, SIGNS[at][1]) for at, method in enumerate(methods)]


def reliability(bins: Sequence[ReliabilityBin]) -> go.Figure:
    """Of one model, the share of right answers against confidence, one line per method; the diagonal is perfect calibration."""
    figure = shares_against("confidence", (-3, 103), step=20, height=_HEIGHT)
    diagonal = {"color": "var(--muted)", "width": 1.5, "dash": "dot"}
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line=diagonal, hoverinfo="skip")
    for at, method in enumerate(_methods(bins)):
        own = [one for one in bins if one.method == method]
        add_line(
            figure,
            at,
            [100 * one.confidence + 0.8 * at for one in own],  # side by side, so that no interval hides behind another
            [(one.right, one.low, one.high) for one in own],
            [
                f"{method}: {share(one.confidence)} sure, {share(one.right)} right "
                f"{share_interval(one.low, one.high)} of {one.n_answers}"
                for one in own
            ],
        )
    return figure


def summary(bins: Sequence[ReliabilityBin]) -> str:
    """The figure in words, for those who cannot see it."""
    return "; ".join(
        f"{method}: "
        + ", ".join(f"{share(one.confidence)} sure {share(one.right)} right" for one in bins if one.method == method)
        for method in _methods(bins)
    )


def reliability_table(trust: SelfTrust) -> Table:
    """One row per bin, grouped by model."""
    return Table(
        ("Model", "Method", "Confidence", "Right", "95 % interval", "Answers", "Problems"),
        tuple(
            (
                one.arm,
                one.method,
                share(one.confidence),
                share(one.right),
                share_interval(one.low, one.high),
                number(one.n_answers),
                number(one.n_problems),
            )
            for one in trust.reliability
        ),
        n_text=2,
        grouped=True,
    )


def _methods(bins: Sequence[ReliabilityBin]) -> list[str]:
    return list(dict.fromkeys(one.method for one in bins))
