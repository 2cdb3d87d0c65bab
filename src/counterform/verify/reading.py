r"""Text to value: structure first (matrices, sets, intervals, equations, lists), then formulas, then words.

No layout is stripped before the structure is known: `\\ ` ends a row of a matrix. A text that has two readings gets both.
"""

from __future__ import annotations

import re
from functools import lru_cache

from counterform.types import Mark
from counterform.verify import prose
from counterform.verify.choices import read_choice
from counterform.verify.codes import read_code
from counterform.verify.evaluation import same, variables
from counterform.verify.exact import Unreadable
from counterform.verify.formulas import Number, Symbol, read_formula, read_number, symbols
from counterform.verify.frames import CLOSE, EDGES, OPEN, closes_at, tidy, without_frame
from counterform.verify.notation import spelled, without_layout
from counterform.verify.quantities import TEXT, Values, algebra, measure, number, read_opaque
from counterform.verify.units import NONE, read_unit
from counterform.verify.values import (
    Choice,
    Collection,
    Interval,
    Matrix,
    Measure,
    Relation,
    Union,
    Unread,
    Value,
    Words,
)

MAX_ANSWER = 1_000
"""Characters of an answer or key that is read; a longer one equals only itself, letter by letter."""
MAX_ITEMS = 100

_SPACED_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:\{,\}|,?\\[,!;:]\s?|\{\\,\}|,(?=\d{3},?\\))\d{3})+(?!\d)")
_MATRIX = re.compile(r"\\begin\s?\{(\w*matrix|cases|array)\}(?:\s?\{[lcr|\s]*\})?(.*)\\end\s?\{\1\}", re.DOTALL)
_SIGNS = {
    "=": "=", "<": "<", ">": ">", r"\le": "<=", r"\leq": "<=", r"\leqslant": "<=", r"\ge": ">=", r"\geq": ">=", r"\geqslant": ">=",
    r"\lt": "<", r"\gt": ">", r"\ne": "!=", r"\neq": "!=", r"\in": "in", "<=": "<=", ">=": ">=", "!=": "!=", "==": "=",
}  # fmt: skip
_SIGN = re.compile(
    r"[<>!=]=|[<>=]|\\(?:leqslant|geqslant|leq|geq|neq|le(?![a-z])|ge(?![a-z])|ne(?![a-z])|lt(?![a-z])|gt(?![a-z])|in(?![a-z]))"
)
_FLIPPED = {">": "<", ">=": "<="}
_FORMULA_IN_TEXT = re.compile(
    r"(?<!\\)\$((?:\\\$|[^$]){1,500}?)(?<!\\)\$|\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\]", re.DOTALL
)
_PLUS_MINUS = re.compile(r"\\pm(?![a-z])")
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_FUNCTION = re.compile(r"[A-Za-z](?:_\{?\w\}?)?(?:'|\^\{-1\})?\s?\((?:\w{1,3}|[a-z],\s?[a-z])\)")
"""f(x) is a name and no product."""
_MEMBER = re.compile(r"^[A-Za-z]\s*(?:\\in(?![a-z])|=)\s*")


@lru_cache(maxsize=8192)
def read(text: str) -> Values:
    """The readings of an answer, at least one."""
    if len(text) > MAX_ANSWER:
        return (Unread(f"an answer of more than {MAX_ANSWER:,} characters is not compared"),)
    try:
        return _read(spelled(text)) or (Unread("it cannot be read"),)
    except Unreadable as error:
        return (Unread(f"it cannot be read: {error}"),)
    except RecursionError:
        return (Unread("it is nested too deeply"),)


