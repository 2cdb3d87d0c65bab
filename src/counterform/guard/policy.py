"""A policy: a plain Python file, each public function of which is one rule over where a conversation stands and a call.

    def one_certificate(state, call):
        "A booking is paid with at most one certificate."
        if call.name == "book" and count_certificates(call) > 1:
            return "Pay with one certificate, and the rest by card."

It returns a hint where the rule is broken and None where it is kept; where it raises, it could not tell. What a rule
shares with others is named with a leading underscore, or imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from runpy import run_path

from msgspec import Struct

from counterform.errors import StudyError
from counterform.guard.calls import Call, State
from counterform.types import Mark, StepVerdict


class Rule(Struct, frozen=True):
    """One rule of a policy."""

    name: str
    text: str
    check: Callable[[State, Call], str | None]


def load_policy(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a policy file, in its order. Runs the file. Raises StudyError where it is no policy."""
    try:
        names = run_path(str(path), run_name="policy")
    except Exception as error:
        raise StudyError(f"the policy {str(path)!r} cannot be run: {type(error).__name__}: {error}.") from error
    rules = []
    for name, value in names.items():
        if name.startswith("_") or not inspect.isfunction(value) or value.__globals__.get("__name__") != "policy":
            continue
        text = inspect.getdoc(value)
        if len(inspect.signature(value).parameters) != 2 or not text:
            raise StudyError(
                f"the rule {name!r} of {str(path)!r} should take (state, call) and say in its docstring what the rule is. "
                "Name what is no rule with a leading underscore."
            )
        rules.append(Rule(name, " ".join(text.split()), value))
    if not rules:
        raise StudyError(f"the policy {str(path)!r} has no rules: no public function takes (state, call).")
    return tuple(rules)


def judge(rules: Sequence[Rule], state: State, call: Call) -> list[StepVerdict]:
    """The verdict of every rule on a call: UNKNOWN where the rule could not tell, or the call's arguments be read."""
    verdicts = []
    for rule in rules:
        try:
            hint = rule.check(state, call)
        except Exception as error:  # anybody's rule, given a hostile call
            hint = f"{type(error).__name__}: {error}"
            verdicts.append(StepVerdict(mark=Mark.UNKNOWN, rule=rule.name, hint=hint[:200]))
            continue
        mark = Mark.WRONG if hint is not None else Mark.UNKNOWN if call.unread else Mark.RIGHT
        verdicts.append(StepVerdict(mark=mark, rule=rule.name, hint=str(hint or call.unread)[:1000]))
    return verdicts
