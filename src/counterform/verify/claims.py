"""What step verifiers of written-out procedures share: a step is a row of sentences, each a claim of a known shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from counterform.types import Mark, StepVerdict, Watch

Claim = re.Match[str]
MAX_CLAIMS = 4_000
"""Characters of one step that are read."""
MAX_SKIPS = 20
"""Sentences of one step that are passed over."""
_SENTENCE = re.compile(r"[.;]\s+|\n\s*")


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

    A step is WRONG if any of its claims is, UNKNOWN if any part of it is no known claim, else RIGHT. An unknown part is
    passed over up to the next sentence that can be read. Where it holds what claims are made of (`matter`, a pattern),
    the attempt may have gone on in it unseen: what would be wrong after it is UNKNOWN, unless it is wrong by itself
    (`wrong_alone`).
    """

    def __init__(self, checks: Mapping[str, Callable[[Claim], StepVerdict]], *, matter: str) -> None:
        self._checks = [(re.compile(rf"\s*(?:{shape})\s*"), check) for shape, check in checks.items()]
        self._matter, self._lost = re.compile(matter), False
        self._alone = False
        """Whether the last wrong claim is wrong whatever was said before."""

    def wrong_alone(self, rule: str, hint: str) -> StepVerdict:
        """A claim that does not hold, whatever was said before, and what would."""
        self._alone = True
        return wrong(rule, hint)

    def feed(self, step: str) -> StepVerdict:
        """Grade one step; of several wrong claims the first is named."""
        found, at, skips = list[StepVerdict](), 0, 0
        while at < len(step):
            read = self._match(step, at)
            if read is None:
                after = _SENTENCE.search(step, at, MAX_CLAIMS) if skips < MAX_SKIPS else None
                end = after.end() if after else len(step)
                self._lost = self._lost or bool(self._matter.search(step, at, end))
                found.append(unread())
                at, skips = end, skips + 1
                continue
            said, check = read
            lost, self._alone = self._lost, False
            verdict = check(said)
            doubtful = lost and verdict.mark is Mark.WRONG and not self._alone
            found.append(unread("after an unread step") if doubtful else verdict)
            at = said.end()
        for mark in (Mark.WRONG, Mark.UNKNOWN, Mark.RIGHT):
            for verdict in found:
                if verdict.mark is mark:
                    return verdict
        return unread()

    def _match(self, step: str, at: int) -> tuple[Claim, Callable[[Claim], StepVerdict]] | None:
        for shape, check in self._checks:
            said = shape.match(step, at, MAX_CLAIMS)
            if said and said.end() > at:
                return said, check
        return None
