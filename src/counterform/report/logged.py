"""What a trainer logs step by step of an arm that samples for itself or learns from pairs, and what a report calls it."""

from __future__ import annotations

from msgspec import Struct

from counterform.report.labels import MetricLabel

LABELS = {
    "roc/tool_errors/right": MetricLabel(
        "Tool errors inside right answers",
        "Penalty of right rollouts before the selection: the share of their tool calls that failed, 0.5 where none was made.",
        lower_is_better=True,
    ),
    "roc/tool_errors/right_kept": MetricLabel(
        "Tool errors inside right answers that are learnt from", "The same after the selection.", lower_is_better=True
    ),
    "roc/reward": MetricLabel("Reward", "Mean over the rollouts, before the selection."),
    "completions/mean_length": MetricLabel("Length", "Tokens that the model wrote, a rollout."),
    "entropy": MetricLabel("Token entropy", "Nats per token, over the rollouts or pairs that are learnt from."),
    "roc/used": MetricLabel(
        "Rollouts sampled",
        "In units of those that are learnt from: 1 for G of G, 2 for G of 2G, between them where a group stops in waves.",
        lower_is_better=True,
    ),
    "rewards/margins": MetricLabel(
        "Margin of right over wrong",
        "Of pairs: how far the loss's own reward of the right attempt is above that of the wrong one.",
    ),
    "logps/chosen": MetricLabel(
        "Log-probability of right attempts",
        "Of pairs, in nats. A margin can grow while it falls: then both become less likely.",
    ),
}


class Logged(Struct, frozen=True, kw_only=True):
    """One measure of one training run, step by step."""

    arm: str
    seed: int
    name: str
    values: tuple[float, ...]
