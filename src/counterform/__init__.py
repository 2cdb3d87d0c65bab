"""What do right answers teach a language model, and what do failures? An experiment that answers by measuring.

import counterform
run = counterform.run(counterform.load_study("study.toml"))
run.findings        # an Arrow table: one row per comparison, with interval and verdict
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # What type checkers and editors read of the table below.
    from counterform.errors import CounterformError as CounterformError
    from counterform.pipeline import Run as Run, run as run
    from counterform.results import Finding as Finding, Level as Level, Results as Results
    from counterform.study import Study as Study, embedded_study as embedded_study, load_study as load_study
    from counterform.types import (
        Arm as Arm,
        Attempt as Attempt,
        Case as Case,
        Checkpoint as Checkpoint,
        Completion as Completion,
        Example as Example,
        Graded as Graded,
        Ledger as Ledger,
        Mark as Mark,
        Problem as Problem,
        Reading as Reading,
        StepVerdict as StepVerdict,
        Verdict as Verdict,
    )
    from counterform.verify.grades import grade as grade

__version__ = "0.1.0"

_PUBLIC = {
    "counterform.types": (
        "Arm", "Attempt", "Case", "Checkpoint", "Completion", "Example", "Graded", "Ledger", "Mark", "Problem", "Reading",
        "StepVerdict", "Verdict",
    ),
    "counterform.results": ("Finding", "Level", "Results"),
    "counterform.errors": ("CounterformError",),
    "counterform.study": ("Study", "embedded_study", "load_study"),
    "counterform.pipeline": ("Run", "run"),
    "counterform.verify.grades": ("grade",),
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that `counterform --help` loads neither scipy nor torch.
    if name not in _HOME:
        raise AttributeError(f"module 'counterform' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
