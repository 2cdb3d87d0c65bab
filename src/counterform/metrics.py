"""What a number is: its metric, under what it was measured, and how far away from training. No name is ever parsed.

A probe declares its metrics. Bounds, direction, unit, family of correction, section and label come from the declaration and from nowhere
else; what else a number says of itself stands in columns, which readings and all that is made of them share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

from msgspec import Struct


class Shift(Struct, frozen=True, kw_only=True):
    """How a problem, or what was read at some, differs from training: a level of an axis, and how far away it is."""

    axis: str
    """`length`, `noise delete`; empty: a level of the user's own beside which no other axis stands."""
    level: str
    distance: float = 0.0
    """In the axis's own unit: operations beyond the trained lengths (shorter ones negative), held-out pairs, share of words edited,
    share of words that no training prompt has."""

    @property
    def label(self) -> str:
        """`length 7`, `noise delete 20 %`, `hard`."""
        return f"{self.axis} {self.level}".strip()


class Metric(Struct, frozen=True, kw_only=True):
    """What a number of a probe is: declared by the probe that reads it, and the one place that knows its unit and direction."""

    name: str
    title: str
    """In a reader's words; `{condition}`, `{against}` and `{budget}` stand for those of what was measured."""
    meaning: str = ""
    """A sentence, with the same words in braces."""
    unit: Literal["share", "difference", "ratio", "nats", "count", "seconds"] = "share"
    """difference: of two shares within one model, so it may stand below 0 and no control can have a share of it."""
    better: Literal["high", "low", "neither"] = "high"
    bounds: tuple[float | None, float | None] = (0.0, 1.0)
    """Between which every level lies; None: there is no such end."""
    headline: bool = True
    """The first screen looks for losses in it: False for what another metric of the probe says as well, and for costs."""
    headline_condition: str = ""
    """The condition under which it is looked at there; empty: under all."""

    @property
    def least(self) -> float:
        """No level is lower."""
        return float("-inf") if self.bounds[0] is None else self.bounds[0]

    @property
    def most(self) -> float:
        """No level is higher."""
        return float("inf") if self.bounds[1] is None else self.bounds[1]

    @property
    def range(self) -> tuple[float, float]:
        """Between which every level lies, infinite where there is no end."""
        return self.least, self.most


Key = tuple[str, str, str, str, str, tuple[str, str] | None]
"""Probe, metric, condition, against, budget, and (axis, level) of the shift."""


class Measured(Struct, frozen=True, kw_only=True, gc=False):
    """What was measured: a metric of a probe, and under what. The columns that readings and all that is made of them share."""

    probe: str
    metric: str
    condition: str = ""
    """Under what it was read, where a probe asks in several ways: `cut back`, `invalid`, `multiple choice`."""
    against: str = ""
    """Of a difference within one model: the condition on its other side."""
    budget: str = ""
    shift: Shift | None = None
    """Away from training; None: in distribution."""

    @property
    def key(self) -> Key:
        """Equal for all that is the same measurement; a shift is the same at every distance."""
        shift = None if self.shift is None else (self.shift.axis, self.shift.level)
        return (self.probe, self.metric, self.condition, self.against, self.budget, shift)

    @property
    def name(self) -> str:
        """Probe and metric alone: `guard gain`."""
        return f"{self.probe} {self.metric}"

    @property
    def words(self) -> str:
        """In plain words, for a sentence: `guard gain (cut back against none, equal tokens)`."""
        under = f"{self.condition} against {self.against}" if self.against else self.condition
        brackets = ", ".join(part for part in (under, self.budget) if part)
        return f"{self.name}{f' ({brackets})' if brackets else ''}{f' at {self.shift.label}' if self.shift else ''}"

    def fill(self, template: str) -> str:
        """A metric's title or meaning, with the words of this measurement in place of its braces."""
        return template.format(condition=self.condition, against=self.against, budget=self.budget)


M = TypeVar("M", bound=Measured)
Metrics = Mapping[str, Sequence[Metric]]
"""The metrics that each probe declares, by its name."""


def by_key(rows: Iterable[M]) -> dict[Key, list[M]]:
    """The same rows under what was measured, in the order in which it first appears."""
    groups: dict[Key, list[M]] = {}
    for row in rows:
        groups.setdefault(row.key, []).append(row)
    return groups
