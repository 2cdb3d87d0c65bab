"""What a sentence of a policy itself says, read without any model: its numbers with their bounds, its words, its phrases.

It reads English, and only what it can read without understanding. A rule is held against this, so that code and examples that
are wrong in the same way are not believed for agreeing with each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

Boundary = Literal["at most", "at least", "over", "under", ""]
"""Where a bound lies: `at most` and `over` between n and what is above, `at least` and `under` between n and what is below."""

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = (
    {word: float(at) for at, word in enumerate(_ONES.split())}
    | {word: 10.0 * at for at, word in enumerate(_TENS.split(), start=2)}
    | {"single": 1.0, "once": 1.0, "twice": 2.0, "dozen": 12.0, "hundred": 100.0, "thousand": 1000.0}
)
TIME = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?\b|\b\d{1,2}:\d{2}(?::\d{2})?\b")
_NUMBER = re.compile(
    r"(?<![\w.])[$€£]?(\d[\d,]*(?:\.\d+)?)(?![\w]|\.\d)\s?(%|percent\b)?|\b(" + "|".join(NUMBERS) + r")\b",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[,;:()]|\b(?:and|or|but|if|unless|except|otherwise|when|while|which)\b", re.IGNORECASE)
_BEFORE: tuple[tuple[Boundary, str], ...] = (
    (
        "at most",
        r"at most|(?:no|not|never) (?:more|longer|later|older|higher|greater) than|not (?:exceed|over|above)|up to|within|max(?:imum)?(?: of)?|limit(?:ed)? (?:to|of|is)|only",
    ),
    (
        "at least",
        r"at least|(?:no|not) (?:less|fewer|earlier|younger|lower|sooner) than|not (?:under|below)|min(?:imum)?(?: of)?",
    ),
    ("over", r"(?:more|greater|higher|older|longer|later) than|over|above|exceed(?:s|ing)?|beyond"),
    ("under", r"(?:less|fewer|lower|younger|shorter|earlier) than|under|below"),
)
_AFTER: tuple[tuple[Boundary, str], ...] = (
    ("at most", r"or (?:less|fewer|under|below)|at most|(?:at )?maximum"),
    ("at least", r"or (?:more|over|older|above|longer)|at least|(?:at )?minimum"),
)
FORBIDS = re.compile(
    r"\b(?:cannot|can't|can not|must not|mustn't|may not|not allowed|never|do not|don't|should not|shouldn't|not be|deny|decline|refuse|forbidden|prohibited|no longer)\b",
    re.IGNORECASE,
)
NEEDS = re.compile(
    r"\b(?:only if|only when|must be|has to be|have to be|needs? to|should be|must have|if and only if|only be|only for|must|only)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<!\w)'([^']{1,40})'(?!\w)|\"([^\"]{1,40})\"")
_NOTHING = re.compile(r"\b(?:zero|no|not|none|never|without|cannot|only|any|nothing|but)\b|n't\b", re.IGNORECASE)


class Mention(Struct, frozen=True):
    """A number in a sentence."""

    value: float
    sentence: int
    clause: str
    """What stands around it, up to the next comma or `and`."""
    boundary: Boundary
    forbids: bool
    """What is bounded is forbidden: "not within 24 hours of departure"."""
    after: str
    """The word right after it."""
    in_digits: bool
    percent: bool

    def means(self, value: float) -> bool:
        """Whether it says this number; 50% says 50 and 0.5."""
        return value in (self.value, self.value / 100 if self.percent else self.value)

    @property
    def is_bound(self) -> bool:
        """Whether a rule that leaves it out leaves something out."""
        return self.in_digits or self.boundary != ""


def mentions(number: int, text: str) -> list[Mention]:
    """The numbers of a sentence; times of day and dates are none."""
    masked = TIME.sub(lambda found: "~" * len(found[0]), text)
    found = list(_NUMBER.finditer(masked))
    breaks = list(_BREAK.finditer(masked))
    rows = []
    for at, match in enumerate(found):
        begin = max(
            (cut.end() for cut in breaks if cut.end() <= match.start() and not _is_after(masked, cut, match)), default=0
        )
        end = min(
            (cut.start() for cut in breaks if cut.start() >= match.end() and not _goes_on(masked, cut)),
            default=len(text),
        )
        last = max(begin, found[at - 1].end() if at else 0)
        digits = match[1]
        boundary = _boundary(masked[last : match.start()], masked[match.end() : end + 14])
        rows.append(
            Mention(
                value=float(digits.replace(",", "")) if digits else NUMBERS[match[3].lower()],
                sentence=number,
                clause=text[begin:end],
                boundary=boundary,
                forbids=bool(FORBIDS.search(masked[begin : end if boundary in ("over", "under") else match.start()])),
                after=next(iter(words(masked[match.end() :])), ""),
                in_digits=bool(digits),
                percent=bool(match[2]),
            )
        )
    return rows


def times(text: str) -> set[str]:
    """The dates and times of a sentence, as `2024-05-15 15:00:00`."""
    return {found[0].replace("T", " ") for found in TIME.finditer(text)}


def says_nothing(text: str) -> bool:
    """Whether a sentence has a word that stands for none: a rule may then compare with 0."""
    return bool(_NOTHING.search(text))


def words(text: str) -> list[str]:
    """Its words in small letters, without their plural; names in parts."""
    return [_singular(word) for word in re.findall(r"[a-z0-9]+", _spaced(text).lower())]


def alike(a: str, b: str) -> bool:
    """Whether two words have one stem: cancel and cancellation, modify and modified."""
    short, long = sorted((a, b), key=len)
    if short == long:
        return True
    common = next((at for at, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if common == len(short) == 3:  # bag and baggage, pay and payment; not can and cancel
        return long[3] == short[2] or long[3:] in ("ment", "ing", "ed", "er", "or")
    return common >= 4 and common >= len(short) - 1


def shares_word(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether any word of the one is in the other."""
    others = list(others)
    return any(alike(a, b) for a in some for b in others)


