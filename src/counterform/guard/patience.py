"""Calls of somebody else's code that are given up after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from weakref import finalize

_Result = TypeVar("_Result")

MOST_STUCK = 8
"""Threads that may hang in calls that never came back; after that no call is begun any more."""


class Patience:
    """Runs calls one by one in a thread of its own, and leaves that thread behind when a call takes too long.

    What never lets go of the interpreter (a catastrophic regular expression, a loop in C) cannot be left behind: run
    such code in a process of its own.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._stuck = 0
        self._lock = threading.Lock()
        self._calls: SimpleQueue[Callable[[], Any] | None] | None = None
        self._results: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

    def run(self, call: Callable[[], _Result]) -> _Result:
        """The call's own result or exception. Raises TimeoutError when it took too long."""
        with self._lock:
            return self._run(call)

    def _run(self, call: Callable[[], _Result]) -> _Result:
        if self._stuck >= MOST_STUCK:
            raise TimeoutError(f"{self._stuck} calls have hung; no more are made")
        if self._calls is None:
            self._calls, self._results = SimpleQueue(), SimpleQueue()
            finalize(self, self._calls.put, None)  # the thread ends with whom it works for
            threading.Thread(target=_work, args=(self._calls, self._results), daemon=True, name="guard").start()
        self._calls.put(call)
        try:
            sound, result = self._results.get(timeout=self.seconds)
        except Empty:
            self._stuck += 1
            self._calls.put(None)
            self._calls = None
            raise TimeoutError(f"no answer within {self.seconds:g} s") from None
        if not sound:
            raise result
        found: _Result = result
        return found


def _work(calls: SimpleQueue[Callable[[], Any] | None], results: SimpleQueue[tuple[bool, Any]]) -> None:
    while (call := calls.get()) is not None:
        try:
            results.put((True, call()))
        except BaseException as error:  # handed on to who asked
            results.put((False, error))
