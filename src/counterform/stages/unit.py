"""One unit of a study's work: what can be done apart from the others, by any worker that sees the run directory."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

from counterform.errors import RunDirError
from counterform.stages.environment import machine, versions
from counterform.stages.work import Making, Work
from counterform.store import Claimed, Record, claimed, file_of, holder_of, key_of

WAIT_SECONDS = 1.0
"""Between two looks at a unit that another worker is doing."""


class Unit(ABC):
    """A unit: its name, and how it is made. Its record (store/records.py) says that it was."""

    def __init__(self, name: str, needs: Sequence[str] = (), *, together: str = "") -> None:
        self.name, self.needs, self.together = name, needs, together or name
        """needs: names of units, or of all units of a kind ("verify/"), that must stand before. together: units of one word share
        what is costly (a model and its answers), and are done by one worker."""

    @abstractmethod
    def key(self, work: Work) -> str:
        """The hash of all its inputs."""

    def is_missed(self, work: Work) -> bool:
        """Whether files of it were given up that another unit needs after all."""
        return False

    @abstractmethod
    def make(self, work: Work) -> Iterable[str]:
        """Write its files; their names in the run directory, or those of whole directories."""


def do(work: Work, unit: Unit, *, wait: bool = True) -> bool:
    """Do a unit, unless it stands: whether it was done here.

    One that lost calls is tried once more by every process. wait: for another worker that is doing it; else RunDirError.
    """
    if stands(work, unit):
        return False
    try:
        with claimed(work.files / file_of(unit.name, suffix=".claim")) as claim:
            work.files.records.refresh(unit.name)
            if stands(work, unit):  # another worker was quicker
                return False
            _make(work, unit, claim.check)
    except Claimed as error:
        if not wait:
            raise RunDirError(
                f"{unit.name} is being done by {error.holder}. Wait for it, or do another unit."
            ) from error
        _wait_for(work, unit, str(error.holder))
        return do(work, unit)
    return True


def stands(work: Work, unit: Unit) -> bool:
    """Whether there is nothing to do."""
    records, key = work.files.records, unit.key(work)
    records.take_back(unit.name, key)
    if not records.stands(unit.name, key) or unit.is_missed(work):
        return False
    return unit.name in work.done or not records[unit.name].lost


def _make(work: Work, unit: Unit, check: Callable[[], None]) -> None:
    key, started = unit.key(work), time.monotonic()
    # First of all: from here on its files may be anything.
    before = work.files.records.forget(unit.name)
    work.making = Making()
    files = work.files.sizes(list(unit.make(work)))
    check()
    for name in set(before.files if before else ()) - set(files):
        work.files.clear(name)
    made = work.making
    work.files.records.write(
        Record(
            unit=unit.name,
            key=key,
            files=files,
            made=time.strftime("%Y-%m-%d %H:%M:%S"),
            seconds=round(time.monotonic() - started, 3),
            versions=versions() | work.hub_commits,
            machine=machine(),
            lost=len(made.lost),
            edition=key_of(sorted(made.lost)) if made.lost else "",
            counts=made.counts,
            notes=tuple(made.notes),
            facts=made.facts,
            tokens=made.tokens,
        )
    )
    work.done.add(unit.name)


def _wait_for(work: Work, unit: Unit, holder: str) -> None:
    work.say(f"waiting for {unit.name}, which {holder} is doing")
    path = work.files / file_of(unit.name, suffix=".claim")
    while holder_of(path) is not None:
        time.sleep(WAIT_SECONDS)
    work.files.records.refresh(unit.name)
