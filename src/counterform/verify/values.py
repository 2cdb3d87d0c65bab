"""What an answer can be. A comparison is of two values of one type; between types nothing is proven."""

from __future__ import annotations

from typing import NamedTuple

from counterform.verify.formulas import Expression
from counterform.verify.units import Unit


class Measure(NamedTuple):
    """A number or formula, perhaps with a unit, a currency or a percent sign."""

    amount: Expression
    unit: Unit
    numeral: str = ""
    """As printed, of a number in another base than ten (52_8)."""


class Choice(NamedTuple):
    """A letter of a multiple choice, and what is said of it ("(C) 12")."""

    letter: str
    rest: str = ""


class Words(NamedTuple):
    """Words that are no number and no formula, in lower case."""

    text: str


class Collection(NamedTuple):
    """Several values: a pair `()`, a set `{}`, a list without brackets, or one value `or` another."""

    brackets: str
    items: tuple[Value, ...]
    unordered: bool = False


class Interval(NamedTuple):
    """All numbers between two ends; None is infinity."""

    low: Expression | None
    high: Expression | None
    closed: tuple[bool, bool]
    name: str = ""
    """The symbol of which an inequality says it."""


class Union(NamedTuple):
    """Several intervals."""

    parts: tuple[Interval, ...]


class Matrix(NamedTuple):
    """Rows of entries; `kind` is its environment, of which some are not the array itself (a determinant)."""

    kind: str
    rows: tuple[tuple[Value, ...], ...]


class Relation(NamedTuple):
    """Two formulas and the sign between them: `=`, `<`, `<=` or `!=`."""

    sign: str
    left: Expression
    right: Expression
    name: str = ""
    """The single symbol on the left of an equation, which then is a value with a name."""


class Code(NamedTuple):
    """Digits with signs between them that are no arithmetic: a date, a range, a score, a time."""

    parts: tuple[str, ...]
    signs: str


class Opaque(NamedTuple):
    """A formula that is read by math-verify alone (a sum, an integral)."""

    text: str


class Unread(NamedTuple):
    """What cannot be read, and why."""

    reason: str


Value = Measure | Choice | Words | Collection | Interval | Union | Matrix | Relation | Code | Opaque | Unread
