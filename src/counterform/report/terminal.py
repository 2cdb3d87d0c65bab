"""What commands print in a terminal: the results of a study, audits, policies, trust, attempts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from counterform.guard.check import PolicyCheck
from counterform.guard.judging import Judged
from counterform.report import overview
from counterform.report.data import ReportData, recorded, study_of
from counterform.report.labels import VERDICT_SIGNS
from counterform.report.tables import failures
from counterform.report.unread import warnings
from counterform.results import AuditRow
from counterform.text.numbers import number, share
from counterform.text.plain import plain, plain_line
from counterform.trust import Trust
from counterform.types import Graded, Mark, Problem


class Terminal(Console):
    """A console that shows text and nothing else: no markup, and no control character that any text may hold."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Whatever is printed, cell by cell: styles are kept apart from the text, so none of them is lost."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))


_STYLES = {"better": "green", "worse": "red", "more": "bold", "less": "bold", "undecided": "dim"}


LINES = 20
"""Of a study's results, at the most."""
_WIDE, _NAME = 110, 36
"""Columns from which on a row has room for more words; and columns of a name that are always kept."""


def print_results(data: ReportData, page: Path, console: Console) -> None:
    """Print the answer, the figures behind it and where the page is, in at most LINES lines of 80 columns or more."""
    results = data.results
    first = overview.overview(results, recorded(data).retained)
    head: list[RenderableType] = [Text(f"! {line}", style="bold red") for line in _warnings(data)]
    head += [Text(part.text, style="" if at else "bold") for at, part in enumerate(first.answer)]
    foot = Text("\n".join(["", *_noted(data), f"report    {page}"]))
    taken = sum(len(console.render_lines(part, pad=False)) for part in (*head, foot))
    for part in head:
        console.print(part)
    rows = _rows(first)
    room = LINES - taken - 2  # a blank line and the headings
    if rows and room > 0:
        console.print()
        shown = rows if len(rows) <= room else [*rows[: room - 1], _more(len(rows) - room + 1)]
        console.print(_table(shown, wide=console.width >= _WIDE))
    console.print(foot)


def _warnings(data: ReportData) -> list[str]:
    """The first, and how many more there are."""
    found = warnings(data.results, data.answered, study_of(data).probe.max_tokens)
    return [found[0] + (f" And {len(found) - 1} more arms." if len(found) > 1 else "")] if found else []


def _noted(data: ReportData) -> list[str]:
    n = len(data.results.notes) + len(failures(data.checkpoints))
    return [f"notes     {number(n)} to read before it is believed, under Graders and gaps"] if n else []


def _rows(first: overview.Overview) -> list[tuple[Text, ...]]:
    """Contrasts, treatments and controls: a name, right answers, and the verdict."""
    found: list[tuple[Text, ...]] = []
    for block in first.blocks:
        for row in block.rows:
            gain = row.cells[0]
            style = _STYLES.get(gain.verdict, "dim" if block.kind == "controls" else "")
            sign = f"{VERDICT_SIGNS[gain.verdict]} {gain.verdict}" if gain.verdict else ""
            of = Text(f"{row.name} (control)" if block.kind == "controls" else row.name)
            found.append((of, Text(gain.text), Text(sign, style=style), Text(gain.decides or gain.of, style="dim")))
    return found


def _more(n: int) -> tuple[Text, ...]:
    return (Text(f"and {n} more"), Text(), Text(), Text())


