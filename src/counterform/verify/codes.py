"""Digits with signs between them that are no arithmetic: dates, ranges, times, scores, telephone numbers."""

from __future__ import annotations

import re

from counterform.types import Mark
from counterform.verify.values import Code

_CODE = re.compile(r"\d{1,6}(?:([-:/.])\d{1,6})(?:([-:/.])\d{1,6}){0,4}")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d\d))?\s?([ap])\.?\s?m\.?", re.IGNORECASE)
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s(?:to|through|until)\s(\d+(?:\.\d+)?)")
_HALVES = ("am", "pm")


def read_code(text: str) -> Code | None:
    """The code that the text is; None where it is none."""
    if found := _CODE.fullmatch(text):
        signs = re.sub(r"\d", "", text)
        if signs != "." and signs != "/":
            return Code(tuple(re.split(r"[-:/.]", text)), signs)
    if found := _CLOCK.fullmatch(text):
        return Code((found[1], found[2] or "00"), f"{found[3].casefold()}m")
    if found := _RANGE.fullmatch(text):
        return Code((found[1], found[2]), "-")
    return None


def compare_codes(key: Code, answer: Code) -> tuple[Mark, str]:
    """Equal part by part, or plainly different."""
    mine, theirs = ([part.lstrip("0") or "0" for part in one.parts] for one in (key, answer))
    if mine == theirs and key.signs == answer.signs:
        return Mark.RIGHT, ""
    if key.signs in _HALVES and answer.signs in _HALVES:
        return Mark.WRONG, ""
    same_shape = key.signs == answer.signs and len(key.signs) >= 1
    if same_shape and set(key.signs) == {"-"} and sorted(mine) != sorted(theirs) and len(mine) != 2:
        return Mark.WRONG, ""
    return Mark.UNKNOWN, "dates, ranges, times or scores are written in two ways, or differ"
