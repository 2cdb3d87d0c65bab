"""The tool calls of a conversation in OpenAI's messages: each with where the conversation stood when it was made."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Generic, TypeVar, overload

import msgspec
from msgspec import Struct

from counterform.guard.canonical import MAX_ARGUMENTS, FrozenDict, frozen, read_arguments
from counterform.guard.offered import Offered
from counterform.guard.written import written_calls

_Item = TypeVar("_Item")
UNKNOWN_SPEAKER = "unknown"
"""The role of words of which nobody knows who said them, whatever the client calls them."""


class Unsettled(Exception):
    """What a rule asks cannot be known yet, or at all: the rule could not tell."""


class Call(Struct, frozen=True, kw_only=True):
    """One tool call, before it runs."""

    name: str
    arguments: dict[str, Any] = {}
    unread: str = ""
    """Why the call could not be read, or has more than one meaning; the arguments are empty then."""
    said: str = ""
    """What the same message says to the user."""
    beside: int = 0
    """How many other calls the same message makes."""


class Result(Struct, frozen=True, kw_only=True):
    """What a tool answered to a call that was made."""

    call: Call
    text: str
    value: Any = None
    """The text read as a JSON object or list; None where it is none, as with an error message."""
    pending: bool = False
    """The call was let through and has not been answered, or nobody knows what was answered: it ran, or is about to."""


class Log(Sequence[_Item], Generic[_Item]):
    """The first items of lists that only ever grow: a state that costs nothing to keep."""

    __slots__ = ("_parts",)

    def __init__(self, *parts: Sequence[_Item]) -> None:
        self._parts = tuple((part, len(part)) for part in parts if len(part))

    def __len__(self) -> int:
        return sum(size for _, size in self._parts)

    def __iter__(self) -> Iterator[_Item]:
        return chain.from_iterable(islice(part, size) for part, size in self._parts)

    def __reversed__(self) -> Iterator[_Item]:
        return (part[at] for part, size in reversed(self._parts) for at in range(size - 1, -1, -1))

    @overload
    def __getitem__(self, at: int) -> _Item: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[_Item, ...]: ...
    def __getitem__(self, at: int | slice) -> _Item | tuple[_Item, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        place = at if at >= 0 else len(self) + at
        for part, size in self._parts:
            if 0 <= place < size:
                return part[place]
            place -= size
        raise IndexError(at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class State(Struct, frozen=True, kw_only=True):
    """Where a conversation stands: what was said, and what the tools have answered."""

    messages: Sequence[tuple[str, str]] = ()
    """(role, text) of all that the user and the model said to each other; role `unknown`: nobody knows who said it."""
    results: Sequence[Result] = ()
    """Of every call that ran or is about to run, the ones before it in the same message too; never of a refused one."""

    def last(self, *tools: str, **arguments: Any) -> Any:
        """The newest value that one of these tools answered a call with these arguments; None if there is none.

        Raises Unsettled where such a call was let through and its answer is not known.
        """
        for result in reversed(self.results):
            known = result.call.arguments
            meant = all(name in known and known[name] == value for name, value in arguments.items())
            if not meant or result.call.name not in tools:
                continue
            if result.pending:
                raise Unsettled(f"what {result.call.name} answered is not known yet; make this call after it")
            if result.value is not None:
                return result.value
        return None

    def said(self, role: str) -> str:
        """The newest words of the user or the assistant; empty if there are none.

        Raises Unsettled where newer words may be theirs or not.
        """
        for who, text in reversed(self.messages):
            if who == UNKNOWN_SPEAKER:
                raise Unsettled(
                    f"nobody knows whether the {role} said the newest words, or a tool did; ask the {role}, and wait for the answer"
                )
            if who == role:
                return text
        return ""


class Conversation:
    """A conversation fed message by message; it may be hostile, and is never an error.

    offered: the tools that calls may use; None: any. What is `user` to a client right after calls or their answers may be
    the tool's own words, since some clients send these as the user's: who said them is unknown.
    """

    def __init__(self, offered: Offered | None = None) -> None:
        self._offered = offered
        self._messages: list[tuple[str, str]] = []
        self._results: list[Result] = []
        self._asked: dict[int, Call] = {}
        """The newest message's calls that were not answered yet."""
        self._waiting: dict[str, deque[tuple[int, Call]]] = {}
        self._number = 0
        self._after_calls = False

    @property
    def state(self) -> State:
        """Where it stands now."""
        pending = tuple(_pending(call) for call in self._asked.values())
        return State(messages=Log(self._messages), results=Log(self._results, pending))

    def feed(self, message: object, *, known: bool = True) -> list[tuple[State, Call]]:
        """The calls that a message makes, each with the state before it. known: its role can be believed."""
        if not isinstance(message, Mapping):
            return []
        role, text = message.get("role"), text_of(message.get("content"))
        if role in ("tool", "function"):
            self._answer(message, text)
            return []
        calls = []
        if role == "assistant":
            calls = self._ask(message, text)
            self._after_calls = bool(calls)
        if text and role in ("user", "assistant"):
            sure = known and not (role == "user" and self._after_calls)
            self._messages.append((str(role) if sure else UNKNOWN_SPEAKER, text))
        return calls

    def ran(self, calls: Sequence[Call]) -> None:
        """Calls were let through that the client does not show; what they answered is not known."""
        self._results += [_pending(call) for call in calls]
        self._after_calls = self._after_calls or bool(calls)

    def take_back(self) -> None:
        """The newest message's calls were refused: none of them ran."""
        self._asked.clear()
        self._waiting.clear()

    def _ask(self, message: Mapping[Any, Any], text: str) -> list[tuple[State, Call]]:
        items = calls_of(message, self._offered.known if self._offered else ())
        if not items:
            return []
        self._results += [_pending(call) for call in self._asked.values()]
        self._asked, made, calls = {}, list[Result](), list[tuple[State, Call]]()
        for name, item in items:
            call = read_call(item, said=text, beside=len(items) - 1, offered=self._offered)
            calls.append((State(messages=Log(self._messages), results=Log(self._results, made)), call))
            self._number += 1
            if not call.unread:  # what cannot be read is never run
                made.append(_pending(call))
                self._asked[self._number] = call
            self._waiting.setdefault(name, deque()).append((self._number, call))
        return calls

    def _answer(self, message: Mapping[Any, Any], text: str) -> None:
        self._after_calls = True
        waiting = self._waiting.get(_name_of(message))
        number, call = waiting.popleft() if waiting else (0, Call(name="", unread="no such call"))
        self._asked.pop(number, None)
        self._results.append(result_of(call, text))


