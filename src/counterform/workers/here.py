"""All is done by the process that was asked."""

from __future__ import annotations

from collections import deque

from counterform.stages.hands import Hands
from counterform.workers.executor import Done, Event, Executor, Job, Over


class Here(Executor):
    """One job at a time, in this process; what it raises is raised here."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._job: Job | None = None
        self._left: deque[str] = deque()

    @property
    def free(self) -> bool:
        return self._job is None

    def hand_over(self, job: Job) -> None:
        self._job, self._left = job, deque(job.units)

    def event(self) -> tuple[Job, Event]:
        job = self._job
        assert job is not None
        if self._left:
            name = self._left.popleft()
            self._hands.do(name)
            return job, Done(unit=name)
        self._job = None
        return job, Over()

    def close(self) -> None:
        self._hands.close()
