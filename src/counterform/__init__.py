"""What do right answers teach a language model, and what do failures? An experiment that answers by measuring.

import counterform
run = counterform.run(counterform.load_study("study.toml"))
run.findings        # an Arrow table: one row per comparison, with interval and verdict

Every name below is imported when it is asked for, so that `import counterform` loads no library; what needs an extra says which
(MissingExtra).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # What type checkers and editors read of the table below.
    from counterform.compare import compare_arms as compare_arms
    from counterform.errors import CounterformError as CounterformError
    from counterform.guard import Guard as Guard
    from counterform.pipeline import Run as Run, run as run
    from counterform.plan import plan_logs as plan_logs, plan_study as plan_study
    from counterform.results import Finding as Finding, Level as Level, Results as Results
    from counterform.study import Study as Study, embedded_study as embedded_study, load_study as load_study
    from counterform.train import RoCGRPOTrainer as RoCGRPOTrainer, TraitCallback as TraitCallback
    from counterform.train.roc import select as select
    from counterform.trust import score as score
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
    "counterform.plan": ("plan_logs", "plan_study"),
    "counterform.compare": ("compare_arms",),
    "counterform.guard": ("Guard",),
    "counterform.train": ("RoCGRPOTrainer", "TraitCallback"),
    "counterform.train.roc": ("select",),
    "counterform.trust": ("score",),
    "counterform.verify.grades": ("grade",),
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> object:
    # Imported when asked for, so that `counterform --help` loads neither scipy nor torch.
    if name not in _HOME:
        raise AttributeError(f"module 'counterform' has no attribute {name!r}")
    found: object = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__
