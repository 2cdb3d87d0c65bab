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
        if data.card:
            words = tables.card_sentence(data.card)
            caption = "Match card: counted before training"
            table = tables.card_table(data.card)
            blocks += [Prose(words), Grid(table=table, heading="Match card", intro=words, caption=caption)]
        else:
            blocks.append(Prose("No arms were compiled."))
        if data.checkpoints:
            ledger = tables.ledger_table(data.checkpoints)
            blocks.append(Grid(table=ledger, heading="Ledger", caption="Ledger: counted while training"))
        else:
            blocks.append(Prose("No arm was trained."))
        return blocks
