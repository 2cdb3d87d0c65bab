"""How much of a gain is only form: what a control without the content gains too."""

from __future__ import annotations

from counterform.metrics import by_key
from counterform.report import figures, tables
from counterform.report.data import ReportData
from counterform.report.labels import label_of
from counterform.report.section import Block, Grid, Plot, Prose, Section, folded
from counterform.report.section import figures as drawn

MEANING = (
    "A control keeps the form of an arm and takes something else away; what it gains all the same, the arm's gain owes to form. 100 %: the "
    "control gains as much as the arm. No share: the control gains nothing, or loses. Undefined where the arm's own gain is not clear of "
    "zero, or so near to it that a share of it would mean nothing. 95 % intervals by Fieller's theorem."
)


class Form(Section):
    """The form shares."""

    title = "How much of a gain is only form"
    link = "Form"
    anchor = "form"

    def blocks(self, data: ReportData) -> list[Block]:
        results, shares = data.results, data.results.form_shares
        if not shares:
            return []
        plots = [
            Plot(
                id=f"form-{at}-{group[0].probe}",
                label=label_of(results, group[0]),
                summary=" ".join(found.sentence for found in group),
                figure=figures.form_shares(group),
            )
            for at, group in enumerate(by_key(shares).values())
            if any(found.share is not None for found in group)
        ]
        known = [found for found in shares if found.share is not None]
        unknown = [found for found in shares if found.share is None]
        return [
            Prose(MEANING),
            *drawn(plots),
            Grid(
                table=tables.form_table(results, known),
                heading="Form: gain of a control as a share of an arm's gain",
                caption="Gain of the control as a share of the arm's gain",
            ),
            *folded(
                f"{len(unknown)} of {len(shares)} have no share, and why",
                Grid(
                    table=tables.form_table(results, unknown),
                    heading="Form: where there is no share, and why",
                    caption="No share of a gain",
                ),
            ),
        ]
