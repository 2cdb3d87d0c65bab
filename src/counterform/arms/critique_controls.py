"""Controls for critique: its content is taken away bit by bit, and proven to be gone.

verdict_only       right or wrong, and nothing of where
critique_format    the form of a critique, and no finding
shuffled_critique  a critique of another attempt
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterform.arms.corruption import ends_alike
from counterform.arms.criticising import Criticised, Criticising, worded
from counterform.errors import ControlError
from counterform.text import wording
from counterform.types import Mark
from counterform.verify.answer import say_the_same

ROUNDS = 40
"""How often all clashes of a shuffle are looked through."""
TRIES = 200
"""Rows drawn to exchange one clash with."""


class VerdictOnly(Criticising):
    """(Problem, attempt) -> the verdict. Keeps what a grade says, takes away where and why."""

    name = "verdict_only"
    differs_by = "an attempt is shown, and the target is the verdict on it alone"
    teaches_where = False

    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """The verdicts."""
        return [wording.verdict_sentence(right=row.said.verdict is Mark.RIGHT) for row in rows], []


class CritiqueFormat(Criticising):
    """(Problem, attempt) -> the form of a critique. Keeps its shape and length, takes every finding away."""

    name = "critique_format"
    differs_by = "an attempt is shown, and the target is the form of a critique, which says nothing of it"
    teaches_where = False

    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """A text that the number of steps alone decides."""
        texts = [wording.critique_without_content(len(row.shown.verdict.steps)) for row in rows]
        if any(wording.claims_of(text) or wording.verdict_of(text) is not Mark.UNKNOWN for text in texts):
            raise ControlError(f"arm {self.name!r}: a form without content still makes a claim")
        return texts, []


class ShuffledCritique(Criticising):
    """(Problem, attempt) -> the critique of another attempt. Keeps every critique, takes away what it is about.

    No critique names the first wrong step of the attempt that it now stands at, whether by the critic or the step verifier,
    nor says what would be right there. Whose verdict falls to whom is left to chance: a shuffle that made every verdict wrong
    would teach as much as one that made every verdict right.
    """

    name = "shuffled_critique"
    differs_by = "an attempt is shown, and the target is the critique of another attempt"

    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """The critiques in another order."""
        return shuffled(self.name, rows, rng)


def shuffled(arm: str, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Of each row the critique of another, and what is proven of it, in words. Raises ControlError where it cannot be."""
    givers = _derange(rows, rng)
    if any(_clash(row, rows[giver]) for row, giver in zip(rows, givers, strict=True)):
        named = sum(row.said.first_error is not None for row in rows)
        raise ControlError(
            f"arm {arm!r}: the {len(rows)} critiques ({named} name a step) cannot all stand at another attempt without "
            "naming its first wrong step or saying what is right there. Use attempts that go wrong at more varied steps, or "
            "leave this arm out."
        )
    right = sum(row.said.verdict is rows[giver].said.verdict for row, giver in zip(rows, givers, strict=True))
    words = f"no step is rightly named, and the verdict is right by chance at {right} of {len(rows)}"
    return [worded(rows[giver]) for giver in givers], [words]


def _derange(rows: Sequence[Criticised], rng: np.random.Generator) -> list[int]:
    """For every row the row whose critique it gets: a random permutation, with its clashes exchanged where they can be.

    Critiques are exchanged with critiques of the same verdict, so that verdicts stay as independent as a draw makes them.
    """
    givers: list[int] = rng.permutation(len(rows)).tolist()
    for _ in range(ROUNDS):
        clashes = [at for at, giver in enumerate(givers) if _clash(rows[at], rows[giver])]
        if not clashes:
            break
        for at in clashes:
            for other in rng.integers(len(rows), size=TRIES).tolist():
                mine, theirs = rows[givers[at]], rows[givers[other]]
                alike = mine.said.verdict is theirs.said.verdict
                if alike and not _clash(rows[at], theirs) and not _clash(rows[other], mine):
                    givers[at], givers[other] = givers[other], givers[at]
                    break
    return givers


def _clash(row: Criticised, giver: Criticised) -> bool:
    """Whether the critique of `giver` would say of `row` what its own says, or what is true."""
    said, named, true = giver.said, giver.said.first_error, row.shown.verdict.first_error
    if giver.shown is row.shown:
        return True
    if named is not None and named in (row.said.first_error, true):
        return True
    says_answer = named is None and said.verdict is Mark.WRONG
    if says_answer and say_the_same(giver.case.problem.answer, row.case.problem.answer):
        return True
    hints = [row.said.hint, "" if true is None else row.shown.verdict.steps[true].hint]
    return bool(said.hint) and any(hint and ends_alike(said.hint, hint) for hint in hints)
