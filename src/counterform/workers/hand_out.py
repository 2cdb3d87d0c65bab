"""One stage: its units handed out in order, as their needs and the workers allow."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import groupby

from counterform.errors import WorkerError
from counterform.stages.unit import Unit, stands
from counterform.stages.work import Work
from counterform.workers.executor import Done, Event, Executor, Failed, Job, Lost, Said
from counterform.workers.progress import Progress

LOSSES = 3
"""Workers that one unit may take with it before it is given up."""


def do_stage(work: Work, units: Iterable[Unit], executor: Executor, progress: Progress) -> None:
    """Do all units of a stage that do not stand. After a failure nothing more is begun, and what is under way is finished.

    A worker that is lost has its unit done again by another. Raises WorkerError, which names the unit.
    """
    stage = _Stage(work, list(units), progress)
    while stage.left or stage.busy:
        while executor.free and not stage.failures and (job := stage.next_job()):
            executor.hand_over(job)
        if not stage.busy:
            break
        stage.take(*executor.event())
    if stage.failures:
        raise WorkerError("\n".join(stage.failures))


class _Stage:
    def __init__(self, work: Work, units: Sequence[Unit], progress: Progress) -> None:
        self._work, self._progress = work, progress
        self.left = deque(list(group) for _, group in groupby(units, key=lambda unit: unit.together))
        self.busy: dict[Job, list[Unit]] = {}
        """Of every job under way, the units that are not done yet."""
        self.failures: list[str] = []
        self._names: Counter[str] = Counter()
        """Of the units under way, and their kinds."""
        self._losses: Counter[str] = Counter()
        self._heard: set[str] = set()
        progress.begin(len(units))

    def next_job(self) -> Job | None:
        """The next units that do not stand; none where the next ones need some that are under way."""
        while self.left:
            if any(self._names[need] for unit in self.left[0] for need in unit.needs):
                return None
            units = self.left.popleft()
            # Looked at no sooner: what a unit is made from may have been made again in this same stage.
            due = [unit for unit in units if not stands(self._work, unit)]
            self._progress.stood(len(units) - len(due))
            if due:
                job = Job(tuple(unit.name for unit in due))
                self.busy[job] = due
                self._names.update(name for unit in due for name in _names(unit))
                return job
        return None

    def take(self, job: Job, event: Event) -> None:
        """Something has happened."""
        if isinstance(event, Said):
            if event.line not in self._heard:  # every worker says what concerns them all
                self._heard.add(event.line)
                self._work.say(event.line)
        elif isinstance(event, Done):
            [unit] = [unit for unit in self.busy[job] if unit.name == event.unit]
            self.busy[job].remove(unit)
            self._names.subtract(_names(unit))
            records = self._work.files.records
            records.refresh(unit.name)
            self._work.done.add(unit.name)  # what it has lost was tried once more
            self._progress.done(unit.name, records[unit.name].tokens)
        else:
            again = self.busy.pop(job)
            self._names.subtract(name for unit in again for name in _names(unit))
            if isinstance(event, Failed):
                for line in event.trace.splitlines():
                    self._work.say(line)
                self.failures.append(f"{event.unit}: {event.message}" if event.unit else event.message)
            elif isinstance(event, Lost) and again:
                self._lost(again, event.why)

    def _lost(self, again: list[Unit], why: str) -> None:
        at = again[0].name
        self._losses[at] += 1
        if self._losses[at] < LOSSES:
            self._work.say(f"{why} at {at}, which is done again")
            self.left.appendleft(again)
        else:
            self.failures.append(f"{at} has ended {LOSSES} workers: {why}. Does it fit the memory?")


def _names(unit: Unit) -> tuple[str, str]:
    return unit.name, f"{unit.name.partition('/')[0]}/"
