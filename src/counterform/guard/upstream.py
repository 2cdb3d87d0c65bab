"""The upstream of the proxy: one chat completion asked for, and its chunks, whether it streams them or answers at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from counterform.errors import extra
from counterform.guard.message import BrokenMessageError, as_chunk
from counterform.guard.sse import EventTooLongError, read_events

with extra("guard"):
    import httpx2 as httpx

CONNECT_SECONDS, STALL_SECONDS = 10.0, 120.0
"""Until the upstream is reached; of silence in a stream."""
ANSWER_SECONDS = 600.0
"""Of silence before an answer that is not streamed: it comes when all of it is written."""
MAX_ANSWER, MAX_ERROR = 16_000_000, 1_000_000
"""Bytes of an answer that is not streamed; of what an upstream says when it refuses (the rest is left unread)."""

_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-encoding",
        "content-type",
        "accept-encoding",
        "accept",
    }
    | {"expect", "cookie", "set-cookie", "origin", "referer", "date", "server", "alt-svc", "location"}
)
"""Headers that belong to one connection, to the body as it was, or to a browser; all others are handed on."""
_NEVER = ("access-control-", "sec-", "x-forwarded-", "strict-transport-")


class UpstreamError(Exception):
    """The upstream did not answer as it should; what is said is for the client."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class RefusedError(UpstreamError):
    """The upstream refused; what it said is the client's."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str], kind: str) -> None:
        super().__init__(f"the upstream refused with status {status}", status)
        self.body, self.headers, self.kind = body, headers, kind


class Opened:
    """An answer that has begun."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self.headers = handed_on(answer.headers)

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """Its chunks; of an answer at once, one. Raises UpstreamError and BrokenMessageError."""
        pieces = self._answer.aiter_bytes()
        first = b""
        try:
            async for piece in pieces:
                first += piece
                if first.strip():
                    break
            if first.lstrip()[:1] == b"{":
                yield as_chunk(_json(await _bounded(_chained(first, pieces), MAX_ANSWER, "an answer")))
                return
            async for event in read_events(_chained(first, pieces)):
                if event.data.strip() == b"[DONE]":
                    return
                yield _json(event.data, failed=event.type == "error")
        except EventTooLongError as error:
            raise UpstreamError(f"the upstream sent {error}") from error
        except httpx.TimeoutException as error:
            raise UpstreamError(f"the upstream was silent: {type(error).__name__}", 504) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise UpstreamError(f"the upstream broke off: {type(error).__name__}") from error


class Upstream:
    """One upstream, asked by any number of requests at once."""

    def __init__(self, address: str, client: httpx.AsyncClient) -> None:
        self._address, self._client = address.rstrip("/"), client

    @asynccontextmanager
    async def asked(self, path: str, body: bytes, headers: Mapping[str, str], *, stream: bool) -> AsyncIterator[Opened]:
        """An answer that has begun, and is closed in the end. Raises RefusedError, UpstreamError."""
        silence = STALL_SECONDS if stream else ANSWER_SECONDS
        request = self._client.build_request(
            "POST",
            f"{self._address}{path}",
            content=body,
            headers={**headers, "content-type": "application/json", "accept-encoding": "identity"},
            timeout=httpx.Timeout(silence, connect=CONNECT_SECONDS, pool=None),
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TimeoutException as error:
            raise UpstreamError(f"the upstream was silent: {type(error).__name__}", 504) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UpstreamError(f"the upstream broke off: {type(error).__name__}") from error
        try:
            await _require_answer(answer)
            yield Opened(answer)
        finally:
            await answer.aclose()

    async def get(self, path: str, headers: Mapping[str, str]) -> RefusedError:
        """What the upstream says at this path, whatever it is. Raises UpstreamError."""
        try:
            async with self._client.stream(
                "GET", f"{self._address}{path}", headers={**headers, "accept-encoding": "identity"}
            ) as answer:
                _no_redirect(answer)
                return await _said(answer)
        except httpx.HTTPError as error:
            raise UpstreamError(f"the upstream cannot be reached: {type(error).__name__}") from error


def handed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the other side should see too."""
    named = {name.lower(): value for name, value in headers.items()}
    dropped = _HOP | {name.strip().lower() for name in named.get("connection", "").split(",")}
    return {
        name: value
        for name, value in named.items()
        if name not in dropped and not name.startswith(_NEVER) and value.isascii()
    }


async def _require_answer(answer: httpx.Response) -> None:
    _no_redirect(answer)
    if answer.status_code >= 400:
        raise await _said(answer)
    if not answer.is_success:
        raise UpstreamError(f"the upstream answered with status {answer.status_code}")


def _no_redirect(answer: httpx.Response) -> None:
    if 300 <= answer.status_code < 400:
        # Handed on, it would lead the client past the guard.
        where = answer.headers.get("location", "nowhere")[:200]
        raise UpstreamError(f"the upstream redirects to {where}: give that address to --upstream")


async def _said(answer: httpx.Response) -> RefusedError:
    try:
        body = await _bounded(answer.aiter_bytes(), MAX_ERROR, "")
    except httpx.HTTPError:
        body = b""
    kind = answer.headers.get("content-type", "application/json")
    return RefusedError(answer.status_code, body, handed_on(answer.headers), kind)


async def _bounded(pieces: AsyncIterator[bytes], most: int, what: str) -> bytes:
    """The bytes. Raises UpstreamError for too many of them, or where nothing is said of it (`what`), leaves the rest."""
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > most:
            if what:
                raise UpstreamError(f"the upstream sent {what} of more than {most:,} bytes")
            return bytes(found[:most])
    return bytes(found)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for piece in rest:
        yield piece


def _json(data: bytes, failed: bool = False) -> dict[str, Any]:
    """A chunk. Raises UpstreamError for what is none, and for an error that the upstream reports."""
    try:
        chunk = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UpstreamError(f"the upstream broke off: {type(error).__name__}") from error
    if not isinstance(chunk, dict):
        raise BrokenMessageError("the upstream sent a chunk that is none")
    if failed or chunk.get("error"):
        said = chunk.get("error")
        words = said.get("message") if isinstance(said, dict) else said
        more = f": {words[:500]}" if isinstance(words, str) and words else ""
        raise UpstreamError(f"the upstream reported an error in its stream{more}")
    return chunk
