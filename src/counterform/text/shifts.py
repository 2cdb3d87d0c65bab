"""The words of distribution shift, written and read back: labels, axes, names of metrics, and how far is far.

One place, because families, the pipeline, the `shift` probe, the findings and the report must mean the same by them.
A label says axis and level: `length 7`, `composition 2`, `noise delete 20 %`, `vocabulary words`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from msgspec.structs import replace

from counterform.types import Problem

AT = " @ "
"""Stands in a metric's name between what is read and the shift at which: `exact match, answer @ length 7`."""

_PER_CENT = " %"
_WORD = re.compile(r"[^\W_]+")


def axis_and_level(shift: str) -> tuple[str, str]:
    """The last word of a label is its level, the rest its axis; one word alone is a level of the axis `shift`."""
    number = shift.removesuffix(_PER_CENT)
    axis, _, level = number.rpartition(" ")
    return axis or "shift", level + shift[len(number) :]


def metric_at(reading: str, shift: str) -> str:
    """The metric's name of one reading at one shift; at home it is the reading's own."""
    return f"{reading}{AT}{shift}" if shift else reading


def reading_and_shift(metric: str) -> tuple[str, str]:
    """What a metric reads, and the shift at which; `` for a metric that knows no shift."""
    reading, _, shift = metric.partition(AT)
    return reading, shift


def together(metric: str) -> str:
    """Metrics that are corrected together: one reading at all levels of one axis, since a curve is looked at whole."""
    reading, shift = reading_and_shift(metric)
    return metric_at(reading, axis_and_level(shift)[0]) if shift else metric


def shifted(problem: Problem, shift: str, distance: float) -> Problem:
    """The problem under its shift, with an id of its own; never one to train on."""
    label = "-".join(_WORD.findall(shift))
    return replace(problem, id=f"{problem.id}+{label}", split="held_out", shift=shift, distance=distance)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The different words and numbers of some texts, without case."""
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def unseen(text: str, known: Container[str]) -> float:
    """The share of a text's words that are not among the known ones."""
    words = _WORD.findall(text.casefold())
    return sum(word not in known for word in words) / len(words) if words else 0.0
