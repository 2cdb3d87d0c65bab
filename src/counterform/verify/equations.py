r"""Reads the equations in any text and checks them exactly; says nothing about what it only half understands.

    She has 5 apples * 2 = 10 apples        RIGHT
    9 * 2 = $<<9*2=18>>18 a day             RIGHT (GSM8K's calculator marks are checked too)
    10 / 3 = 3.33                           RIGHT (rounded, or cut off, at the digits that are printed)
    $(x+1)^2 = x^2+2x+1$, \sqrt{12} = 2\sqrt3   RIGHT (whatever x is; roots are exact)
    half of 30 is 15; x = 3, so 2x = 6      RIGHT
    7 / 2 = 3                               UNKNOWN (rounded on purpose, or wrong?)
    2x + 3 = 7                              nothing is read

An equation is read whole or not at all: each side is parsed from one border (a word, a comma, the delimiter of a formula)
to the next. WRONG needs more: no letter, one reading, like units, and nothing around that may change what is meant
(`counterform.verify.context`).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from counterform.types import Mark
from counterform.verify import context, forms
from counterform.verify.calculator import marks_in
from counterform.verify.exact import Number, Unreadable, decimal
from counterform.verify.expressions import Side, is_known, parsed, written
from counterform.verify.forms import Form, Value, substituted
from counterform.verify.measures import DOLLAR, measure
from counterform.verify.tokens import Tokens, tokens

MAX_TEXT = 4_000
"""Characters of one step that are read."""
MAX_BACK = 400
"""Tokens of a left side."""
MAX_BEGINNINGS = 6
"""Words of one stretch after which an expression is tried."""
FLOAT_NOISE = Fraction(1, 10**12)
"""Relative; calculators print 0.47119999999999995."""
ROUNDED_INPUT = Fraction(1, 200)
"""Relative; 3.33 * 3 = 10, where 3.33 stands for 10 / 3."""

_EQUALS = "=ai"
_SPOKEN = re.compile(r"(?:is|equals|gives|makes|equal to) \\?\$?\d|≈|\\approx")


class Claim(NamedTuple):
    """One equation that was read."""

    mark: Mark
    left: str = ""
    """Where it does not hold as read: the side that computes, as written but for its units."""
    value: Value = 0
    """Where it does not hold as read: what that side is worth."""
    unit: str = ""
    """Where the side is in units of measure: a space, and the one that the value is in."""

    @property
    def hint(self) -> str:
        """What would be right."""
        value = self.value if isinstance(self.value, Form) else decimal(self.value)
        return f"{self.left} = {value}{self.unit}."


class Left(NamedTuple):
    """A side that an equation goes on from, perhaps in the next step, and the text that it stands in."""

    side: Side
    tokens: Tokens


class Read(NamedTuple):
    """What a text says."""

    claims: list[Claim]
    last: Left | None
    """The side that the text ends with."""


HOLDS = Claim(Mark.RIGHT)
_OPEN = Claim(Mark.UNKNOWN)


def read(
    text: str, known: dict[str, Number] | None = None, defined: frozenset[str] = frozenset(), before: Left | None = None
) -> Read:
    """Every equation in a text that can be read, calculator marks first.

    known: values of letters, which the text's own "x = 3" are added to. defined: signs that the problem gives a meaning
    of its own. before: what the text before this one ended with, where this one begins with "=".
    """
    if "=" not in text and not _SPOKEN.search(text):
        return Read([], None)
    whole, text = len(text), text[:MAX_TEXT]
    found: list[Claim] = []
    if "<<" in text:
        marks = marks_in(text)
        for content in marks.contents:
            found += read(content).claims
        found += [HOLDS] * marks.sound
        if marks.misprints:
            found += [Claim(Mark.WRONG, left, value) for left, value in marks.misprints]
        if not marks.unread:
            return Read(found, None)
        text = marks.around
    reader = _Reader(text, {} if known is None else known, defined, whole)
    return Read(found + reader.claims(before), reader.last)


def claims(text: str) -> list[Claim]:
    """Every equation in a text that stands alone."""
    return read(text).claims


class _Reader:
    def __init__(self, text: str, known: dict[str, Number], defined: frozenset[str], whole: int) -> None:
        self._known, self._defined = known, defined
        self._tokens: Tokens = tokens(text)
        self._kinds = self._tokens.kinds
        self._around = context.Around(text, self._tokens, cut=whole >= context.LONG)
        self._given = -1
        """Where the last "x = 3" of this text ends."""
        self.last: Left | None = None

    def claims(self, before: Left | None) -> list[Claim]:
        found: list[Claim] = []
        previous = before if before and self._kinds.lstrip("B")[:1] == "=" else None
        end = len(self._kinds) - len(self._kinds.lstrip("B")) if previous else -1
        for at, kind in enumerate(self._kinds):
            if kind not in _EQUALS:
                continue
            if previous is None or end != at:
                side = self._left(at)
                previous = Left(side, self._tokens) if side else None
            right = parsed(self._tokens, self._after_borders(at + 1))
            if right and not self._closes(right):
                right = None
            if (
                previous
                and right
                and not (kind == "i" and (right.computes or context.is_share(self._tokens, previous.side)))
            ):
                try:
                    claim = self._claim(previous, right, kind)
                except (Unreadable, OverflowError):  # beyond the bounds
                    claim = None
                if claim:
                    found.append(claim)
            previous = Left(right, self._tokens) if right and kind != "i" else None
            end = self._after_borders(right.end) if right else -1
        if previous and end == len(self._kinds):
            self.last = previous
        return found

    def _after_borders(self, at: int) -> int:
        while self._kinds[at : at + 1] == "B":
            at += 1
        return at

    def _left(self, equals: int) -> Side | None:
        """The expression that ends before an equals sign, from a border on."""
        end = equals
        while end and self._kinds[end - 1] == "B":
            end -= 1
        start = self._border(end)
        begins = [at + 1 for at in range(start, end) if self._kinds[at] == "w"][-MAX_BEGINNINGS:]
        for at in (start, *begins) if start not in begins else begins:
            if at > start and self._kinds[at] == "-":
                continue  # "the total - 5 + 3" goes on from words, and "the total: -5" does not
            side = parsed(self._tokens, at) if "F" not in self._kinds[at:end] else None
            if side and side.end == end:
                return side
        return None

    def _border(self, end: int) -> int:
        """Where the stretch of mathematics and words that ends here begins."""
        depth, at = 0, end
        while at and end - at < MAX_BACK:
            kind = self._kinds[at - 1]
            if kind in ")}":
                depth += 1
            elif kind in "({":
                if not depth:
                    break
                depth -= 1
            elif not depth and kind in "=ai<?,B":
                break
            at -= 1
        return at

    def _closes(self, right: Side) -> bool:
        """Whether a right side ends where an expression can: at a border, and not in the middle of a longer one."""
        kind = self._kinds[right.end : right.end + 1]
        if kind in ("", ",", "B", "w", "=", "a", "i", "<", "?"):
            return True
        if kind == "!":
            if "!" in self._kinds[: right.end]:
                return False  # 3! = 6! may end in a factorial too
            return self._kinds[right.end + 1 : right.end + 2] in ("", ",", "B", "w")
        if kind == "-":
            return self._kinds[right.end + 1 : right.end + 2] in ("w", "B")
        if kind and kind in "n(vS" and self._kinds[right.end - 1] == "w":
            words = self._tokens.texts[
                right.end - 1
            ]  # that have gone on: "= 18 eggs for the 3", but not "= 2 hours 30"
            return " " in words or (measure(words) is None and words.casefold() != "and")
        return kind in (")", "}") and self._border(right.end) > 0

    def _claim(self, left: Left, right: Side, kind: str) -> Claim | None:
        """What an equation says; None where neither side computes anything, or only some letters make it hold."""
        one, other = left.side, right
        swapped = not one.computes  # 15 = 5 * 3
        if swapped:
            one, other = other, one
        if not one.computes:
            self._learn(left.side, right)
            return None
        if self._defined and not self._defined.isdisjoint(self._tokens.texts[min(one.start, other.start) : right.end]):
            return None
        value, says = one.value, other.value
        letters = not (is_known(value) and is_known(says))
        if letters and value != says:
            value, says = substituted(value, self._known), substituted(says, self._known)
            if not (is_known(value) and is_known(says)):
                return None
        mark = self._agreement(one, other, value, says)
        if mark is not Mark.WRONG:
            return HOLDS if mark is Mark.RIGHT else _OPEN
        if one.mixed or other.mixed:
            claim = self._in_units(one, other) if not letters else None
            if claim is None:
                return _OPEN
        else:
            claim = Claim(Mark.WRONG, written(self._tokens if swapped else left.tokens, one), value)
        if kind == "a" or (swapped and other.words) or (letters and not self._follows(left.side)):
            return claim._replace(mark=Mark.UNKNOWN)
        apart = context.Apart(
            left.side if left.tokens is self._tokens else None, right, one, other, value, says, kind == "i"
        )
        doubts = self._around.doubts(apart) or self._around.restates(claim.hint)
        return claim._replace(mark=Mark.UNKNOWN) if doubts else claim

    def _agreement(self, one: Side, other: Side, value: Value, says: Value) -> Mark:
        """Whether a side that computes is what the other says, as units and percent signs have it."""
        measures = one.measures | other.measures
        if measures and (one.is_money or other.is_money):
            measures.add(DOLLAR)
        if len(measures) > 1 and (one.mixed or other.mixed or len({found.dimension for found in measures}) == 1):
            return self._converted(one, other, value, says)
        mark = agreement(value, other, says)
        if (one.percents or other.percents) and mark is not Mark.RIGHT:
            # "5 / 20 * 100 = 25%" takes the sign as a unit.
            unit, stated = (parsed(self._tokens, side.start, percent=1) for side in (one, other))
            if other.percents and unit and stated and agreement(unit.value, stated, stated.value) is Mark.RIGHT:
                return Mark.RIGHT
            certain = context.is_percent_of(self._kinds, one) and not other.percents
            return mark if certain else Mark.UNKNOWN
        if mark is Mark.RIGHT and one.mixed and one.measures and not other.measures:
            return Mark.RIGHT if len(one.measures) == 1 else Mark.UNKNOWN
        return mark

    def _converted(self, one: Side, other: Side, value: Value, says: Value) -> Mark:
        """The same where units of measure differ: 2 hours + 30 minutes = 150 minutes."""
        if not (one.rates or other.rates):
            ours, theirs = (parsed(self._tokens, side.start, converted=True) for side in (one, other))
            if ours and theirs and (other.measures or other.is_money):
                if ours.value == theirs.value:
                    return Mark.RIGHT
                sums = all(context.is_sum_of_measures(self._kinds, side) for side in (one, other))
                if sums and not theirs.computes:
                    return Mark.WRONG
        if value == says and not one.mixed and (one.rates or context.converts(one)):
            return Mark.RIGHT
        return Mark.UNKNOWN

    def _in_units(self, one: Side, other: Side) -> Claim | None:
        """A sum of units of measure that does not hold, and what it makes in the unit of the other side."""
        ours, unit = parsed(self._tokens, one.start, converted=True), measure(other.words[0]) if other.words else None
        if (
            ours is None
            or unit is None
            or not all(context.is_sum_of_measures(self._kinds, side) for side in (one, other))
        ):
            return None
        text = " ".join(self._tokens.texts[one.start : one.end])
        return Claim(Mark.WRONG, text, forms.divided(ours.value, unit.factor), f" {other.words[0].split()[0]}")

    def _learn(self, left: Side, right: Side) -> None:
        """Remember "x = 3"."""
        value = left.value
        if isinstance(value, Form) and not isinstance(right.value, Form) and left.end == left.start + 1:
            if len(self._known) > context.MANY:
                self._known.clear()
            self._known[self._tokens.texts[left.start]] = right.value
            self._given = right.end

    def _follows(self, left: Side) -> bool:
        """Whether an equation is drawn from the "x = 3" right before it: ", so"."""
        if self._given < 0:
            return False
        between = zip(self._kinds[self._given : left.start], self._tokens.texts[self._given : left.start], strict=True)
        words = [text.casefold() for kind, text in between if kind == "w"]
        return len(words) == 1 and words[0] in context.SO and not self._kinds[self._given : left.start].strip("B,w")


def agreement(value: Value, stated: Side, says: Value) -> Mark:
    """RIGHT where the stated side is the value, exactly or at the digits it is printed with.

    UNKNOWN where it may have been rounded up, or to a whole number, or its sign been left to the words ("120 less").
    """
    if value == says:
        return Mark.RIGHT
    if isinstance(value, Form) or isinstance(says, Form):
        return _agreement_of_roots(value, stated, says)
    if isinstance(value - says, Fraction) and _is_near(value, says, FLOAT_NOISE):
        return Mark.RIGHT
    if value == -says:
        return Mark.UNKNOWN
    if stated.computes:
        if stated.first == value:  # "5 + 3 = 8 + 4 = 12": a running total
            return Mark.RIGHT
        return Mark.UNKNOWN if _is_near(value, says, ROUNDED_INPUT) else Mark.WRONG
    decimals = len(stated.numbers[0].partition(".")[2]) + 2 * stated.percents if stated.numbers else 0
    away = (value - says) * 10**decimals
    if not -1 < away < 1:
        return Mark.WRONG
    near = -1 <= 2 * away <= 1 or (away > 0) == (value > 0)
    return Mark.RIGHT if decimals and near else Mark.UNKNOWN


def _agreement_of_roots(value: Value, stated: Side, says: Value) -> Mark:
    one, other = float(value), float(says)
    if stated.computes or not stated.numbers or "." not in stated.numbers[0]:
        return Mark.UNKNOWN if abs(one - other) <= max(1.0, abs(one) / 50) else Mark.WRONG
    decimals = len(stated.numbers[0].partition(".")[2])
    return Mark.RIGHT if abs(one - other) * 10**decimals <= 0.5 + 1e-6 else Mark.UNKNOWN


def _is_near(value: Number, other: Number, share: Fraction) -> bool:
    return (value - other) ** 2 <= (value * share) ** 2
