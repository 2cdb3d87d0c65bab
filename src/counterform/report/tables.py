"""Every table of a report once, as text: the HTML page and the Markdown page only lay them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from counterform.report.labels import (
    metric_label,
    nats,
    number,
    points,
    points_interval,
    probability,
    share,
    share_interval,
)
from counterform.results import (
    AuditRow,
    Baseline,
    Finding,
    FormShare,
    Inside,
    Level,
    MatchCard,
    WeightChange,
    WeightChanges,
)
from counterform.study import BASE_ARM
from counterform.types import Checkpoint, Ledger

Measured = TypeVar("Measured", Finding, FormShare, Level)
Placed = TypeVar("Placed", Level, WeightChange)

APART = ("shift", "trust", "guard")
"""Probes whose findings and levels have a section of their own."""


class Table(Struct, frozen=True):
    """Headings and cells. The first `n_text` columns are words; the rest are numbers, except a verdict."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_text: int = 1
    grouped: bool = False
    """The first column names the group in which a row stands; rows of a group follow each other."""


def gains(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that compare an arm with the untrained model; those of a probe with a section of its own stand there."""
    return [finding for finding in findings if finding.versus == BASE_ARM and finding.probe not in APART]


def contrasts(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that compare an arm with another arm, without those of a probe with a section of its own."""
    return [finding for finding in findings if finding.versus != BASE_ARM and finding.probe not in APART]


def at_home(levels: Iterable[Level]) -> list[Level]:
    """The levels without those of a probe with a section of its own."""
    return [level for level in levels if level.probe not in APART]


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


def form_table(shares: Sequence[FormShare]) -> Table:
    """One row a pair of control and full arm, grouped by metric."""
    return Table(
        ("Metric", "Control", "Of the gain of", "Share", "95 % interval", "Items", "Problems", "Seeds"),
        tuple(
            (
                metric_label(*metric).title,
                found.control,
                found.full,
                "undefined" if found.share is None else share(found.share),
                "" if found.low is None or found.high is None else share_interval(found.low, found.high),
                number(found.n_items),
                number(found.n_problems),
                number(found.n_seeds),
            )
            for metric, group in by_metric(shares).items()
            for found in group
        ),
        n_text=3,
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
    """What each training run cost, and its own options of training. What no run had is left out."""
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


def by_arm(rows: Iterable[Placed]) -> dict[str, list[Placed]]:
    """The same rows under their arm, in the order in which arms first appear."""
    groups: dict[str, list[Placed]] = {}
    for row in rows:
        groups.setdefault(row.arm, []).append(row)
    return groups


def divergence_table(inside: Inside) -> Table:
    """Where each arm differs from the base: its KL by class of token, as shares and in nats a token."""
    means = {(level.arm, level.metric): level for level in inside.per_token}
    rows = []
    for arm, levels in by_arm(inside.shares).items():
        for level in levels:
            mean = means.get((arm, level.metric))
            spent = (nats(mean.estimate), f"[{nats(mean.low)}, {nats(mean.high)}]") if mean else ("–", "")
            counts = (number(level.n_items), number(level.n_seeds))
            rows.append(
                (arm, level.metric, share(level.estimate), share_interval(level.low, level.high), *spent, *counts)
            )
    headings = ("Arm", "Tokens", "Share of the KL", "95 % interval", "Nats a token", "95 % interval")
    return Table((*headings, "Problems", "Seeds"), tuple(rows), n_text=2, grouped=True)


def layers_table(inside: Inside) -> Table:
    """How well a linear probe tells wrong steps from right ones, layer by layer, beside its control."""
    controls = {(level.arm, level.metric): level for level in inside.control}
    rows = []
    for arm, levels in by_arm(inside.layers).items():
        for level in levels:
            row = [arm, f"layer {level.metric}" if level.metric != "0" else "embedding"]
            for shown in (level, controls[arm, level.metric]):
                row += [share(shown.estimate), share_interval(shown.low, shown.high)]
            rows.append((*row, number(level.n_items), number(level.n_seeds)))
    headings = ("Model", "State after", "AUROC", "95 % interval", "Shuffled labels", "95 % interval")
    return Table((*headings, "Problems", "Seeds"), tuple(rows), n_text=2, grouped=True)


def weights_table(weights: WeightChanges) -> Table:
    """How far training moved the weights of each arm, in per cent of their size: the mean over seeds, least and most."""
    rows = []
    for arm, changes in by_arm(weights.changes).items():
        for where, sizes in weight_profile(changes).items():
            ends = (share(min(sizes)), share(max(sizes)))
            rows.append((arm, where, share(sum(sizes) / len(sizes)), *ends, number(len(sizes))))
    return Table(("Arm", "Weights", "Change", "Least", "Most", "Seeds"), tuple(rows), n_text=2, grouped=True)


def weight_profile(changes: Sequence[WeightChange]) -> dict[str, list[float]]:
    """The relative changes of one arm, a number a seed: of all weights, of those in no layer, and of each layer."""
    depth = len(changes[0].layers) if changes else 0
    return {
        "all": [change.overall for change in changes],
        "embedding, head, last norm": [change.outside for change in changes],
        **{f"layer {layer + 1}": [change.layers[layer] for change in changes] for layer in range(depth)},
    }


def cosines_table(weights: WeightChanges) -> Table:
    """How alike the arms changed the weights: the mean cosine over pairs of seeds, with the least and the most.

    On the diagonal stand pairs of seeds of one arm.
    """
    pairs: dict[frozenset[str], list[float]] = {}
    for pair in weights.cosines:
        if pair.cosine is not None:
            pairs.setdefault(frozenset((pair.arm, pair.other)), []).append(pair.cosine)
    arms = list(by_arm(weights.changes))
    return Table(
        ("", *arms),
        tuple((a, *(_cosine(pairs.get(frozenset((a, b)), [])) for b in arms)) for a in arms),
    )


def _cosine(values: Sequence[float]) -> str:
    if not values:
        return "–"
    # "-0.00" is 0.
    mean, least, most = (
        f"{round(v, 2) + 0.0:.2f}".replace("-", "−") for v in (sum(values) / len(values), min(values), max(values))
    )
    return mean if len(values) == 1 else f"{mean} [{least}, {most}]"
