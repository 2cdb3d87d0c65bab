"""What does units, and what it tells of them."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Self

from msgspec import Struct


class Job(Struct, frozen=True):
    """Units that are done by one worker, one after the other, since they share what is costly."""

    units: tuple[str, ...]
    trains: bool = False
    """Whether the run will train: a worker then looks for what trainers need, before the first unit of the first job."""


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened. Of which job, its executor knows."""


class Done(Event, frozen=True, kw_only=True):
    """A unit stands."""

    unit: str


class Said(Event, frozen=True, kw_only=True):
    """A line for whoever looks on."""

    line: str


class Failed(Event, frozen=True, kw_only=True):
    """A unit cannot be done, and so its job is over. unit: empty where the worker could not begin. trace: of an error nobody foresaw."""

    unit: str
    message: str
    trace: str = ""


class Over(Event, frozen=True, kw_only=True):
    """All units of the job stand."""


class Lost(Event, frozen=True, kw_only=True):
    """The worker has ended in the middle of its job."""

    why: str


class Executor(AbstractContextManager["Executor"]):
    """Does jobs. Whoever hands one over asks for events until the job is over, failed or lost."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """Whether one job more can be handed over now."""

    @abstractmethod
    def hand_over(self, job: Job) -> None:
        """Do a job. It returns at once."""

    @abstractmethod
    def event(self) -> tuple[Job, Event]:
        """The next thing that happens; waits for it. Asked only while a job is under way."""

    @abstractmethod
    def close(self) -> None:
        """End everything, at once and whatever is under way; what stands already is kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
