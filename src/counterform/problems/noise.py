"""Format noise: words of a prompt inserted, deleted or replaced, as in "Is CoT Reasoning a Mirage?" (arXiv 2508.01191, 7).

The paper puts an unknown token in; here every inserted word is one of the training prompts' words, in their own
frequencies, so that any tokenizer knows it. The answer key stays that of the clean prompt. Noise can destroy the information that
the answer needs ("Add 5." without its 5): what is read is a bound on robustness, and no model can be right everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.metrics import Shift
from counterform.text.shifts import shifted
from counterform.types import Problem

Kind = Literal["insert", "delete", "modify"]
SHARES = (0.05, 0.10, 0.20, 0.30)

MAX_POOL = 1_000
"""Training prompts whose words are enough to draw from."""

_PIECE = re.compile(r"\s*\S+")


def noise(problems: Sequence[Problem], *, trained: Sequence[Problem], rng: np.random.Generator) -> list[Problem]:
    """Every problem under every kind and share of noise; distance: the share of its words that was really edited.

    What is put in comes from the words of the trained problems' prompts. Raises DataError when all those are one word.
    """
    pool = [word for problem in trained[:MAX_POOL] for word in problem.prompt.split()]
    if len(set(pool)) < 2:
        raise DataError(
            "format noise needs at least two different words in the training prompts. Leave `shift` out of the probes."
        )
    return [
        noisy(problem, kind, share, pool=pool, rng=rng)
        for kind in get_args(Kind)
        for share in SHARES
        for problem in problems
    ]


def noisy(problem: Problem, kind: Kind, share: float, *, pool: Sequence[str], rng: np.random.Generator) -> Problem:
    """The problem with a share of its prompt's words edited: rounded, but at least one and never all of them deleted."""
    text, done = edited(problem.prompt, kind, share, pool=pool, rng=rng)
    distance = done / len(problem.prompt.split())
    shift = Shift(axis=f"noise {kind}", level=f"{round(100 * share)} %", distance=distance)
    return replace(shifted(problem, shift), prompt=text)


def edited(text: str, kind: Kind, share: float, *, pool: Sequence[str], rng: np.random.Generator) -> tuple[str, int]:
    """The text after the edits, and how many there are. Words stand between white space, which is kept."""
    pieces = _PIECE.findall(f" {text.strip()}")
    count = edits(len(pieces), kind, share)
    if kind == "insert":
        for gap in sorted(rng.choice(len(pieces) + 1, size=count), reverse=True):
            pieces.insert(gap, f" {_drawn(pool, rng)}")
    else:
        for at in sorted(rng.choice(len(pieces), size=count, replace=False), reverse=True):
            if kind == "delete":
                del pieces[at]
            else:
                word = pieces[at].lstrip()
                pieces[at] = pieces[at].removesuffix(word) + _another(word, pool, rng)
    return "".join(pieces).lstrip(), count


def edits(words: int, kind: Kind, share: float) -> int:
    """How many words are edited of so many."""
    count = max(1, int(share * words + 0.5))
    return min(count, words - 1) if kind == "delete" else count


def _another(word: str, pool: Sequence[str], rng: np.random.Generator) -> str:
    while (found := _drawn(pool, rng)) == word:
        pass
    return found


def _drawn(pool: Sequence[str], rng: np.random.Generator) -> str:
    return pool[int(rng.integers(len(pool)))]
