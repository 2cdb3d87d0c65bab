"""How the graders were graded, what could not be read, and what a reader must know."""

from __future__ import annotations

from counterform.report import tables
from counterform.report.data import ReportData
from counterform.report.section import Block, Grid, Notes, Prose, Section


class Graders(Section):
    """The notes, the audit and the counts."""

    title = "Graders and gaps"
    link = "Graders and gaps"
    anchor = "trust"

    def blocks(self, data: ReportData) -> list[Block]:
        notes = (*data.results.notes, *tables.failures(data.checkpoints))
        blocks: list[Block] = [Notes(notes)] if notes else []
        if data.audit:
            blocks.append(Prose("Before the study began, every grader was itself graded on work whose grade is known."))
            audit = tables.audit_table(data.audit)
            blocks.append(Grid(table=audit, heading="Audit of the graders", caption="Audit of the graders"))
        else:
            blocks.append(Prose("The graders of this run were not audited."))
        counts = tables.pairs_table("Counted", data.counts)
        blocks.append(Grid(table=counts, heading="Counts", caption="What could not be read or graded"))
        return blocks