def calls_of(message: Mapping[Any, Any], names: Collection[str] = ()) -> list[tuple[str, Any]]:
    """The calls of an assistant's message as they stand in it, each with the name that its answer will bear.

    names: of tools that may be called in the text, where a message makes no other calls.
    """
    items = message.get("tool_calls")
    calls = [(str(_of(item, "id")), item) for item in items] if isinstance(items, list) else []
    legacy = message.get("function_call")
    if legacy is not None:
        calls.append((f"function {_of(legacy, 'name')}", {"function": legacy}))
    return calls or [("", call) for call in written_calls(text_of(message.get("content")), names)]


def read_call(item: object, *, said: str = "", beside: int = 0, offered: Offered | None = None) -> Call:
    """One call of a message, as rules see it."""
    function = _of(item, "function")
    name = _of(function, "name")
    if not isinstance(name, str):
        return Call(name="", unread="not a function call", said=said, beside=beside)
    try:
        arguments = read_arguments(_of(function, "arguments"))
        unread = offered.objection(name, arguments) if offered else ""
    except ValueError as error:
        unread = str(error)
    return Call(name=name, arguments=FrozenDict() if unread else arguments, unread=unread, said=said, beside=beside)


def result_of(call: Call, text: str) -> Result:
    """What a tool answered, with its value if it is a JSON object or list."""
    value = None
    if text[:1] in "{[" or text.lstrip()[:1] in ("{", "["):
        try:
            value = msgspec.json.decode(text) if len(text) <= MAX_ARGUMENTS else None
        except (ValueError, RecursionError):
            value = None
    return Result(call=call, text=text, value=frozen(value) if isinstance(value, dict | list) else None)


def text_of(content: object) -> str:
    """A message's text; of one in parts, the parts that are text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _pending(call: Call) -> Result:
    return Result(call=call, text="", pending=True)


def _name_of(answer: Mapping[Any, Any]) -> str:
    """Which call a tool's message answers."""
    return f"function {answer.get('name')}" if answer.get("role") == "function" else str(answer.get("tool_call_id"))


def _of(item: object, key: str) -> Any:
    return item.get(key) if isinstance(item, Mapping) else None
