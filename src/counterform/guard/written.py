"""Calls that a model writes into its text: some clients look for them there when a message has no others (smolagents, prompts in ReAct's style).

Read are JSON objects that name an offered tool, or stand right behind its name, and tags of calls that bear one. A call in another
language, `pay(amount=60)`, is the text of a program, and no call here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from counterform.guard.canonical import DECODER, MAX_ARGUMENTS, spelling

MOST_STARTS = 256
"""Beginnings in one text of what is no object after all; one with more is refused as a call that cannot be read."""
_UNREADABLE = "?"
"""Arguments that are no JSON object: a call with them cannot be read, and is refused."""

_OBJECT = re.compile(r"\{\s*+(?:[\"'“]|\w{1,40}+\s*+:)")
_OPEN = re.compile(r"(?:\{\s*+\w{0,40}+\s*+|<\|?[\w:.-]{0,100})\Z")
_LENIENT = json.JSONDecoder(strict=False)
_SHORT = 1_000
_BEHIND = 120
"""Characters before an object, but for spaces, in which the name of its tool may stand."""
_NAMES = frozenset(("name", "function", "tool", "toolname", "functionname", "action", "recipientname"))
_ARGUMENTS = frozenset(("arguments", "parameters", "args", "input", "actioninput", "toolinput", "kwargs", "params"))


class Holding:
    """Holds back a growing text from the first place on where a call may be written."""

    def __init__(self, names: Collection[str]) -> None:
        self._tag = _tag(names)
        self.held = False
        self._open: list[str] = []
        """A brace and what may be a key behind it, or the beginning of a tag: what comes next decides."""

    def passes(self, more: str) -> tuple[str, str]:
        """What of the text may pass, and what is to be kept back; until it is held for good, the end of it may be neither."""
        if self.held:
            return "", more
        if self._open and more.isspace() and self._open[0] == "{":
            self._open.append(more)
            return "", ""
        text = "".join([*self._open, more])
        self._open.clear()
        found = min((m.start() for m in (_OBJECT.search(text), self._tag.search(text)) if m), default=None)
        if found is not None:
            self.held = True
            return text[:found], text[found:]
        waits = _OPEN.search(text)
        at = waits.start() if waits else len(text)
        self._open += [text[at : at + 1], text[at + 1 :]] if waits else []
        return text[:at], ""

    def rest(self) -> str:
        """What was undecided when the text ended."""
        return "".join(self._open)


def written_calls(text: str, names: Collection[str]) -> list[dict[str, Any]]:
    """The calls that a text holds, as they would stand in `tool_calls`; one that cannot be read for sure has arguments that are none."""
    if not names or not ("{" in text or "<" in text):
        return []
    known = {spelling(name): name for name in names}
    found = [*_objects(text, known), *_tags(text, known, _tag(names))]
    return [{"type": "function", "function": call} for _, call in sorted(found, key=lambda one: one[0])]


def _objects(text: str, known: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    at, starts, before, quoted = 0, 0, 0, _quoted(text, known)
    while found := _OBJECT.search(text, at):
        at = found.start()
        name = _last_name(" ".join(text[max(before, at - MAX_ARGUMENTS) : at].split())[-_BEHIND:], known)
        if starts > MOST_STARTS:
            yield at, _unread(name or next(iter(known.values())))
            return
        try:
            value, length = _decoded(text, at)
        except RecursionError:
            yield at, _unread(name or next(iter(known.values())))
            return
        except ValueError:
            # No JSON, or not of one meaning; some reader may mend it all the same. Of one that is cut here nobody knows.
            cut = next(iter(known.values())) if at + MAX_ARGUMENTS < len(text) else ""
            if loose := name or quoted or _named_in(text[at : at + MAX_ARGUMENTS], known) or cut:
                yield at, _unread(loose)
            at, starts = at + 1, starts + 1
            continue
        inside = list(_calls_in(value, known))
        for call in inside or [{"name": name, "arguments": value}] * bool(name):
            yield at, call
        at = before = at + length


def _decoded(text: str, at: int) -> tuple[Any, int]:
    """The object there, and its length. Most are short: no long piece is copied for these."""
    try:
        return DECODER.raw_decode(text[at : at + _SHORT])
    except json.JSONDecodeError:
        return DECODER.raw_decode(text[at : at + MAX_ARGUMENTS])


def _tag(names: Collection[str]) -> re.Pattern[str]:
    """The beginning of a tag of a call, or of one that is called like a tool, up to what stands in it."""
    words = "|".join(["function", "invoke", "tool", *(re.escape(name) for name in sorted(names))])
    return re.compile(rf"<\|?(?:\w{{1,20}}:)?(?:{words})\w{{0,20}}[^<{{}}]{{0,200}}", re.IGNORECASE)


def _tags(text: str, known: Mapping[str, str], tag: re.Pattern[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Tags with a tool's name that no object follows: their arguments are tags again."""
    for found in tag.finditer(text):
        name = _last_name(found[0], known)
        if name and text[found.end() : found.end() + 1] != "{":
            yield found.start(), _unread(name)


def _calls_in(value: Any, known: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for inner in value:
            yield from _calls_in(inner, known)
    if not isinstance(value, Mapping):
        return
    fields = {spelling(key).replace("_", ""): key for key in value}
    for field in sorted(_NAMES & fields.keys()):
        name = value[fields[field]]
        if isinstance(name, str) and spelling(name.rpartition(".")[2]) in known:
            given = [value[fields[key]] for key in sorted(_ARGUMENTS & fields.keys())]
            rest = {key: inner for key, inner in value.items() if key != fields[field]}
            yield {"name": name.rpartition(".")[2], "arguments": given[0] if len(given) == 1 else rest}
            return
    for inner in value.values():
        yield from _calls_in(inner, known)


def _last_name(text: str, known: Mapping[str, str]) -> str:
    """The offered name that stands last in a text; empty: none."""
    words = [word.strip(".-").rpartition(".")[2] for word in re.findall(r"[\w.-]+", text)]
    return next((word for word in reversed(words) if spelling(word) in known), "")


def _quoted(text: str, known: Mapping[str, str]) -> str:
    words = [word.rpartition(".")[2] for word in re.findall(r"[\"'“]([\w.-]{1,200})[\"'”]", text)]
    return next((word for word in words if spelling(word) in known), "")


def _named_in(text: str, known: Mapping[str, str]) -> str:
    """The tool that an object calls to a reader who takes keys twice, NaN and control characters."""
    try:
        value, _ = _LENIENT.raw_decode(text)
    except (ValueError, RecursionError):
        return ""
    return next((call["name"] for call in _calls_in(value, known)), "")


def _unread(name: str) -> dict[str, Any]:
    return {"name": name, "arguments": _UNREADABLE}
