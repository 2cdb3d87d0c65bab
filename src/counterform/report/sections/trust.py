"""How far each model trusts its own answers: the reliability plot, and the tables beside it."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from counterform.report import tables
from counterform.report.figures import SIGNS, add_line, shares_against
from counterform.report.labels import number, share, share_interval
from counterform.report.tables import Table
from counterform.results import Finding, ReliabilityBin, Results, SelfTrust
from counterform.study import BASE_ARM

_HEIGHT = 260
_HEADLINES = ("AUROC", "AUROC within a problem", "self-trust gap")


def findings(results: Results) -> list[Finding]:
    """All comparisons of the probe."""
    return [finding for finding in results.findings if finding.probe == "trust"]


def headlines(results: Results) -> list[Finding]:
    """Those against the untrained model that have a figure: of AUROC and of the self-trust gap."""
    return [
        finding
        for finding in findings(results)
        if finding.versus == BASE_ARM and finding.metric.partition(" (")[0] in _HEADLINES
    ]


def levels_table(results: Results) -> Table:
    """Where each model stands on every metric of the probe."""
    return tables.levels_table([level for level in results.levels if level.probe == "trust"], results.baselines)


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
    """Of one model, the share of right answers against confidence, a line a method; the diagonal is perfect calibration."""
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
    """One row a bin, grouped by model."""
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
