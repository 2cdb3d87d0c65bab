"""What a probe offers: one question, asked of every model at the same held-out items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from msgspec import Struct

from counterform.bench import Bench
from counterform.results import Baseline
from counterform.study import ProbeSpec
from counterform.types import Example, Graded, Model, Problem, Reading


class HeldOut(Struct, frozen=True, kw_only=True):
    """What every probe is given: held-out problems, and attempts at them that no arm was trained on."""

    problems: tuple[Problem, ...]
    attempts: tuple[Graded, ...]
    exemplars: dict[str, tuple[Example, ...]] = {}
    """Training problems with a solution, for few-shot prompts: by condition, the same problems in every one."""
    shifted: tuple[Problem, ...] = ()
    """Problems away from those of training, for the `shift` probe alone."""
    open_base: Callable[[], AbstractContextManager[Model]] | None = None
    """Opens the base model, for a probe that looks at it beside the arm."""


class Probe(ABC):
    """Asks one question of one model; the same items for every arm."""

    name: str
    reads: ClassVar[tuple[str, ...]] = tuple(ProbeSpec.__struct_fields__)
    """The keys of the study's [probe] table that decide its readings: a change of any other re-reads nothing. Whoever reads
    `attempts`, `shifted` or `exemplars` is shown those items."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.spec = bench, bench.spec

    @abstractmethod
    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        """The readings of one model. A model that was not heard is UNKNOWN and has no value."""

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """What its metrics show without any ability: a guess, the commonest answer."""
        return []
