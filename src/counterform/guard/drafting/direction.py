"""Which side of a comparison breaks a rule, held against the words of the sentence: "at most five" is broken above five.

Which side breaks is seen by running the rule with the comparison forced to hold, and forced not to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from counterform.guard.drafting import reading
from counterform.guard.drafting.language import Refused, hints
from counterform.guard.drafting.parts import Parts, is_beside
from counterform.guard.drafting.reading import Boundary, Mention
from counterform.guard.drafting.sentences import Sentence

Side = Literal["holds", "fails", "both", "neither"]
"""Whether a rule is broken where the comparison holds, or where it fails."""

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.Gt: ast.Lt, ast.LtE: ast.GtE}
_BROKEN: dict[Boundary, type[ast.cmpop]] = {"at most": ast.Gt, "over": ast.Gt, "at least": ast.Lt, "under": ast.Lt}
_SIGNS = {ast.Lt: "below", ast.LtE: "at or below", ast.Gt: "above", ast.GtE: "at or above"}


def comparisons(rule: ast.FunctionDef) -> list[ast.Compare]:
    """The comparisons of a rule that a sentence may say something of."""
    skipped = hints(rule)
    return [node for node in ast.walk(rule) if isinstance(node, ast.Compare) and id(node) not in skipped]


def side(held: Sequence[str], failed: Sequence[str]) -> Side:
    """Where the rule is broken, of its marks on the same cases with a comparison forced to hold, and to fail."""
    pairs = set(zip(held, failed, strict=True))
    yes, no = ("breaks", "keeps") in pairs, ("keeps", "breaks") in pairs
    return "both" if yes and no else "holds" if yes else "fails" if no else "neither"


def check(comparison: ast.Compare, broken: Side, parts: Parts, quoted: Sequence[Sentence]) -> bool:
    """Whether the words of the sentence say that this side breaks the rule; False: they leave it open.

    Raises Refused where they say that the other side does, or have the bound elsewhere.
    """
    if any(text in parts.tools for text in _strings(comparison)):
        return True  # that no call of other tools breaks the rule was seen
    if broken in ("both", "neither") or len(comparison.ops) != 1:
        return False
    if type(comparison.ops[0]) in _OPPOSITE:
        return _check_bound(comparison, broken, parts, quoted)
    return _check_value(comparison, broken, parts, quoted)


def _check_bound(comparison: ast.Compare, broken: Side, parts: Parts, quoted: Sequence[Sentence]) -> bool:
    left, right = comparison.left, comparison.comparators[0]
    op = type(comparison.ops[0])
    for constant, turned in ((_number(right), False), (_number(left), True)):
        if constant is None:
            continue
        number = abs(float(constant.value)) + is_beside(left if constant is right else right)  # type: ignore[arg-type]
        if number == 0:
            continue
        outside = _TURNED[op] if turned else op
        outside = outside if broken == "holds" else _OPPOSITE[outside]
        said = [m for s in quoted for m in reading.mentions(s.number, s.text) if m.means(number)]
        said = _of_the_same(said, comparison, parts)
        bounds = {m.boundary: m for m in said if m.boundary}
        if not bounds:
            raise Refused(f"its code has the bound {number:g}, and the sentence does not say on which side it is kept")
        if not any(_fits(mention, outside) for mention in bounds.values()):
            raise Refused(
                f"its code is broken {_SIGNS[outside]} {number:g}, and the sentence says {next(iter(bounds.values())).clause.strip()!r}"
            )
        return True
    return False


def _of_the_same(said: list[Mention], comparison: ast.Compare, parts: Parts) -> list[Mention]:
    """Of several mentions of one number, those that name what is compared."""
    named = [text for text in _strings(comparison) if text in parts.texts]
    return [m for m in said if any(reading.has_phrase(m.clause, text) for text in named)] or said


def _fits(mention: Mention, outside: type[ast.cmpop]) -> bool:
    """Whether a rule that is broken on this side of the number can be meant."""
    due = _BROKEN[mention.boundary]
    if mention.boundary in ("over", "under"):
        # "must be over 5" is broken at or below 5, and "over 5 is not allowed" above it; which, `forbids` need not tell.
        return outside in ((due,) if mention.forbids else (due, _OPPOSITE[due]))
    return outside is (_OPPOSITE[due] if mention.forbids else due)


def _check_value(comparison: ast.Compare, broken: Side, parts: Parts, quoted: Sequence[Sentence]) -> bool:
    """`cannot` and `only if` say of a value whether it breaks the rule."""
    negative = isinstance(comparison.ops[0], ast.NotEq | ast.NotIn | ast.IsNot)
    having = "breaks" if (broken == "holds") != negative else "keeps"
    decided = False
    for value in _values(comparison, parts):
        said = {word for sentence in quoted for word in _modality(sentence.text, value, parts.texts)}
        if len(said) == 1 and having not in said:
            raise Refused(
                f"its code {having} the rule where something is {value!r}, and the sentence says the opposite"
            )
        decided = decided or len(said) == 1
    return decided


def _modality(text: str, value: str, others: Sequence[str]) -> Iterator[Literal["keeps", "breaks"]]:
    """What the parts of a sentence that name the value say of it."""
    main, exception = _parted(text)
    if exception and reading.has_phrase(exception, value, others):
        # "At most 21 days, unless ...": what is excepted from a bound keeps the rule; from a permission it breaks it.
        forbidden = reading.FORBIDS.search(main) or reading.NEEDS.search(main)
        bounded = any(mention.boundary for mention in reading.mentions(0, main))
        yield "keeps" if forbidden or bounded else "breaks"
        return
    for clause in reading.clauses(text):
        if not reading.has_phrase(clause, value, others):
            continue
        # A value may have such words itself: 'no longer needed'.
        clause_without = reading.without_quotes(clause)
        forbids, needs = reading.FORBIDS.search(clause_without), reading.NEEDS.search(clause_without)
        if forbids and not needs:
            yield "breaks"
        elif (needs and not forbids and reading.has_phrase(clause[needs.end() :], value, others)) or (
            not forbids and not needs and " always " in f" {clause.lower()} "
        ):
            yield "keeps"


def _parted(text: str) -> tuple[str, str]:
    """A sentence before its `unless` or `except`, and what is excepted, up to the next comma."""
    parts = re.split(r"\b(?:unless|except)\b", text, maxsplit=1, flags=re.IGNORECASE)
    if len(parts) < 2 or not parts[0].strip():
        return text, ""
    return parts[0], re.split(r"[,;:.]", parts[1], maxsplit=1)[0]


def _values(comparison: ast.Compare, parts: Parts) -> list[str]:
    """Texts that a field is compared with, or that are looked for in somebody's words. `yes` of a field says nothing without the field."""
    return [
        text
        for text in _strings(comparison)
        if text in parts.texts and (text not in ("yes", "no") or text in parts.spoken)
    ]


def _number(node: ast.expr) -> ast.Constant | None:
    """The number that bounds, alone or as a span of time; a side that is computed of others has none."""
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return node
        case ast.Call(func=ast.Name(id="timedelta"), keywords=[ast.keyword(value=ast.Constant() as constant)]):
            return constant
    return None


def _strings(node: ast.AST) -> list[str]:
    return [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)]
