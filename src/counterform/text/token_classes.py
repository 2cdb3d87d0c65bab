"""What each token of a trace is for: the form of an answer, the answer, a step's result, a hedge, or something else.

Works on characters, so that it is the same for every tokenizer that says where its tokens stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from counterform.results import TOKEN_CLASSES
from counterform.text.answers import statements
from counterform.text.lexicon import Lexicon, load_lexicon

MAX_ANSWER = 200
"""Characters of a stated answer; what follows them in its sentence is `other`."""

_NUMBER = r"[-−–]?\$?\d+(?:[.,]\d+)*(?:/\d+)?%?"
# "1. " at the start of a line numbers what follows and is no step.
_STEP_END = re.compile(r"(?<=[.!?])(?<!^\d\.)(?<!^\d\d\.)(?=\s)|\n", re.MULTILINE)
_NUMBERING = re.compile(r"(?:\A|\n)\s{0,20}(?:\d{1,2}[.)]|step \d{1,2}[.:])(?=\s)", re.IGNORECASE)
_AFTER_EQUALS = re.compile(rf"=\s{{0,3}}({_NUMBER})")
_ANY_NUMBER = re.compile(rf"(?<![\w.,])({_NUMBER})")
_EDGES = " \t\r*_$`\"'"

ANSWER, RESULT, HEDGE, FORM, OTHER = (
    TOKEN_CLASSES.index(name) for name in ("answer", "step result", "hedge", "form", "other")
)
_RANK = np.argsort([ANSWER, RESULT, HEDGE, FORM, OTHER])
"""A token that covers characters of several classes ("24." in one) belongs to the first of these."""


def token_classes(text: str, spans: Sequence[tuple[int, int]], lexicon: Lexicon | None = None) -> NDArray[np.int64]:
    """The class of each token, an index into TOKEN_CLASSES; `spans`: where the tokens stand, as character offsets.

    A hedge is a marker of any kind of the lexicon (the package's own where none is given).

    A token is what its characters are; blanks do not count, and a token of blanks alone is `other`.
    """
    of_character = character_classes(text, lexicon)
    found = np.full(len(spans), OTHER, dtype=np.int64)
    for index, (start, end) in enumerate(spans):
        classes = [int(of_character[at]) for at in range(start, min(end, len(text))) if not text[at].isspace()]
        if classes:
            found[index] = min(classes, key=lambda name: _RANK[name])
    return found


def character_classes(text: str, lexicon: Lexicon | None = None) -> NDArray[np.int64]:
    """The class of each character, an index into TOKEN_CLASSES."""
    classes = np.full(len(text), OTHER, dtype=np.int64)
    for start, end in _results(text):
        classes[start:end] = RESULT
    for start, end, _ in (lexicon or load_lexicon()).spans(text):
        classes[start:end] = HEDGE
    for head, (start, end), tail in _statements(text):
        classes[head:tail] = FORM
        classes[start:end] = ANSWER
    return classes


def _results(text: str) -> Iterator[tuple[int, int]]:
    """In each step, the number after its last "=", or else its last number."""
    start = 0
    for end in [*(mark.start() for mark in _STEP_END.finditer(text)), len(text)]:
        numbering = _NUMBERING.match(text, start, end)
        begin = numbering.end() if numbering else start
        found = list(_AFTER_EQUALS.finditer(text, begin, end)) or list(_ANY_NUMBER.finditer(text, begin, end))
        if found:
            yield found[-1].span(1)
        start = end


def _statements(text: str) -> Iterator[tuple[int, tuple[int, int], int]]:
    """Each stated answer: where its form begins, the answer itself, and where its form ends."""
    for one in statements(text, most=MAX_ANSWER):
        cut = text[one.start : min(one.end, one.start + MAX_ANSWER)]
        first = one.start + len(cut) - len(cut.lstrip(_EDGES))
        last = max(first, one.start + len(cut.rstrip(_EDGES)))
        yield one.head, (first, last), one.tail if one.closed else last
