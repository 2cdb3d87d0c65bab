"""The letters of a multiple choice: one is named, or several are, which is never right."""

from __future__ import annotations

import re

from counterform.types import Mark
from counterform.verify.quantities import TEXT
from counterform.verify.values import Choice

_CHOICE = re.compile(
    r"(?:(?:option|choice|answer|letter)\s+)?\*{0,2}(?:\(([A-Za-z])\)|\[([A-Z])\]|([A-Z])(?=$|[).:,;]|\*\*| [-–—] ))\*{0,2}[).:]?\*{0,2}",
    re.I,
)


def read_choice(text: str) -> Choice | None:
    """The letter that the text names first, with all that follows it; None where it names none."""
    text = TEXT.sub(r"\1", text)
    found = _CHOICE.match(text)
    if not found:
        return None
    letter, rest = (found[1] or found[2] or found[3]), text[found.end() :].strip()
    if rest and (rest[0] in "+*/^=_(!'-" or (rest[0] in "-–—" and re.match(r".\s*\d", rest))):
        return None
    bare_letter = found[3] is not None
    if bare_letter and (not letter.isupper() or (rest and text[found.end(3)] in ",;")):
        return None if letter.islower() or not rest else Choice(letter.upper(), f", {rest}")
    return Choice(letter.upper(), rest)


def compare_choices(key: Choice, answer: Choice) -> tuple[Mark, str]:
    """RIGHT for the key's letter alone, WRONG for another alone."""
    others = set(re.findall(r"(?<![\w'’])[A-Z](?![\w'’])", answer.rest)) - {key.letter, answer.letter}
    if answer.letter != key.letter:
        if not others and re.search(rf"(?<!\w)\(?{key.letter}\b", answer.rest):
            return Mark.UNKNOWN, "several choices are named"
        return (Mark.WRONG, "") if not others else (Mark.UNKNOWN, "several choices are named")
    if others or re.search(r"\b(?:or|not|either|both|incorrect|wrong|maybe|perhaps|and)\b", answer.rest[:200], re.I):
        return Mark.UNKNOWN, "several choices are named, or one with reservations"
    return Mark.RIGHT, ""
