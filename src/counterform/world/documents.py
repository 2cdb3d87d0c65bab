"""What the tiny base model reads before any study: documents with honest noise.

Each document is one exchange. Each mode has its own cue, in a share that is not a rare tail: a base model that
met critiques only now and then never criticises, and then every arm stays at the floor.

    solve     a problem; a solution that is clean, or carries an unnoticed error, or mends one ("Wait, ...")
    critique  a problem, an attempt and the critique cue; a critique, now and then a wrong one
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from counterform import wording
from counterform.problems import ledger
from counterform.types import Mark, Problem

LENGTHS = (1, 2, 3, 4, 5)
SHARE_CRITIQUE = 0.35
SHARE_UNNOTICED = 0.38
"""Of attempts: an error carried to the end. Sets the sampled accuracy of the base (design: 35 to 65 %)."""
SHARE_MENDED = 0.15
SHARE_UNNOTICED_CRITICISED = 0.60
"""Of attempts that stand before a critique: enough wrong ones that looking for an error pays."""
SHARE_WRONG_CRITIQUE = 0.10

_NUMBER = re.compile(r"-?\d+")


def exchanges(seed: int) -> Iterator[tuple[str, str]]:
    """An endless stream of (user text, model text)."""
    rng = np.random.default_rng(seed)
    while True:
        for problem in ledger.Ledger().generate(64, rng=rng, lengths=LENGTHS):
            exchange = _critique(problem, rng) if rng.random() < SHARE_CRITIQUE else _solve(problem, rng)
            if all(0 <= int(number) <= ledger.MAX_TOTAL for text in exchange for number in _NUMBER.findall(text)):
                yield exchange


def _solve(problem: Problem, rng: np.random.Generator) -> tuple[str, str]:
    steps, _ = _attempt(problem, rng, SHARE_UNNOTICED)
    return problem.prompt, " ".join(steps)


def _critique(problem: Problem, rng: np.random.Generator) -> tuple[str, str]:
    steps, first_error = _attempt(problem, rng, SHARE_UNNOTICED_CRITICISED)
    if rng.random() < SHARE_WRONG_CRITIQUE:
        first_error = int(rng.integers(len(steps))) if first_error is None or rng.random() < 0.5 else None
    watch = ledger.LedgerWatch(problem)
    graded = [watch.feed(step) for step in steps]
    right = [index for index, step in enumerate(graded[:first_error]) if step.mark is Mark.RIGHT]
    if first_error is None:
        critique = wording.critique_of_sound_attempt(right)
    else:
        critique = wording.critique_of_wrong_step(first_error, graded[first_error].hint or steps[first_error], right)
    return wording.critique_prompt(problem.prompt, steps), critique


def _attempt(problem: Problem, rng: np.random.Generator, unnoticed: float) -> tuple[list[str], int | None]:
    """An attempt with honest noise, and the index of its first unmended error."""
    start, operations = ledger.facts(problem)
    draw = rng.random()
    if draw > unnoticed + SHARE_MENDED:
        return ledger.solution_steps(start, operations), None
    at = int(rng.integers(len(operations)))
    kinds = ["arithmetic", "operation", "carry"] if at else ["arithmetic", "operation"]
    mended = draw > unnoticed
    kind = str(rng.choice(kinds))
    steps = ledger.spoilt_steps(start, operations, at=at, kind=kind, off=int(rng.integers(1, 4)), mended=mended)
    return steps, None if mended else at
