"""How far a run is: one line a stage, and a total of all stages at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINE_SECONDS = 30.0
"""Between two lines on a stage that is not over."""


class Progress:
    """Plain lines: one a stage once it is over, and one every half minute before. A line says

    probe     12/96 units, 5.6 k tokens/s, 3 min left
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stages: dict[str, float] = {}
        self._stage = ""
        self._started = self._said = 0.0
        self._total = self._stood = self._made = self._tokens = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Around the work on a stage; a stage that fails is not said to be over."""
        self._stage, self._started = name, time.monotonic()
        self._said = self._started
        self._total = self._stood = self._made = self._tokens = 0
        yield
        seconds = self._stages[name] = time.monotonic() - self._started
        made = f"  {_count(self._made)}{self._speed()}" if self._made else ""
        self._say(f"{name:<9} {seconds:6.1f} s{made}")

    def begin(self, units: int) -> None:
        """So many units has the stage."""
        self._total = units

    def stood(self, units: int) -> None:
        """So many of them stood already."""
        self._stood += units
        self._moved()

    def done(self, unit: str, tokens: int) -> None:
        """One was done, and so many tokens generated or trained on."""
        self._made += 1
        self._tokens += tokens
        self._moved()

    def end(self) -> None:
        """Say how long it took in all, and each stage that took part of it."""
        parts = [f"{name} {seconds:.1f}" for name, seconds in self._stages.items() if seconds >= 0.05]
        self._say(f"total     {sum(self._stages.values()):6.1f} s{': ' if parts else ''}{', '.join(parts)}")

    def _moved(self) -> None:
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS and self._stood + self._made < self._total:
            self._said = now
            self._say(f"{self._stage:<9} {self._line()}")

    def _line(self) -> str:
        at = self._stood + self._made
        return f"{at}/{_count(self._total)}{self._speed()}{self._left(self._total - at)}"

    def _speed(self) -> str:
        seconds = time.monotonic() - self._started
        if not self._tokens or not seconds:
            return ""
        each = self._tokens / seconds
        return f", {each / 1000:.1f} k tokens/s" if each >= 1000 else f", {each:.0f} tokens/s"

    def _left(self, units: int) -> str:
        if not self._made or not units:
            return ""
        seconds = (time.monotonic() - self._started) / self._made * units
        return f", {_duration(seconds)} left"


class Bars(Progress):
    """For a terminal: a bar in place of the lines on a stage that is not over."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._bar: Bar | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = [BarColumn(20), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
        with super().stage(name):
            # What is said meanwhile stands above the bar: rich takes over what goes to standard error.
            with Bar(*columns, console=Console(stderr=True), transient=True) as self._bar:
                self._bar.add_task(f"{name:<9}", total=None)
                yield
            self._bar = None

    def _moved(self) -> None:
        if self._bar is not None:
            [task] = self._bar.task_ids
            self._bar.update(
                task,
                total=self._total,
                completed=self._stood + self._made,
                description=f"{self._stage:<9} {self._line()}",
            )


def _count(units: int) -> str:
    return f"{units} unit{'' if units == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
