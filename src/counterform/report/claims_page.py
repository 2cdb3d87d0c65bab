"""docs/claims.md: what published claims became in all recorded studies, as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from counterform.claims.published import NOT_ASKED, Asked, verdicts
from counterform.claims.recorded import Recorded
from counterform.report.markdown import plain, row_of
from counterform.report.sections.claims import system_of


def claims_page(studies: Sequence[Recorded]) -> str:
    """Every claim in every study that asks it, and those that none asks: in one table, then with their figures."""
    return "\n".join(_lines(verdicts(studies))) + "\n"


def _lines(rows: Sequence[Asked]) -> Iterator[str]:
    yield from (
        "# Published claims, and what became of them here",
        "",
        "`counterform claims docs/studies > docs/claims.md` makes this page of the recorded studies; no figure in it is typed by hand. "
        "*Supported*, *refuted* and *undecided* are said of the models and problems of a study, which are mostly far smaller than the paper's. "
        "The rule that decides stands below with the figures, and its bounds are ours.",
        "",
        row_of(("Claim", "Supported in", "Refuted in", "Undecided in")),
        row_of(["---"] * 4, raw=True),
    )
    for system, of_system in groupby(rows, key=system_of):
        yield row_of([f"**{plain(system)}**", "", "", ""], raw=True)
        for says, found in groupby(of_system, key=lambda row: row.claim.says):
            of_claim = list(found)
            cells = [_studies(of_claim, verdict) for verdict in ("supported", "refuted", "undecided")]
            yield row_of([plain(says), *(cells if any(cells) else [NOT_ASKED, "", ""])], raw=True)
    for system, of_system in groupby(rows, key=system_of):
        yield from ("", f"## {plain(system)}")
        for _, found in groupby(of_system, key=lambda row: row.claim.says):
            yield from _claim(list(found))


def _claim(rows: Sequence[Asked]) -> Iterator[str]:
    claim = rows[0].claim
    yield from (
        "",
        f"**{plain(claim.says)}** Published: {plain(claim.published)}. Rule: {plain(claim.rule.words())}.",
        "",
    )
    if rows[0].verdict == NOT_ASKED:
        yield "No recorded study asks this."
        return
    yield from (row_of(("Verdict", "Here, with 95 % intervals", "Study")), row_of(["---"] * 3, raw=True))
    for row in rows:
        yield row_of(
            [row.verdict, plain(f"{row.what}: {row.figures}"), f"{_link(row.study)}: {plain(row.setting)}"], raw=True
        )


def _studies(rows: Sequence[Asked], verdict: str) -> str:
    return ", ".join(dict.fromkeys(_link(row.study) for row in rows if row.verdict == verdict))


def _link(study: str) -> str:
    return f"[{study}](studies/{study}.md)"
