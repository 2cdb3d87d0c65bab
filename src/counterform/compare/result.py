"""What a comparison of things that exist already found."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from counterform.findings.paired import Comparison, FormSplit, Pass
from counterform.logs.collect import LogFile


class Named(Struct, frozen=True, kw_only=True):
    """One arm: its letter, where it comes from, and how many runs its most repeated task has."""

    letter: str
    label: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    answers: int
    runs: int


class Level(Struct, frozen=True, kw_only=True):
    """One comparison among the items of one level of a column."""

    column: str
    level: str
    comparison: Comparison


class Shown(Struct, frozen=True, kw_only=True):
    """One item with both arms' responses, to read."""

    kind: Literal["flip", "gain", "disagreement"]
    """`flip`: the base right, the other wrong; `gain`: the other way round; `disagreement`: their grade is not ours."""
    task: str
    metric: str
    item: str
    prompt: str
    key: str | None
    responses: tuple[tuple[str, str], ...]
    """Arm and response."""
    note: str = ""


class Compared(Struct, frozen=True, kw_only=True):
    """All that a comparison found; arms by letter, the base first."""

    arms: tuple[Named, ...]
    comparisons: tuple[Comparison, ...]
    """By the scorers of the logs; by counterform's own verifier where they have none in common."""
    regraded: tuple[Comparison, ...]
    """In detail: by counterform's own verifier, beside them."""
    form_splits: tuple[FormSplit, ...]
    passes: tuple[Pass, ...]
    traits: tuple[Comparison, ...]
    """Length of the responses in characters and, in detail, markers of doubt and checking in a response."""
    levels: tuple[Level, ...]
    disagreements: int
    """Answers that a scorer of the logs and our verifier grade differently; 0 too where nothing was regraded."""
    shown: tuple[Shown, ...]
    files: tuple[tuple[str, LogFile], ...]
    """Each with its arm's letter."""
    notes: tuple[str, ...]