def _read(text: str) -> Values:
    text = prose.in_digits(tidy(text))
    if not text:
        return (Unread("it is empty"),)
    if text[0] in "~≈" or text.endswith(("..", "…")):
        return (Unread("it is no exact value"),)
    if "\\" in text or "{,}" in text:
        text = _SPACED_GROUPS.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    if found := number(text):
        return found
    if code := read_code(TEXT.sub(r" \1 ", text).replace("  ", " ").strip()):
        return (code,)
    if matrix := _MATRIX.fullmatch(without_frame(text)):
        return (_matrix(matrix[1], matrix[2]),)
    if "\\begin" in text or "\\\\" in text:
        return (Unread("its rows cannot be read"),)
    if opaque := read_opaque(text):
        return (opaque,)
    if choice := read_choice(text):
        return (choice,)
    if found := _framed(text):
        return found
    return _structured(text) or measure(text) or algebra(text) or (_words(text),)


def _framed(text: str) -> Values:
    """What stands around one formula in a sentence, taken apart."""
    if "$" not in text.replace("\\$", "") and "\\(" not in text and "\\[" not in text:
        return ()
    formulas = list(_FORMULA_IN_TEXT.finditer(text))
    if not formulas:
        return ()
    if len(formulas) == 1:
        inner = next(group for group in formulas[0].groups() if group)
        before, after = text[: formulas[0].start()], text[formulas[0].end() :]
        around = f"{before} {after}"
        if not re.search(r"[\d\\]", around) and prose.harmless_before(before):
            if not after.strip(EDGES + ".,"):
                return _read(inner)
            if read_unit(after) is not None and (found := measure(f"{inner} {after.strip()}")):
                return found
            if not prose.changes_a_value(after):
                return _read(inner)
        return (Unread("what stands around the formula may change it"),)
    between = _FORMULA_IN_TEXT.sub("", text)
    if re.fullmatch(r"(?:[\s,;.]|\b(?:and|or)\b)*", between):
        inner = ", ".join(next(group for group in one.groups() if group) for one in formulas)
        return _read(inner)
    return (Unread("several formulas stand in it"),)


def _matrix(kind: str, inside: str) -> Value:
    rows = re.split(r"\\\\(?:\[[^\]]*\])?|\\cr(?![a-z])", inside)
    while rows and not rows[-1].strip():
        rows.pop()
    found = []
    for row in rows:
        row = re.sub(r"\\hline|\\newline", "", row)
        entries = tuple(_one(cell) for cell in row.split("&"))
        found.append(entries)
    if sum(map(len, found)) > MAX_ITEMS:
        return Unread("a matrix of too many entries")
    return Matrix(kind, tuple(found))


def _one(text: str) -> Value:
    """The one reading of a part."""
    found = _read(text)
    return found[0] if len(found) == 1 else Unread("a part of it has two readings")


def _structured(text: str) -> Values:
    """Relations, lists, sets, pairs, intervals; empty where the text is none of them."""
    flat = without_layout(TEXT.sub(lambda m: f" {m[1]} " if m[1].strip() in ("and", "or") else m[0], text)).strip()
    if not flat:
        return (Unread("it is empty"),)
    if parts := _split(flat, r"\\cup(?![a-z])|(?<=[)\]])\s*U\s*(?=[(\[])"):
        intervals = [_interval(_MEMBER.sub("", part.strip())) for part in parts]
        return (Union(tuple(i for i in intervals if i)),) if all(intervals) else ()
    if "=" in flat or _SIGN.search(flat):
        return _relations(flat)
    if parts := _items(flat):
        return (*_collection("", parts), *_decimal_comma(flat))
    if (flat.startswith(r"\{") and flat.endswith(r"\}")) or (flat[0] == "{" and closes_at(flat, 0) == len(flat) - 1):
        inside = flat[2:-2] if flat[0] == "\\" else flat[1:-1]
        if re.search(r"\\mid|\||:", inside):
            return (Unread("a set by a condition"),)
        return _collection("{}", _items(inside) or [inside])
    if flat[0] in "([" and flat[-1] in ")]" and closes_at(flat, 0) == len(flat) - 1:
        parts = _items(flat[1:-1])
        if not parts and flat[0] == "[":
            return (Unread("a list of one, or a formula in brackets"),)
        return _collection(flat[0] + flat[-1], parts) if parts else ()
    if _PLUS_MINUS.search(flat):
        return _plus_minus(flat)
    return ()


