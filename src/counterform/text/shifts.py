"""The words of distribution shift: how a label is read, which axes are no way out of the training distribution, and how far is far."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from msgspec.structs import replace

from counterform.metrics import Shift
from counterform.types import Problem

REVERSED = "composition reversed"
"""The control of `composition`: the same pairs of operations the other way round, which training had."""
NOISE = ("noise insert", "noise delete", "noise modify")
"""Format noise: it may destroy what an answer needs, so what is read there is a bound on robustness."""

_PER_CENT = " %"
_WORD = re.compile(r"[^\W_]+")


def shift_of(label: str, distance: float = 0.0) -> Shift:
    """The shift of a user's label: its last word is the level, the rest the axis."""
    number = label.removesuffix(_PER_CENT)
    axis, _, level = number.rpartition(" ")
    return Shift(axis=axis, level=level + label[len(number) :], distance=distance)


def shifted(problem: Problem, shift: Shift) -> Problem:
    """The problem under a shift, with an id of its own; never one to train on."""
    label = "-".join(_WORD.findall(shift.label))
    return replace(problem, id=f"{problem.id}+{label}", split="held_out", shift=shift)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The different words and numbers of some texts, without case."""
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def unseen(text: str, known: Container[str]) -> float:
    """The share of a text's words that are not among the known ones."""
    words = _WORD.findall(text.casefold())
    return sum(word not in known for word in words) / len(words) if words else 0.0
