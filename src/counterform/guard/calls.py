"""The tool calls of a conversation in OpenAI's messages: each with where the conversation stood when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

MAX_ARGUMENTS = 100_000
"""Characters of one call's arguments, or of a result, that are read as JSON."""


class Call(Struct, frozen=True, kw_only=True):
    """One tool call, before it runs."""

    name: str
    arguments: dict[str, Any] = {}
    unread: str = ""
    """Why the arguments could not be read; they are empty then."""
    said: str = ""
    """What the same message says to the user."""
    beside: int = 0
    """How many other calls the same message makes."""


class Result(Struct, frozen=True, kw_only=True):
    """What a tool answered."""

    call: Call
    text: str
    value: Any = None
    """The text read as a JSON object or list; None where it is none, as with an error message."""


class State(Struct, frozen=True, kw_only=True):
    """Where a conversation stands: what was said, and what the tools have answered."""

    messages: tuple[tuple[str, str], ...] = ()
    """(role, text) of all that the user and the model said to each other."""
    results: tuple[Result, ...] = ()

    def last(self, *tools: str, **arguments: Any) -> Any:
        """The newest value that one of these tools answered a call with these arguments; None if there is none."""
        for result in reversed(self.results):
            known = result.call.arguments
            meant = all(name in known and known[name] == value for name, value in arguments.items())
            if meant and result.call.name in tools and result.value is not None:
                return result.value
        return None

    def said(self, role: str) -> str:
        """The newest words of the user or the assistant; empty if there are none."""
        return next((text for who, text in reversed(self.messages) if who == role), "")


class Conversation:
    """A conversation fed message by message; it may be hostile, and is never an error."""

    def __init__(self) -> None:
        self.state = State()
        self._waiting: dict[str, list[Call]] = {}

    def feed(self, message: object) -> list[tuple[State, Call]]:
        """The calls that a message makes, each with the state before it."""
        if not isinstance(message, Mapping):
            return []
        role, text = message.get("role"), _text(message.get("content"))
        if role == "tool":
            self._answer(message, text)
            return []
        asked = message.get("tool_calls") if role == "assistant" else None
        asked = asked if isinstance(asked, list) else []
        calls = []
        for item in asked:
            call = _call(item, said=text, beside=len(asked) - 1)
            calls.append((self.state, call))
            name = item.get("id") if isinstance(item, Mapping) else None
            self._waiting.setdefault(str(name), []).append(call)
        if text and role in ("user", "assistant"):
            self.state = replace(self.state, messages=(*self.state.messages, (str(role), text)))
        return calls

    def _answer(self, message: Mapping[Any, Any], text: str) -> None:
        waiting = self._waiting.get(str(message.get("tool_call_id")))
        call = waiting.pop(0) if waiting else Call(name=str(message.get("name") or ""), unread="no such call")
        value = _json(text)
        found = Result(call=call, text=text, value=value if isinstance(value, dict | list) else None)
        self.state = replace(self.state, results=(*self.state.results, found))


def _call(item: object, said: str, beside: int) -> Call:
    function = item.get("function") if isinstance(item, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str):
        return Call(name="", unread="not a function call", said=said, beside=beside)
    arguments = function.get("arguments")
    value = arguments if isinstance(arguments, dict) else _json(arguments)
    if not isinstance(value, dict):
        return Call(name=name, unread="the arguments are not a JSON object", said=said, beside=beside)
    return Call(name=name, arguments=value, said=said, beside=beside)


def _json(text: object) -> Any:
    """What a JSON text says; None where it is none, or too long, or nested too deep."""
    if not isinstance(text, str) or len(text) > MAX_ARGUMENTS:
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def _text(content: object) -> str:
    """A message's text; of one in parts, the parts that are text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))
