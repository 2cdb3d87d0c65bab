"""Which answers of two logs are answers to the same question: proven by id or content, and counted where it cannot be."""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from counterform.logs.table import Table

Ints = NDArray[np.int64]
Proof = Literal["id", "content", "question"]


class Pairs(Struct, frozen=True, kw_only=True):
    """Answers of two tables that belong together, and those that do not."""

    first: Ints
    second: Ints
    """The number of the answer in each table; one entry per pair."""
    items: Ints
    """The item of each pair: its number in the first table. Samples of one item are one cluster."""
    by: Proof
    """The tool's own id, a hash of the item, or (between logs of different tools) the question without its white space."""
    only_in_first: int
    only_in_second: int
    """Answers without a partner, for any reason but the next two."""
    other_question: tuple[str, ...] = ()
    """Items of which the two logs hold different questions under one id; not paired."""
    ambiguous: tuple[str, ...] = ()
    """Items that have several questions under one id within a log; not paired."""
    other_prompt: int = 0
    """Items that are paired although the prompt was rendered differently."""


def pair(first: Table, second: Table) -> Pairs:
    """Pair two tables by item and sample."""
    same_tool = first.reader == second.reader and first.identified == second.identified
    by: Proof = "question"
    if same_tool:
        by = "id" if "id" in first.identified else "content"
        partner = np.array([second.items.get(item, -1) for item in first.items], dtype=np.int64)
    else:
        partner = _by_question(first, second)
    names = list(first.items)
    here = np.flatnonzero(partner >= 0)
    ambiguous = {int(item) for item in here if item in first.conflicts or int(partner[item]) in second.conflicts}
    other = {
        int(item)
        for item in here
        if same_tool and int(item) not in ambiguous and _differ(first.contents[item], second.contents[partner[item]])
    }
    left_out = sorted(ambiguous | other)
    sizes = [_answers(first, left_out), _answers(second, [int(partner[item]) for item in left_out])]
    partner[left_out] = -1
    keys, theirs = first.keys, second.keys
    if not same_tool:  # one counts samples from 0, another epochs from 1
        keys, theirs = first.ranked(keys), second.ranked(theirs)
    has = partner[first.items_of(keys)] >= 0 if len(keys) else np.zeros(0, dtype=bool)
    mine = np.flatnonzero(has)
    _, at, other_at = np.intersect1d(
        first.renumbered(keys[mine], partner), theirs, assume_unique=True, return_indices=True
    )
    order = np.argsort(mine[at], kind="stable")
    a, b = mine[at][order], other_at[order]
    items = first.items_of(keys[a])
    paired = np.unique(items)
    return Pairs(
        first=a,
        second=b,
        items=items,
        by=by,
        only_in_first=len(first) - len(a) - sizes[0],
        only_in_second=len(second) - len(b) - sizes[1],
        other_question=tuple(names[item] for item in sorted(other)),
        ambiguous=tuple(names[item] for item in sorted(ambiguous)),
        other_prompt=sum(_differ(first.rendered[item], second.rendered[partner[item]]) for item in paired),
    )


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _answers(table: Table, items: list[int]) -> int:
    return int(np.isin(table.items_of(table.keys), items).sum()) if items else 0


def _by_question(first: Table, second: Table) -> Ints:
    """For each item of the first table the item of the second with the same question; -1 where there is not exactly one."""
    found: dict[int, int] = {}
    for item, question in enumerate(second.questions):
        found[question] = -1 if question in found else item
    seen: dict[int, int] = {}
    partner = np.full(len(first.items), -1, dtype=np.int64)
    for item, question in enumerate(first.questions):
        if question and question not in seen:
            partner[item] = found.get(question, -1)
        elif question in seen:
            partner[seen[question]] = -1
        seen.setdefault(question, item)
    return partner


def example(first: Table, second: Table, item: str) -> str:
    """Both questions under one id, for a message."""
    a, b = (table.prompts[table.items[item]] for table in (first, second))
    return f"{item!r} is {a!r} in one and {b!r} in the other"
