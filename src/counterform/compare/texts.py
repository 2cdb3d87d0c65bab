"""What is read in a response besides its answer: markers of doubt and checking, wrong steps, the order of a search."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from zlib import crc32

from msgspec import Struct

from counterform.findings.paired import Better
from counterform.logs.reader import Row
from counterform.text.lexicon import load_lexicon
from counterform.text.search import search_of
from counterform.types import Mark, Problem, Verdict
from counterform.verify.steps import Arithmetic, grade_steps

MAX_READ = 20_000_000
"""Bytes of logs of which every response's steps are read (about two minutes); of larger ones, a share of the items."""
MAX_STEPS_TEXT = 50_000
"""Characters of a response in which steps are read; the steps of a longer one are not."""


class Trait(Struct, frozen=True, kw_only=True):
    """One number read in a response."""

    name: str
    better: Better = "neither"
    is_count: bool = True
    """0 and 1 are no marks."""


# A wrong step: of responses with an equation that could be read. Search: of those that name two candidates or more (text/search.py).
WRONG_STEPS = Trait(name="a wrong step", better="low", is_count=False)
_SEARCH = (
    Trait(name="breadth first", is_count=False),
    Trait(name="switches, per step"),
    Trait(name="returns, per switch"),
)


class Texts:
    """Reads responses. share: of the items in whose responses steps and search are read; the same items in every log."""

    def __init__(self, *, share: float) -> None:
        self._lexicon, self._steps, self._share = load_lexicon(), Arithmetic(), share
        markers = [Trait(name=f"{kind}, per response") for kind in self._lexicon.kinds]
        self.traits: tuple[Trait, ...] = (*markers, WRONG_STEPS, *_SEARCH)

    def __call__(self, rows: Sequence[Row]) -> list[list[float]]:
        """A number for each trait of each response, in order; NaN where there is none."""
        counts = self._lexicon.counts([row.text or "" for row in rows]).tolist()
        silent = [nan] * len(self.traits)
        return [
            silent if row.text is None else [*map(float, marked), *self._process(row)]
            for row, marked in zip(rows, counts, strict=True)
        ]

    def _process(self, row: Row) -> list[float]:
        text = row.text or ""
        if len(text) > MAX_STEPS_TEXT or not self._is_read(row):
            return [nan] * (1 + len(_SEARCH))
        steps = grade_steps(self._steps, Problem(id="", prompt=row.prompt, answer=""), text)
        verdict = Verdict(attempt_id="", outcome=Mark.UNKNOWN, lenient=Mark.UNKNOWN, steps=steps, verifier="")
        read = any(step.mark is not Mark.UNKNOWN for step in steps)
        search = search_of(text)
        found = search.trace if search else None
        values = [float(verdict.process is Mark.WRONG) if read else None]
        values += [found.breadth, found.switches, found.revisits] if found else [None] * len(_SEARCH)
        return [nan if value is None else value for value in values]

    def _is_read(self, row: Row) -> bool:
        """By the question, which is the same in every log; by the item's name where the log holds no question."""
        question = "".join(row.prompt.split()) or row.item
        return crc32(question.encode("utf-8", "replace")) < self._share * 2**32
