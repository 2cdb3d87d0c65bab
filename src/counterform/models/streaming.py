"""Text that is read along while an endpoint streams it: cut back by closing the stream, and gone on with as a prefix.

Going on asks for the model's own last message to be continued (`continue_final_message`), as vLLM and SGLang do it. A server that knows
no such thing answers anew behind the prefix; with such a one, stop or retry (`Guard(on_violation=...)`).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Literal

from counterform.models.growing import LOOK_AFTER, Change, Finish, Grown, Reader, changed

STALL_SECONDS = 60.0
"""Silence within a stream after which it is given up."""
MAX_CHARS = 100_000
"""Characters of one text, after which it ends."""

Opened = Callable[[str, int, int], Awaitable[AsyncIterator[Any]]]
"""(the text so far, tokens that may come, how many calls there were) -> chunks of a chat completion."""


class StreamBroken(Exception):
    """A stream ended before its text did; said in one word: `content_filter`, `broken`, or `garbage` for what is no chunk of a chat."""


async def read_along(open_stream: Opened, reader: Reader, *, max_tokens: int, budget: int) -> Grown:
    """One text, read along to its end. A chunk counts as a token.

    Raises what the endpoint's client raises, TimeoutError for a stream that stalls, StreamBroken.
    """
    text, sampled, told, calls = "", 0, 0, 0
    ends: list[int] = []  # of each token that stands in the text, as a character offset
    while True:
        room = min(max_tokens - len(ends), budget - sampled)
        stream = await open_stream(text, room, calls)
        calls += 1
        text, sampled, finish, change = await _one_stream(stream, reader, text, sampled, room, ends)
        if finish == "length" and sampled >= budget and len(ends) < max_tokens:
            finish = "budget"
        if change is None:
            change = await asyncio.to_thread(reader.read, text, finish)
        text = changed(text, change) if change else text
        if change is None or change.stop:
            ended: Literal["stop", "length"] = "stop" if change or finish == "stop" else "length"
            return Grown(text=text, sampled=sampled, told=told, calls=calls, finish=ended)
        del ends[bisect_right(ends, change.keep) :]
        told += len(change.add.split())
        if sampled >= budget or len(ends) >= max_tokens or len(text) >= MAX_CHARS:
            last = await asyncio.to_thread(reader.read, text, "budget")
            text = changed(text, last) if last else text
            return Grown(text=text, sampled=sampled, told=told, calls=calls, finish="length")


async def _one_stream(
    stream: AsyncIterator[Any], reader: Reader, text: str, sampled: int, room: int, ends: list[int]
) -> tuple[str, int, Finish, Change | None]:
    """What one stream brought: the text, the tokens so far, why it ended, and what the reader changes before its end."""
    wanted, looked, first = set(reader.ends), len(text), len(ends)
    read = first
    finish: Finish = ""
    async with aclosing(_in_time(stream)) as chunks:
        async for chunk in chunks:
            piece, ended = _piece(chunk)
            if piece:
                text, sampled = text + piece, sampled + 1
                ends.append(len(text))
                if not wanted.isdisjoint(text[looked:-1]) or len(ends) - read >= LOOK_AFTER:
                    looked, read = len(text) - 1, len(ends)
                    change = await asyncio.to_thread(reader.read, text, "")
                    if change is not None:
                        return text, sampled, "", change
            if ended == "length" or len(ends) - first >= room or len(text) >= MAX_CHARS:
                finish = "length"
                break
            finish = "stop" if ended else finish
    if not finish:  # nobody said that the text has ended: the line was cut between two chunks
        raise StreamBroken("broken")
    return text, sampled, finish, None


def _piece(chunk: Any) -> tuple[str, str]:
    """The text that a chunk brings, and why it is the last one; both may be empty. The client does not check what a server sends."""
    try:
        if not chunk.choices:
            return "", ""
        choice = chunk.choices[0]
        piece, ended = choice.delta.content, choice.finish_reason
        if ended == "content_filter":
            raise StreamBroken("content_filter")
        # A last chunk has no content; half a surrogate pair is no text that could be kept.
        if not isinstance(piece, str | None) or not isinstance(ended, str | None) or _is_half(piece or ""):
            raise StreamBroken("garbage")
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise StreamBroken("garbage") from error
    return piece or "", ended or ""


def _is_half(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


async def _in_time(stream: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The same chunks; the stream is closed at their end, whoever ends it."""
    try:
        while True:
            async with asyncio.timeout(STALL_SECONDS):
                try:
                    chunk = await anext(stream)
                except StopAsyncIteration:
                    return
                except Exception as error:  # the line went dead, or half a chunk came: whatever the client calls it
                    raise StreamBroken("broken") from error
            yield chunk
    finally:
        close = getattr(stream, "close", None) or getattr(stream, "aclose", None)
        if close is not None:
            await close()
