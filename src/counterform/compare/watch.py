"""What is done with each response while a log is read: graded again, its words and steps read, or kept to be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from math import nan
from types import TracebackType

import numpy as np

from counterform.compare.texts import Texts
from counterform.errors import MissingExtra
from counterform.logs.reader import MAX_REASON, Row
from counterform.logs.table import Table
from counterform.types import Mark, OutcomeVerdict, Problem
from counterform.verify.answer import Answers

STRICT, LENIENT = "counterform strict", "counterform lenient"
OURS = frozenset((STRICT, LENIENT))
SECONDS = 5.0
"""For one answer that math-verify is asked about."""
ROWS, CHARACTERS = 2048, 1 << 24
"""Held back until they are looked at together."""
_VALUES = {Mark.RIGHT: 1.0, Mark.WRONG: 0.0, Mark.UNKNOWN: nan}


class _Seen:
    """What came of one table's responses, in the order of its answers."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.strict: list[float] = []
        self.lenient: list[float] = []
        self.traits: list[list[float]] = []
        self.reasons: dict[int, str] = {}
        self.waiting = 0


class Regrader:
    """Grades every response that has a key with our own verifier, and reads what else stands in every response. Close it."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._answers = Answers(SECONDS)
        self._seen: dict[int, _Seen] = {}
        self._pending: list[tuple[_Seen, Row]] = []
        self._characters = 0
        self.missing: Counter[str] = Counter()
        """Answers that could not be compared because something is not installed, by what is said of it."""

    def __enter__(self) -> Regrader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._answers.close()

    def __call__(self, table: Table, at: int, row: Row) -> None:
        """Look at one row; the second row of an answer (another filter) holds the same response."""
        seen = self._seen.get(id(table))
        if seen is None:
            seen = self._seen[id(table)] = _Seen(table)
        if at < seen.waiting:
            return
        seen.waiting += 1
        self._pending.append((seen, row))
        self._characters += len(row.text or "")
        if len(self._pending) >= ROWS or self._characters >= CHARACTERS:
            self._flush()

    def finish(self) -> None:
        """Put what was found into the tables: two scorers, and a column for each trait."""
        self._flush()
        for seen in self._seen.values():
            for scorer, values in ((STRICT, seen.strict), (LENIENT, seen.lenient)):
                if not np.isnan(values).all():
                    seen.table.add_scorer(scorer, np.array(values), seen.reasons)
            columns = np.array(seen.traits).T
            seen.table.traits |= {trait.name: column for trait, column in zip(self._texts.traits, columns, strict=True)}

    def _flush(self) -> None:
        pending, self._pending, self._characters = self._pending, [], 0
        if not pending:
            return
        traits = self._texts([row for _, row in pending])
        verdicts = iter(
            self._graded([(row.key, row.text) for _, row in pending if row.text is not None and row.key is not None])
        )
        for (seen, row), values in zip(pending, traits, strict=True):
            verdict = next(verdicts) if row.text is not None and row.key is not None else None
            strict, lenient = (nan, nan) if verdict is None else _values(verdict)
            if lenient != lenient:
                silent = row.failure or "no response"
                why = silent if row.text is None else "no key" if verdict is None else verdict.reason
                seen.reasons[len(seen.lenient)] = why[:MAX_REASON]
            seen.strict.append(strict)
            seen.lenient.append(lenient)
            seen.traits.append(values)

    def _graded(self, pairs: list[tuple[str, str]]) -> list[OutcomeVerdict]:
        asked = [(Problem(id="", prompt="", answer=key), text) for key, text in pairs]
        try:
            return self._answers(asked)
        except MissingExtra as error:
            if len(asked) == 1:
                self.missing[str(error)] += 1
                return [OutcomeVerdict(Mark.UNKNOWN, Mark.UNKNOWN, str(error))]
            half = len(pairs) // 2
            return self._graded(pairs[:half]) + self._graded(pairs[half:])


def _values(verdict: OutcomeVerdict) -> tuple[float, float]:
    """Strict and lenient as numbers. An answer that can be read but is not stated in a recognised form has not the form."""
    lenient = _VALUES[verdict.lenient]
    if verdict.strict is Mark.UNKNOWN and verdict.lenient is not Mark.UNKNOWN:
        return 0.0, lenient
    return _VALUES[verdict.strict], lenient


class Keeper:
    """Keeps the rows of a few answers."""

    def __init__(self, wanted: Mapping[tuple[Hashable, int], object]) -> None:
        self._wanted = wanted
        self.rows: dict[tuple[Hashable, int], Row] = {}

    def __call__(self, table: Table, at: int, row: Row) -> None:
        """Look at one row."""
        if (table.name, at) in self._wanted:
            self.rows.setdefault((table.name, at), row)
