"""Teaching the calculator before anything is learnt with it: worked solutions in which some calls come back as an error."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import DataError
from counterform.types import Arm, Case, Example

_CALL = re.compile(r"((-?\d+ [-+*/]) -?\d+ =) -?\d+\.")


class CalcTraces(Recipe):
    """Problem -> the worked solution as a trace with calls: its equations, some of them malformed or failed and called again.

    malformed: share of calls that are first written without their last number. failed: share that are sound and fail.
    The loss is on the tool's words too: SFT has no mask inside a completion, and the tool overrides what is guessed.
    """

    name = "calc_traces"
    differs_by = "the target is the worked solution with calls that fail and are made again"

    def __init__(self, *, malformed: float = 0.2, failed: float = 0.1, bench: Bench | None = None) -> None:
        super().__init__(bench=bench)
        if not (0 <= malformed <= 1 and 0 <= failed <= 1):
            raise ValueError("malformed and failed lie in 0..1")
        self.malformed, self.failed = malformed, failed

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        without = [case.problem.id for case in cases if not _CALL.search(case.problem.solution or "")]
        if without:
            raise DataError(
                f"arm {self.name!r} needs worked solutions made of equations ('7 + 5 = 12.'); {len(without)} of "
                f"{len(cases)} have none (first: {without[0]!r})."
            )

        def noisy(equation: re.Match[str]) -> str:
            malformed = f"{equation[2]} = error. " if rng.random() < self.malformed else ""
            failed = f"{equation[1]} error. " if rng.random() < self.failed else ""
            return malformed + failed + equation[0]

        examples = tuple(
            Example(
                problem_id=case.problem.id,
                prompt=case.problem.prompt,
                completion=_CALL.sub(noisy, case.problem.solution or ""),
            )
            for case in cases
        )
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)
