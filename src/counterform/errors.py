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
    └── MissingExtra            an optional package is not installed

A bad attempt is data (a row marked UNKNOWN), never an exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class MissingExtra(CounterformError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Install it with: pip install 'counterform[{extra}]'")


def unknown_name(kind: str, value: str, options: Iterable[str]) -> str:
    """The message for a name that nobody knows: the value, its nearest neighbour, all the options."""
    options = sorted(options)
    near = difflib.get_close_matches(value, options, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {value!r}.{hint} Options: {', '.join(options)}"
