"""Calls of somebody else's code that are given up after a while."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from weakref import finalize

_Result = TypeVar("_Result")

AT_ONCE = 8
"""Calls at work at one time, those that hang counted too."""


class _Left(BaseException):
    """Raised in a thread whose call was given up, so that a loop written in Python ends."""


class Patience:
    """Runs calls in threads of its own, side by side, and leaves a thread behind when its call takes too long.

    A call that was given up is interrupted where it runs Python. What never lets go of the interpreter (a catastrophic
    regular expression, a loop in C) cannot be: run such code in a process of its own.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._idle: deque[_Worker] = deque()
        self._free = threading.Semaphore(AT_ONCE)
        self._hung: set[_Worker] = set()
        finalize(self, _dismiss, self._idle)  # the threads end with whom they work for

    def run(self, call: Callable[[], _Result]) -> _Result:
        """The call's own result or exception, SystemExit and the like as a RuntimeError. Raises TimeoutError when it took too long."""
        if len(self._hung) >= AT_ONCE:
            raise TimeoutError(f"{len(self._hung)} calls have hung; no more are made until one is back")
        if not self._free.acquire(timeout=self.seconds):
            raise TimeoutError(f"{AT_ONCE} calls are at work; none ended within {self.seconds:g} s")
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker()
        worker.calls.put(call)
        try:
            sound, result = worker.results.get(timeout=self.seconds)
        except Empty:
            self._hung.add(worker)
            worker.leave(self._free, self._hung)
            raise TimeoutError(f"no answer within {self.seconds:g} s") from None
        self._idle.append(worker)
        self._free.release()
        if sound:
            found: _Result = result
            return found
        if isinstance(result, Exception):
            raise result
        raise RuntimeError(f"{type(result).__name__}: {result}")


class _Worker:
    """One thread, and the calls it is given."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self.results: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="guard")
        self._at_end: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._ended = False
        self._thread.start()

    def leave(self, free: threading.Semaphore, hung: set[_Worker]) -> None:
        """Give its call up; its place is free again when that has really ended."""

        def at_end() -> None:
            hung.discard(self)
            free.release()

        self.calls.put(None)
        with self._lock:
            if self._ended:
                at_end()
                return
            self._at_end = at_end
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(_Left))

    def _work(self) -> None:
        try:
            while (call := self.calls.get()) is not None:
                try:
                    self.results.put((True, call()))
                except BaseException as error:  # handed on to who asked
                    self.results.put((False, error))
        except _Left:
            pass
        finally:
            try:
                self._end()
            except _Left:  # it is raised once, here at the latest
                self._end()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            if self._at_end is not None:
                self._at_end()
            self._at_end = None


async def in_a_thread(call: Callable[[], _Result]) -> _Result:
    """The call's result or exception, awaited; in a thread of its own, so that calls that wait keep no others waiting."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except Exception as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=copy_context().run, args=(work,), daemon=True, name="guard").start()
    return await done


def _dismiss(idle: deque[_Worker]) -> None:
    for worker in idle:
        worker.calls.put(None)
