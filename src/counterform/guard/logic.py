"""Rules of arithmetic and logic as formulas: which can never be broken, which say nothing new, which forbid every call.

A rule is read when its body is `if` statements that return a text or None, over numbers, strings, comparisons, `and`, `or`,
`not`, `in`, + - * and the file's own constants. `call.arguments[...]`, what `state` is asked and other expressions without the file's own
functions are values of which nothing is known but that the same words have the same value; what they are compared with says their
kind. So what is found here holds, and more may hold that is not found. A loop or a function of the file is beyond it, and that is said.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from counterform.errors import extra
from counterform.guard.drafting.language import FUNCTIONS

with extra("guard"):
    import z3

MILLISECONDS = 2_000
"""For one question put to z3; a question that takes longer is left open."""
MOST_RULES = 200
"""Rules that are compared with each other."""
MOST_STEPS = 20_000
"""For the reading of one rule: names that stand for names that stand for others can be doubled without end."""

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}
_COMPUTED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
}


_KNOWN = (FUNCTIONS - {"LookupError"}) | {"datetime"}
"""Functions that say the same of the same."""
_METHODS = frozenset(
    (
        "last",
        "said",
        "get",
        "keys",
        "values",
        "items",
        "lower",
        "strip",
        "split",
        "startswith",
        "endswith",
        "fromisoformat",
        "total_seconds",
    )
)


class Contradiction(Struct, frozen=True):
    """A tool of which no call could pass, and the rules that forbid them all."""

    tool: str
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"no call of {self.tool!r} can pass: {', '.join(self.rules)}"


class _BeyondError(Exception):
    """Something that is no arithmetic or logic."""


def examine(
    rules: Mapping[str, ast.FunctionDef | None], constants: Mapping[str, Any]
) -> tuple[dict[str, str], tuple[Contradiction, ...]]:
    """What logic says of each rule, by name, and the contradictions.

    rules: each as it is written; None: it is no plain function of its file. constants: values that names of the file have.
    """
    found: dict[str, str] = {}
    broken: dict[str, Any] = {}
    tools: dict[str, None] = {}
    for name, node in list(rules.items())[:MOST_RULES]:
        reader = _Reader(constants)
        try:
            if node is None:
                raise _BeyondError(
                    "it is no function that is written in this file, or a decorator may change what it does"
                )
            broken[name] = reader.broken(node)
            tools.update(dict.fromkeys(reader.tools))
            found[name] = "sound"
        except (_BeyondError, z3.Z3Exception, RecursionError) as error:
            found[name] = f"beyond arithmetic and logic: {error}"[:200]
    for name, formula in broken.items():
        if _impossible(formula):
            found[name] = "dead"
    for name, formula in broken.items():
        for other, wider in broken.items():
            # Of two rules that say the same only the later one is called superfluous.
            said = found[other] == "sound" and other != name and found[name] == "sound"
            if said and _impossible(z3.And(formula, z3.Not(wider))):
                found[name] = f"implied by {other}"
    return found, tuple(_contradictions(broken, list(tools)))


def _contradictions(broken: Mapping[str, Any], tools: Sequence[str]) -> list[Contradiction]:
    """Of each tool that rules name, whether they leave any call of it."""
    found = []
    for tool in tools:
        solver = z3.Solver()
        solver.set("timeout", MILLISECONDS)
        solver.add(_name() == tool)
        for name, formula in broken.items():
            solver.assert_and_track(z3.Not(formula), name)
        if solver.check() == z3.unsat:
            found.append(Contradiction(tool, tuple(sorted(str(name) for name in solver.unsat_core()))))
    return found


def _impossible(formula: Any) -> bool:
    solver = z3.Solver()
    solver.set("timeout", MILLISECONDS)
    solver.add(formula)
    return bool(solver.check() == z3.unsat)


def _name() -> Any:
    return z3.String("call.name")


class _Reader:
    """Turns one function into the condition under which it returns a text."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names, self._local = names, dict[str, ast.expr]()
        self.tools: list[str] = []
        self._steps = 0

    def broken(self, node: ast.FunctionDef) -> Any:
        self._state, self._call = (argument.arg for argument in node.args.args)
        return self._block(node.body, z3.BoolVal(False))

    def _block(self, body: Sequence[ast.stmt], behind: Any) -> Any:
        """Whether these statements return a text; `behind`: whether what follows them does."""
        if not body:
            return behind
        first, rest = body[0], body[1:]
        match first:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                return self._block(rest, behind)
            case ast.Return(value=None) | ast.Return(value=ast.Constant(value=None)) | ast.Raise():
                return z3.BoolVal(False)
            case ast.Return(value=ast.Constant(value=str()) | ast.JoinedStr()):
                return z3.BoolVal(True)
            case ast.Return(value=ast.IfExp(test=test, body=then, orelse=otherwise)):
                return z3.If(
                    self._truth(test),
                    self._block([ast.Return(then)], behind),
                    self._block([ast.Return(otherwise)], behind),
                )
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in self._local:
                self._local[name] = value
                return self._block(rest, behind)
            case ast.If(test=test, body=then, orelse=otherwise):
                after = self._block(rest, behind)
                return z3.If(self._truth(test), self._block(then, after), self._block(otherwise, after))
        raise _BeyondError(f"line {first.lineno}: {ast.unparse(first).splitlines()[0][:80]}")

    def _truth(self, node: ast.expr) -> Any:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return z3.And(*[self._truth(value) for value in values])
            case ast.BoolOp(op=ast.Or(), values=values):
                return z3.Or(*[self._truth(value) for value in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return z3.Not(self._truth(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                return z3.And(*[self._compared(a, op, b) for a, op, b in zip(sides, ops, others, strict=False)])
            case ast.Constant(value=bool(value)):
                return z3.BoolVal(value)
            case ast.Name(id=name) if name in self._local:
                return self._truth(self._local[name])
        return self._value(node, bool)

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Any:
        if isinstance(op, ast.In | ast.NotIn):
            options = self._constant(right)
            if not isinstance(options, tuple | list | set | frozenset):
                there = self._unknown(ast.Compare(left, [ast.In()], [right]), bool)
                return there if isinstance(op, ast.In) else z3.Not(there)
            alike = [self._compared(left, ast.Eq(), ast.Constant(option)) for option in sorted(options, key=str)]
            return z3.Or(*alike) if isinstance(op, ast.In) else z3.Not(z3.Or(*alike))
        if isinstance(op, ast.Is | ast.IsNot):
            same = self._unknown(ast.Compare(left, [ast.Is()], [right]), bool)
            return same if isinstance(op, ast.Is) else z3.Not(same)
        kind = self._kind(left) or self._kind(right) or float
        a, b = self._value(left, kind), self._value(right, kind)
        if kind is str and self._is_name(left) | self._is_name(right):
            self.tools += [side for node in (left, right) if isinstance(side := self._constant(node), str)]
        if kind in (str, bool) and not isinstance(op, ast.Eq | ast.NotEq):
            return self._unknown(ast.Compare(left, [op], [right]), bool)
        return _COMPARED[type(op)](a, b)

    def _kind(self, node: ast.expr) -> type | None:
        """What kind of value this certainly is; None: that of what it is compared with."""
        value = self._constant(node)
        if isinstance(value, bool | str):
            return type(value)
        if isinstance(value, int | float) or isinstance(node, ast.BinOp):
            return float
        return str if self._is_name(node) else None

    def _constant(self, node: ast.expr) -> Any:
        """A constant of the text or of the file; None if it is none."""
        match node:
            case ast.Name(id=name) if name in self._local:
                return self._constant(self._local[name])
            case ast.Name(id=name):
                return self._names.get(name)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                values = [self._constant(item) for item in items]
                return None if None in values else values
            case ast.Constant(value=value):
                return value
        return None

    def _is_name(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=of), attr="name"):
                return of == self._call
        return False

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise _BeyondError("it is too long")

    def _value(self, node: ast.expr, kind: type) -> Any:
        self._step()
        if isinstance(node, ast.Name) and node.id in self._local:
            return self._value(self._local[node.id], kind)
        value = self._constant(node)
        if isinstance(value, bool) and kind is bool:
            return z3.BoolVal(value)
        if isinstance(value, str) and kind is str:
            return z3.StringVal(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and kind is float:
            return z3.RealVal(value)
        if self._is_name(node) and kind is str:
            return _name()
        match node:
            case ast.BinOp(left=left, op=op, right=right) if (
                type(op) in _COMPUTED and kind is float and self._counts(node)
            ):
                return _COMPUTED[type(op)](self._value(left, float), self._value(right, float))
        return self._unknown(node, kind)

    def _counts(self, node: ast.expr) -> bool:
        """Whether + - * are of numbers, and not of times or texts."""
        whole = ast.walk(self._written_out(node))
        return not any(isinstance(inner, ast.Name) and inner.id in ("datetime", "timedelta") for inner in whole)

    def _unknown(self, node: ast.expr, kind: type) -> Any:
        """A value of which only its words are known; each kind has a name of its own, since no value is a number here and a text there."""
        whole = self._written_out(node)
        inside = {
            id(inner)
            for part in ast.walk(whole)
            if isinstance(part, ast.comprehension)
            for inner in ast.walk(part.target)
        }
        bound = {inner.id for inner in ast.walk(whole) if isinstance(inner, ast.Name) and id(inner) in inside}
        for inner in ast.walk(whole):
            match inner:
                case ast.Call(func=ast.Name(id=name)) if name not in _KNOWN:
                    raise _BeyondError(f"a function of its own: {ast.unparse(inner)[:60]}")
                case ast.Call(func=ast.Attribute(attr=name)) if name not in _METHODS:
                    raise _BeyondError(f"a function of its own: {ast.unparse(inner)[:60]}")
                case ast.Call(func=func) if not isinstance(func, ast.Name | ast.Attribute):
                    raise _BeyondError(ast.unparse(inner)[:60])
                case ast.Name(id=name) if (
                    name not in bound | _KNOWN | {self._state, self._call} and name not in self._names
                ):
                    raise _BeyondError(f"{name!r}, of which nothing is known")
                case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.NamedExpr() | ast.Lambda():
                    raise _BeyondError(ast.unparse(inner)[:60])
        make = {float: z3.Real, str: z3.String, bool: z3.Bool}[kind]
        return make(f"{ast.unparse(whole)} ({kind.__name__})")

    def _written_out(self, node: ast.expr) -> ast.expr:
        """The expression with what its local names stand for, rule and rule alike."""
        local, step = self._local, self._step

        class WrittenOut(ast.NodeTransformer):
            def visit_Name(self, inner: ast.Name) -> ast.AST:
                step()
                return self.visit(copy.deepcopy(local[inner.id])) if inner.id in local else inner

        whole: ast.expr = WrittenOut().visit(copy.deepcopy(node))
        return whole
