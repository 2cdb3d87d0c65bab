"""A policy: a plain Python file, each public callable of which is one rule over where a conversation stands and a call.

    def one_certificate(state, call):
        "A booking is paid with at most one certificate."
        if call.name == "book" and count_certificates(call) > 1:
            return "Pay with one certificate, and the rest by card."

It returns a hint where the rule is broken and None where it is kept; where it raises, it could not tell. What a rule
shares with others is named with a leading underscore, or imported. A public name that could be taken for a rule and is
none is an error: a rule that is left out in silence is worse than a file that is refused.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from runpy import run_path
from typing import Any

from msgspec import Struct

from counterform.errors import StudyError
from counterform.guard.calls import Call, State
from counterform.types import Mark, StepVerdict


class Rule(Struct, frozen=True):
    """One rule of a policy."""

    name: str
    text: str
    check: Callable[[State, Call], str | None]


class PolicyFile(Struct, frozen=True):
    """A policy file that was run: its rules in their order, all its names, and its text."""

    rules: tuple[Rule, ...]
    names: dict[str, Any]
    source: str


def load_policy(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a policy file, in its order. Runs the file. Raises StudyError where it is no policy."""
    return read_policy(path).rules


def read_policy(path: str | Path) -> PolicyFile:
    """As `load_policy`, with what else is in the file."""
    try:
        names = run_path(str(path), run_name="policy")
        source = Path(path).read_text(encoding="utf-8")
    except (Exception, SystemExit) as error:
        raise StudyError(f"the policy {str(path)!r} cannot be run: {type(error).__name__}: {error}.") from error
    tree = ast.parse(source)
    imported = _imported(tree, str(path))
    rules = []
    for name, value in names.items():
        if name.startswith("_") or (name in imported and not _looks_like_a_rule(value)):
            continue
        if name in imported:
            raise StudyError(
                f"{name!r} of {str(path)!r} is imported, and looks like a rule. Import it with a leading underscore, and call it "
                "in a rule of this file."
            )
        if callable(value):
            rules.append(_rule(name, value, str(path)))
        elif _holds_callables(value):
            raise StudyError(
                f"{name!r} of {str(path)!r} holds callables, and none of them is a rule there. Give each rule a public name of its "
                "own, or name what is no rule with a leading underscore."
            )
    if not rules:
        raise StudyError(f"the policy {str(path)!r} has no rules: no public function takes (state, call).")
    return PolicyFile(tuple(rules), _own_names(names), source)


def judge(rules: Sequence[Rule], state: State, call: Call) -> list[StepVerdict]:
    """The verdict of every rule on a call: UNKNOWN where the rule could not tell, or the call's arguments be read."""
    return [judge_one(rule, lambda check: check(state, call), call) for rule in rules]


def judge_one(rule: Rule, ask: Callable[[Callable[[State, Call], Any]], Any], call: Call) -> StepVerdict:
    """The verdict of one rule. ask: calls the rule, in the caller's way."""
    try:
        hint = ask(rule.check)
        if hint is not None and not isinstance(hint, str):
            raise TypeError(f"the rule returned {type(hint).__name__}, and not a text or None")
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # anybody's rule, given a hostile call
        return StepVerdict(mark=Mark.UNKNOWN, rule=rule.name, hint=f"{type(error).__name__}: {error}"[:200])
    mark = Mark.WRONG if hint is not None else Mark.UNKNOWN if call.unread else Mark.RIGHT
    return StepVerdict(mark=mark, rule=rule.name, hint=str(hint or call.unread)[:1000])


def _rule(name: str, value: Any, path: str) -> Rule:
    text = _text(value)
    if isinstance(value, type) or not _takes_two(value) or not text or _returns_later(value):
        raise StudyError(
            f"the rule {name!r} of {path!r} should take (state, call), say in its docstring what the rule is, and return a text or "
            f"None at once ({_what(value)} was given). Name what is no rule with a leading underscore."
        )
    return Rule(name, " ".join(text.split()), value)


def _imported(tree: ast.Module, path: str) -> set[str]:
    """The names that only imports bind. Raises StudyError for a star, and for a rule that is defined twice."""
    found, bound = set[str](), Counter[str]()
    for node in _statements(tree.body):
        match node:
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                raise StudyError(
                    f"{path!r} imports *, so nobody can say which names are rules. Import each name by itself."
                )
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound[name] += 1
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                found -= {
                    inner.id
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
                }
    for name, times in bound.items():
        if times > 1 and not name.startswith("_"):
            raise StudyError(
                f"{path!r} defines {name!r} {times} times, and only the last would be a rule. Rename them."
            )
    return found - set(bound)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those inside `if`, `try`, `with` and loops too, in their order."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _statements([inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)])
            for handler in ast.iter_child_nodes(node):
                if isinstance(handler, ast.ExceptHandler | ast.match_case):
                    yield from _statements(handler.body)


def _looks_like_a_rule(value: Any) -> bool:
    try:
        return callable(value) and list(inspect.signature(value).parameters)[:2] == ["state", "call"]
    except (TypeError, ValueError):
        return False


def _takes_two(value: Any) -> bool:
    own = inspect.unwrap(value)
    if inspect.isroutine(own) and not (inspect.isfunction(own) or inspect.ismethod(own)):
        return False  # a method of a builtin type is no rule, whatever it can be called with
    try:
        inspect.signature(value).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _text(value: Any) -> str:
    """The docstring of a function, of what a wrapper wraps, or of a callable object."""
    while isinstance(value, functools.partial):
        if own := value.__dict__.get("__doc__"):
            return str(own)
        value = value.func
    if isinstance(value, type) or inspect.isroutine(value):
        return inspect.getdoc(value) or ""
    own = inspect.unwrap(value)
    return inspect.getdoc(own) or inspect.getdoc(type(own).__call__) or ""


def _returns_later(value: Any) -> bool:
    """Whether a call only begins the rule, as of a coroutine or a generator."""
    while isinstance(value, functools.partial):
        value = value.func
    value = inspect.unwrap(value)
    inner = value if inspect.isroutine(value) else type(value).__call__
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(one) for kind in kinds for one in (value, inner))


def _holds_callables(value: Any) -> bool:
    if isinstance(value, Rule):
        return True
    items = (
        value.values()
        if isinstance(value, Mapping)
        else value
        if isinstance(value, list | tuple | set | frozenset)
        else ()
    )
    return any(isinstance(item, Rule) or (callable(item) and not isinstance(item, type)) for item in items)


def _own_names(names: dict[str, Any]) -> dict[str, Any]:
    """The namespace in which the file's own functions look names up, of which `names` is a copy."""
    for value in names.values():
        own = inspect.unwrap(value) if callable(value) else None
        if inspect.isfunction(own) and own.__globals__.get("__name__") == "policy":
            return own.__globals__
    return names


def _what(value: Any) -> str:
    return (
        f"a {type(value).__name__}" if not inspect.isfunction(value) else f"{value.__name__}{inspect.signature(value)}"
    )