def _items(text: str) -> list[str]:
    """The parts of a list; empty where it is none."""
    return _split(text, r",(?!\d{3}(?!\d))|,(?=\s)|;|(?<=[\w)}\]])\s+(?:and|or)\s+|(?<=,)\s+(?:and|or)\s+", spans=True)


def _split(text: str, separator: str, spans: bool = False) -> list[str]:
    """The parts between separators outside all brackets; empty where there are none, or too many."""
    depth, start, parts = 0, 0, []
    marks = {match.start(): match.end() for match in re.finditer(separator, text)}
    at = 0
    while at < len(text):
        if depth == 0 and at in marks and at > 0:
            parts.append(text[start:at])
            start = at = marks[at]
            continue
        depth += (text[at] in OPEN) - (text[at] in CLOSE)
        at += 1
    if not parts or len(parts) > MAX_ITEMS:
        return []
    parts = [part.strip() for part in [*parts, text[start:]]]
    parts = [re.sub(r"^(?:and|or)\s+", "", part) for part in parts if part or not spans]
    return parts if len(parts) > 1 and all(parts) else []


def _collection(brackets: str, parts: list[str]) -> Values:
    items: list[Value] = []
    unordered = brackets == "{}"
    for part in parts:
        found = _structured_item(part)
        if isinstance(found, Collection) and found.unordered and not found.brackets:
            items += found.items
            unordered = True
        else:
            items.append(found)
    if all(isinstance(item, Words) for item in items) and brackets in ("()", "[]"):
        return ()
    return (Collection(brackets, tuple(items), unordered),)


def _decimal_comma(text: str) -> Values:
    """3,5 may be a list of two numbers, or one number; 3, 5 is a list."""
    found = re.fullmatch(r"(-?)(\d+),(\d{1,2}|\d{4,})", text)
    if not found:
        return ()
    value = read_number(f"{found[2]}.{found[3]}")
    return (Measure(Number(-value if found[1] else value), NONE),)


def _structured_item(part: str) -> Value:
    found = _read(part)
    measures = [one for one in found if not isinstance(one, Choice)] if len(found) > 1 else list(found)
    if len(part) == 1 and part.isupper():
        return Words(part.casefold())
    if len(measures) == 1:
        one = measures[0]
        return Words(one.letter.casefold()) if isinstance(one, Choice) and not one.rest else one
    raise Unreadable("an item has two readings")


def _relations(text: str) -> Values:
    if parts := _split(text, r",(?!\d{3}(?!\d))|;|(?<=\S)\s+(?:and|or)\s+"):
        if " or " in text and all(_SIGN.search(part) for part in parts) and (union := _union(parts)):
            return (union,)
        return _collection("", parts)
    signs = list(_SIGN.finditer(text))
    sides = [
        text[a:b].strip()
        for a, b in zip([0, *(s.end() for s in signs)], [*(s.start() for s in signs), len(text)], strict=True)
    ]
    names = [_SIGNS[sign[0]] for sign in signs]
    if any(not side for side in sides):
        return (Unread("a relation without one of its sides"),)
    if names == ["in"]:
        return _read(sides[1]) if _is_name(sides[0]) else (Unread("a relation that is not read"),)
    if set(names) == {"="}:
        return _equation(sides)
    return _inequality(sides, names)


def _is_name(text: str) -> bool:
    try:
        return isinstance(read_formula(text), Symbol)
    except Unreadable:
        return False


