"""GSM8K's calculator marks: `9 * 2 = $<<9*2=18>>18` says that 9 * 2 is 18, and that 18 is the result."""

from __future__ import annotations

import re
from decimal import Decimal
from math import prod
from typing import NamedTuple

from counterform.verify.exact import NUMBER, Number, Unreadable
from counterform.verify.expressions import number, parsed, written
from counterform.verify.tokens import tokens

_MARK = re.compile(rf"<<([^<>]{{1,300}})>>(?:\s?[$£€]?(-?(?>{NUMBER}))(?!\s?\d|\s?/\s?\d))?")
"""A calculator mark and the number printed after it."""
_PLAIN = r"(?:\d{1,8}(?:\.\d{1,4})?|\.\d{1,4})"
_SIMPLE_MARK = re.compile(
    rf"({_PLAIN}(?:[-+]{_PLAIN}){{1,20}}|{_PLAIN}(?:\*{_PLAIN}){{1,2}}|{_PLAIN}/(?=[\d.]*[1-9]){_PLAIN})=(-?\d{{1,12}}(?:\.\d{{1,6}})?)"
)
_UNIT = re.compile(r"\.0+(?=[-+*/=a-zA-Z])|(?:/?[a-zA-Z]++)++(?=[-+*/=])")
_PART_OF_MORE = tuple("0123456789.,/%+-*()^!_}|√'")


class Marks(NamedTuple):
    """The calculator marks of a text."""

    sound: int
    """Those that are simple and hold."""
    contents: list[str]
    """What the others hold."""
    misprints: list[tuple[str, Number]]
    """What was computed, and its value, where another number was printed after the mark."""
    around: str
    """The text without its marks."""
    unread: int
    """Equals signs in that text that repeat no mark."""


def marks_in(text: str) -> Marks:
    """The calculator marks of a text."""
    sound, at, unread = 0, 0, text.count("=")
    contents: list[str] = []
    misprints: list[tuple[str, Number]] = []
    around: list[str] = []
    for mark in _MARK.finditer(text):
        content, printed = mark.groups()
        unread -= content.count("=") + _is_twin(text, mark)
        around.append(text[at : mark.start()])
        at = mark.end(1) + len(">>")
        if printed and _is_simple(content, printed):
            sound += 1
            continue
        contents.append(content)
        if printed and (misprint := _misprint(content, printed)):
            misprints.append(misprint)
    around.append(text[at:])
    return Marks(sound, contents, misprints, "".join(around), unread)


def _is_simple(content: str, printed: str) -> bool:
    """Most marks are simple, and right; only the others need a real reading."""
    simple = _SIMPLE_MARK.fullmatch(content)
    if not simple:
        return False
    left, result = simple.groups()
    same = printed == result or _trimmed(printed) == _trimmed(result)
    return same and _simple_value(left) == Decimal(result)


def _misprint(content: str, printed: str) -> tuple[str, Number] | None:
    computed, _, result = content.rpartition("=")
    if printed == result:
        return None
    try:
        says, after = _signed(result), _signed(printed)
    except Unreadable:
        return None
    decimals = len(printed.partition(".")[2])
    if says == -after or abs(says - after) * 10**decimals < 1:
        return None
    read = tokens(computed)
    side = parsed(read, 0)
    return (written(read, side) if side and side.end == len(read.kinds) else computed.strip(), says)


def _signed(text: str) -> Number:
    text = text.strip()
    digits = text.removeprefix("-")
    if not re.fullmatch(NUMBER, digits):
        raise Unreadable
    return -number(digits) if text != digits else number(digits)


def _trimmed(text: str) -> str:
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(",", "")


def _simple_value(text: str) -> Decimal | int:
    """Numbers added, multiplied, or one divided: exact in 28 digits, or not equal to any short result."""
    if "*" in text:
        return prod(map(Decimal, text.split("*")))
    above, slash, below = text.partition("/")
    return Decimal(above) / Decimal(below) if slash else sum(map(Decimal, text.replace("-", "+-").split("+")))


def _is_twin(text: str, mark: re.Match[str]) -> bool:
    """Whether the equation before a mark is the mark's own, but for units: `9 * 2 eggs = $<<9*2=18>>18`."""
    computed = mark.group(1).partition("=")[0]
    before = text[max(0, mark.start() - 6 * len(computed) - 16) : mark.start()]
    before = before.replace(" x ", "*").replace(" ", "").replace("$", "")
    if not before.endswith(f"{computed}="):
        before = _UNIT.sub("", before)
        if not before.endswith(f"{computed}="):
            return False
    return not before[: -len(computed) - 1].endswith(_PART_OF_MORE)
