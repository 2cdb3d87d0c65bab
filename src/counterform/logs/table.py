"""The answers of one model to one task in one run, as columns: what is left of a log once it is read."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import nan

import numpy as np
from numpy.typing import NDArray

from counterform.logs.reader import Row, last_message

_SAMPLES = 20
"""Bits of a key that number the sample of an item."""
MAX_SAMPLES = 1 << _SAMPLES
NOT_SCORED = "not scored"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Table:
    """Answers by item and sample: one value for each scorer, NaN where it gave none, and the reasons why, counted."""

    def __init__(self, reader: str, name: Hashable = None) -> None:
        self.reader = reader
        self.name = name
        """Of which run, step, model and task: equal when the same log is read again."""
        self.items: dict[str, int] = {}
        """Item -> its number."""
        self.identified: set[str] = set()
        self.scorers: dict[str, array[float]] = {}
        self.lengths = array("q")
        """Characters of each response; -1 where the log holds none."""
        self.traits: dict[str, Floats] = {}
        """Whatever else was counted in each response; NaN where the log holds none."""
        self.contents: list[str] = []
        self.questions: list[int] = []
        """A hash of each item's question without white space, for pairing with another tool's log; 0 where there is none."""
        self.rendered: list[str] = []
        self.prompts: list[str] = []
        """The beginning of each item's question, for messages."""
        self.levels: list[str] = []
        """What stands in the column that results are broken down by."""
        self.conflicts: set[int] = set()
        """Items that came with different questions under one name."""
        self.repeated = 0
        """Answers that came again under the same item, sample and scorer; the first is kept."""
        self._reasons: dict[int, dict[str, str]] = {}
        self._failures: dict[int, str] = {}
        self._keys: dict[int, int] = {}
        self._next: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, row: Row, level: str = "") -> int:
        """Take in a row; the number of its answer."""
        item = self._item(row, level)
        sample = row.sample
        if sample is None:
            sample = self._next[item]
            self._next[item] += 1
        key = item << _SAMPLES | (sample & (MAX_SAMPLES - 1))
        at = self._keys.setdefault(key, len(self._keys))
        if at == len(self.lengths):
            self.lengths.append(-1 if row.text is None else len(row.text))
            for values in self.scorers.values():
                values.append(nan)
        elif not row.scores or any(self._has(score.scorer, at) for score in row.scores):
            self.repeated += 1
            return at
        for score in row.scores:
            if score.scorer not in self.scorers:
                self.scorers[score.scorer] = array("d", [nan]) * len(self._keys)
            if score.value is not None:
                self.scorers[score.scorer][at] = score.value
            if score.reason or score.value is None:
                self._reasons.setdefault(at, {})[score.scorer] = score.reason or NOT_SCORED
        if row.failure:
            self._failures[at] = row.failure
        return at

    def _has(self, scorer: str, at: int) -> bool:
        values = self.scorers.get(scorer)
        return values is not None and (values[at] == values[at] or scorer in self._reasons.get(at, {}))

    def _item(self, row: Row, level: str) -> int:
        item = self.items.setdefault(row.item, len(self.items))
        if item == len(self.contents):
            self.identified.add(row.identified)
            self.contents.append(row.content)
            self.questions.append(hash("".join(last_message(row.prompt).split())) if row.prompt else 0)
            self.rendered.append(row.rendered)
            self.prompts.append(row.prompt[:80])
            self.levels.append(level)
        elif row.content and self.contents[item] != row.content:
            if self.contents[item]:
                self.conflicts.add(item)
            self.contents[item] = self.contents[item] or row.content
        return item

    def expect(self, scorers: Iterable[str]) -> None:
        """Scorers that were meant to be used; where none came, every answer is unscored by them."""
        if not self.scorers:
            for scorer in scorers:
                self.scorers[scorer] = array("d", [nan]) * len(self._keys)

    def add_scorer(self, scorer: str, values: Floats, reasons: Mapping[int, str]) -> None:
        """A value for each answer, in the order in which they came; NaN: not scored. reasons: why, by answer."""
        self.scorers[scorer] = array("d", values.tobytes())
        for at, reason in reasons.items():
            self._reasons.setdefault(at, {})[scorer] = reason

    @property
    def keys(self) -> Ints:
        """Item and sample of each answer, packed; in the order in which they came."""
        return np.fromiter(self._keys, dtype=np.int64, count=len(self._keys))

    def items_of(self, keys: Ints) -> Ints:
        """The items of packed keys."""
        return keys >> _SAMPLES

    def renumbered(self, keys: Ints, items: Ints) -> Ints:
        """The packed keys with each item replaced by `items[item]`."""
        packed: Ints = (items[keys >> _SAMPLES] << _SAMPLES) | (keys & (MAX_SAMPLES - 1))
        return packed

    def ranked(self, keys: Ints) -> Ints:
        """The packed keys with the samples of each item numbered from 0."""
        order = np.argsort(keys, kind="stable")
        items = keys[order] >> _SAMPLES
        starts = np.searchsorted(items, items)
        found = np.empty_like(keys)
        found[order] = (items << _SAMPLES) | (np.arange(len(keys)) - starts)
        return found

    def values(self, scorer: str) -> Floats:
        """The values of one scorer, in the order in which the answers came."""
        return np.frombuffer(self.scorers[scorer], dtype=np.float64) if len(self) else np.zeros(0)

    def reason(self, scorer: str, at: int) -> str:
        """Why an answer has no value of this scorer, or what is odd about it."""
        return self._reasons.get(at, {}).get(scorer) or self._failures.get(at, NOT_SCORED)

    def remarks(self, scorer: str) -> Counter[str]:
        """What is odd about values that there are."""
        values = self.values(scorer)
        return Counter(
            reasons[scorer] for at, reasons in self._reasons.items() if scorer in reasons and not np.isnan(values[at])
        )

    def unscored(self, scorer: str) -> Counter[str]:
        """Answers without a value of this scorer, by reason."""
        return Counter(self.reason(scorer, int(at)) for at in np.flatnonzero(np.isnan(self.values(scorer))))
