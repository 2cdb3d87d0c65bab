"""The results of a study in a terminal: the answer, one table of gains, what to know before believing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from counterform.guard.check import PolicyCheck
from counterform.guard.judging import Judged
from counterform.metrics import by_key
from counterform.report import overview
from counterform.report.contents import sections
from counterform.report.data import ReportData, recorded
from counterform.report.labels import VERDICT_SIGNS, label_of
from counterform.report.section import general
from counterform.report.tables import card_sentence, comparison, failures
from counterform.results import AuditRow, Finding, Results
from counterform.study import BASE_ARM
from counterform.text.numbers import difference, difference_interval, number, share
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


def print_results(data: ReportData, console: Console) -> None:
    """Print what a study found, readable from 80 columns on."""
    results = data.results
    first = overview.overview(results, recorded(data).retained)
    console.print(Text(results.question, style="italic"))
    console.print()
    console.print(Text(first.sentence, style="bold"))
    if first.rows:
        console.print(_first_screen(first))
        console.print(Text(overview.MEANING, style="dim"))
    findings = general(results, results.findings)
    for title, shown in (
        ("Gain over the base model, in percentage points", [f for f in findings if f.versus == BASE_ARM]),
        ("Arm against arm, in percentage points", [f for f in findings if f.versus != BASE_ARM]),
    ):
        if shown:
            console.print()
            console.print(_table(results, title, shown))
    for brief in filter(None, (section.brief(data) for section in sections(results))):
        console.print(Text(f"\n{brief}"))
    notes = [*([card_sentence(data.card)] if data.card else []), *results.notes, *failures(data.checkpoints)]
    if notes:
        console.print()
    for note in notes:
        console.print(Text(f"· {note}"))


def _first_screen(first: overview.Overview) -> Table:
    table = Table(box=None, pad_edge=False, padding=(1, 2, 0, 0))
    widest = min(20, max(len(row.arm) for row in first.rows))
    for at, heading in enumerate(overview.HEADINGS):
        table.add_column(heading, overflow="fold", min_width=0 if at else widest)
    for row in first.rows:
        table.add_row(Text(row.arm, style="bold"), *map(_cell, row.cells))
    return table


def _cell(cell: overview.Cell) -> Text:
    sign = f"{VERDICT_SIGNS[cell.verdict]} " if cell.verdict else ""
    return Text.assemble(
        (f"{sign}{cell.text}", _STYLES.get(cell.verdict, "")), (f"\n{cell.of}" if cell.of else "", "dim")
    )


def _table(results: Results, title: str, findings: Sequence[Finding]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for heading in ("diff", "95 % interval", "MDE", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for group in by_key(findings).values():
        label, metric = label_of(results, group[0]), results.metric(group[0])
        table.add_row(Text(label.title + (" (↓ better)" if label.lower_is_better else ""), style="bold"))
        for finding in group:
            table.add_row(
                Text(f"  {comparison(finding)}"),
                difference(metric, finding.estimate),
                difference_interval(metric, finding.low, finding.high),
                difference(metric, finding.mde, signed=False),
                number(finding.n_items),
                Text(f"{VERDICT_SIGNS[finding.verdict]} {finding.verdict}", style=_STYLES[finding.verdict]),
            )
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
