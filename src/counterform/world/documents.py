"""What the tiny base model reads before any study: documents of all four families, with honest noise.

Each document is one exchange. Each mode has its own cue, in a share that is not a rare tail: a base model that
met critiques only now and then never criticises, and then every arm stays at the floor.

    solve     a problem; a solution that is clean, or carries an unnoticed error, or mends one ("Wait, ...")
    few-shot  the same after one to four other problems with their solutions
    critique  a problem, an attempt and the critique cue; a critique, now and then a wrong one
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from counterform.problems import desk, ledger, route, sorting_out
from counterform.text import wording
from counterform.types import Mark, Problem, StepVerdict, Verdict

SHARE_CRITIQUE = 0.35
SHARE_FEW_SHOT = 0.05
MOST_EXEMPLARS = 4
SHARE_MENDED = 0.15
SHARE_UNNOTICED_CRITICISED = 0.60
"""Of attempts that stand before a critique: enough wrong ones that looking for an error pays."""
SHARE_WRONG_CRITIQUE = 0.10
DRAWN_AT_ONCE = 64

_NUMBER = re.compile(r"-?\d+")


class Part(NamedTuple):
    """One family's part in the reading."""

    family: Any
    share: float
    """Of documents."""
    unnoticed: float
    """Of attempts: an error carried to the end. Sets the sampled accuracy of the base (design: 35 to 65 %)."""
    attempt: Callable[..., list[str]]
    lengths: tuple[int, ...]


PARTS = (
    Part(ledger.Ledger(), 0.40, 0.33, ledger.noisy_attempt, (1, 2, 3, 4, 5)),
    Part(route.Route(), 0.28, 0.25, route.noisy_attempt, route.TRAINED_LENGTHS),
    Part(sorting_out.SortingOut(), 0.16, 0.37, sorting_out.noisy_attempt, sorting_out.TRAINED_LENGTHS),
    Part(desk.Desk(), 0.16, 0.50, desk.noisy_attempt, desk.LENGTHS),
)


MORE_ROUTE = tuple(
    part._replace(share=share, unnoticed=0.15 if part.family.name == "route" else part.unnoticed)
    for part, share in zip(PARTS, (0.22, 0.54, 0.12, 0.12), strict=True)
)
"""What is read after PARTS. Looking a road up is learnt late and all at once: before that, more of it teaches nothing."""


def exchanges(seed: int, parts: tuple[Part, ...] = PARTS) -> Iterator[tuple[str, str]]:
    """An endless stream of (user text, model text)."""
    rng = np.random.default_rng(seed)
    problems = [_problems(part, rng) for part in parts]
    shares = [part.share for part in parts]
    while True:
        which = int(rng.choice(len(parts), p=shares))
        exchange = _exchange(parts[which], problems[which], rng)
        if all(0 <= int(number) <= ledger.MAX_TOTAL for text in exchange for number in _NUMBER.findall(text)):
            yield exchange


def _problems(part: Part, rng: np.random.Generator) -> Iterator[Problem]:
    """Problems of a family for ever: no held-out task, half of the maps as multiple choice."""
    while True:
        for problem in part.family.generate(DRAWN_AT_ONCE, rng=rng, lengths=part.lengths):
            if part.family.name == "route" and rng.random() < 0.5:
                yield route.as_multiple_choice(problem, rng)
            elif problem.split != "held_out":
                yield problem


def _exchange(part: Part, problems: Iterator[Problem], rng: np.random.Generator) -> tuple[str, str]:
    problem, draw = next(problems), rng.random()
    if draw < SHARE_CRITIQUE:
        return _critique(part, problem, rng)
    exemplars = []
    if draw < SHARE_CRITIQUE + SHARE_FEW_SHOT:
        shown = [next(problems) for _ in range(int(rng.integers(1, MOST_EXEMPLARS + 1)))]
        exemplars = [(other.prompt, _solve(part, other, rng)) for other in shown]
    return wording.few_shot_prompt(exemplars, problem.prompt), _solve(part, problem, rng)


def _solve(part: Part, problem: Problem, rng: np.random.Generator) -> str:
    return " ".join(part.attempt(problem, rng, unnoticed=part.unnoticed, mended=SHARE_MENDED))


def _critique(part: Part, problem: Problem, rng: np.random.Generator) -> tuple[str, str]:
    steps = part.attempt(problem, rng, unnoticed=SHARE_UNNOTICED_CRITICISED, mended=SHARE_MENDED)
    watch = part.family.start(problem)
    graded = [watch.feed(step) for step in steps]
    error = first_error(graded)
    if rng.random() < SHARE_WRONG_CRITIQUE:
        error = int(rng.integers(len(steps))) if error is None or rng.random() < 0.5 else None
    right = [index for index, step in enumerate(graded[:error]) if step.mark is Mark.RIGHT]
    if error is None:
        critique = wording.critique_of_sound_attempt(right)
    else:
        critique = wording.critique_of_wrong_step(error, graded[error].hint or steps[error], right)
    return wording.critique_prompt(problem.prompt, steps), critique


def first_error(graded: list[StepVerdict]) -> int | None:
    """Index of the first wrong step that nothing mends; None if there is none."""
    unknown = Mark.UNKNOWN
    return Verdict(attempt_id="", outcome=unknown, lenient=unknown, steps=tuple(graded), verifier="").first_error
