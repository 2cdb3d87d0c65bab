"""Problems of several families in one study, in turn: for contrasts of domains with everything else alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from counterform.errors import DataError
from counterform.parts import made
from counterform.types import Family, PlantedError, Problem, Watch

FEWEST = 2


class Several(Family):
    """As many problems of each family as of every other; each is verified by its own family.

    families: short names, or `module:object`. Raises ValueError for fewer than two different ones.
    """

    name = "several"

    def __init__(self, families: Sequence[str] = ("route", "ledger")) -> None:
        if len(set(families)) < FEWEST or len(set(families)) < len(families):
            raise ValueError(f"give {FEWEST} or more different families, not {list(families)}")
        self._families: dict[str, Family] = {}
        for name in families:
            family: Family = made("family", name, {}, "$.problems.options.families")
            self._families[family.name] = family

    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = ()) -> list[Problem]:
        """`n` problems, one family after the other in turn; `lengths` are asked of all of them (empty: each one's own)."""
        of_lengths = tuple(lengths)
        asked = {"lengths": of_lengths} if of_lengths else {}
        share = -(-n // len(self._families))
        found = [family.generate(share, rng=rng, **asked) for family in self._families.values()]
        mixed = [problem for row in zip(*found, strict=True) for problem in row][:n]
        holds_out = sorted({problem.family for problem in mixed if problem.split == "held_out"})
        if holds_out:
            raise DataError(
                f"family {holds_out[0]!r} holds out whole tasks, and cannot be mixed with others, which do not. Leave it out."
            )
        return mixed

    def start(self, problem: Problem) -> Watch:
        """The step verifier of the problem's own family."""
        return self._families[problem.family].start(problem)

    def plant_errors(self, problem: Problem, *, rng: np.random.Generator) -> list[PlantedError]:
        """Errors as the problem's own family plants them."""
        return self._families[problem.family].plant_errors(problem, rng=rng)
