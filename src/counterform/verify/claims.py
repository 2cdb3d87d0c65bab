"""What step verifiers of written-out procedures share: a step is a row of sentences, each a claim of a known shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from counterform.types import Mark, StepVerdict, Watch

Claim = re.Match[str]
MAX_CLAIMS = 4_000
"""Characters of one step that are read."""


def kept(rule: str) -> StepVerdict:
    """A claim that holds."""
    return StepVerdict(mark=Mark.RIGHT, rule=rule)


def wrong(rule: str, hint: str) -> StepVerdict:
    """A claim that does not hold, and what would."""
    return StepVerdict(mark=Mark.WRONG, rule=rule, hint=hint[:400])


def unread(rule: str = "unread") -> StepVerdict:
    """A claim of which nothing can be said."""
    return StepVerdict(mark=Mark.UNKNOWN, rule=rule)


class Claims(Watch):
    """A Watch that reads each step as claims, one after the other, and lets the checks keep the attempt's own state.

    A step is WRONG if any of its claims is, UNKNOWN if any part of it is no known claim, else RIGHT. What follows an
    unknown part is not read. Where such a part holds what claims are made of (`matter`, a pattern), the attempt may have
    gone on in it unseen: what would be wrong after it is UNKNOWN.
    """

    def __init__(self, checks: Mapping[str, Callable[[Claim], StepVerdict]], *, matter: str) -> None:
        self._checks = [(re.compile(rf"\s*(?:{shape})\s*"), check) for shape, check in checks.items()]
        self._matter, self._lost = re.compile(matter), False

    def feed(self, step: str) -> StepVerdict:
        """Grade one step; of several wrong claims the first is named."""
        lost, found, at = self._lost, list[StepVerdict](), 0
        while at < len(step):
            said, check = next(
                ((said, check) for shape, check in self._checks if (said := shape.match(step, at, MAX_CLAIMS))),
                (None, None),
            )
            if said is None or check is None or said.end() == at:
                self._lost = self._lost or bool(self._matter.search(step, at))
                found.append(unread())
                break
            verdict = check(said)
            found.append(unread("after an unread step") if lost and verdict.mark is Mark.WRONG else verdict)
            at = said.end()
        for mark in (Mark.WRONG, Mark.UNKNOWN, Mark.RIGHT):
            for verdict in found:
                if verdict.mark is mark:
                    return verdict
        return unread()
