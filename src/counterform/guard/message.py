"""One message of a model, put together from what an upstream sends: the chunks of a stream, or one answer.

What is not a call is passed on as it came. Calls are taken out, put together as providers really send them, and handed on
whole once they may pass: a new call for a new id at an old index (Ollama), pieces without an index, a name that is repeated
in every piece, the function call of old. What else comes with a call waits with it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from counterform.guard.calls import text_of
from counterform.guard.canonical import spelling
from counterform.guard.fields import join_text, merge, settled, size
from counterform.guard.written import Holding

MAX_MESSAGE = 4_000_000
"""Characters of one message of the model, its calls and all its other fields counted."""
MAX_CALLS = 128
"""Tool calls in one message."""

_WORDS = frozenset({"role", "content", "reasoning_content", "reasoning", "refusal"})
"""What passes at once even beside a call; other fields may be about the call."""
_CALLS = frozenset({"tool_calls", "function_call"})
_KEYS = {
    "chunk": ("choices",),
    "choice": ("delta", "message", "index", "finish_reason"),
    "message": ("role", "content", *_CALLS),
    "call": ("function", "type", "id", "index"),
    "function": ("name", "arguments"),
}
"""The keys that say what is called, by where they stand."""
_BARE = {where: {spelling(key).replace("_", ""): key for key in keys} for where, keys in _KEYS.items()}


class BrokenMessageError(Exception):
    """The upstream sent what is no message; what is said is for the client."""


class Message:
    """One growing message.

    offered: the names that calls may have; they tell a continued name from a repeated one. written: of the tools that may be called in
    the text; where there are some, the text from the first such place on waits for the message's end.
    """

    def __init__(self, offered: Collection[str] = (), written: Collection[str] = ()) -> None:
        self._envelope: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._logprobs: dict[str, Any] = {}
        self._fields: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        """Fields that wait for the calls beside them."""
        self._end: dict[str, Any] | None = None
        self._tail: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._places: list[int] = []
        """Where each call stands among them, as the upstream says."""
        self._legacy: dict[str, Any] | None = None
        self._latest: dict[int, dict[str, Any]] = {}
        self._offered, self._size = offered, 0
        self._writing = Holding(written) if written else None

    @property
    def finish(self) -> str | None:
        """Why the message ended; None: it has not."""
        reason = self._choice.get("finish_reason")
        return reason if isinstance(reason, str) and reason else None

    @property
    def usage(self) -> dict[str, Any] | None:
        """What the upstream last said that it took."""
        used = self._envelope.get("usage")
        return used if isinstance(used, dict) else None

    @property
    def envelope(self) -> dict[str, Any]:
        """What its chunks say besides their choices and what they took: id, model and the like."""
        return {key: value for key, value in self._envelope.items() if key != "usage"}

    def add(self, chunk: Mapping[str, Any]) -> dict[str, Any] | None:
        """Take one chunk in; what of it may pass at once, unchanged but for its calls and its end, if anything.

        Raises BrokenMessageError for what is no message, or one out of all bounds.
        """
        outside = {key: value for key, value in chunk.items() if key != "choices"}
        self._envelope |= {key: value for key, value in outside.items() if key != "error" and value not in (None, "")}
        choice = _one_choice(chunk)
        if choice is None:
            if not self._holding and not self.finish:
                return dict(chunk)
            self._keep(dict(chunk))
            return None
        delta = _delta_of(choice)
        self._take(delta)
        fields = {key: value for key, value in delta.items() if key not in _CALLS or not value}
        beside = {key: value for key, value in choice.items() if key not in ("index", "delta", "finish_reason")}
        self._grow(size(fields) + size(beside))
        merge(self._fields, fields)
        if isinstance(logprobs := beside.get("logprobs"), dict):
            merge(self._logprobs, logprobs)
        self._choice |= {
            key: value for key, value in choice.items() if key not in ("delta", "logprobs") and value not in (None, "")
        }
        ends = bool(choice.get("finish_reason"))
        fields, kept = self._cut(fields)
        now = {key: value for key, value in fields.items() if key in _WORDS or not self._holding}
        merge(self._held, {**{key: value for key, value in fields.items() if key not in now}, **kept})
        said = _says(now)
        if self._holding or ends or self.finish:
            if ends:
                self._end = {**outside, "choices": [{**choice, "delta": {}}]}
            elif outside.get("usage") is not None or any(value is not None for value in beside.values()):
                self._keep({**outside, "choices": [{**choice, "delta": {}}]})
            if not said:
                merge(self._held, now)
                return None
            passed = {key: value for key, value in outside.items() if key != "usage"}
            return {**passed, "choices": [{"index": 0, "delta": now, "finish_reason": None}]}
        return {**outside, "choices": [{**choice, "delta": now}]}

    def rest(self) -> Iterator[dict[str, Any]]:
        """What was held: its calls, each whole, what came with them, and its end."""
        if self._writing and (rest := self._writing.rest()):
            merge(self._held, {"content": rest})
        whole = settled(self._held)
        outside = self.envelope
        for index, call in enumerate(self._in_order()):
            delta = {**whole, "tool_calls": [{"index": index, **call}]}
            yield {**outside, "choices": [_choice(delta)]}
            whole = {}
        if self._legacy is not None:
            yield {**outside, "choices": [_choice({**whole, "function_call": settled(self._legacy)})]}
            whole = {}
        if _says(whole):
            yield {**outside, "choices": [_choice(whole)]}
        # What the choice said beside its calls comes before its end, as it came.
        yield from (chunk for chunk in self._tail if chunk.get("choices"))
        yield self._end or {**outside, "choices": [_choice({}, self.finish)]}
        yield from (chunk for chunk in self._tail if not chunk.get("choices"))

    def rest_of_refused(self) -> Iterator[dict[str, Any]]:
        """Its end, without its calls and what came with them."""
        yield {**(self._end or self.envelope), "choices": [_choice({}, "stop")]}
        yield from (chunk for chunk in self._tail if not chunk.get("choices"))

    def whole(self) -> dict[str, Any]:
        """The message as the chat API writes it, with all that came with it."""
        found = {"role": "assistant", "content": None, **settled(self._fields)}
        if self._calls:
            found["tool_calls"] = self._in_order()
        if self._legacy is not None:
            found["function_call"] = settled(self._legacy)
        return found

    def text(self) -> str:
        """What it says to the user."""
        return text_of(settled(self._fields.get("content")))

    def completion(self) -> dict[str, Any]:
        """The answer to a request that did not ask for a stream."""
        choice = {"index": 0, "message": self.whole(), "finish_reason": None, **self._choice}
        if self._logprobs:
            choice["logprobs"] = settled(self._logprobs)
        return {**self._envelope, "object": "chat.completion", "choices": [choice]}

    def _keep(self, chunk: dict[str, Any]) -> None:
        self._grow(size(chunk))
        self._tail.append(chunk)

    @property
    def _holding(self) -> bool:
        return bool(self._calls) or self._legacy is not None or bool(self._writing and self._writing.held)

    def _cut(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What of these fields is not kept back since a call may be written in it, and what is."""
        content = fields.get("content")
        if self._writing is None or not content:
            return fields, {}
        if isinstance(content, str):
            now, kept = self._writing.passes(content)
            return {**fields, "content": now}, {"content": kept} if kept else {}
        # Parts pass as they are, or wait.
        self._writing.held = self._writing.held or not {"{", "<"}.isdisjoint(text_of(content))
        return ({**fields, "content": ""}, {"content": content}) if self._writing.held else (fields, {})

    def _in_order(self) -> list[dict[str, Any]]:
        """The calls whole, by their places and, at one place, as they came."""
        order = sorted(range(len(self._calls)), key=self._places.__getitem__)
        return [settled(self._calls[at]) for at in order]

    def _take(self, delta: Mapping[str, Any]) -> None:
        pieces = delta.get("tool_calls")
        if pieces is not None and not isinstance(pieces, list):
            raise BrokenMessageError("the upstream sent tool calls that are none")
        for piece in pieces or ():
            if not isinstance(piece, dict) or not isinstance(piece.get("function", {}), dict):
                raise BrokenMessageError("the upstream sent a tool call that is none")
            _require_plain("call", piece)
            _require_plain("function", piece.get("function", {}))
            self._grow(size(piece))
            call = self._call_of(piece)
            for key, value in piece.items():
                if key == "function":
                    self._continue(call.setdefault("function", {"name": "", "arguments": ""}), value)
                elif key == "id":
                    call["id"] = call.get("id") or value
                elif key != "index":
                    merge(call, {key: value})
        legacy = delta.get("function_call")
        if legacy is not None:
            if not isinstance(legacy, dict):
                raise BrokenMessageError("the upstream sent a function call that is none")
            _require_plain("function", legacy)
            self._grow(size(legacy))
            self._legacy = self._legacy if self._legacy is not None else {"name": "", "arguments": ""}
            self._continue(self._legacy, legacy)

    def _call_of(self, piece: Mapping[str, Any]) -> dict[str, Any]:
        """The call that a piece belongs to."""
        index, name = piece.get("index"), piece.get("id") or None
        if index is not None and (isinstance(index, bool) or not isinstance(index, int)):
            raise BrokenMessageError("the upstream sent a tool call without a place")
        if index is not None:
            call = self._latest.get(index)
        elif name is not None:
            call = next((one for one in reversed(self._calls) if one.get("id") == name), None)
        else:
            call = self._calls[-1] if self._calls else None
        another = call is not None and name is not None and call.get("id") not in (None, "", name)
        if call is None or another or (name is None and self._begins(call, piece)):
            if len(self._calls) >= MAX_CALLS:
                raise BrokenMessageError(f"the upstream sent more than {MAX_CALLS} tool calls in one message")
            call = {}
            place = len(self._calls) if index is None else index
            self._calls.append(call)
            self._places.append(place)
            self._latest[place] = call
        return call

    def _begins(self, call: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
        """Whether a piece without an id begins another call: it bears a name, and the call before it is complete."""
        name, before = piece.get("function", {}).get("name"), call.get("function", {})
        arguments = settled(before.get("arguments"))
        if not name or not before.get("name") or not arguments:
            return False
        if not isinstance(arguments, str):
            return True
        if not arguments.rstrip().endswith("}"):
            return False
        self._grow(len(arguments) // 100)  # who makes us look again and again is out of bounds some time
        try:
            json.loads(arguments)
        except (ValueError, RecursionError):
            return False
        return True

    def _continue(self, function: dict[str, Any], piece: Mapping[str, Any]) -> None:
        for key, value in piece.items():
            had = function.get(key)
            if key == "name":
                if isinstance(value, str) and value:
                    function[key] = self._named(had or "", value)
            elif key != "arguments":
                merge(function, {key: value})
            elif isinstance(value, str) and not isinstance(had, dict):
                function[key] = join_text(had, value)
            elif value is not None:
                if had or not isinstance(value, dict):
                    raise BrokenMessageError("the upstream sent arguments that do not fit together")
                function[key] = value

    def _named(self, had: str, name: str) -> str:
        """A name, continued: some providers send it in pieces, some again with every piece, some longer each time."""
        if had == name or (name.startswith(had) and name in self._offered and had + name not in self._offered):
            return name
        return had + name

    def _grow(self, more: int) -> None:
        self._size += more
        if self._size > MAX_MESSAGE:
            raise BrokenMessageError(f"the upstream's message is longer than {MAX_MESSAGE:,} characters")


def as_chunk(answer: Mapping[str, Any]) -> dict[str, Any]:
    """One answer of a request without a stream, as the one chunk of a stream. Raises BrokenMessageError."""
    choice = _one_choice(answer)
    delta = choice.get("message") if choice else None
    if choice is None or not isinstance(delta, dict):
        raise BrokenMessageError("the upstream sent an answer without a message")
    if isinstance(calls := delta.get("tool_calls"), list):
        # Each is a call of its own here, whatever ids and places say.
        numbered = [{**call, "index": index} if isinstance(call, dict) else call for index, call in enumerate(calls)]
        delta = {**delta, "tool_calls": numbered}
    kept = {key: value for key, value in choice.items() if key != "message"}
    finish = choice.get("finish_reason") or "stop"
    whole = {**answer, "object": "chat.completion.chunk"}
    return {**whole, "choices": [{**kept, "delta": delta, "finish_reason": finish}]}


def _one_choice(chunk: Mapping[str, Any]) -> dict[str, Any] | None:
    """The one choice of a chunk; None where it has none."""
    _require_plain("chunk", chunk)
    choices = chunk.get("choices")
    if choices is None or choices == []:
        return None
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    if not isinstance(choice, dict) or choice.get("index") not in (None, 0):
        raise BrokenMessageError("the upstream sent several answers, or none that can be read")
    _require_plain("choice", choice)
    _require_plain("message", message if isinstance(message := choice.get("message"), dict) else {})
    return choice


def _delta_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    if delta is None:
        delta = {}
    if not isinstance(delta, dict) or choice.get("message") is not None:
        raise BrokenMessageError("the upstream sent a message that is none")
    _require_plain("message", delta)
    parts = delta.get("content")
    kinds = [part.get("type") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    if any(isinstance(kind, str) and ("tool" in kind.lower() or "function" in kind.lower()) for kind in kinds):
        raise BrokenMessageError("the upstream wrote a call into the content of its message")
    return delta


def _require_plain(where: str, fields: Mapping[str, Any]) -> None:
    """Raises BrokenMessageError for a key that some clients read as another one: they do not look at case, or strip what does not show."""
    for key in fields:
        known = _BARE[where].get(spelling(key).replace("_", ""))
        if known is not None and known != key:
            raise BrokenMessageError(f"the upstream wrote {ascii(key)[:40]} where the chat API has {known!r}")


def _says(delta: Mapping[str, Any]) -> bool:
    return any(value not in (None, "", [], {}) for key, value in delta.items() if key != "role")


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}
