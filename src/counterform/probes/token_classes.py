"""What each token of a trace is for: the form of an answer, the answer, a step's result, a hedge, or something else.

Works on characters, so that it is the same for every tokenizer that says where its tokens stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from counterform.results import TOKEN_CLASSES
from counterform.text.lexicon import Lexicon, load_lexicon

MAX_ANSWER = 200
"""Characters of a stated answer; what follows them in its sentence is `other`."""

_NUMBER = r"[-−–]?\$?\d+(?:[.,]\d+)*(?:/\d+)?%?"
# "1. " at the start of a line numbers what follows and is no step.
_STEP_END = re.compile(r"(?<=[.!?])(?<!^\d\.)(?<!^\d\d\.)(?=\s)|\n", re.MULTILINE)
_NUMBERING = re.compile(r"(?:\A|\n)\s{0,20}(?:\d{1,2}[.)]|step \d{1,2}[.:])(?=\s)", re.IGNORECASE)
_AFTER_EQUALS = re.compile(rf"=\s{{0,3}}({_NUMBER})")
_ANY_NUMBER = re.compile(rf"(?<![\w.,])({_NUMBER})")
# The forms that the outcome verifier reads, with the words that lead up to them.
_STATEMENT = re.compile(
    r"####(?!#)|\\boxed ?\{|^A:"
    r"|\b(?:(?:so|thus|therefore|hence),? )?(?:the |my )?(?:final |correct )?answer(?: is\b:?| would be\b|\*{0,2}:)",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[*\"')\]$]{0,3}(?:\s|\Z))|\n|\Z")
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
    at = 0
    while head := _STATEMENT.search(text, at):
        if text[head.start()] == "\\":
            start, end = head.end(), _closing(text, head.end())
            tail = min(end + 1, len(text))
        else:
            # No further than an answer may reach: a text of nothing but such heads must not take quadratic time.
            stop = _SENTENCE_END.search(text, head.end(), head.end() + MAX_ANSWER + 1)
            start, end = head.end(), stop.start() if stop else len(text)
            tail = stop.end() if stop else len(text)
        cut = text[start : min(end, start + MAX_ANSWER)]
        first = start + len(cut) - len(cut.lstrip(_EDGES))
        last = max(first, start + len(cut.rstrip(_EDGES)))
        yield head.start(), (first, last), tail if end - start <= MAX_ANSWER else last
        # From the end of the head, not of the answer: "The answer is \boxed{7}." states it in two forms.
        at = head.end()


def _closing(text: str, start: int) -> int:
    """Where the brace that was opened just before `start` closes, or as far as an answer may reach."""
    depth = 1
    for at in range(start, min(len(text), start + MAX_ANSWER + 1)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    return min(len(text), start + MAX_ANSWER + 1)
