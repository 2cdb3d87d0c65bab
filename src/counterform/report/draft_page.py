"""A drafted policy as one self-contained page: the text on the left, rules and examples on the right, what is uncovered in words.

There is no script on it. What a model wrote is escaped like all text, and the page's policy forbids scripts and the network.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from counterform.guard.drafting.cases import Example, shown
from counterform.guard.drafting.drafting import Coverage, Drafted, DraftedRule
from counterform.report.drafted import in_words
from counterform.report.html import asset, html
from counterform.store.appearing import appearing
from counterform.text.plain import plain_line

MOST_EXAMPLES = 8
"""Of each label that a rule shows."""
_CODE, _CASE, _WHY = 6_000, 1_200, 600
_ORIGINS = {
    "draft": "came with the code",
    "sentence": "written from the sentence alone",
    "asked": "found by search, labelled from the sentence alone",
}


class Block(Struct, frozen=True, kw_only=True):
    """One bullet or paragraph with the rules of its sentences."""

    headings: tuple[str, ...]
    """Those that differ from the block before."""
    sentences: tuple[tuple[int, str, Coverage], ...]
    rules: tuple[DraftedRule, ...]


def write_draft_page(found: Drafted, path: Path) -> Path:
    """Write the page."""
    with appearing(path) as temporary:
        temporary.write_text(render(found), encoding="utf-8")
    return path


def render(found: Drafted) -> str:
    """The page's HTML."""
    return html(
        "draft.html.j2",
        name=plain_line(found.policy),
        style=asset("draft.css"),
        found=found,
        blocks=blocks(found),
        counts=in_words(found),
        origins=_ORIGINS,
        examples=_examples,
        case=lambda example: shown(example.case)[:_CASE],
        code=lambda rule: rule.proof.code[:_CODE],
        why=lambda text: text[:_WHY],
    )


def blocks(found: Drafted) -> list[Block]:
    """The policy in its order; a rule stands beside the first sentence that it quotes."""
    coverage = {row.sentence: row for row in found.coverage}
    rows: list[Block] = []
    before: tuple[str, ...] = ()
    items: dict[int, list[int]] = {}
    by_number = {sentence.number: sentence for sentence in found.sentences}
    for sentence in found.sentences:
        items.setdefault(sentence.item, []).append(sentence.number)
    for numbers in items.values():
        headings = by_number[numbers[0]].headings
        same = next(
            (at for at, (a, b) in enumerate(zip(headings, before, strict=False)) if a != b),
            min(len(headings), len(before)),
        )
        rules = [rule for rule in found.rules if (min(rule.quotes) if rule.quotes else 1) in numbers]
        rows.append(
            Block(
                headings=headings[same:],
                sentences=tuple((n, by_number[n].text, coverage[n]) for n in numbers),
                rules=tuple(sorted(rules, key=lambda rule: not rule.accepted)),
            )
        )
        before = headings
    return rows


def _examples(rule: DraftedRule) -> list[Example]:
    """Some of each label, those that do not come from the draft first."""
    order = ("asked", "sentence", "draft")
    rows = sorted(rule.proof.examples, key=lambda example: order.index(example.origin))
    return [
        one for label in ("breaks", "keeps", "unsure") for one in [e for e in rows if e.label == label][:MOST_EXAMPLES]
    ]
