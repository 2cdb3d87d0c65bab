"""How unclean the way to an answer was, from 0 (clean) to 1: what RoC prefers successes by. No reward, and no grade.

A penalty is a number that a rollout is given. Several are put together by `penalise`: their mean, which draws as their sum does
(the paper adds tool errors and format), since RoC looks at ratios alone. Where a rollout leaves nothing to judge a penalty
by, it is 0.5, as the paper has it for an answer without a tool call: neither clean nor dirty.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from counterform.errors import DataError
from counterform.text.answers import times_stated
from counterform.types import Mark, Verdict

NOTHING_TO_JUDGE = 0.5


class Rollout(Struct, frozen=True, kw_only=True, gc=False):
    """One sampled answer and what is known of the way to it."""

    text: str
    """All that the model wrote, calls and tool output in it or not."""
    tool_calls: int = 0
    """Calls that the model made or tried to make."""
    tool_errors: int = 0
    """Of them, those that came back as an error: malformed, refused, failed."""
    verdict: Verdict | None = None
    """Of the step verifier; None where there is none."""


class Penalty(ABC):
    """How unclean the way to one answer was."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A class attribute will do."""

    @abstractmethod
    def __call__(self, rollout: Rollout) -> float:
        """From 0 (clean) to 1."""


class ToolErrors(Penalty):
    """The share of tool calls that failed; 0.5 without a call (arXiv 2508.20722, section 2.2.3)."""

    name = "tool_errors"

    def __call__(self, rollout: Rollout) -> float:
        if not rollout.tool_calls:
            return NOTHING_TO_JUDGE
        return rollout.tool_errors / rollout.tool_calls


class FormatViolations(Penalty):
    """1 where no answer is stated, else the answers stated beyond the first, a turn (same section); at most 1.

    What a statement is, the reader of answers says; one in tags counts only where every tag is closed. Every tool call
    starts another turn. (The released code finds no turn in a rollout of one, and gives it 1.)
    """

    name = "format"

    def __call__(self, rollout: Rollout) -> float:
        stated = times_stated(rollout.text)
        return min(1.0, (stated - 1) / (rollout.tool_calls + 1)) if stated else 1.0


class ProcessViolations(Penalty):
    """The share of steps that are wrong and stay so, of those that the step verifier could read; 0.5 if it read none.

    A wrong step that the model itself mends is no violation.
    """

    name = "process"

    def __call__(self, rollout: Rollout) -> float:
        steps = rollout.verdict.steps if rollout.verdict else ()
        read = sum(step.mark is not Mark.UNKNOWN for step in steps)
        if not rollout.verdict or not read:
            return NOTHING_TO_JUDGE
        return sum(1 for _ in rollout.verdict.errors) / read


def penalise(penalties: Sequence[Penalty], rollouts: Sequence[Rollout]) -> NDArray[np.float64]:
    """The mean of the penalties of each rollout, [n]; with no penalty at all, every rollout is clean.

    Raises DataError, naming the penalty and the rollout, for one outside [0, 1].
    """
    found = np.zeros((len(penalties), len(rollouts)))
    for row, penalty in zip(found, penalties, strict=True):
        row[:] = [penalty(rollout) for rollout in rollouts]
        outside = np.flatnonzero(~((row >= 0) & (row <= 1)))
        if len(outside):
            raise DataError(
                f"penalty {penalty.name!r} gave {row[outside[0]]} for rollout {outside[0]} ({len(outside)} such); it must lie in"
                " [0, 1], 0 clean and 1 the worst."
            )
    return found.mean(axis=0) if len(penalties) else np.zeros(len(rollouts))
