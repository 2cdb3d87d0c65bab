"""What a comparison of things that exist already found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from counterform.findings.paired import Comparison, FormSplit, Pass
from counterform.logs.collect import LogFile
from counterform.logs.pairing import Proof


class Named(Struct, frozen=True, kw_only=True):
    """One arm: its letter, where it comes from, and how many runs its most repeated task has."""

    letter: str
    label: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    answers: int
    runs: int


class Pairing(Struct, frozen=True, kw_only=True):
    """How the answers of two arms were paired on a task, and how many could not be."""

    first: str
    second: str
    task: str
    by: Proof
    pairs: int
    items: int
    only_in_first: int
    only_in_second: int
    other_question: int
    """Ids that are other questions in the two."""
    ambiguous: int
    """Ids that stand for several questions within one."""
    other_prompt: int
    """Items whose prompt was rendered differently; they are paired all the same."""


class Level(Struct, frozen=True, kw_only=True):
    """One comparison among the items of one level of a column."""

    column: str
    level: str
    comparison: Comparison


class Response(Struct, frozen=True, kw_only=True):
    """What one arm answered, and what each scorer made of it."""

    arm: str
    text: str
    cut: int = 0
    """Characters that were left out at the end."""
    marks: tuple[tuple[str, float | None], ...] = ()
    """Scorer and value; None: not scored."""


class Shown(Struct, frozen=True, kw_only=True):
    """One item with its responses, to read."""

    kind: Literal["flip", "gain", "disagreement"]
    """`flip`: the base right, the other wrong; `gain`: the other way round; `disagreement`: their grade is not ours."""
    task: str
    metrics: tuple[str, ...]
    """Scorers by which it is so."""
    item: str
    prompt: str
    key: str | None
    responses: tuple[Response, ...]
    note: str = ""


class Compared(Struct, frozen=True, kw_only=True):
    """All that a comparison found; arms by letter, the base first."""

    arms: tuple[Named, ...]
    pairings: tuple[Pairing, ...]
    comparisons: tuple[Comparison, ...]
    """By the scorers of the logs; by counterform's own verifier where they have none in common."""
    regraded: tuple[Comparison, ...]
    """In detail: by counterform's own verifier, beside them."""
    form_splits: tuple[FormSplit, ...]
    passes: tuple[Pass, ...]
    traits: tuple[Comparison, ...]
    """Length of the responses in characters and, in detail, markers of doubt and checking in a response."""
    levels: tuple[Level, ...]
    differing: Mapping[str, int]
    """By kind, how many items there are to read, of which `shown` holds the first; empty unless in detail."""
    shown: tuple[Shown, ...]
    files: tuple[tuple[str, LogFile], ...]
    """Each with its arm's letter."""
    notes: tuple[str, ...]
