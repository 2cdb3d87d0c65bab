"""The exact words in which a critique is asked for, written and read back, and the form of a few-shot prompt.

One place, because the world's documents, the critique arm and the find_error probe must mean the same thing
by them. Steps are numbered in the prompt, as in ProcessBench (arXiv 2412.06559), so that "the first wrong
step" is an index and not a matter of taste.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

CRITIQUE_CUE = "Check this attempt. Which step is the first wrong one?"

_WRONG_STEP = re.compile(r"\bstep\s+0*([1-9]\d{0,3})\s+is\s+wrong\b", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n\s*\n")
_VERDICT = re.compile(r"\bthe\s+attempt\s+is\s+(right|wrong)\b", re.IGNORECASE)


def few_shot_prompt(exemplars: Iterable[tuple[str, str]], prompt: str) -> str:
    """Problems with their solutions, then the problem that is asked; a blank line between them and nowhere else."""
    blocks = [f"{asked}\n{solution}" for asked, solution in exemplars]
    return "\n\n".join(_BLANK_LINES.sub("\n", block) for block in [*blocks, prompt])


def critique_prompt(problem_prompt: str, steps: Sequence[str]) -> str:
    """The request to find the first wrong step of a finished attempt."""
    numbered = "\n".join(f"Step {number}: {step.strip()}" for number, step in enumerate(steps, 1))
    return f"{problem_prompt}\n{numbered}\n{CRITIQUE_CUE}"


def critique_of_sound_attempt(right: Iterable[int]) -> str:
    """A critique that finds nothing wrong. `right`: the steps (0-based) that were checked and are right."""
    return f"{_steps_are_right(right)}The attempt is right."


def critique_of_wrong_step(first_error: int, hint: str, right: Iterable[int]) -> str:
    """A critique that names the first wrong step (a 0-based index) and says what would be right.

    `right`: the steps before it that were checked and are right; of the others nothing is said.
    """
    what = f": {hint.strip().rstrip('.')}" if hint else ""
    return f"{_steps_are_right(right)}Step {first_error + 1} is wrong{what}. The attempt is wrong."


def critique_of_wrong_answer(answer: str) -> str:
    """A critique of an attempt in which no single step can be shown wrong, though its answer is."""
    return f"The answer should be {answer}. The attempt is wrong."


def named_error(critique: str) -> int | None:
    """The first step a critique calls wrong, 0-based; -1 if it calls the attempt right; None if it says neither.

    A critique that names no step but calls the attempt wrong has not answered "which step", so it is None too.
    """
    step = _WRONG_STEP.search(critique)
    if step:
        return int(step.group(1)) - 1
    verdict = _VERDICT.search(critique)
    return -1 if verdict and verdict.group(1).lower() == "right" else None


def _steps_are_right(right: Iterable[int]) -> str:
    return "".join(f"Step {index + 1} is right. " for index in right)
