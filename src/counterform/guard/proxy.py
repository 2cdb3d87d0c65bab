"""A proxy that speaks the OpenAI chat API and asks a policy before any tool call reaches the client.

    client -> proxy -> upstream

Text passes as it comes. Tool calls are held until the upstream's message has ended: if all of them keep the rules they pass,
else the whole message's calls go back to the model with what is wrong, as answers of the tools, and the client sees the model's next try in the
same stream. When the tries end the client gets the refusal as text, and no call (fail closed). Keys are handed on and never
stored, shown or logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import msgspec

from counterform.errors import extra
from counterform.guard.exchange import Exchange
from counterform.guard.message import BrokenMessageError, Message
from counterform.guard.offered import of_the_upstream
from counterform.guard.speakers import Speakers
from counterform.guard.sse import write_event
from counterform.guard.tools import Policy
from counterform.guard.upstream import RefusedError, Upstream, UpstreamError, handed_on

with extra("guard"):
    import httpx2 as httpx
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

DEADLINE_SECONDS = 1_800.0
"""For one request, all its tries together."""
MAX_REQUEST, READ_SECONDS = 32_000_000, 120.0
"""Bytes of a client's request; what it may take to send it."""
_LARGE = 100_000
"""Bytes from which on a request is read beside the others, and not between them."""
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_UNGUARDED = {
    "responses": "the Responses API",
    "messages": "Anthropic's messages API",
    "completions": "the API of plain completions",
    "api/chat": "Ollama's own API",
    "assistants": "the Assistants API",
    "threads": "the Assistants API",
    "realtime": "the Realtime API",
    "batches": "the Batch API",
}