def _table(rows: Sequence[tuple[Text, ...]], *, wide: bool) -> Table:
    """One line per row; what a figure is of, or what would decide it, only where there is room."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    least = min(_NAME, max(name.cell_len for name, *_ in rows))
    for heading, width in (("", least), ("right answers, points", 22), ("verdict", 11)):
        table.add_column(heading, no_wrap=True, min_width=width, overflow="ellipsis")
    if wide:
        table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        table.add_row(*row if wide else row[:-1])
    return table


def print_audit(rows: Sequence[AuditRow], console: Console) -> None:
    """Print how each verifier did on known answers."""
    table = Table("verifier", "check", "passed", "of", "unknown", "required")
    for row in rows:
        required = f"{row.required:.0%}" if row.required else "shown only"
        table.add_row(row.verifier, row.check, f"{row.passed:,}", f"{row.total:,}", f"{row.unknown:,}", required)
    console.print(table)


def print_policy(found: PolicyCheck, console: Console) -> None:
    """Print what was found out about a policy, one row per rule."""
    table = Table("rule", "seen broken", "seen kept", "logic")
    for rule in found.rules:
        seen = [_SEEN[rule.seen_broken], _SEEN[rule.seen_kept]]
        table.add_row(rule.rule, *seen, Text(plain(rule.logic)))
    console.print(table)
    console.print(f"{found.tests} tests, {len(found.failures)} failed")
    for line in (*found.failures, *found.contradictions, *found.notes):
        console.print(Text(f"· {plain(line)}"))


def print_judged(found: Judged, console: Console, quotes: int = 3) -> None:
    """Print what a policy says of recorded conversations: a row per rule, and some of its violations, quoted."""
    table = Table("rule", "broken", "could not tell", "conversations")
    for rule in found.rules:
        table.add_row(
            plain(rule.rule), f"{rule.broken}", f"{rule.unknown}", f"{rule.conversations} of {found.conversations}"
        )
    console.print(table)
    console.print(
        f"{found.calls} calls in {found.conversations} conversations; {found.unread} calls could not be read, "
        f"{found.left_out} rows are no conversation"
    )
    for rule in found.rules:
        mine = [one for one in found.violations if one.rule == rule.rule and one.mark is Mark.WRONG]
        for one in mine[:quotes]:
            said = f"; the user: {one.user_said!r}" if one.user_said else ""
            line = f"{one.rule}: {one.conversation}, message {one.message}: {one.call}. {one.hint}{said}"
            console.print(Text(f"· {plain_line(line)}"))
        if len(mine) > quotes:
            console.print(Text(f"· {plain_line(rule.rule)}: {len(mine) - quotes} more (--json shows all)"))
    if found.kept is not None and found.broke is not None:
        console.print(
            f"full reward: {found.kept.right} of {found.kept.of} conversations that keep the rules, "
            f"{found.broke.right} of {found.broke.of} that break one"
        )
        for k, share in found.pass_hat.items():
            console.print(f"pass^{k}: {100 * share:.1f} %; rules kept too: {100 * found.pass_hat_kept[k]:.1f} %")


def print_trust(found: Trust, console: Console) -> None:
    """Print how far a model trusts each candidate answer to one question, one row per candidate."""
    console.print(Text(plain(found.question), style="bold"))
    alone, joint = ("P(True)", "joint") if found.from_logprobs else ("verbalised", "joint, verbalised")
    table = Table("answer", "given", "self-consistency", alone, joint)
    for one in found.candidates:
        shares = (one.consistency, one.alone, one.joint)
        figures = ["–" if value is None else share(value) for value in shares]
        table.add_row(Text(plain(one.says)), f"{one.times}", *figures)
    console.print(table)
    for note in found.notes:
        console.print(Text(f"· {plain(note)}"))


_SEEN = {True: "yes", False: "no"}


def print_attempts(problem: Problem, graded: Sequence[Graded], console: Console) -> None:
    """Print a problem and attempts at it, one line per step with its mark, rule and hint."""
    console.print(Text(plain(problem.prompt), style="bold"))
    console.print(Text(f"answer: {plain(problem.answer)}"))
    for shown in graded:
        verdict = shown.verdict
        console.print()
        console.print(
            Text(
                f"{plain(shown.attempt.id)}   {verdict.outcome.value} (lenient: {verdict.lenient.value})", style="bold"
            )
        )
        for step, text in zip(verdict.steps, shown.step_texts, strict=True):
            hint = f"  [{step.rule}: {step.hint}]" if step.hint else f"  [{step.rule}]"
            console.print(Text(f"  {step.mark.value:<8}{plain(text)}{plain(hint)}"))
