r"""What only frames an answer, and is no part of it: white space, dollars, bold, quotes, boxes, sizes of brackets."""

from __future__ import annotations

import re

from counterform.verify.notation import without_layout
from counterform.verify.quantities import TEXT

EDGES = " \t\r\n*`"
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("_", "_"), ("__", "__"))
"""Taken off in pairs: a lone one may be a prime, inches, or the rest of a subscript."""
_FORMULAS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_BOXED = re.compile(r"\\(?:boxed|fbox|mathbf|boldsymbol|bm|textbf|emph|textit|underline|mathrm|text|mbox) ?\{")
_BRACKETED_ARRAY = re.compile(
    r"(?:\\left\s*)?[(\[]\s*(\\begin\s?\{(?:array|matrix)\}.*\\end\s?\{(?:array|matrix)\})\s*(?:\\right\s*)?[)\]]",
    re.DOTALL,
)
OPEN, CLOSE = "([{", ")]}"


def tidy(text: str) -> str:
    """Without what only frames an answer: white space, dollars, bold, quotes, a full stop."""
    while True:
        before = text
        text = text.strip(EDGES)
        if not text.endswith(".."):  # 0.33... goes on
            text = text.rstrip(".,;: ").rstrip(EDGES)
        for start, end in _FORMULAS:
            text = _without_pair(text, start, end, "$")
        for start, end in _QUOTES:
            text = _without_pair(text, start, end, start)
        if text[:1] in ('"', "“") and not re.search('["”]', text[1:]):
            text = text[1:]  # what it opens was cut off
        frame = _BOXED.match(text)
        if frame and closes_at(text, frame.end() - 1) == len(text) - 1:
            text = text[frame.end() : -1]
        if text == before:
            return text


def _without_pair(text: str, start: str, end: str, other: str) -> str:
    """The text without these two signs around all of it; with them, where `other` stands between them too."""
    inner = text[len(start) : -len(end)]
    framed = len(text) > len(start + end) and text.startswith(start) and text.endswith(end)
    return inner if framed and other not in inner.replace(rf"\{other}", "") else text


def without_frame(text: str) -> str:
    """A matrix without the sizing commands around it."""
    text = re.sub(r"^\\left\s?(?=\\begin)|(?<=\})\s?\\right\s?$", "", text.strip())
    framed = _BRACKETED_ARRAY.fullmatch(text)
    return framed[1] if framed else text


def closes_at(text: str, start: int) -> int:
    """Where the bracket at `start` closes; -1 if it does not."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in OPEN) - (text[at] in CLOSE)
        if depth == 0:
            return at
    return -1


def letters(text: str) -> str:
    """The text without spaces and without the commands that only set it as text."""
    if text[:1] in ("~", "≈") or text.endswith(("..", "…")):
        return text
    plain = without_layout(TEXT.sub(r"\1", text)).rstrip(".,;:")
    plain = re.sub(r"(?<![A-Za-z\\])[A-Za-z]{4,}", lambda found: found[0].casefold(), plain)  # x is not X
    return re.sub(r"(?<!\w)\s+|\s+(?!\w)|(?<=[^\W\d])\s+(?=\d)|(?<=\d)\s+(?=[^\W\d])", "", plain)
