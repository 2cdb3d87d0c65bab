"""Is one value the other? RIGHT and WRONG are proven; what is left is UNKNOWN, with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from counterform.types import Mark
from counterform.verify import prose
from counterform.verify.amounts import RIGHT, WRONG, Grade, compare_measures, compound
from counterform.verify.choices import compare_choices
from counterform.verify.codes import compare_codes
from counterform.verify.curves import same_solutions
from counterform.verify.evaluation import same
from counterform.verify.formulas import Expression, Number
from counterform.verify.values import (
    Choice,
    Code,
    Collection,
    Interval,
    Matrix,
    Measure,
    Opaque,
    Relation,
    Union,
    Unread,
    Value,
    Words,
)
from counterform.verify.words import compare_words

_BEHIND = " :.)-–—*"
"""What stands between a letter and the text of its choice."""
MOST_PAIRINGS = 20
"""Items of an unordered collection that are paired with those of another."""
_ANY_ORDER = re.compile(
    r"separated by (?:a )?commas?|in any order|all (?:the )?(?:possible |real |complex )?(?:solutions|values|roots)",
    re.I,
)
_IN_ORDER = re.compile(
    r"\b(?:order(?:ed)?|increasing|ascending|descending|decreasing|smallest|largest|respectively)\b", re.I
)
T = TypeVar("T")


def compare(key: Sequence[Value], answer: Sequence[Value], asked: str = "") -> Grade:
    """The grade of an answer, each side with all its readings; `asked`: what the problem says, which settles units."""
    key, answer = _with_units(key, answer), _with_units(answer, key)
    if len(answer) == 1 and isinstance(answer[0], Collection):
        key = [one for one in key if isinstance(one, Collection)] or key
    if len(key) == len(answer) == 1:
        return _like(key[0], answer[0], asked)
    if [type(one) for one in key] == [type(one) for one in answer]:
        # One notation read in the same two ways: what is meant is the same in both.
        grades = [_like(one, other, asked) for one, other in zip(key, answer, strict=True)]
        if any(mark is Mark.RIGHT for mark, _ in grades):
            return RIGHT
    else:
        grades = [_like(one, other, asked) for one in key for other in answer]
    if len({mark for mark, _ in grades}) == 1:
        return grades[0]
    reason = next((reason for mark, reason in grades if mark is Mark.UNKNOWN), "")
    return Mark.UNKNOWN, reason or "it has two readings"


def _with_units(values: Sequence[Value], others: Sequence[Value]) -> Sequence[Value]:
    """Of "5 m", the reading with a unit alone, where the other side has one too."""
    if (
        len(values) == 2
        and len(others) == 1
        and isinstance(others[0], Measure)
        and others[0].unit.known
        and others[0].unit.shown
    ):
        return [one for one in values if isinstance(one, Measure) and one.unit.shown] or values
    return values


def _like(key: Value, answer: Value, asked: str) -> Grade:
    match key, answer:
        case Unread(reason), _:
            return Mark.UNKNOWN, f"the answer key: {reason}"
        case _, Unread(reason):
            return Mark.UNKNOWN, f"the answer: {reason}"
        case Measure(), Measure():
            return compare_measures(key, answer, asked)
        case Choice(), Choice():
            return _choices(key, answer, asked)
        case Words(), Words():
            return compare_words(key.text, answer.text, asked)
        case Collection(), Collection():
            return _collections(key, answer, asked)
        case Matrix(), Matrix():
            return _matrices(key, answer, asked)
        case Relation(), Relation():
            return _relations(key, answer)
        case Interval(), Interval():
            return _intervals(key, answer)
        case Union(), Union():
            return _paired(key.parts, answer.parts, _intervals)
        case Code(), Code():
            return compare_codes(key, answer)
    return _unlike(key, answer, asked)


def _unlike(key: Value, answer: Value, asked: str) -> Grade:
    """Values of two types, of which one may be a way to write the other."""
    match key, answer:
        case (Relation(name=str(name)), Measure()) if name and "(" not in name:
            return same(key.right, answer.amount) if not answer.unit.shown else (Mark.UNKNOWN, "a unit and a name")
        case (Measure(), Relation(name=str(name))) if name and "(" not in name:
            return same(key.amount, answer.right)
        case (Interval(), Collection()) | (Collection(), Interval()):
            return _interval_and_brackets(key, answer)
        case (Collection(), Union()) | (Union(), Collection()):
            return Mark.UNKNOWN, "intervals and another collection"
        case Choice(), Measure() | Words():
            return Mark.UNKNOWN, f"a letter is the key, and {_kind(answer)} the answer"
        case ((Measure() | Words()), Choice(rest=str(rest))) if rest:
            from counterform.verify.reading import read

            return compare((key,), read(rest.strip(_BEHIND)), asked)
        case (Collection(), Measure()) | (Measure(), Collection()) if compound(key) or compound(answer):
            return _like(compound(key) or key, compound(answer) or answer, asked)
        case Collection(), Measure() | Words() | Relation():
            return _part_of(key, answer, asked)
        case Measure() | Words() | Relation(), Collection():
            return _one_of(key, answer, asked)
        case (Words(text), Measure(amount=Number(value))) | (Measure(amount=Number(value)), Words(text)):
            spelled = prose.number_in_words(text)
            if spelled is not None:
                return RIGHT if spelled == value else WRONG
    return Mark.UNKNOWN, f"{_kind(key)} is the key, and {_kind(answer)} the answer"


def _choices(key: Choice, answer: Choice, asked: str) -> Grade:
    grade = compare_choices(key, answer)
    if grade[0] is Mark.RIGHT and key.rest and answer.rest:
        from counterform.verify.reading import read

        if compare(read(key.rest.strip(_BEHIND)), read(answer.rest.strip(_BEHIND)), asked)[0] is Mark.WRONG:
            return Mark.UNKNOWN, "the letter is that of the key, and what stands behind it is not"
    return grade


def _kind(value: Value) -> str:
    names = {
        Measure: "a number or formula", Choice: "a letter", Words: "words", Collection: "a collection", Interval: "an inequality",
        Union: "intervals", Matrix: "a matrix", Relation: "an equation or relation", Code: "a date, range or score", Opaque: "a formula",
    }  # fmt: skip
    return names.get(type(value), "text")


def _collections(key: Collection, answer: Collection, asked: str) -> Grade:
    if key.brackets != answer.brackets and key.brackets and answer.brackets:
        return _brackets(key, answer, asked)
    grade = _in_order(key.items, answer.items, asked)
    if grade[0] is Mark.RIGHT:
        framed = {key.brackets, answer.brackets} - {"", "{}"}
        if framed and "" in (key.brackets, answer.brackets):
            return Mark.UNKNOWN, "a list, and the same values as a pair or an interval"
        return grade
    unordered = key.unordered or "{}" in (key.brackets, answer.brackets)
    paired = _paired(key.items, answer.items, lambda a, b: compare((a,), (b,), asked))
    if unordered or paired[0] is Mark.WRONG:
        return paired
    if paired[0] is Mark.RIGHT:
        named = all(isinstance(item, Relation) and item.name for item in (*key.items, *answer.items))
        any_order = not key.brackets and (named or (_ANY_ORDER.search(asked) and not _IN_ORDER.search(asked)))
        if any_order:
            return RIGHT
        if key.brackets:
            return WRONG
        return Mark.UNKNOWN, "the values of the key in another order"
    return grade if key.brackets else paired


def _brackets(key: Collection, answer: Collection, asked: str) -> Grade:
    """Two collections in different brackets: intervals where one is half open, else nobody can tell."""
    grade = _in_order(key.items, answer.items, asked)
    half_open = any(one.brackets in ("(]", "[)") for one in (key, answer))
    if grade[0] is Mark.WRONG and "{}" not in (key.brackets, answer.brackets):
        return grade
    endless = any(isinstance(item, Measure) and _endless(item.amount) for item in (*key.items, *answer.items))
    if half_open or endless:
        return WRONG
    return Mark.UNKNOWN, f"brackets {key.brackets} and {answer.brackets}"


def _endless(amount: Expression) -> bool:
    return "infty" in str(amount)


def _in_order(key: Sequence[Value], answer: Sequence[Value], asked: str) -> Grade:
    if len(key) != len(answer):
        return WRONG
    return _all([compare((a,), (b,), asked) for a, b in zip(key, answer, strict=True)])


def _all(grades: Sequence[Grade]) -> Grade:
    """Of parts that must all be right."""
    if any(mark is Mark.WRONG for mark, _ in grades):
        return WRONG
    return next((grade for grade in grades if grade[0] is Mark.UNKNOWN), RIGHT)


def _paired(key: Sequence[T], answer: Sequence[T], like: Callable[[T, T], Grade]) -> Grade:
    """Of parts in any order: each of one side with one of the other."""
    if max(len(key), len(answer)) > MOST_PAIRINGS:
        return Mark.UNKNOWN, "too many items"
    grades = [[like(one, other)[0] for other in answer] for one in key]
    lonely = [row for row in grades if all(mark is Mark.WRONG for mark in row)]
    lonely += [list(column) for column in zip(*grades, strict=True) if all(mark is Mark.WRONG for mark in column)]
    if lonely:
        return WRONG
    used: set[int] = set()
    for row in grades:
        at = next((at for at, mark in enumerate(row) if mark is Mark.RIGHT and at not in used), None)
        if at is None:
            unclear = any(mark is Mark.UNKNOWN for row in grades for mark in row)
            return (Mark.UNKNOWN, "some items cannot be compared") if unclear else WRONG
        used.add(at)
    return RIGHT if len(key) == len(answer) else (Mark.UNKNOWN, "an item is given twice")


def _matrices(key: Matrix, answer: Matrix, asked: str) -> Grade:
    if key.kind != answer.kind and {key.kind, answer.kind} - {"pmatrix", "bmatrix", "matrix", "array", "smallmatrix"}:
        return Mark.UNKNOWN, f"the environments differ: {key.kind}, {answer.kind}"
    if [len(row) for row in key.rows] != [len(row) for row in answer.rows]:
        return WRONG
    pairs = [
        (a, b) for mine, theirs in zip(key.rows, answer.rows, strict=True) for a, b in zip(mine, theirs, strict=True)
    ]
    return _all([compare((a,), (b,), asked) for a, b in pairs])


def _relations(key: Relation, answer: Relation) -> Grade:
    if key.name and answer.name:
        worth = same(key.right, answer.right)
        if key.name == answer.name or (key.name.isalpha() and key.name.casefold() == answer.name.casefold()):
            return worth
        return Mark.UNKNOWN, f"the names differ: {key.name}, {answer.name}"
    if key.sign != answer.sign:
        return Mark.UNKNOWN, "the relations differ"
    sides = _all([same(key.left, answer.left), same(key.right, answer.right)])
    if sides[0] is Mark.RIGHT:
        return sides
    if key.sign == "=":
        return same_solutions((key.left, key.right), (answer.left, answer.right))
    return Mark.UNKNOWN, "the relations are written in two ways"


def _intervals(key: Interval, answer: Interval) -> Grade:
    grades: list[Grade] = []
    for mine, theirs in ((key.low, answer.low), (key.high, answer.high)):
        if mine is None or theirs is None:
            grades.append(RIGHT if mine is theirs else WRONG)
        else:
            grades.append(same(mine, theirs))
    grade = _all(grades)
    if grade[0] is Mark.RIGHT and key.closed != answer.closed:
        return WRONG
    if grade[0] is Mark.RIGHT and key.name and answer.name and key.name != answer.name:
        return Mark.UNKNOWN, "the names differ"
    return grade


def _interval_and_brackets(key: Value, answer: Value) -> Grade:
    interval, collection = (key, answer) if isinstance(key, Interval) else (answer, key)
    assert isinstance(interval, Interval)
    assert isinstance(collection, Collection)
    if len(collection.items) != 2 or collection.brackets not in ("()", "[]", "(]", "[)"):
        return Mark.UNKNOWN, "an inequality and a collection that is no interval"
    ends = [item.amount if isinstance(item, Measure) else None for item in collection.items]
    if any(end is None for end in ends):
        return Mark.UNKNOWN, "an inequality and a collection that is no interval"
    low, high = (None if end is not None and _endless(end) else end for end in ends)
    as_interval = Interval(low, high, (collection.brackets[0] == "[", collection.brackets[1] == "]"))
    grade = _intervals(interval, as_interval)
    if collection.brackets == "()" and low is not None and high is not None:
        return Mark.UNKNOWN, "a pair, or an open interval"
    return grade


def _part_of(key: Collection, answer: Value, asked: str) -> Grade:
    """One value where the key has several: incomplete, unless the key may be read as one."""
    if key.brackets:
        return Mark.UNKNOWN, "a collection is the key, and one value the answer"
    return (
        WRONG if isinstance(answer, Measure) and not answer.unit.shown else (Mark.UNKNOWN, "several values are the key")
    )


def _one_of(key: Value, answer: Collection, asked: str) -> Grade:
    """Several values where the key has one."""
    marks = {compare((key,), (item,), asked)[0] for item in answer.items}
    letters = isinstance(key, Words) and all(isinstance(one, Words) and one.text in key.text for one in answer.items)
    if marks == {Mark.WRONG} and not answer.brackets and not letters:
        return WRONG
    return Mark.UNKNOWN, "several values are given"
