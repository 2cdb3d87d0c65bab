"""The claims of the nine published systems, as the report of one study shows them."""

from __future__ import annotations

from collections.abc import Iterable

from counterform.claims.published import NOT_ASKED, Asked, verdicts
from counterform.report.data import ReportData, recorded
from counterform.report.section import Block, Grid, Prose, Section, folded
from counterform.report.tables import Table


class Claims(Section):
    """The published claims that a study decides."""

    title = "Published claims, asked of this study"
    link = "Published claims"
    anchor = "claims"

    def blocks(self, data: ReportData) -> list[Block]:
        kept = recorded(data)
        said = verdicts([kept])
        shown, others = asked(said), left_out(said)
        if not shown.rows:
            return []
        return [
            Prose(
                f"Said of this study's models and problems ({kept.setting}), which are mostly far smaller than the paper's. The rule that "
                "decides stands in each row; its bounds are ours."
            ),
            Grid(
                table=shown,
                heading="Published claims",
                intro=not_asked(said),
                caption="The source's number and ours, side by side",
                of_words=True,
            ),
            *folded(
                f"{len(others.rows)} claims that this study does not ask",
                Grid(table=others, caption="What would decide them", page_only=True, of_words=True),
            ),
        ]


def asked(rows: Iterable[Asked]) -> Table:
    """The claims that a study decides or leaves undecided, grouped by system: published and found here, side by side."""
    return Table(
        ("System", "Claim", "Published", "Here", "Verdict", "Rule"),
        tuple(
            (
                system_of(row),
                row.claim.says,
                row.claim.published,
                f"{row.what}: {row.figures}",
                row.verdict,
                row.claim.rule.words(),
            )
            for row in rows
            if row.verdict != NOT_ASKED
        ),
        n_text=6,
        grouped=True,
    )


def left_out(rows: Iterable[Asked]) -> Table:
    """The claims that nothing in a study decides, and what would."""
    return Table(
        ("System", "Claim", "Published", "What would decide it"),
        tuple(
            (system_of(row), row.claim.says, row.claim.published, row.claim.rule.words())
            for row in rows
            if row.verdict == NOT_ASKED
        ),
        n_text=4,
        grouped=True,
    )


def not_asked(rows: Iterable[Asked]) -> str:
    """Which systems a study says nothing to, in a sentence."""
    rows = list(rows)
    spoken = {row.claim.system for row in rows if row.verdict != NOT_ASKED}
    names = dict.fromkeys(row.claim.system for row in rows if row.claim.system not in spoken)
    return f"Not asked by this study: {', '.join(names)}." if names else ""


def system_of(row: Asked) -> str:
    """A system and where it was published."""
    return f"{row.claim.system} ({row.claim.source})"
