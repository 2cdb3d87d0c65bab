"""A drafted policy in a terminal, and in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from counterform.guard.drafting.drafting import Drafted
from counterform.text.plain import plain_line


def print_drafted(found: Drafted, console: Console) -> None:
    """Print what became of a policy: a row per draft, then the sentences that no rule covers, with the reason."""
    table = Table("sentence", "rule", "", "why")
    for rule in found.rules:
        why = rule.proof.refused or f"{rule.proof.mutants} faults told apart; z3: {rule.logic}"
        state = "proven" if rule.accepted else "refused"
        table.add_row(
            ", ".join(map(str, rule.quotes)), Text(plain_line(rule.proof.name)), state, Text(plain_line(why[:300]))
        )
    console.print(table)
    for line in in_words(found):
        console.print(Text(f"· {plain_line(line)}"))
    for rule in found.rules:
        if rule.traces is not None:
            counts = f"{rule.traces.calls:,} recorded calls, {rule.traces.broken} break it and of {rule.traces.unknown} it cannot tell"
            console.print(Text(f"· {plain_line(rule.proof.name)}: of {counts}"))


def in_words(found: Drafted) -> list[str]:
    """What is covered, in sentences, the same for the page and the terminal."""
    covered = sum(bool(row.rules) for row in found.coverage)
    accepted = sum(rule.accepted for rule in found.rules)
    lines = [
        f"{covered} of {_many(len(found.coverage), 'sentence')} {'has' if covered == 1 else 'have'} a rule that was proven; "
        f"{accepted} of {_many(len(found.rules), 'draft')} {'was' if accepted == 1 else 'were'} proven."
    ]
    reasons: dict[str, list[int]] = {}
    for row in found.coverage:
        if row.reason:
            reasons.setdefault(row.reason, []).append(row.sentence)
    lines += [
        f"{reason[0].upper()}{reason[1:]}: {_many(len(numbers), 'sentence')} ({_ranges(numbers)})."
        for reason, numbers in reasons.items()
    ]
    return lines + list(found.notes)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _ranges(numbers: Sequence[int]) -> str:
    """`2, 4 to 6`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}{', ' if len(p) == 2 else ' to '}{p[-1]}" for p in parts)
