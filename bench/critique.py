"""How fast critiques are compiled: attempts a second by critic, and by each control.

Ledger problems of 3 to 5 operations, a sound attempt and one with a planted error each; half of those shown are wrong.
Every figure is the median of RUNS runs in time of the processor, without the collector, as in a study.
Target: 50,000 attempts/s with the critic `steps`.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from counterform.arms.critique import Critique
from counterform.arms.critique_controls import CritiqueFormat, ShuffledCritique, VerdictOnly
from counterform.problems.ledger import Ledger
from counterform.types import Attempt, Case, Completion, Graded, Mark, Problem, Verdict
from counterform.verify.steps import grade_steps

RUNS = 5
CASES = 10_000
TARGET = 50_000

RECIPES: dict[str, Callable[[], Any]] = {
    "critic steps": Critique,
    "critic steps, 20 % corrupted, corrected": partial(Critique, corrupted=0.2, correction=True),
    "critic reference": partial(Critique, critic="reference"),
    "verdict_only": VerdictOnly,
    "critique_format": CritiqueFormat,
    "shuffled_critique": ShuffledCritique,
}


def cases(n: int) -> list[Case]:
    rng, family = np.random.default_rng(0), Ledger()
    found = []
    for problem in family.generate(n, rng=rng, lengths=(3, 4, 5)):
        broken = family.plant_errors(problem, rng=rng)[0].text
        found.append(
            Case(
                problem=problem,
                right=graded(family, problem, problem.solution or "", Mark.RIGHT),
                wrong=graded(family, problem, broken, Mark.WRONG),
            )
        )
    return found


def graded(family: Ledger, problem: Problem, text: str, outcome: Mark) -> Graded:
    attempt = Attempt(
        id=f"{problem.id}/{outcome}/0",
        problem_id=problem.id,
        model="bench",
        seed=0,
        completion=Completion(text=text, tokens=len(text.split()), finish="stop"),
    )
    steps = grade_steps(family, problem, text)
    return Graded(
        attempt=attempt,
        verdict=Verdict(attempt_id=attempt.id, outcome=outcome, lenient=outcome, steps=steps, verifier="ledger"),
    )


def main() -> None:
    shown = cases(CASES)
    gc.disable()
    for name, recipe in RECIPES.items():
        speeds = []
        for run in range(RUNS):
            started = time.process_time()
            recipe()(shown, np.random.default_rng(run))
            speeds.append(len(shown) / (time.process_time() - started))
            gc.collect()
        speed = statistics.median(speeds)
        against = f"  target {TARGET:,}: {'reached' if speed >= TARGET else 'MISSED'}" if recipe is Critique else ""
        print(f"{name:<42}{speed:>10,.0f} attempts/s{against}", flush=True)


if __name__ == "__main__":
    main()
