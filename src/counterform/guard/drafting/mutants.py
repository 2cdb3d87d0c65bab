"""A rule broken in one place: every example that a rule is believed for must tell it from such neighbours.

Mutation testing (DeMillo, Lipton, Sayward 1978), with the faults that a draft of a policy makes: a bound moved, a comparison
swapped, a condition dropped or negated, another field, another tool, another value, roles swapped, an exception dropped.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from counterform.guard.drafting.language import hints

MOST = 250
"""Mutants of one rule."""
MOST_NAMES = 6
"""Other fields, tools or values that are put in the place of one."""

_COMPARED: Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE),
    ast.Gt: (ast.GtE, ast.LtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_COMPUTED: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
_OPPOSITE = {"any": "all", "all": "any", "min": "max", "max": "min"}
_ROLES = {"user": "assistant", "assistant": "user"}
_UNITS = {"hours": "days", "days": "hours", "minutes": "hours", "weeks": "days", "seconds": "minutes"}


class Mutant(Struct, frozen=True):
    """A rule with one fault."""

    what: str
    """The fault in words, e.g. `line 3: 5 became 6`."""
    code: str


class Names(Struct, frozen=True, kw_only=True):
    """What may stand in the place of a name."""

    tools: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """Arguments of the tools that the rule names, and fields of what they look up."""
    values: Mapping[str, tuple[str, ...]] = {}
    """Texts that may stand in the place of one: those of one `enum`."""


def mutants(rule: ast.FunctionDef, names: Names) -> list[Mutant]:
    """All neighbours of a rule, each text once. The rule's tree is as it was when this returns."""
    own = ast.unparse(rule)
    skipped = hints(rule)
    numbers = sorted({n.value for n in ast.walk(rule) if _is_number(n) and id(n) not in skipped})  # type: ignore[attr-defined]
    used = tuple(dict.fromkeys(key for node in ast.walk(rule) for key in _keys(node)))
    names = Names(tools=names.tools, fields=tuple(dict.fromkeys((*used, *names.fields))), values=names.values)
    found: dict[str, Mutant] = {}
    for node in list(ast.walk(rule)):
        if id(node) in skipped:
            continue
        for what, code in _broken(rule, node, names, numbers, skipped):
            if code != own and code not in found and len(found) < MOST:
                found[code] = Mutant(f"line {getattr(node, 'lineno', rule.lineno)}: {what}"[:200], code)
    return list(found.values())


def forced(rule: ast.FunctionDef, node: ast.Compare) -> tuple[str, str]:
    """The rule where this comparison always holds, and where it never does."""
    yes, no = (_with(rule, node, ast.Constant(value)) for value in (True, False))
    return yes, no


def _broken(
    rule: ast.FunctionDef, node: ast.AST, names: Names, numbers: Sequence[float], skipped: set[int]
) -> Iterator[tuple[str, str]]:
    """(what, code) of each fault that can be made at this node."""
    for new in _instead(node, names, numbers):
        yield f"{_text(node)} became {_text(new)}", _with(rule, node, new)
    match node:
        case ast.If(test=test):
            for value in (True, False):
                yield (
                    f"`if {_text(test)}` {'dropped' if value else 'never holds'}",
                    _with(rule, test, ast.Constant(value)),
                )
        case ast.comprehension(ifs=[_, *_]):
            kept, node.ifs = node.ifs, []
            yield f"`if {_text(kept[0])}` dropped", ast.unparse(rule)
            node.ifs = kept
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) if len(items) > 1:
            yield from _shorter(rule, items)
        case ast.BoolOp(op=op, values=values):
            yield from _shorter(rule, values)
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{_text(op)} became {_text(node.op)}", ast.unparse(rule)
            node.op = op
        case ast.Compare(ops=ops):
            for at, compared in enumerate(ops):
                for other in _COMPARED[type(compared)]:
                    ops[at] = other()
                    yield f"the comparison became `{_text(node)}`", ast.unparse(rule)
                ops[at] = compared
        case ast.keyword(arg=str(unit), value=value) if unit in _UNITS:
            node.arg = _UNITS[unit]
            yield f"{unit} became {node.arg}", ast.unparse(rule)
            node.arg = unit


def _instead(node: ast.AST, names: Names, numbers: Sequence[float]) -> Iterator[ast.expr]:
    """What may stand in the place of this expression."""
    match node:
        case ast.Constant(value=bool()) | ast.Constant(value=None):
            return
        case ast.Constant(value=int() | float() as number):
            for other in dict.fromkeys((number + 1, number - 1, *numbers)):
                if other != number:
                    yield ast.Constant(other)
        case ast.Constant(value=str(text)):
            yield from map(ast.Constant, _other_texts(text, names))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right):
            yield ast.BinOp(left, _COMPUTED[type(op)](), right)
            yield left
            yield right
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _OPPOSITE:
            yield ast.Call(ast.Name(_OPPOSITE[name], ast.Load()), args, keywords)
        case ast.IfExp(test=test, body=then, orelse=otherwise):
            yield ast.IfExp(test, otherwise, then)


def _other_texts(text: str, names: Names) -> Iterable[str]:
    if text in _ROLES:
        return [_ROLES[text]]
    if text in names.tools:
        return _nearest(text, names.tools)
    if text in names.values:
        return [value for value in names.values[text] if value != text][:MOST_NAMES]
    return _nearest(text, names.fields) if text in names.fields else [f"not {text}"]


def _nearest(text: str, options: Iterable[str]) -> list[str]:
    """The names that could be taken for this one: those that share most words with it."""
    words = set(text.split("_"))
    others = [option for option in options if option != text]
    return sorted(others, key=lambda other: -len(words & set(other.split("_"))))[:MOST_NAMES]


def _shorter(rule: ast.FunctionDef, items: list[ast.expr]) -> Iterator[tuple[str, str]]:
    """The rule with one of the items dropped."""
    for at in range(len(items)):
        dropped = items.pop(at)
        yield f"`{_text(dropped)}` dropped", ast.unparse(rule)
        items.insert(at, dropped)


def _with(rule: ast.FunctionDef, old: ast.AST, new: ast.expr) -> str:
    """The rule's text with one expression in the place of another."""
    for parent in ast.walk(rule):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                text = ast.unparse(rule)
                setattr(parent, name, old)
                return text
            if isinstance(value, list) and any(item is old for item in value):
                at = next(at for at, item in enumerate(value) if item is old)
                value[at] = new
                text = ast.unparse(rule)
                value[at] = old
                return text
    return ast.unparse(rule)


def _keys(node: ast.AST) -> Iterator[str]:
    """Texts that name a field: in brackets, in `.get`, and before `in`."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            yield key
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
            yield key
        case ast.Compare(
            left=ast.Constant(value=str(key)),
            ops=[ast.In() | ast.NotIn()],
            comparators=[ast.Attribute(attr="arguments")],
        ):
            yield key


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.boolop):
        return type(node).__name__.lower()
    return ast.unparse(node).splitlines()[0][:70]
