"""A graded file in a terminal: counts, why outcomes are UNKNOWN, and where a recorded grade says the opposite."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from counterform.types import Mark
from counterform.verify.grades import Summary

SHOWN = 10
"""Reasons, forms and disagreements that are shown."""


def print_grades(found: Summary, console: Console) -> None:
    """Print the counts of a graded file, readable from 80 columns on."""
    table = Table("", *(mark.value for mark in Mark), title=f"{found.rows:,} rows", title_justify="left")
    for name, counts in (("strict", found.strict), ("lenient", found.lenient), ("steps", found.steps)):
        table.add_row(name, *(f"{counts[mark]:,}" for mark in Mark))
    console.print(table)
    _print_most(found.reasons, "Why an outcome is unknown", console)
    _print_most(found.unread, "Forms of answers that are unknown (each digit a 0)", console)
    if found.against:
        print_against(found, console)


def print_against(found: Summary, console: Console) -> None:
    """Print how the outcome agrees with what was recorded, and the rows that disagree."""
    table = Table(
        "recorded",
        *(f"strict {mark.value}" for mark in Mark),
        title="Against the recorded grades",
        title_justify="left",
    )
    for recorded in (Mark.RIGHT, Mark.WRONG):
        table.add_row(recorded.value, *(f"{found.against[recorded, mark]:,}" for mark in Mark))
    console.print(table)
    for one in found.disagreements[:SHOWN]:
        words = f"line {one.line}: recorded {one.recorded.value}, here {one.strict.value}; key {one.answer!r}, stated {one.stated!r}"
        console.print(Text(f"· {words}"))
    count = sum(found.against[a, b] for a, b in ((Mark.RIGHT, Mark.WRONG), (Mark.WRONG, Mark.RIGHT)))
    if count > SHOWN:
        console.print(f"  and {count - SHOWN:,} more rows that disagree")


def _print_most(counts: Counter[str], title: str, console: Console) -> None:
    if not counts:
        return
    table = Table("rows", "", title=title, title_justify="left", show_header=False)
    for name, count in counts.most_common(SHOWN):
        table.add_row(f"{count:,}", Text(repr(name)[1:-1]))
    if len(counts) > SHOWN:
        table.add_row(f"{sum(counts.values()) - sum(n for _, n in counts.most_common(SHOWN)):,}", "others")
    console.print(table)