def has_phrase(text: str, phrase: str, longer: Iterable[str] = ()) -> bool:
    """Whether the words of a value stand in a text in their order, and not only inside one of the longer values."""
    wanted, there = words(phrase), words(text)
    for other in longer:
        inner = words(other)
        if len(inner) > len(wanted) and has_run(inner, wanted):
            there = _without(there, inner)
    return bool(wanted) and has_run(there, wanted)


def has_run(row: list[str], wanted: list[str]) -> bool:
    """Whether these words stand in the row one after the other."""
    return any(row[at : at + len(wanted)] == wanted for at in range(len(row) - len(wanted) + 1))


def quoted(text: str) -> list[str]:
    """What a sentence puts in quotes: 'pending'."""
    return [found[1] or found[2] for found in _QUOTED.finditer(text)]


def without_quotes(text: str) -> str:
    """The same text, as long, with what it puts in quotes blotted out."""
    return _QUOTED.sub(lambda found: "~" * len(found[0]), text)


def clauses(text: str) -> Iterator[str]:
    """Parts of a sentence between commas; what stands in brackets belongs to what they stand behind."""
    yield from (part for part in re.split(r"[,;:.]|\b(?:but|otherwise|unless|except)\b", text) if part.strip())


def _boundary(before: str, after: str) -> Boundary:
    """The bound that the words around a number set. A few words may stand between: "at most make one"."""
    found: list[tuple[int, Boundary]] = []
    for boundary, pattern in _BEFORE:
        for match in re.finditer(rf"\b(?:{pattern})\b(?=(?:\s+[\w']+){{0,3}}\s*[$€£]?$)", before, re.IGNORECASE):
            # "no more than" is no "more than": of those that end at one place, the longest says it.
            found.append((match.end() * 1000 - match.start(), boundary))
    if found:
        return max(found)[1]
    for boundary, pattern in _AFTER:
        if re.match(rf"\s*(?:[\w']+\s+){{0,2}}(?:{pattern})\b", after, re.IGNORECASE):
            return boundary
    return ""


def _is_after(text: str, cut: re.Match[str], number: re.Match[str]) -> bool:
    """A bracket or a colon right before the number does not part it from its noun."""
    return cut[0] in "(" and not text[cut.end() : number.start()].strip(" $")


def _goes_on(text: str, cut: re.Match[str]) -> bool:
    """`or more` behind a number belongs to it."""
    return bool(
        re.match(r"or (?:less|fewer|more|under|over|older|below|above|longer)\b", text[cut.start() :], re.IGNORECASE)
    )


def _spaced(text: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " "))


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _without(row: list[str], run: list[str]) -> list[str]:
    for at in range(len(row) - len(run), -1, -1):
        if row[at : at + len(run)] == run:
            row = [*row[:at], "~", *row[at + len(run) :]]
    return row
