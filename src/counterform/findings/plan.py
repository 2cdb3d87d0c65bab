"""What is known of a study, or of a comparison of logs, before compute is spent on it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from counterform.findings.checks import Check


class Cost(Struct, frozen=True, kw_only=True):
    """What one part of a study will take."""

    part: str
    seconds: float
    """On this machine, as it was while the plan was made."""
    tokens: int
    """Generated, or trained on."""


class Effect(Struct, frozen=True, kw_only=True):
    """The minimum detectable effect of one size of study, in the unit of the metric."""

    low: float
    """With little luck between training seeds."""
    high: float
    """With much."""


class Size(Struct, frozen=True, kw_only=True):
    """A size of study, and what it could find."""

    problems: int
    samples: float
    """Answers to each problem."""
    seeds: int
    effect: Effect


class Measure(Struct, frozen=True, kw_only=True):
    """What one measurement could find at the planned size."""

    probe: str
    words: str
    level: float
    """The base's."""
    unit: str
    problems: int
    gain: Effect
    """Of an arm over the base."""
    contrast: Effect | None
    """Of an arm against another; None for a study with one arm."""
    sizes: tuple[Size, ...] = ()
    """Of the contrast where there is one, else of the gain: what other sizes would buy."""


class Plan(Struct, frozen=True, kw_only=True):
    """A study before it is run."""

    name: str
    problems: int
    """Read for this plan, training and held-out ones together."""
    attempts: int
    seconds: float
    """That this plan took."""
    seeds: int
    cases: int
    costs: tuple[Cost, ...]
    disk_mb: float
    memory_mb: float
    """The most that was held while the plan was made, at the study's own batch sizes."""
    luck: tuple[float, float]
    """Standard deviations between training seeds that were taken, in logits."""
    contrasts: tuple[tuple[str, str], ...]
    measures: tuple[Measure, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Of all parts together."""
        return sum(cost.seconds for cost in self.costs) / 3600

    @property
    def void(self) -> list[Check]:
        """What makes the study void."""
        return [check for check in self.checks if check.state == "void"]


class LogPlan(Struct, frozen=True, kw_only=True):
    """What recorded answers say of a comparison to come."""

    label: str
    other: str
    """The second log; empty where there is none."""
    task: str
    metric: str
    level: float
    other_level: float | None
    unscored: float
    """The share of answers without a value."""
    reasons: Mapping[str, int]
    problems: int
    samples: float
    """Answers to each problem, on average."""
    between: float
    """The share of the variance of one answer that lies between problems; the rest lies between answers to one."""
    assumed: bool
    """That share could not be seen, and was taken."""
    share: bool
    sizes: tuple[Size, ...]
    luck: tuple[float, float]
    notes: tuple[str, ...]