class Proxy:
    """The policy between clients and one upstream."""

    def __init__(self, upstream: str, policy: Policy, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.policy = policy
        self._address = upstream
        self._transport = transport
        self._speakers = Speakers()

    def app(self) -> Starlette:
        """The web application: chat completions (Azure's deployments too) and the list of models; all else is refused by name."""

        @asynccontextmanager
        async def life(app: Starlette) -> AsyncIterator[None]:
            # As for the client itself, HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE hold.
            async with httpx.AsyncClient(
                transport=self._transport, limits=httpx.Limits(max_connections=None), trust_env=True
            ) as client:
                self._upstream = Upstream(self._address, client)
                yield

        chats = ("/v1/chat/completions", "/chat/completions", "/openai/deployments/{deployment}/chat/completions")
        return Starlette(
            routes=[
                *[Route(path, self._chat, methods=["POST"]) for path in chats],
                *[
                    Route(f"{prefix}/models{one}", self._models, methods=["GET"])
                    for prefix in ("/v1", "")
                    for one in ("", "/{model:path}")
                ],
                Route("/{path:path}", _refuse, methods=_METHODS),
            ],
            lifespan=life,
        )

    async def _models(self, request: Request) -> Response:
        model = request.path_params.get("model", "")
        if {".", ".."} & set(model.split("/")):
            return await _refuse(request)
        one = f"/{quote(model)}" if model else ""
        try:
            return _said(await self._upstream.get(f"/models{one}{_query(request)}", handed_on(request.headers)))
        except UpstreamError as error:
            return _problem(str(error), error.status)

    async def _chat(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("application/json"):
            # Else any page in this machine's browser could ask here without leave.
            return _problem("the content type must be application/json", 415)
        try:
            async with asyncio.timeout(READ_SECONDS):
                raw = await _read(request)
            body = await asyncio.to_thread(msgspec.json.decode, raw) if len(raw) > _LARGE else msgspec.json.decode(raw)
        except TimeoutError:
            return _problem(f"the request was not sent within {READ_SECONDS:g} s", 408)
        except (ClientDisconnect, msgspec.DecodeError, UnicodeError, RecursionError):
            return _problem("the request is no JSON, or too long", 400)
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            return _problem("the request has no list `messages`", 400)
        if body.get("n") not in (None, 1):
            return _problem("a guarded request has one answer: leave out `n`, or ask n times", 400)
        if kind := of_the_upstream(body):
            return _problem(f"a tool of type {kind} runs at the upstream, where no policy is asked: leave it out", 400)
        deployment = request.path_params.get("deployment")
        prefix = f"/openai/deployments/{quote(deployment, safe='')}" if deployment else ""
        return _Reply(
            Exchange(
                body,
                handed_on(request.headers),
                path=f"{prefix}/chat/completions{_query(request)}",
                upstream=self._upstream,
                policy=self.policy,
                speakers=self._speakers,
            )
        )


class _Reply(Response):
    """What an exchange gives, as it comes; it ends with the client, and nothing of it stays open upstream."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        working = asyncio.create_task(self._work(scope, receive, send))
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            # A client that takes nothing more of its answer is left some time after the deadline.
            await asyncio.wait(
                {working, leaving}, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_SECONDS + READ_SECONDS
            )
            if working.done():
                with suppress(OSError):  # the client is gone
                    await working
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    async def _work(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + DEADLINE_SECONDS
        async with aclosing(self._exchange.chunks()) as chunks:
            try:
                # The first event comes before the status is sent, so that an upstream's 401 or 429 is the client's too.
                first = await _next(chunks, ends)
                if self._exchange.streams:
                    await self._stream(first, chunks, ends, send)
                    return
                answer = await _together(first, chunks, ends)
                response: Response = JSONResponse(answer, headers=self._exchange.headers)
            except RefusedError as error:
                response = _said(error)
            except UpstreamError as error:
                response = _problem(str(error), error.status)
            except BrokenMessageError as error:
                response = _problem(str(error), 502)
            await response(scope, receive, send)

    async def _stream(
        self, first: dict[str, Any], rest: AsyncGenerator[dict[str, Any], None], ends: float, send: Send
    ) -> None:
        """Chunks as server-sent events; an upstream that breaks off is an error event, and never a proper end."""
        headers = {**self._exchange.headers, "content-type": "text/event-stream; charset=utf-8"}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        chunk: dict[str, Any] | None = first
        last = write_event(b"[DONE]")
        try:
            while chunk is not None:
                event = write_event(msgspec.json.encode(chunk))
                await send({"type": "http.response.body", "body": event, "more_body": True})
                chunk = await _next(rest, ends, default=None)
        except (UpstreamError, BrokenMessageError) as error:
            last = write_event(msgspec.json.encode(_error(str(error))))
        await send({"type": "http.response.body", "body": last})


def serve(upstream: str, policy: Policy, *, host: str = "127.0.0.1", port: int = 8787) -> None:
    """Serve until interrupted; on this machine alone unless `host` says otherwise. No request is logged."""
    uvicorn.run(Proxy(upstream, policy).app(), host=host, port=port, access_log=False, log_level="warning")


async def _next(chunks: AsyncGenerator[dict[str, Any], None], ends: float, **default: Any) -> Any:
    """The next chunk. Raises UpstreamError when the request has taken too long."""
    try:
        async with asyncio.timeout_at(ends):
            return await anext(chunks, *default.values())
    except TimeoutError:
        raise UpstreamError(f"the request took longer than {DEADLINE_SECONDS:g} s", 504) from None


async def _together(first: dict[str, Any], rest: AsyncGenerator[dict[str, Any], None], ends: float) -> dict[str, Any]:
    """The chunks as the one answer of a request that did not ask for a stream."""
    message = Message()
    chunk: dict[str, Any] | None = first
    while chunk is not None:
        message.add(chunk)
        chunk = await _next(rest, ends, default=None)
    return message.completion()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(request: Request) -> Response:
    """Whatever is not guarded is not handed on."""
    path = request.url.path.strip("/").removeprefix("v1/")
    known = next(
        (words for name, words in _UNGUARDED.items() if name in (path, path.partition("/")[0])), f"/{path[:100]}"
    )
    return _problem(
        f"{known} is not guarded, and so it is not handed on. Use the chat API: POST /v1/chat/completions", 404
    )


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_REQUEST:
            raise msgspec.DecodeError("too long")
    return bytes(body)


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def _said(answer: RefusedError) -> Response:
    return Response(answer.body, status_code=answer.status, headers={**answer.headers, "content-type": answer.kind})


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": f"counterform guard: {message}", "type": "guard_error", "code": None}}


def _problem(message: str, status: int) -> JSONResponse:
    return JSONResponse(_error(message), status_code=status)
