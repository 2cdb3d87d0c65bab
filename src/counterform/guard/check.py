"""A policy examined before it is trusted: its own tests are run, and rules of arithmetic and logic are looked at by z3.

A test is a function `_test_...` of the policy file, without parameters, that calls rules and asserts. A rule is tested when
its tests have seen it broken and have seen it kept.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.errors import AuditError, MissingExtra
from counterform.guard.calls import Call, State
from counterform.guard.policy import PolicyFile, Rule, read_policy

PREFIX = "_test_"


class RuleCheck(Struct, frozen=True, kw_only=True):
    """What the tests and the logic say of one rule."""

    rule: str
    text: str
    seen_broken: bool
    seen_kept: bool
    logic: str
    """`dead`, `implied by RULE`, `sound`, or why the rule is beyond arithmetic and logic."""


class PolicyCheck(Struct, frozen=True, kw_only=True):
    """What was found out about a policy."""

    tests: int
    failures: tuple[str, ...]
    rules: tuple[RuleCheck, ...]
    contradictions: tuple[str, ...]
    """Tools of which no call could pass, each with the rules that forbid them all."""
    notes: tuple[str, ...] = ()


def check_policy(path: str | Path) -> PolicyCheck:
    """Run a policy's tests and look for contradictions and dead rules. Raises StudyError for a file that is no policy."""
    policy = read_policy(path)
    rules, names = policy.rules, policy.names
    seen: dict[str, set[bool]] = {rule.name: set() for rule in rules}
    tests = {name: test for name, test in names.items() if name.startswith(PREFIX) and callable(test)}
    failures = _run(tests, rules, names, seen)
    try:
        from counterform.guard.logic import examine

        logic, forbidden = examine(_written(policy), policy.names)
        contradictions = tuple(map(str, forbidden))
        notes: tuple[str, ...] = ()
    except MissingExtra as error:
        logic, contradictions = {}, ()
        notes = (f"logic was not looked at: {error}",)
    return PolicyCheck(
        tests=len(tests),
        failures=tuple(failures),
        rules=tuple(
            RuleCheck(
                rule=rule.name,
                text=rule.text,
                seen_broken=True in seen[rule.name],
                seen_kept=False in seen[rule.name],
                logic=logic.get(rule.name, "not looked at"),
            )
            for rule in rules
        ),
        contradictions=contradictions,
        notes=notes,
    )


def require(found: PolicyCheck) -> None:
    """Raises AuditError where a test failed, rules contradict each other, or one can never be broken."""
    dead = [f"{rule.rule} can never be broken" for rule in found.rules if rule.logic == "dead"]
    wrong = [*found.failures, *found.contradictions, *dead]
    if wrong:
        raise AuditError(f"the policy is not sound: {'; '.join(wrong)}. Mend its rules or its tests.")


def _written(policy: PolicyFile) -> dict[str, ast.FunctionDef | None]:
    """Each rule as it is written; None for one that is no plain function of the file."""
    nodes = {node.name: node for node in ast.parse(policy.source).body if isinstance(node, ast.FunctionDef)}
    return {
        rule.name: node
        if inspect.isfunction(rule.check) and (node := nodes.get(rule.name)) and not node.decorator_list
        else None
        for rule in policy.rules
    }


def _run(
    tests: dict[str, Callable[[], Any]], rules: Sequence[Rule], names: dict[str, Any], seen: dict[str, set[bool]]
) -> list[str]:
    """The failures; what each rule said in the tests is put into `seen`."""

    def remembered(rule: Rule) -> Callable[[State, Call], str | None]:
        def check(state: State, call: Call) -> str | None:
            hint = rule.check(state, call)
            seen[rule.name].add(hint is not None)
            return hint

        return check

    failures = []
    names.update({rule.name: remembered(rule) for rule in rules})
    try:
        for name, test in tests.items():
            try:
                test()
            except (Exception, SystemExit) as error:
                failures.append(f"{name}: {type(error).__name__}: {error}"[:300].rstrip(": "))
    finally:
        names.update({rule.name: rule.check for rule in rules})
    return failures
