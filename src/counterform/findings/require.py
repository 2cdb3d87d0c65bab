"""What a user requires of a comparison, for a gate in CI: `B > A`, `B >= A - 1pt`, `exact_match,strict-match: B > A`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from counterform.errors import StudyError
from counterform.findings.paired import Comparison
from counterform.findings.stats import FEW_CLUSTERS

Outcome = Literal["shown", "otherwise", "undecided"]
_FORM = re.compile(
    r"(?:(?P<metric>.+?):\s+)?(?P<left>\w+)\s*(?P<sign>>=?|<=?)\s*(?P<right>\w+)"
    r"(?:\s*(?P<plus>[+-])\s*(?P<margin>\d+(?:\.\d+)?)\s*(?P<points>pts?|points?|%)?)?"
)
FORMS = '"B > A", "B >= A - 1pt", "METRIC: B > A"'


class Requirement(Struct, frozen=True, kw_only=True):
    """One arm's value against another's, by the numbers: `greater` than the other's plus `margin`, or less."""

    text: str
    metric: str
    """Empty: every metric that was compared."""
    greater: str
    less: str
    margin: float
    """Of greater - less, which must lie above it; in the metric's unit (a point is 0.01 of a share)."""
    points: bool


def parse(text: str) -> Requirement:
    """Read a requirement. Raises StudyError with the forms that there are."""
    found = _FORM.fullmatch(text.strip())
    if not found or found["left"] == found["right"]:
        equal = re.search(r"!=|==|≠|(?<![<>])=", text)
        why = (
            ": no data show two arms equal. Within a margin is two requirements, B >= A - 1pt and B <= A + 1pt"
            if equal
            else ""
        )
        raise StudyError(
            f"--require {text!r} cannot be read{why}. Write it as {FORMS}; arms are named by their letters."
        )
    margin = float(found["margin"] or 0) * (-1 if found["plus"] == "-" else 1) / (100 if found["points"] else 1)
    up = found["sign"].startswith(">")
    return Requirement(
        text=text.strip(),
        metric=found["metric"] or "",
        greater=found["left"] if up else found["right"],
        less=found["right"] if up else found["left"],
        margin=margin if up else -margin,
        points=bool(found["points"]),
    )


def judge(requirement: Requirement, comparisons: Sequence[Comparison]) -> Outcome:
    """Whether it is shown: by each comparison's 95 % interval, and of several by all of them. Fewer than six items show nothing.

    comparisons: those of arms named by letter. Raises StudyError where none is of these arms and this metric, or where points are asked of what is
    no share.
    """
    arms = {requirement.greater, requirement.less}
    of_arms = [c for c in comparisons if {c.first, c.second} == arms]
    if not of_arms:
        pairs = ", ".join(sorted({f"{c.second} against {c.first}" for c in comparisons})) or "nothing"
        raise StudyError(f"--require {requirement.text!r}: these are not compared. Compared: {pairs}.")
    chosen = [c for c in of_arms if requirement.metric in ("", c.metric)]
    if not chosen:
        names = ", ".join(sorted({c.metric for c in of_arms}))
        raise StudyError(f"--require {requirement.text!r}: no metric {requirement.metric!r}. Metrics: {names}.")
    outcomes = {_judged(requirement, c) for c in chosen}
    if "otherwise" in outcomes:
        return "otherwise"
    return "undecided" if "undecided" in outcomes else "shown"


def _judged(requirement: Requirement, c: Comparison) -> Outcome:
    if requirement.points and not c.share:
        raise StudyError(f"--require {requirement.text!r}: {c.metric} is no share. Give the margin without pt.")
    if c.clusters < FEW_CLUSTERS:
        return "undecided"
    low, high = (c.low, c.high) if c.second == requirement.greater else (-c.high, -c.low)
    if low > requirement.margin:
        return "shown"
    return "otherwise" if high < requirement.margin else "undecided"


_CODES: dict[Outcome, int] = {"shown": 0, "otherwise": 1, "undecided": 3}


def judge_all(
    requirements: Sequence[Requirement], comparisons: Sequence[Comparison]
) -> tuple[int, list[tuple[str, str]]]:
    """The exit code (0 all shown, 1 one shown to be otherwise, 3 one undecided) and what became of each. Raises StudyError."""
    outcomes = [(requirement.text, judge(requirement, comparisons)) for requirement in requirements]
    found = {outcome for _, outcome in outcomes}
    worst: Outcome = "otherwise" if "otherwise" in found else "undecided" if "undecided" in found else "shown"
    return _CODES[worst], [
        (text, "shown to be otherwise" if outcome == "otherwise" else outcome) for text, outcome in outcomes
    ]
