"""The constants of a drafted rule, by what they are for: numbers with what they count, texts, fields, tools, roles."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from msgspec import Struct

from counterform.guard.drafting.language import hints
from counterform.guard.drafting.toolbox import Toolbox

BESIDE = "calls beside it"
"""The unit of `call.beside`."""
NEGATIVE = "below zero"
"""The unit of a number with a minus."""


class Parts(Struct, frozen=True):
    """The constants of a rule, by what they are for."""

    numbers: tuple[tuple[ast.Constant, tuple[str, ...], str], ...]
    """(constant, texts that stand beside it, unit) of each number."""
    texts: tuple[str, ...]
    """What is compared with; none of the names below."""
    fields: tuple[str, ...]
    tools: tuple[str, ...]
    """Those of which calls are judged."""
    roles: tuple[str, ...]
    compared: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """(fields, texts) of each comparison of a field with a text."""
    spoken: tuple[str, ...]
    """Texts that are looked for in what somebody said."""


def parts_of(rule: ast.FunctionDef, box: Toolbox) -> Parts:
    """What the rule's constants are for."""
    skipped = hints(rule)
    keys = {id(node): key for parent in ast.walk(rule) for node, key in _keys(parent)}
    looked_up = {id(node) for parent in ast.walk(rule) for node in _looked_up(parent)}
    roles = {id(node): str(node.value) for parent in ast.walk(rule) for node in _role_nodes(parent)}
    numbers, texts, fields, tools = (
        list[tuple[ast.Constant, tuple[str, ...], str]](),
        list[str](),
        list[str](),
        list[str](),
    )
    for node, beside, unit in _constants(rule, (), ""):
        if id(node) in skipped or node.value is None or isinstance(node.value, bool):
            continue
        if isinstance(node.value, int | float):
            numbers.append((node, beside, unit))
        elif id(node) in roles or id(node) in looked_up:
            continue
        elif id(node) in keys:
            fields.append(str(node.value))
        elif node.value in box.tools:
            tools.append(str(node.value))
        else:
            texts.append(str(node.value))
    return Parts(
        tuple(numbers),
        once(texts),
        once(fields),
        once(tools),
        once(roles.values()),
        _compared(rule),
        once(_spoken(rule)),
    )


def is_beside(node: ast.AST) -> bool:
    """Whether this is the number of other calls of the same message."""
    return isinstance(node, ast.Attribute) and node.attr == "beside"


def _constants(
    node: ast.AST, beside: tuple[str, ...], unit: str
) -> Iterator[tuple[ast.Constant, tuple[str, ...], str]]:
    """Each constant with the texts that belong to it: of its row, its key, the thing that it is compared with; and its unit."""
    match node:
        case ast.Constant():
            yield node, beside, unit
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                own = [str(key.value)] if isinstance(key, ast.Constant) else []
                yield from _constants(value, (*beside, *own), unit)
                if key is not None:
                    yield from _constants(key, beside, unit)
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            unit = BESIDE if any(is_beside(side) for side in sides) else unit
            for at, side in enumerate(sides):
                around = tuple(text for other in sides[:at] + sides[at + 1 :] for text in _texts(other))
                yield from _constants(
                    side, around + (tuple(_texts(side)) if not isinstance(side, ast.Constant) else ()), unit
                )
        case ast.Tuple(elts=items) if any(isinstance(item, ast.Constant) for item in items):
            row = tuple(text for item in items for text in _texts(item))
            for item in items:
                yield from _constants(item, beside + row, unit)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as number):
            yield number, beside, NEGATIVE
        case ast.Subscript(value=value, slice=ast.Constant(value=int()) | ast.UnaryOp(operand=ast.Constant())):
            yield from _constants(value, beside, unit)  # which item of a list: told apart by examples alone
        case ast.Call(func=ast.Name(id="timedelta"), keywords=keywords):
            for keyword in keywords:
                yield from _constants(keyword.value, beside, keyword.arg or "")
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _constants(child, beside, unit)


def _texts(node: ast.AST) -> Iterator[str]:
    yield from (
        inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    )


def _keys(node: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    """Constants that name a field."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(key)) as constant):
            yield constant, key
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)) as constant, *_]):
            yield constant, key
        case ast.Compare(
            left=ast.Constant(value=str(key)) as constant,
            ops=[ast.In() | ast.NotIn()],
            comparators=[ast.Attribute(attr="arguments")],
        ):
            yield constant, key


def _looked_up(node: ast.AST) -> Iterator[ast.AST]:
    """What says which earlier answer is meant: tools that look up, and the arguments that they were asked with."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="state"), attr="last"), args=args, keywords=keywords):
            yield from args
            yield from (inner for keyword in keywords for inner in ast.walk(keyword.value))
        case ast.Compare(left=ast.Attribute(value=ast.Attribute(attr="call"), attr="name"), comparators=others):
            yield from (inner for other in others for inner in ast.walk(other))


def _role_nodes(node: ast.AST) -> Iterator[ast.Constant]:
    match node:
        case ast.Call(func=ast.Attribute(attr="said"), args=[ast.Constant(value="user" | "assistant") as constant]):
            yield constant
        case ast.Compare(comparators=[ast.Constant(value="user" | "assistant") as constant]):
            yield constant


def _compared(rule: ast.AST) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    found = []
    for node in ast.walk(rule):
        match node:
            case ast.Compare(
                left=ast.Subscript(slice=ast.Constant(value=str(field))),
                ops=[ast.Eq() | ast.NotEq() | ast.In() | ast.NotIn()],
                comparators=[right],
            ):
                found.append(((field,), tuple(_texts(right)) if not isinstance(right, ast.Subscript) else ()))
    return tuple(found)


def _spoken(rule: ast.AST) -> Iterator[str]:
    for node in ast.walk(rule):
        calls = [
            inner.func
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)
        ]
        if isinstance(node, ast.Compare) and any(call.attr == "said" for call in calls):
            yield from _texts(node.left)


def once(items: Iterable[str]) -> tuple[str, ...]:
    """Each text once, in order."""
    return tuple(dict.fromkeys(items))
