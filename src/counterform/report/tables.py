"""Every table of a report once, as text: the HTML page and the Markdown page only lay them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from counterform.report.labels import (
    metric_label,
    number,
    points,
    points_interval,
    probability,
    share,
    share_interval,
)
from counterform.study import BASE_ARM
from counterform.types import AuditRow, Baseline, Checkpoint, Finding, Ledger, Level, MatchCard

Measured = TypeVar("Measured", Finding, Level)


class Table(Struct, frozen=True):
    """Headings and cells. The first `n_text` columns are words; the rest are numbers, except a verdict."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_text: int = 1
    grouped: bool = False
    """The first column names the group in which a row stands; rows of a group follow each other."""


def gains(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that compare an arm with the untrained model; those of a shift have a section of their own."""
    return [finding for finding in findings if finding.versus == BASE_ARM and finding.probe != "shift"]


def contrasts(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that compare an arm with another arm, without those of a shift."""
    return [finding for finding in findings if finding.versus != BASE_ARM and finding.probe != "shift"]


def at_home(levels: Iterable[Level]) -> list[Level]:
    """The levels without those of a shift."""
    return [level for level in levels if level.probe != "shift"]


def by_metric(rows: Iterable[Measured]) -> dict[tuple[str, str], list[Measured]]:
    """The same rows under their (probe, metric), in the order in which metrics first appear."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        groups.setdefault((row.probe, row.metric), []).append(row)
    return groups


def comparison(finding: Finding) -> str:
    """What is compared: an arm, or an arm less another."""
    return finding.arm if finding.versus == BASE_ARM else f"{finding.arm} − {finding.versus}"


def findings_table(findings: Sequence[Finding], first_heading: str) -> Table:
    """One row a comparison, grouped by metric. Differences are in percentage points."""
    headings = ("Metric", first_heading, "Difference", "95 % interval", "Verdict", "MDE", "p (Holm)", "Versus")
    return Table(
        (*headings, "Items", "Problems", "Seeds", "Missing"),
        tuple(
            (
                metric_label(*metric).title,
                comparison(finding),
                points(finding.estimate),
                points_interval(finding.low, finding.high),
                finding.verdict,
                points(finding.mde, signed=False),
                probability(finding.p_holm),
                share(finding.baseline),
                number(finding.n_items),
                number(finding.n_problems),
                number(finding.n_seeds),
                number(finding.n_missing),
            )
            for metric, group in by_metric(findings).items()
            for finding in group
        ),
        n_text=2,
        grouped=True,
    )


def levels_table(levels: Sequence[Level], baselines: Sequence[Baseline]) -> Table:
    """One row a model, grouped by metric, each group ending in what no ability at all would show."""
    rows = []
    for (probe, metric), group in by_metric(levels).items():
        title = metric_label(probe, metric).title
        for level in group:
            counts = (number(level.n_items), number(level.n_seeds), share(level.unknown))
            rows.append((title, level.arm, share(level.estimate), share_interval(level.low, level.high), *counts))
        for line in baselines:
            if (line.probe, line.metric) == (probe, metric):
                rows.append((title, baseline_name(line), share(line.value), "", "", "", ""))
    return Table(
        ("Metric", "Model", "Level", "95 % interval", "Items", "Seeds", "Unknown"),
        tuple(rows),
        n_text=2,
        grouped=True,
    )


def baseline_name(line: Baseline) -> str:
    """A baseline in words."""
    return {"random": "random guess", "majority": "commonest answer"}[line.name]


def card_table(card: MatchCard) -> Table:
    """What each arm holds, counted before training."""
    return Table(
        ("Arm", "Differs by", "Examples", "Problems", "Prompt tokens", "Loss tokens"),
        tuple(
            (
                arm.arm,
                arm.differs_by,
                number(arm.examples),
                number(arm.problems),
                number(arm.prompt_tokens),
                number(arm.loss_tokens),
            )
            for arm in card.arms
        ),
        n_text=2,
    )


def card_sentence(card: MatchCard) -> str:
    """How the arms were matched, and what the pool could not give."""
    held = "the number of examples" if card.by == "examples" else "the number of loss tokens"
    return (
        f"{number(card.cases)} cases, matched by {held}. The first wrong step can be named in "
        f"{number(card.wrong_with_located_error)} of their wrong attempts. Left out: "
        f"{number(card.problems_with_right_only)} problems with right attempts only and "
        f"{number(card.problems_with_wrong_only)} with wrong attempts only."
    )


_LEDGER_HEADINGS = {
    "examples": "Examples",
    "loss_tokens": "Loss tokens",
    "prompt_tokens": "Prompt tokens",
    "generated_tokens": "Generated tokens",
    "rollouts_kept": "Rollouts kept",
    "rollouts_dropped": "Rollouts dropped",
    "teacher_tokens": "Teacher tokens",
    "optimizer_steps": "Steps",
    "seconds": "Seconds",
    "peak_memory_mb": "Peak memory, MB",
}


def ledger_table(checkpoints: Sequence[Checkpoint]) -> Table:
    """What each training run cost. A cost that no run had is left out."""
    ledgers = [checkpoint.ledger for checkpoint in checkpoints]
    spent = [name for name in Ledger.__struct_fields__ if any(getattr(ledger, name) for ledger in ledgers)]
    return Table(
        ("Arm", "Seed", *(_LEDGER_HEADINGS[name] for name in spent)),
        tuple(
            (
                f"{checkpoint.arm} (stopped)" if checkpoint.failure else checkpoint.arm,
                str(checkpoint.seed),
                *(number(round(getattr(checkpoint.ledger, name), 1)) for name in spent),
            )
            for checkpoint in checkpoints
        ),
    )


def failures(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """A sentence for each training run that stopped early."""
    return [
        f"{checkpoint.arm}, seed {checkpoint.seed}, stopped early and was not read: {checkpoint.failure}"
        for checkpoint in checkpoints
        if checkpoint.failure
    ]


def audit_table(audit: Sequence[AuditRow]) -> Table:
    """How each verifier did on work whose grade is known."""
    return Table(
        ("Verifier", "Check", "Passed", "Of", "Share", "Required", "Unknown"),
        tuple(
            (
                row.verifier,
                row.check,
                number(row.passed),
                number(row.total),
                share(row.passed / row.total) if row.total else "–",
                share(row.required) if row.required else "shown only",
                number(row.unknown),
            )
            for row in audit
        ),
        n_text=2,
    )


def pairs_table(heading: str, pairs: Mapping[str, object]) -> Table:
    """Names and values: counts, versions, the machine."""
    return Table(
        (heading, "Value"),
        tuple((name, number(value) if isinstance(value, int | float) else str(value)) for name, value in pairs.items()),
    )
