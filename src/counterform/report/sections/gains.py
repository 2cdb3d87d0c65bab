"""Differences between models: what each arm gained over the base, and arm against arm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from counterform.metrics import by_key
from counterform.report import figures, tables
from counterform.report.data import ReportData
from counterform.report.labels import label_of
from counterform.report.section import FOREST, Block, Grid, Plot, Section, general
from counterform.report.section import figures as drawn
from counterform.results import Finding, Results
from counterform.study import BASE_ARM


def forests(results: Results, findings: Iterable[Finding], kind: str) -> list[Plot]:
    """A forest of intervals for every measurement. kind: keeps two figures of one measurement apart."""
    return [
        Plot(
            id=f"forest-{kind}-{at}-{group[0].probe}",
            label=label_of(results, group[0]),
            summary=" ".join(finding.sentence for finding in group),
            figure=figures.forest(results, group),
        )
        for at, group in enumerate(by_key(findings).values())
    ]


class Gains(Section):
    """What each arm gained over the base model."""

    title = "What each arm gained over the base model"
    link = "Gains"
    anchor = "gains"

    def blocks(self, data: ReportData) -> list[Block]:
        findings = [f for f in general(data.results, data.results.findings) if f.versus == BASE_ARM]
        return compared(
            data.results,
            findings,
            "Arm",
            heading="Gains over the base model (percentage points)",
            caption="Gains over the base model, in percentage points unless a unit says otherwise",
        )


class Contrasts(Section):
    """Arm against arm."""

    title = "Arm against arm"
    link = "Arm against arm"
    anchor = "contrasts"

    def blocks(self, data: ReportData) -> list[Block]:
        findings = [f for f in general(data.results, data.results.findings) if f.versus != BASE_ARM]
        return compared(
            data.results,
            findings,
            "Contrast",
            heading="Arm against arm (percentage points)",
            caption="First arm less second arm, in percentage points unless a unit says otherwise",
        )


def compared(results: Results, findings: Sequence[Finding], first: str, *, heading: str, caption: str) -> list[Block]:
    """Forests and a table of some findings; nothing where there are none. first: the heading of what is compared."""
    if not findings:
        return []
    table = tables.findings_table(results, findings, first)
    kind = "gain" if first == "Arm" else "contrast"
    return [FOREST, *drawn(forests(results, findings, kind)), Grid(table=table, heading=heading, caption=caption)]
