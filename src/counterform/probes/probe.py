"""What a probe offers: one question, asked of every model at the same held-out items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

from msgspec import Struct, field

from counterform.bench import Bench
from counterform.findings.table import BASE_ALONE, Fixed
from counterform.metrics import Metric, Metrics
from counterform.results import Baseline, WeightChanges, metric_of
from counterform.study import ProbeSpec
from counterform.types import Example, Graded, Model, Problem, Reading

Need = Literal["text", "model", "logprobs", "hidden", "growing"]
"""What a probe needs of a model: answers to the problems, which may have been recorded; answers to prompts of its own; log-probabilities;
hidden states; to read along while it writes."""


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


class Context(Struct, frozen=True, kw_only=True):
    """What a probe may use of its study when it makes findings of its readings."""

    readings: Mapping[str, Sequence[Reading]] = {}
    """Of every probe of the study, by its name: those of the base and of every arm that has all its seeds."""
    contrasts: tuple[tuple[str, str], ...] = ()
    shows: Mapping[str, Mapping[str, str]] = {}
    """Of each arm, what it shows: `format`, `domain`, `objective`."""
    doses: tuple[tuple[str, str], ...] = ()
    between: Sequence[Reading] = ()
    """Off the models between two arms, by the probe that the study asks of them."""
    weights: WeightChanges | None = None
    """How far training moved the weights of every checkpoint; None where they cannot be seen."""
    fixed: Fixed = field(default_factory=lambda: BASE_ALONE)
    """Arms that are one thing each, and no sample of trainings."""


class Found(Struct, frozen=True, kw_only=True):
    """What a probe makes of its readings."""

    readings: Sequence[Reading] = ()
    """What enters the general comparison of arms: gains, contrasts, levels."""
    own: Struct | None = None
    """What is no gain or loss: the probe's section shows it."""
    notes: Sequence[str] = ()
    """What a reader must know before believing it."""


class Probe(ABC):
    """Asks one question of one model; the same items for every arm."""

    needs: ClassVar[frozenset[Need]] = frozenset({"model"})
    """A model that has less is not asked."""
    section: ClassVar[str] = ""
    """The section of the report that shows what it found (parts.py: a short name, or `module:object`); empty: the general ones."""
    reads: ClassVar[tuple[str, ...]] = tuple(ProbeSpec.__struct_fields__)
    """The keys of the study's [probe] table that decide its readings: a change of any other re-reads nothing. Whoever reads
    `attempts`, `shifted` or `exemplars` is shown those items."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.spec = bench, bench.spec

    @property
    @abstractmethod
    def name(self) -> str:
        """As readings name it; a class attribute will do."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What its numbers are, those that `find` makes too: unit, bounds, direction, and the words for a reader."""

    @abstractmethod
    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        """The readings of one model. A model that was not heard is UNKNOWN and has no value."""

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """What its metrics show without any ability: a guess, the commonest answer."""
        return []

    def find(self, readings: Sequence[Reading], context: Context) -> Found:
        """What becomes of its readings; all enter the general comparison unless a probe knows better."""
        return Found(readings=readings)

    @property
    def declared(self) -> Metrics:
        """Its metrics under its name."""
        return {self.name: self.metrics}

    def checked(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """The same readings. Raises StudyError for one of a metric that is not declared, with those that are."""
        for reading in {reading.key[:2]: reading for reading in readings}.values():
            metric_of(self.declared, reading)
        return readings
