"""Who speaks in a client's messages: settled by what passed here, and not by the roles that a client gives.

Some clients send what a tool answered as the user's words (smolagents), or hide the calls that they made. So a `user`'s
words are the user's where they begin a conversation, or follow an answer without calls that passed here; after calls they
may be the tool's. Words of which that cannot be said are nobody's: a rule that asks for them could not tell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Any

from msgspec import Struct

from counterform.guard.calls import Call, Conversation, calls_of, text_of

MOST_PLACES, MOST_TEXTS = 100_000, 32
"""Places of conversations that are remembered, the newest ones; answers that are, at one place."""
_THOUGHTS = "</think>"


class _Passed(Struct, frozen=True):
    """What passed at one place of a conversation, the newest first."""

    texts: tuple[bytes, ...] = ()
    """Of the answers without calls, their texts."""
    beside_calls: tuple[bytes, ...] = ()
    """Texts that stood beside calls: whoever hides the calls shows these."""
    calls: tuple[Call, ...] = ()
    """The newest calls."""


class Speakers:
    """Remembers what passed, in bounded memory. A place is told by the two messages before it."""

    def __init__(self) -> None:
        self._passed: OrderedDict[bytes, _Passed] = OrderedDict()
        self._lock = Lock()

    def read(self, conversation: Conversation, messages: Sequence[Any], names: Collection[str] = ()) -> None:
        """Feed a request's messages, each believed as far as what passed here bears it out. names: as of `calls_of`."""
        before, passed, sure = "", _Passed(), True
        for message in messages:
            if not isinstance(message, Mapping) or message.get("role") in ("system", "developer"):
                conversation.feed(message)
                continue
            role, text, calls = message.get("role"), text_of(message.get("content")), calls_of(message, names)
            if role == "assistant":
                # Where the calls are shown, the conversation itself knows what comes after them.
                sure = bool(calls) or _words(text) in set(passed.texts) - set(passed.beside_calls)
                if not sure:
                    conversation.ran(passed.calls)
            elif role == "user" and passed.calls:  # the answer that made the calls is not even shown
                conversation.ran(passed.calls)
                sure = False
            conversation.feed(message, known=sure)
            passed, before = self._at(_place(before, text)), text

    def answered(self, messages: Sequence[Any], text: str, calls: Sequence[Call]) -> None:
        """An answer to a request with these messages passes to its client."""
        said = [one for one in messages if isinstance(one, Mapping) and one.get("role") not in ("system", "developer")]
        last = ["", "", *(text_of(one.get("content")) for one in said[-2:])][-2:]
        place, words = _place(*last), _words(text)
        with self._lock:
            had = self._passed.pop(place, _Passed())
            if calls:
                now = _Passed(had.texts, (words, *had.beside_calls)[:MOST_TEXTS], tuple(calls))
            else:
                now = _Passed((words, *had.texts)[:MOST_TEXTS], had.beside_calls, had.calls)
            self._passed[place] = now
            while len(self._passed) > MOST_PLACES:
                self._passed.popitem(last=False)

    def _at(self, place: bytes) -> _Passed:
        with self._lock:
            return self._passed.get(place, _Passed())


def _place(before: str, last: str) -> bytes:
    return _digest(_digest(before), last)


def _digest(*parts: str | bytes) -> bytes:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part if isinstance(part, bytes) else part.encode(errors="replace"))
    return found.digest()


def _words(text: str) -> bytes:
    """A text but for its spaces and what a model thought before it: clients trim both."""
    return _digest(" ".join(text.rpartition(_THOUGHTS)[2].split()))
