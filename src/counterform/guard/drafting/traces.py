"""What drafted rules say of recorded calls, for a person to look at: nothing is accepted or refused for it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from counterform.guard.calls import Conversation
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.judging import quoted_call
from counterform.guard.recorded import Recorded

MOST_SHOWN = 20
"""Calls that break a rule, of which a person sees the text."""


class BrokenCall(Struct, frozen=True, kw_only=True):
    """One recorded call that breaks a rule."""

    conversation: str
    message: int
    call: str


class OnTraces(Struct, frozen=True, kw_only=True):
    """One rule's verdicts on recorded calls."""

    calls: int
    broken: int
    unknown: int
    """Calls of which it could not tell."""
    shown: tuple[BrokenCall, ...]
    """The first of those that break it."""


def on_traces(codes: Sequence[str], recorded: Sequence[Recorded], sandbox: Sandbox) -> list[OnTraces]:
    """The verdicts of each rule, given as text, in order. Judged as `guard judge` does, in the sandbox."""
    calls = 0
    broken, unknown = [0] * len(codes), [0] * len(codes)
    shown: list[list[BrokenCall]] = [[] for _ in codes]
    for one in recorded:
        talk = Conversation()
        made = [(at, call) for at, message in enumerate(one.messages) for _, call in talk.feed(message)]
        calls += len(made)
        if not made:
            continue
        for rule, marks in enumerate(sandbox.judged(codes, one.messages, len(made))):
            for (at, call), mark in zip(made, marks, strict=True):
                broken[rule] += mark == "breaks"
                unknown[rule] += mark not in ("keeps", "breaks")
                if mark == "breaks" and len(shown[rule]) < MOST_SHOWN:
                    shown[rule].append(BrokenCall(conversation=one.name, message=at, call=quoted_call(call)))
    return [
        OnTraces(calls=calls, broken=broken[at], unknown=unknown[at], shown=tuple(shown[at]))
        for at in range(len(codes))
    ]
