"""Whether a rule judges calls of those tools of which its sentences speak: their actions and their things, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from counterform.guard.drafting import reading
from counterform.guard.drafting.language import Refused
from counterform.guard.drafting.toolbox import Tool, Toolbox

_ACTIONS = tuple(
    frozenset(group.split())
    for group in (
        "book create place",
        "update modify change edit",
        "cancel",
        "return",
        "exchange swap",
        "delete remove",
        "add insert",
        "send offer issue give grant compensate",
        "refund reimburse",
        "transfer escalate",
        "pay charge",
        "lend borrow loan",
        "renew extend",
        "waive forgive",
    )
)


def check(used: Sequence[str], text: str, headings: str, box: Toolbox) -> None:
    """Raises Refused for a tool too few or too many. used: those whose calls the rule judges; none: of all."""
    said, above = _spoken_of(text, box), _spoken_of(headings, box)
    verbs = (said & above) or said or above  # "within 24 hours of booking", under "Cancel flight"
    if not verbs:
        return
    about = " and ".join(sorted(verbs))
    if not used:
        raise Refused(f"its code judges calls of every tool, and the sentence is about {about}")
    for group in _ACTIONS:
        if verbs & group and not any(_verbs(name) & group for name in used):
            missing = " or ".join(sorted(verbs & group))
            raise Refused(f"its code judges no call that is to {missing}, of which the sentence speaks")
    for name in used:
        if not verbs & _verbs(name):
            raise Refused(f"its code judges calls of {name!r}, and the sentence is about {about}")
    lowest = min(_things(box.tools[name], text) for name in used)
    for tool in box.tools.values():
        things = _things(tool, text)
        if verbs & _verbs(tool.name) and tool.name not in used and things >= lowest and things > 0:
            raise Refused(f"its code does not judge calls of {tool.name!r}, of which the sentence speaks as well")


def _spoken_of(text: str, box: Toolbox) -> frozenset[str]:
    """The actions of tools that a text speaks of."""
    there = reading.words(text)
    named = [group for group in _ACTIONS if reading.shares_word(group, there)]
    return frozenset(word for tool in box.tools for word in _verbs(tool) if any(word in group for group in named))


def _things(tool: Tool, text: str) -> int:
    """How many of the things in a tool's name a text speaks of."""
    there = reading.words(text)
    own = dict.fromkeys(
        word for word in reading.words(tool.name) if word not in _verbs(tool.name) | {"user", "customer"}
    )
    return sum(reading.shares_word([word], there) for word in own)


def _verbs(tool: str) -> frozenset[str]:
    return frozenset(word for word in reading.words(tool) for group in _ACTIONS if word in group)
