"""What is equal between the arms, and what each cost."""

from __future__ import annotations

from counterform.report import tables
from counterform.report.data import ReportData
from counterform.report.section import Block, Grid, Prose, Section


class Matching(Section):
    """The match card and the ledger."""

    title = "What is equal between the arms, and what it cost"
    link = "Matching and cost"
    anchor = "matching"

    def blocks(self, data: ReportData) -> list[Block]:
        blocks: list[Block] = []
        existing = data.results.existing
        words = tables.card_sentence(data.card) if data.card else "No arms were compiled."
        blocks.append(Prose(words))
        if data.card or existing:
            caption = "Match card: counted before training"
            table = tables.card_table(data.card, existing)
            blocks.append(Grid(table=table, heading="Match card", intro=words, caption=caption))
        if data.checkpoints:
            ledger = tables.ledger_table(data.checkpoints, existing)
            blocks.append(Grid(table=ledger, heading="Ledger", caption="Ledger: counted while training"))
        else:
            blocks.append(Prose("No arm was trained."))
        return blocks
