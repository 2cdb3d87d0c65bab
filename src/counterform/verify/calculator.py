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
_CONTENT = re.compile(r"<<[^<>]{1,300}>>")
_PLAIN = r"(?:\d{1,8}(?:\.\d{1,4})?|\.\d{1,4})"
_SIMPLE_MARK = re.compile(
    rf"({_PLAIN}(?:(?:[-+*]|/(?=[\d.]*[1-9])){_PLAIN}){{1,20}})=(-?(?:\d{{1,12}}(?:\.\d{{1,16}})?|\.\d{{1,16}}))"
)
_FACTORS = re.compile(r"([*/])")
_NOISE = Decimal("1e-12")
"""Relative; calculators print 0.47119999999999995."""
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
    """The text without its marks, where something is left to read in it."""
    unread: int
    """Equals signs in that text that repeat no mark."""


def marks_in(text: str) -> Marks:
    """The calculator marks of a text."""
    sound, unread = 0, text.count("=")
    contents: list[str] = []
    misprints: list[tuple[str, Number]] = []
    for mark in _MARK.finditer(text):
        content, printed = mark.groups()
        unread -= content.count("=") + _is_twin(text, mark)
        if printed and _is_simple(content, printed):
            sound += 1
            continue
        contents.append(content)
        if printed and (misprint := _misprint(content, printed)):
            misprints.append(misprint)
    return Marks(sound, contents, misprints, _CONTENT.sub("", text) if unread else "", unread)


def _is_simple(content: str, printed: str) -> bool:
    """Most marks are simple, and right; only the others need a real reading."""
    simple = _SIMPLE_MARK.fullmatch(content)
    if not simple:
        return False
    left, result = simple.groups()
    if printed != result and _trimmed(printed) != _trimmed(result):
        return False
    value, says = _simple_value(left), Decimal(result)
    return value == says or abs(value - says) <= abs(value) * _NOISE


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


def _simple_value(text: str) -> Decimal:
    """Numbers added, multiplied and divided, in 28 digits."""
    total = Decimal(0)
    for term in text.replace("-", "+-").split("+"):
        if "/" not in term:
            total += prod(map(Decimal, term.split("*")))
            continue
        first, *rest = _FACTORS.split(term)
        value = Decimal(first)
        for sign, factor in zip(rest[::2], rest[1::2], strict=True):
            value = value * Decimal(factor) if sign == "*" else value / Decimal(factor)
        total += value
    return total


def _is_twin(text: str, mark: re.Match[str]) -> bool:
    """Whether the equation before a mark is the mark's own, but for units: `9 * 2 eggs = $<<9*2=18>>18`."""
    computed = mark.group(1).partition("=")[0]
    end = f"{computed}="
    close = text[max(0, mark.start() - len(computed) - 8) : mark.start()].rstrip("$ ")
    if close.endswith(end) and close[: -len(end)].endswith(" "):
        return close[: -len(end)].rstrip()[-1:].isalpha()
    before = text[max(0, mark.start() - 8 * len(computed) - 32) : mark.start()]
    before = before.replace(" x ", "*").replace(" ", "").replace("$", "").replace(",", "")
    if not before.endswith(end):
        before = _UNIT.sub("", before)
        if not before.endswith(end):
            return False
    return not before[: -len(computed) - 1].endswith(_PART_OF_MORE)
