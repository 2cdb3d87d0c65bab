"""Recorded conversations judged by a policy: which rules their calls broke, quoted, and what became of those that kept them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.errors import DataError
from counterform.findings.stats import pass_hat_k
from counterform.guard.calls import Call, Conversation, State, Unsettled
from counterform.guard.recorded import Recorded, read_recorded
from counterform.guard.tools import Policy
from counterform.types import Mark, StepVerdict

QUOTE = 300
"""Characters of a call, or of what the user said, that are quoted."""
_RIGHT = 1 - 1e-6
"""The reward from which on a run is right."""


class Violation(Struct, frozen=True, kw_only=True):
    """One call that broke a rule, or of which a rule could not tell."""

    conversation: str
    message: int
    """Which message of the conversation makes the call, from 0."""
    rule: str
    mark: Mark
    hint: str
    call: str
    user_said: str


class RuleCount(Struct, frozen=True, kw_only=True):
    """How often a rule was broken."""

    rule: str
    text: str
    broken: int
    """Calls."""
    unknown: int
    """Calls of which the rule could not tell."""
    conversations: int
    """Conversations in which it was broken at least once."""


class Share(Struct, frozen=True, kw_only=True):
    """How many conversations of a kind were right."""

    right: int
    of: int


class Judged(Struct, frozen=True, kw_only=True):
    """What a policy says of a file."""

    conversations: int
    left_out: int
    """Rows of the file that are no conversation."""
    calls: int
    unread: int
    """Calls that could not be read: their arguments are no JSON object, or have more than one meaning."""
    rules: tuple[RuleCount, ...]
    violations: tuple[Violation, ...]
    kept: Share | None
    """Of the conversations in which no rule is known to be broken, those with full reward; None where no reward was recorded."""
    broke: Share | None
    pass_hat: dict[int, float]
    """pass^k: the share of tasks of which all k of k trials have full reward."""
    pass_hat_kept: dict[int, float]
    """The same, where a trial that breaks a rule is not right."""


def judge_file(path: Path, policy: Policy) -> Judged:
    """Judge every call of a file of recorded conversations.

    Raises DataError for a file of which no conversation, or no call, can be read.
    """
    recordings = read_recorded(path)
    rows = [(one, _judged(one, policy)) for one in recordings.conversations]
    calls = sum(len(found) for _, found in rows)
    unread = sum(bool(call.unread) for _, found in rows for _, _, call, _ in found)
    if not calls:
        raise DataError(f"{path} holds {len(rows)} conversations and no tool call, so no rule has anything to judge.")
    if unread == calls:
        first = next(call.unread for _, found in rows for _, _, call, _ in found)
        raise DataError(f"none of the {calls} calls of {path} can be read; the first: {first}.")
    violations = tuple(
        Violation(
            conversation=one.name,
            message=at,
            rule=verdict.rule,
            mark=verdict.mark,
            hint=verdict.hint,
            call=quoted_call(call),
            user_said=_user_said(state),
        )
        for one, found in rows
        for at, state, call, verdicts in found
        for verdict in verdicts
        if verdict.mark is not Mark.RIGHT
    )
    broken = [any(v.mark is Mark.WRONG for _, _, _, verdicts in found for v in verdicts) for _, found in rows]
    rewarded = [(one, bad) for (one, _), bad in zip(rows, broken, strict=True) if one.reward is not None]
    return Judged(
        conversations=len(rows),
        left_out=recordings.left_out,
        calls=calls,
        unread=unread,
        rules=tuple(_counted(rule.name, rule.text, violations) for rule in policy.rules),
        violations=violations,
        kept=_share([one for one, bad in rewarded if not bad]) if rewarded else None,
        broke=_share([one for one, bad in rewarded if bad]) if rewarded else None,
        pass_hat=_pass_hat([(one.task, _is_right(one)) for one, _ in rewarded]),
        pass_hat_kept=_pass_hat([(one.task, _is_right(one) and not bad) for one, bad in rewarded]),
    )


def _judged(one: Recorded, policy: Policy) -> list[tuple[int, State, Call, Sequence[StepVerdict]]]:
    """Every call with its message, the state before it, and its verdicts."""
    talk = Conversation()
    return [
        (at, state, call, policy.verdicts(state, call))
        for at, message in enumerate(one.messages)
        for state, call in talk.feed(message)
    ]


def _counted(name: str, text: str, violations: Sequence[Violation]) -> RuleCount:
    mine = [one for one in violations if one.rule == name]
    broken = [one for one in mine if one.mark is Mark.WRONG]
    return RuleCount(
        rule=name,
        text=text,
        broken=len(broken),
        unknown=len(mine) - len(broken),
        conversations=len({one.conversation for one in broken}),
    )


def _is_right(one: Recorded) -> bool:
    return one.reward is not None and one.reward >= _RIGHT


def _share(rows: Sequence[Recorded]) -> Share:
    return Share(right=sum(map(_is_right, rows)), of=len(rows))


def _pass_hat(rows: Sequence[tuple[str, bool]]) -> dict[int, float]:
    """pass^k for every k that all tasks have trials for."""
    trials: dict[str, list[bool]] = {}
    for task, right in rows:
        trials.setdefault(task, []).append(right)
    most = min(map(len, trials.values()), default=0)
    return {
        k: sum(pass_hat_k(len(right), sum(right), k) for right in trials.values()) / len(trials)
        for k in range(1, most + 1)
    }


def quoted_call(call: Call) -> str:
    """A call as it is quoted: its name and arguments, cut."""
    shown = call.unread or msgspec.json.encode(dict(call.arguments)).decode(errors="replace")
    return f"{call.name[:100]}({shown})"[:QUOTE]


def _user_said(state: State) -> str:
    try:
        return state.said("user")[:QUOTE]
    except Unsettled:
        return ""
