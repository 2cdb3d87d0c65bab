"""Answers of a known answer space: the label that an answer names decides."""

from __future__ import annotations

import re
from collections.abc import Sequence

from counterform.types import Mark

_DENIED = re.compile(r"\b(?:not|no|n't|never|neither|nor|or|either|both|unless|except)\b", re.IGNORECASE)


def by_label(key: str, answer: str, space: Sequence[str]) -> tuple[Mark, str]:
    """RIGHT where the answer is the key's label, or names it alone; WRONG where it is, or names, another alone."""
    wanted, given = _plain(key), _plain(answer)
    labels = {_plain(label) for label in space}
    if given in labels:
        return (Mark.RIGHT if given == wanted else Mark.WRONG), ""
    rest = given
    named = set()
    for label in sorted(labels, key=len, reverse=True):  # "not entailed" before "entailed"
        found = re.compile(rf"(?<!\w){re.escape(label)}(?!\w)")
        if label and found.search(rest):
            named.add(label)
            rest = found.sub(" ", rest)
    if len(named) == 1 and not _DENIED.search(rest):
        return (Mark.RIGHT if named == {wanted} else Mark.WRONG), ""
    if named:
        return Mark.UNKNOWN, "several labels of the answer space are named, or one is denied"
    return Mark.UNKNOWN, "no label of the answer space is named"


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'`*()[]{}$“”‘’")
