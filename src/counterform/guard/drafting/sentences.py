"""A policy's text cut into sentences: all of it but headings, so that none is left out in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from counterform.errors import DataError

MAX_CHARACTERS = 400_000
MOST_SENTENCES = 2_000
"""Each costs calls of a model."""

_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_NO_WORDS = re.compile(r"[\W_]*")
_END = re.compile(r"""(?<=[.!?])["')\]]*\s+(?=["'(\[]?[A-Z0-9])|(?<=[。！？])""")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|no|mr|mrs|ms|dr|a\.m|p\.m)\.$", re.IGNORECASE)
_ENGLISH = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "to",
        "if",
        "is",
        "are",
        "be",
        "been",
        "can",
        "cannot",
        "may",
        "must",
        "should",
        "shall",
        "will",
        "not",
        "no",
        "and",
        "or",
        "in",
        "on",
        "for",
        "with",
        "only",
        "any",
        "all",
        "each",
        "every",
        "at",
        "by",
        "you",
        "your",
        "they",
        "this",
        "that",
        "it",
        "has",
        "have",
        "do",
        "does",
        "before",
        "after",
        "when",
        "unless",
        "than",
        "from",
        "as",
        "per",
        "use",
        "never",
        "always",
        "please",
    ]
)


class Sentence(Struct, frozen=True, kw_only=True):
    """One sentence of the policy, with where it stands."""

    number: int
    """From 1, in the order of the text."""
    text: str
    headings: tuple[str, ...]
    """The headings above it, the outermost first."""
    item: int
    """Sentences of one bullet or paragraph have the same."""
    start: int
    end: int

    @property
    def is_english(self) -> bool:
        """Whether it has one of the commonest English words; a few words alone may be of any language."""
        words = re.findall(r"[^\W\d_]+", self.text.lower())
        return (len(words) < 5 and self.text.isascii()) or not _ENGLISH.isdisjoint(words)


def read_policy_text(path: Path) -> str:
    """The text of a policy. Raises DataError for one that cannot be read, is empty or too long."""
    try:
        size = path.stat().st_size
        text = path.read_bytes().decode("utf-8-sig") if size <= 4 * MAX_CHARACTERS else ""
    except OSError as error:
        raise DataError(f"the policy {path} cannot be read: {error.strerror}. Give a Markdown or text file.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the policy {path} is no UTF-8 text: {error.reason}. Give a Markdown or text file.") from error
    if size > 4 * MAX_CHARACTERS or len(text) > MAX_CHARACTERS:
        raise DataError(
            f"the policy {path} has {size:,} bytes; at most {MAX_CHARACTERS:,} characters are drafted at once. Cut it by topic."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sentences(text: str) -> list[Sentence]:
    """Every sentence of a policy. Raises DataError where there is none, or more than can be drafted."""
    found: list[Sentence] = []
    trail: list[tuple[int, str]] = []
    item = 0
    for start, block, is_heading in _blocks(text):
        if is_heading:
            level, title = is_heading
            trail = [(other, above) for other, above in trail if other < level] + [(level, title)]
            continue
        item += 1
        for begin, end in _cut(block):
            found.append(
                Sentence(
                    number=len(found) + 1,
                    text=" ".join(block[begin:end].split()),
                    headings=tuple(title for _, title in trail),
                    item=item,
                    start=start + begin,
                    end=start + end,
                )
            )
    if not found:
        raise DataError("the policy has no sentence. Give the text that an agent has to follow.")
    if len(found) > MOST_SENTENCES:
        raise DataError(
            f"the policy has {len(found):,} sentences, and each costs calls of the model; at most {MOST_SENTENCES:,} are drafted "
            "at once. Cut it by topic."
        )
    return found


def _blocks(text: str) -> Iterator[tuple[int, str, tuple[int, str] | None]]:
    """(offset, text, heading) of every heading, bullet and paragraph; a line that is continued belongs to its bullet."""
    begin, at = -1, 0
    for line in [*text.split("\n"), ""]:
        heading, bullet = _HEADING.fullmatch(line), _BULLET.match(line)
        if begin >= 0 and (heading or bullet or not line.strip()):
            yield begin, text[begin : at - 1], None
            begin = -1
        if heading:
            yield at, line, (len(heading[1]), heading[2])
        elif begin < 0 and _NO_WORDS.fullmatch(line) is None:
            begin = at + (bullet.end() if bullet else len(line) - len(line.lstrip()))
        at += len(line) + 1


def _cut(block: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for end in [*_END.finditer(block), None]:
        stop = end.start() if end else len(block)
        if end and _ABBREVIATED.search(block[begin:stop][-12:]):
            continue
        if end and end.end() != stop:  # a closing quote or bracket belongs to the sentence before it
            stop += len(end[0].rstrip())
        if _NO_WORDS.fullmatch(block, begin, stop) is None:
            yield begin, len(block[:stop].rstrip())
        begin = end.end() if end else stop
