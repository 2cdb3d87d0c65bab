"""What can go wrong, drawn as a tree.

    CounterformError            one message: the value, the options, the fix; exit code 2, no traceback
    ├── StudyError              the study file, or a name in it, is not usable
    ├── DataError               the user's rows are not usable
    ├── RunDirError             the run directory is locked, too old, broken, or the disk is full
    ├── ModelError              a model cannot be loaded or an endpoint cannot be reached
    ├── TrainingDiverged        a loss is not a number; the arm stops, the others go on
    ├── ControlError            a control does not remove what it claims to remove
    ├── CallRefused             a tool call breaks a rule of a policy, and was not made
    ├── AuditError              a verifier failed on its own worked solutions or planted errors
    ├── WorkerError             a unit of work failed in another process, or its workers were lost
    └── MissingExtra            an optional package is not installed

A bad attempt is data (a row marked UNKNOWN), never an exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CounterformError(Exception):
    """Base of everything this package raises on purpose."""


class StudyError(CounterformError):
    """The study file, or a name in it, is not usable."""


class DataError(CounterformError):
    """The user's rows are not usable."""


class RunDirError(CounterformError):
    """The run directory is locked, too old, broken, or the disk is full."""


class ModelError(CounterformError):
    """A model cannot be loaded, or an endpoint cannot be reached."""


class TrainingDiverged(CounterformError):
    """A loss is not a number."""


class ControlError(CounterformError):
    """A control does not remove what it claims to remove."""


class CallRefused(CounterformError):
    """A tool call breaks a rule of a policy, and was not made."""


class AuditError(CounterformError):
    """A verifier failed on its own worked solutions or on planted errors."""


class WorkerError(CounterformError):
    """A unit of work failed in another process, or its workers were lost."""


class MissingExtra(CounterformError, ImportError):
    """An optional package is not installed, or not in a version that can be used. An ImportError too, so that it can be caught as one."""

    def __init__(self, package: str, extra: str, trouble: str = "is not installed") -> None:
        super().__init__(f"{package} {trouble}. Install it with: pip install 'counterform[{extra}]'")


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around the imports of packages that an extra brings. Raises MissingExtra, which names it, for one that cannot be imported."""
    try:
        yield
    except ImportError as error:
        first = error
        while first.name is None and isinstance(
            first.__cause__, ImportError
        ):  # a library that imports its own parts late
            first = first.__cause__
        package = (first.name or "").partition(".")[0]
        if package in ("", "counterform"):
            raise
        trouble = "is not installed" if isinstance(first, ModuleNotFoundError) else f"is of another version ({first})"
        raise MissingExtra(package, name, trouble) from error


def unknown_name(kind: str, value: str, options: Iterable[str]) -> str:
    """The message for a name that nobody knows: the value, its nearest neighbour, all the options."""
    options = sorted(options)
    near = difflib.get_close_matches(value, options, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {value!r}.{hint} Options: {', '.join(options)}"
