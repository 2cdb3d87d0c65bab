"""The little language that a drafted rule is written in: what is not on this list is not run, whatever it would do.

One function of (state, call) with `if`, `for` over values that are there, assignments, and returns of a text or None. No
imports, loops without end, powers, attributes or functions but those named here. Code is text until it has passed here, and
then runs only in the process of `sandbox.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

MAX_CHARACTERS = 6_000
MOST_NODES = 900
LARGEST = 1_000_000_000
"""Of a number that is written down."""
LONGEST = 400
"""Of a text that is written down."""

FUNCTIONS = frozenset(
    (
        "abs",
        "all",
        "any",
        "float",
        "int",
        "len",
        "max",
        "min",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "timedelta",
        "LookupError",
    )
)
"""Names that a rule may call."""
OF_CALL = frozenset(("name", "arguments", "said", "beside"))
OF_STATE = frozenset(("messages", "results", "last", "said"))
OTHERS = frozenset(
    [
        *("call", "name", "arguments", "value", "text", "pending"),  # of results
        *("get", "keys", "values", "items", "lower", "strip", "split", "startswith", "endswith"),
        *("fromisoformat", "total_seconds", "days"),
    ]
)
"""Attributes of whatever else: results and their calls, dicts, texts and times."""
_NODES: tuple[type[ast.AST], ...] = (
    *(
        ast.Module,
        ast.FunctionDef,
        ast.arguments,
        ast.arg,
        ast.Expr,
        ast.Assign,
        ast.If,
        ast.For,
        ast.Return,
        ast.Raise,
        ast.Pass,
    ),
    *(
        ast.BoolOp,
        ast.And,
        ast.Or,
        ast.UnaryOp,
        ast.Not,
        ast.USub,
        ast.BinOp,
        ast.Add,
        ast.Sub,
        ast.Mult,
        ast.Div,
        ast.FloorDiv,
    ),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot),
    *(ast.IfExp, ast.Call, ast.keyword, ast.Constant, ast.Attribute, ast.Subscript, ast.Name, ast.Load, ast.Store),
    *(ast.Tuple, ast.List, ast.Set, ast.Dict, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.comprehension),
    *(ast.JoinedStr, ast.FormattedValue),
)


class Refused(Exception):
    """Why a draft is not believed, in words for whoever reads the policy."""


def parse(code: str) -> ast.FunctionDef:
    """The one function of a draft. Raises Refused for anything that the language does not have."""
    if len(code) > MAX_CHARACTERS:
        raise Refused(f"its code has {len(code):,} characters; at most {MAX_CHARACTERS:,} are read")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"its code is no Python: {error}"[:200]) from None
    rules = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if len(rules) != 1 or len(tree.body) != 1:
        raise Refused("its code should be one function and nothing else")
    rule = rules[0]
    if sum(1 for _ in ast.walk(rule)) > MOST_NODES:
        raise Refused("its code is too long to be proven: split it into several rules")
    if [argument.arg for argument in rule.args.args] != ["state", "call"] or ast.unparse(rule.args) != "state, call":
        raise Refused("its function should take (state, call)")
    if rule.decorator_list or rule.name.startswith("_") or not rule.name.isascii():
        raise Refused("its function should have a public name, and no decorator")
    bound = _bound(rule)
    for node in ast.walk(rule):
        _look(node, rule, bound)
    if not any(isinstance(node, ast.Return) and _is_hint(node.value) for node in ast.walk(rule)):
        raise Refused("its code never says that the rule is broken: no `return` of a text")
    return rule


def without_docstring(rule: ast.FunctionDef) -> list[ast.stmt]:
    """The statements of a rule that do something."""
    first = rule.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return rule.body[1:] if is_text else rule.body


def hints(rule: ast.FunctionDef) -> set[int]:
    """The ids of all nodes inside texts that are only shown: hints, the docstring, what `raise` says."""
    shown = set[int]()
    for node in ast.walk(rule):
        for part in _shown(node):
            shown |= {id(inner) for inner in ast.walk(part)}
    return shown


def _shown(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.Constant(value=str()) | ast.JoinedStr() as text):
            yield text
        case ast.Return(value=ast.IfExp(body=then, orelse=otherwise)):
            yield from (part for part in (then, otherwise) if _is_hint(part))
        case ast.Raise() | ast.Expr():
            yield node


def _is_hint(node: ast.expr | None) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.IfExp(body=then, orelse=otherwise):
            return _is_hint(then) or _is_hint(otherwise)
    return False


def _bound(rule: ast.FunctionDef) -> set[str]:
    names = {"state", "call"}
    for node in ast.walk(rule):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id in names and node.id in ("state", "call"):
                raise Refused(f"it gives {node.id!r} another meaning")
            names.add(node.id)
    return names


def _look(node: ast.AST, rule: ast.FunctionDef, bound: set[str]) -> None:
    """Raises Refused for a node that the language does not have."""
    shown = ast.unparse(node).splitlines()[0][:60] if isinstance(node, ast.expr | ast.stmt) else type(node).__name__
    if not isinstance(node, _NODES):
        raise Refused(f"its code uses what no rule may: {type(node).__name__} ({shown})")
    match node:
        case ast.FunctionDef() if node is not rule:
            raise Refused("its code defines a function inside")
        case ast.Name(id=name) if name.startswith("_") or name not in bound | FUNCTIONS | {"datetime"}:
            raise Refused(f"its code uses {name!r}, which no rule may")
        case ast.Name(id=name, ctx=ast.Store()) if name in FUNCTIONS | {"datetime"}:
            raise Refused(f"it gives {name!r} another meaning")
        case ast.Attribute(value=ast.Name(id="call"), attr=attribute) if attribute not in OF_CALL:
            raise Refused(f"a call has no `{attribute}`; it has {', '.join(sorted(OF_CALL))}")
        case ast.Attribute(value=ast.Name(id="state"), attr=attribute) if attribute not in OF_STATE:
            raise Refused(f"a state has no `{attribute}`; it has {', '.join(sorted(OF_STATE))}")
        case ast.Attribute(attr=attribute) if attribute not in OTHERS | OF_CALL | OF_STATE:
            raise Refused(f"its code uses the attribute {attribute!r}, which no rule may")
        case ast.Constant(value=value):
            _look_at_constant(value)
        case ast.FormattedValue(format_spec=spec, conversion=conversion) if spec is not None or conversion != -1:
            raise Refused("its hint formats a value; write {value} alone")
        case ast.BinOp(op=ast.Mult(), left=left, right=right) if {type(left), type(right)} & {ast.List, ast.Tuple}:
            raise Refused("its code repeats a list")
        case ast.Assign(targets=targets) if len(targets) != 1 or not isinstance(targets[0], ast.Name):
            raise Refused(f"its code assigns to something that is no name: {shown}")
        case ast.For(orelse=[_, *_]):
            raise Refused("its code has a loop with `else`")
        case ast.Return(value=value) if not (value is None or _is_none(value) or _only_hints(value)):
            raise Refused(f"a rule returns a text or None: {shown}")
        case ast.Raise(exc=exc) if not _is_lookup_error(exc):
            raise Refused('a rule that cannot tell says `raise LookupError("why")`')
        case ast.Expr() if not (node is rule.body[0] and isinstance(node.value, ast.Constant)):
            raise Refused(f"its code has a line that does nothing: {shown}")


def _look_at_constant(value: object) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int | float):
        if not abs(value) <= LARGEST:
            raise Refused(f"its code has a number beyond {LARGEST:,}")
    elif not isinstance(value, str):
        raise Refused(f"its code has a {type(value).__name__}")
    elif len(value) > LONGEST * 10:
        raise Refused(f"its code has a text of {len(value):,} characters")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _only_hints(node: ast.expr) -> bool:
    match node:
        case ast.IfExp(body=then, orelse=otherwise):
            return all(_is_none(part) or _only_hints(part) for part in (then, otherwise))
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
    return False


def _is_lookup_error(node: ast.expr | None) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="LookupError"), args=[ast.Constant(value=str())], keywords=[]):
            return True
    return False
