"""A process at work on units that it is told one by one, by name."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import cycle

from counterform.errors import StudyError, unknown_name
from counterform.stages.unit import Unit, do
from counterform.stages.work import Work

Stages = Mapping[str, Callable[[Work], Iterator[Unit]]]


class Hands:
    """Does units by name. A model that is open, and what it has answered, are kept for the next unit as long as that is of the same.

    Quick for units in the order of the stages; any other order costs a look through all of them.
    """

    def __init__(self, work: Work, stages: Stages) -> None:
        self.work, self._stages = work, stages
        self._names = cycle(stages)
        self._units: Generator[Unit, None, None] | None = None
        self._passed: set[str] = set()
        """Units of the present stage, and kinds of them."""

    def do(self, name: str) -> bool:
        """Do a unit, unless it stands: whether it was done here. Raises StudyError for one that the study does not have."""
        unit = self._found(name)
        if self._passed.intersection(unit.needs):
            self.work.files.records.read_again()  # another worker may have done what it needs of its own stage
        return do(self.work, unit)

    def close(self) -> None:
        """Give back what is open."""
        if self._units is not None:
            self._units.close()

    def _found(self, name: str) -> Unit:
        for _ in range(len(self._stages) + 1):
            for unit in self._units or ():
                if unit.name == name:
                    return unit
                self._passed |= {unit.name, f"{unit.name.partition('/')[0]}/"}
            self._next_stage()
        every = [unit.name for stage in self._stages.values() for unit in stage(self.work)]
        raise StudyError(unknown_name("unit", name, every))

    def _next_stage(self) -> None:
        self.close()
        self.work.files.records.read_again()
        self._units, self._passed = units_of(self._stages[next(self._names)], self.work), set()


def units_of(stage: Callable[[Work], Iterator[Unit]], work: Work) -> Generator[Unit, None, None]:
    """A stage that can be closed: what it has opened goes with it, whatever ends it."""
    yield from stage(work)
