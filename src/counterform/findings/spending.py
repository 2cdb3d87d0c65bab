"""How the chance of a false find is spent over looks that come one after the other, however the next is chosen.

Each look has a level of its own, and the levels sum to alpha at the most: by the union bound the chance that any of them finds what is not there is
alpha at the most, whatever the looks have in common (one base, one set of items, candidates that descend from each other). Rules that spend less
on what comes late, or that win alpha back with each find (Foster and Stine 2008; Javanmard and Montanari 2018), keep the expected share of
false finds, or suppose looks that are independent; neither is what ships one candidate out of many read on the same items.
"""

from __future__ import annotations

from math import log

SUM = 2.1097428
"""Of 1 / (j log(j)^2) over j = 2, 3, ...: the slowest common series that has a sum."""


def level(look: int, alpha: float, planned: int) -> float:
    """Of the look of this number, from 1: equal parts of as many as were planned; 0 planned: a series without an end.

    Raises ValueError for a look that was not planned.
    """
    if look < 1 or 0 < planned < look:
        raise ValueError(f"look {look} of {planned}")
    if planned:
        return alpha / planned
    return alpha / (SUM * (look + 1) * log(look + 1) ** 2)
