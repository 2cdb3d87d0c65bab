"""Every table of a report once, as text: the HTML page and the Markdown page only lay them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from counterform.metrics import Measured, by_key
from counterform.report.labels import label_of
from counterform.results import AuditRow, Baseline, Finding, FormShare, Level, MatchCard, Results, WeightChange
from counterform.study import BASE_ARM
from counterform.text.numbers import (
    difference,
    difference_interval,
    level,
    level_interval,
    level_read,
    number,
    probability,
    share,
    share_interval,
)
from counterform.types import Checkpoint, Ledger

M = TypeVar("M", bound=Measured)
Placed = TypeVar("Placed", Level, WeightChange)


class Table(Struct, frozen=True):
    """Headings and cells. The first `n_text` columns are words; the rest are numbers, except a verdict."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_text: int = 1
    grouped: bool = False
    """The first column names the group in which a row stands; rows of a group follow each other."""


def comparison(finding: Finding) -> str:
    """What is compared: an arm, or an arm less another."""
    return finding.arm if finding.versus == BASE_ARM else f"{finding.arm} − {finding.versus}"


def findings_table(results: Results, findings: Sequence[Finding], first_heading: str) -> Table:
    """One row for each comparison, grouped by measurement. Differences of shares are in percentage points."""
    headings = ("Metric", first_heading, "Difference", "95 % interval", "Verdict", "MDE", "p (Holm)", "Versus")
    rows = []
    for group in by_key(findings).values():
        metric, title = results.metric(group[0]), label_of(results, group[0]).title
        rows += [
            (
                title,
                comparison(finding),
                difference(metric, finding.estimate),
                difference_interval(metric, finding.low, finding.high),
                finding.verdict,
                difference(metric, finding.mde, signed=False),
                probability(finding.p_holm),
                level(metric, finding.baseline),
                number(finding.n_items),
                number(finding.n_problems),
                number(finding.n_seeds),
                number(finding.n_missing),
            )
            for finding in group
        ]
    return Table((*headings, "Items", "Problems", "Seeds", "Missing"), tuple(rows), n_text=2, grouped=True)


def form_table(results: Results, shares: Sequence[FormShare]) -> Table:
    """One row for each pair of control and full arm, grouped by measurement."""
    return Table(
        ("Metric", "Control", "Of the gain of", "Share", "95 % interval", "Items", "Problems", "Seeds"),
        tuple(
            (
                label_of(results, found).title,
                found.control,
                found.full,
                (found.why or "undefined") if found.share is None else share(found.share),
                "" if found.low is None or found.high is None else share_interval(found.low, found.high),
                number(found.n_items),
                number(found.n_problems),
                number(found.n_seeds),
            )
            for group in by_key(shares).values()
            for found in group
        ),
        n_text=3,
        grouped=True,
    )


def levels_table(results: Results, levels: Sequence[Level]) -> Table:
    """One row for each model, grouped by measurement, each group ending in what no ability at all would show."""
    rows = []
    for key, group in by_key(levels).items():
        metric, title = results.metric(group[0]), label_of(results, group[0]).title
        for one in group:
            interval = level_interval(metric, one.low, one.high)
            stands = level_read(metric, one.estimate, one.unknown)
            rows.append((title, one.arm, stands, interval, number(one.n_items), number(one.n_seeds)))
        rows += [
            (title, baseline_name(line), level(metric, line.value), "", "", "")
            for line in results.baselines
            if line.key == key
        ]
    return Table(
        ("Metric", "Model", "Level", "95 % interval", "Items", "Seeds"),
        tuple(rows),
        n_text=2,
        grouped=True,
    )


def baseline_name(line: Baseline) -> str:
    """A baseline in words."""
    return {"random": "random guess", "majority": "commonest answer"}[line.name]


NOT_TRAINED = "not trained here"


def card_table(card: MatchCard | None, existing: Mapping[str, str] = {}) -> Table:
    """What each arm holds, counted before training. existing: arms that were not trained here, and what each is."""
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
            for arm in (card.arms if card else ())
        )
        + tuple((name, f"{NOT_TRAINED}: {what}", "–", "–", "–", "–") for name, what in existing.items()),
        n_text=2,
    )


def card_sentence(card: MatchCard) -> str:
    """How the arms were matched, and what the pool could not give."""
    held = "the number of examples" if card.by == "examples" else "the number of loss tokens"
    sampling = [arm.arm for arm in card.arms if not arm.loss_tokens]
    if card.by == "loss_tokens" and sampling:
        held += f" (not held for {', '.join(sampling)}, which sample for themselves: the ledger has what they came to)"
    return (
        f"{number(card.cases)} cases, matched by {held}. The first wrong step can be named in "
        f"{number(card.wrong_with_located_error)} of their wrong attempts. Left out: "
        f"{number(card.problems_with_right_only)} problems with right attempts only and "
        f"{number(card.problems_with_wrong_only)} with wrong attempts only."
        + (
            f" In {number(card.wrong_cut)} the wrong attempt was cut at max_tokens: wrong for want of room, it may be."
            * bool(card.wrong_cut)
        )
        + (
            f" In {number(card.wrong_unanswered)} the wrong attempt states no answer and is wrong by the grade that came with it: it may have been cut."
            * bool(card.wrong_unanswered)
        )
        + (
            f" In {number(card.same_texts)} right and wrong attempt are the same text: nothing but the grade sets them apart."
            * bool(card.same_texts)
        )
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
    "idle_steps": "No update",
    "seconds": "Seconds",
    "peak_memory_mb": "Peak memory, MB",
}


def ledger_table(checkpoints: Sequence[Checkpoint], existing: Iterable[str] = ()) -> Table:
    """What each training run cost, and its own options of training. What no run had is left out.

    existing: arms that were not trained here, of which nothing is known.
    """
    ledgers = [checkpoint.ledger for checkpoint in checkpoints]
    spent = [name for name in Ledger.__struct_fields__ if any(getattr(ledger, name) for ledger in ledgers)]
    own = any(checkpoint.own_options for checkpoint in checkpoints)
    return Table(
        ("Arm", "Seed", *["Of its own"] * own, *(_LEDGER_HEADINGS[name] for name in spent)),
        tuple(
            (
                f"{checkpoint.arm} (stopped)" if checkpoint.failure else checkpoint.arm,
                str(checkpoint.seed),
                *[", ".join(f"{name} = {value}" for name, value in checkpoint.own_options.items()) or "–"] * own,
                *(number(round(getattr(checkpoint.ledger, name), 1)) for name in spent),
            )
            for checkpoint in checkpoints
        )
        + tuple((f"{name} ({NOT_TRAINED})", "–", *["–"] * own, *["–"] * len(spent)) for name in existing),
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


def by_arm(rows: Iterable[Placed]) -> dict[str, list[Placed]]:
    """The same rows under their arm, in the order in which arms first appear."""
    groups: dict[str, list[Placed]] = {}
    for row in rows:
        groups.setdefault(row.arm, []).append(row)
    return groups