def _equation(sides: list[str]) -> Values:
    if len(sides) == 2 and (function := _FUNCTION.fullmatch(sides[0])):
        value = _read(sides[1])
        if len(value) == 1 and isinstance(value[0], Measure) and not value[0].unit.shown:
            name = re.sub(r"\s", "", function[0])
            return (Relation("=", Symbol(name), value[0].amount, name=name),)
    try:
        left = read_formula(sides[0])
    except Unreadable:
        left = None
    if isinstance(left, Symbol) and left.name not in ("i", "e", "\\pi"):
        if len(sides) == 2:
            value = _read(sides[1])
            if len(value) == 1 and isinstance(value[0], Measure) and not value[0].unit.shown:
                return (Relation("=", left, value[0].amount, name=left.name),)
            return value
        sides = sides[1:]
        named = left.name
    else:
        named = ""
    values = [read_formula(side) for side in sides] if len(sides) > 1 else []
    constant = not any(variables(value) for value in values)
    if len(values) > 1 and (named or constant):
        if all(same(values[0], value)[0] is Mark.RIGHT for value in values[1:]):
            found = Measure(values[-1], NONE)
            return (Relation("=", Symbol(named), values[-1], name=named),) if named else (found,)
        return (Unread("an equation that does not hold"),)
    if len(values) == 2:
        return (Relation("=", values[0], values[1]),)
    return (Unread("several equations in one"),)


def _inequality(sides: list[str], signs: list[str]) -> Values:
    """A chain of inequalities: an interval of its one symbol, or else a relation."""
    ends = [None if _infinite(side) else read_formula(side) for side in sides]
    if all(sign in _FLIPPED for sign in signs):
        ends, signs = ends[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    if len(ends) == 2 and signs == ["!="] and ends[0] is not None and ends[1] is not None:
        return (Relation("!=", ends[0], ends[1]),)
    if not all(sign in ("<", "<=") for sign in signs) or len(ends) > 3:
        return (Unread("a chain of relations that is not read"),)
    closed = [sign == "<=" for sign in signs]
    if len(ends) == 3:
        low, middle, high = ends
        if isinstance(middle, Symbol):
            return (Interval(low, high, (closed[0], closed[1]), middle.name),)
        return (Unread("a chain of relations that is not read"),)
    low, high = ends
    if isinstance(low, Symbol) and high is not None and low.name not in symbols(high):
        return (Interval(None, high, (False, closed[0]), low.name),)
    if isinstance(high, Symbol) and low is not None and high.name not in symbols(low):
        return (Interval(low, None, (closed[0], False), high.name),)
    if low is None or high is None:
        return (Unread("a relation with infinity"),)
    return (Relation(signs[0], low, high),)


def _union(parts: list[str]) -> Union | None:
    found = [one[0] for one in map(_relations, parts) if len(one) == 1 and isinstance(one[0], Interval)]
    return Union(tuple(found)) if len(found) == len(parts) else None


def _interval(text: str) -> Interval | None:
    """An interval by its brackets."""
    if not text or text[0] not in "([" or text[-1] not in ")]":
        return None
    parts = _items(text[1:-1])
    if len(parts) != 2:
        return None
    try:
        low, high = (None if _infinite(part) else read_formula(part) for part in parts)
    except Unreadable:
        return None
    return Interval(low, high, (text[0] == "[", text[-1] == "]"))


def _infinite(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\s*\\infty", text.strip()))


def _plus_minus(text: str) -> Values:
    """Both values of a formula with one plus-minus sign."""
    if len(_PLUS_MINUS.findall(text)) != 1:
        return (Unread("several plus-minus signs"),)
    both = tuple(Measure(read_formula(_PLUS_MINUS.sub(sign, text)), NONE) for sign in "+-")
    return (Collection("", both, unordered=True),)


def _words(text: str) -> Value:
    plain = re.sub(r"\s+", " ", TEXT.sub(r"\1", text)).strip(EDGES + '_"“”.!,;:()[]{}').casefold()
    return Words(_ARTICLE.sub("", plain)) if plain else Unread("it is empty")


def has_symbols(value: Measure) -> bool:
    """Whether the amount is a formula with a symbol in it, and no number."""
    return bool(variables(value.amount))
