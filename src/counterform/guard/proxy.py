"""A proxy that speaks the OpenAI chat API and asks a policy before any tool call reaches the client.

    client -> proxy -> upstream

Text passes as it comes. Tool calls are held until the upstream's message has ended: if all of them keep the rules they pass,
else the whole message's calls go back to the model with what is wrong, as answers of the tools, and the client sees the model's next try in the
same stream. When the tries end the client gets the refusal as text, and no call (fail closed). Keys are handed on and never
stored, shown or logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from counterform.errors import extra
from counterform.guard.calls import Call, Conversation, State
from counterform.guard.tools import Policy

with extra("guard"):
    import httpx2 as httpx
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

TRIES = 4
"""Messages of the model to one request, the first included; then the answer is a refusal."""
CONNECT_SECONDS, STALL_SECONDS = 10.0, 120.0
"""Until the upstream is reached; of silence in its answer."""
MAX_REQUEST, MAX_MESSAGE, MAX_EVENT = 32_000_000, 4_000_000, 1_000_000
"""Bytes of a client's request, of one message of the model, of one event of its stream."""
MAX_CALLS = 128
"""Tool calls in one message."""

_HANDED_ON = ("authorization", "openai-organization", "openai-project", "accept-language")
_WORDS = ("content", "reasoning_content", "reasoning", "refusal")
"""What of a delta is words for the client; whatever else an upstream sends in one does not pass."""
_Chunks = AsyncGenerator[dict[str, Any], None]


class UpstreamError(Exception):
    """The upstream did not answer as it should; what is said is for the client."""

    def __init__(self, message: str, status: int = 502, body: bytes | None = None) -> None:
        super().__init__(message)
        self.status, self.body = status, body


class Message:
    """One message of the model, put together from the chunks of a stream."""

    def __init__(self) -> None:
        self.text, self.calls = "", dict[int, dict[str, Any]]()
        self.finish: str | None = None
        self._size = 0

    def add(self, chunk: Mapping[str, Any]) -> dict[str, str]:
        """Take one chunk in; the words that it brings. Raises UpstreamError for a message out of all bounds."""
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if isinstance(choice.get("finish_reason"), str):
            self.finish = choice["finish_reason"]
        pieces = delta.get("tool_calls")
        for piece in pieces if isinstance(pieces, list) else []:
            self._call(piece)
        words = {key: delta[key] for key in _WORDS if isinstance(delta.get(key), str) and delta[key]}
        self.text += words.get("content", "")
        self._grow(sum(map(len, words.values())))
        return words

    def _call(self, piece: Any) -> None:
        if not isinstance(piece, dict):
            raise UpstreamError("the upstream sent a tool call that is none")
        index = piece.get("index", len(self.calls))
        if not isinstance(index, int) or (len(self.calls) >= MAX_CALLS and index not in self.calls):
            raise UpstreamError(f"the upstream sent more than {MAX_CALLS} tool calls in one message")
        call = self.calls.setdefault(index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        if isinstance(piece.get("id"), str):
            call["id"] = call["id"] or piece["id"]
        for key in ("name", "arguments"):
            said = function.get(key)
            if isinstance(said, str):
                call["function"][key] += said
                self._grow(len(said))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_MESSAGE:
            raise UpstreamError(f"the upstream's message is longer than {MAX_MESSAGE:,} characters")

    @property
    def whole(self) -> dict[str, Any]:
        """The message as the chat API writes it."""
        calls = [self.calls[index] for index in sorted(self.calls)]
        return {"role": "assistant", "content": self.text or None} | ({"tool_calls": calls} if calls else {})


class Proxy:
    """The policy between clients and one upstream."""

    def __init__(self, upstream: str, policy: Policy, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.policy = policy
        self._upstream = upstream.rstrip("/")
        self._transport = transport

    def app(self) -> Starlette:
        """The web application: `/v1/chat/completions` and `/v1/models`."""

        @asynccontextmanager
        async def life(app: Starlette) -> AsyncIterator[None]:
            async with httpx.AsyncClient(
                transport=self._transport,
                timeout=httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS, pool=None),
                limits=httpx.Limits(max_connections=None),
                trust_env=False,
            ) as self._client:
                yield

        routes = [
            Route(f"{prefix}{path}", endpoint, methods=[method])
            for prefix in ("/v1", "")
            for path, endpoint, method in (
                ("/chat/completions", self._chat, "POST"),
                ("/models", self._models, "GET"),
            )
        ]
        return Starlette(routes=routes, lifespan=life)

    async def _models(self, request: Request) -> Response:
        try:
            answer = await self._client.get(f"{self._upstream}/models", headers=_headers(request))
        except httpx.HTTPError as error:
            return _problem(f"the upstream cannot be reached: {type(error).__name__}", 502)
        return Response(answer.content, status_code=answer.status_code, media_type="application/json")

    async def _chat(self, request: Request) -> Response:
        if not request.headers.get("content-type", "").startswith("application/json"):
            # Else any page in this machine's browser could ask here without leave.
            return _problem("the content type must be application/json", 415)
        try:
            body = msgspec.json.decode(await _read(request))
        except (ClientDisconnect, msgspec.DecodeError, UnicodeError, RecursionError):
            return _problem("the request is no JSON, or too long", 400)
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            return _problem("the request has no list `messages`", 400)
        if body.get("n") not in (None, 1):
            return _problem("a guarded request has one answer: leave out `n`, or ask n times", 400)
        headers = _headers(request)
        tries = self._tries(body, headers)
        try:
            # The first event comes before the status is sent, so that an upstream's 401 or 429 is the client's too.
            first = await anext(tries)
        except UpstreamError as error:
            if error.body is not None:
                return Response(error.body, status_code=error.status, media_type="application/json")
            return _problem(str(error), error.status)
        if body.get("stream"):
            return StreamingResponse(_events(first, tries), media_type="text/event-stream")
        try:
            return JSONResponse(await _together(first, tries))
        except UpstreamError as error:
            return _problem(str(error), error.status)

    async def _tries(self, body: dict[str, Any], headers: dict[str, str]) -> _Chunks:
        """The chunks for the client: text as it comes, calls once they are known to keep the rules."""
        messages = list(body["messages"])
        conversation, usage = Conversation(), dict[str, int]()
        for message in messages:
            conversation.feed(message)
        refusal = ""
        # Who asked for one answer is used to being told what it used; in a stream that has to be asked for.
        asked = {} if body.get("stream") else {"stream_options": {"include_usage": True}}
        for _ in range(TRIES):
            message, last = Message(), dict[str, Any]()
            stream = self._stream({**body, **asked, "messages": messages, "stream": True}, headers)
            async with aclosing(stream):
                async for chunk in stream:
                    last = {key: value for key, value in chunk.items() if key not in ("choices", "usage")}
                    _sum(usage, chunk.get("usage"))
                    if said := message.add(chunk):
                        yield {**last, "choices": _choice({"role": "assistant", **said})}
            if message.finish is None:
                raise UpstreamError("the upstream's stream ended before its message did")
            whole = message.whole
            objections = await self._objections(conversation.feed(whole))
            if not any(objections) or self.policy.dry:
                for index, call in enumerate(whole.get("tool_calls", [])):
                    yield {**last, "choices": _choice({"tool_calls": [{"index": index, **call}]})}
                finish = message.finish
                break
            answers = _answers(whole["tool_calls"], objections)
            refusal = "\n".join(said for said in objections if said)
            for answer in answers:
                conversation.feed(answer)
            messages += [whole, *answers]
        else:
            finish = "stop"
            yield {**last, "choices": _choice({"role": "assistant", "content": refusal})}
        yield {**last, "choices": _choice({}, finish=finish)}
        if usage:
            yield {**last, "choices": [], "usage": usage}

    async def _objections(self, calls: Sequence[tuple[State, Call]]) -> list[str]:
        """Of each call why it must not run; empty where it may. In a thread: rules are anybody's code."""

        def judged() -> list[str]:
            said = []
            for state, call in calls:
                found = self.policy.objections(state, call)
                said.append(self.policy.refusal(call, found) if found else "")
            return said

        return await asyncio.to_thread(judged)

    async def _stream(self, body: dict[str, Any], headers: dict[str, str]) -> _Chunks:
        """The chunks of one answer of the upstream. Raises UpstreamError."""
        url = f"{self._upstream}/chat/completions"
        try:
            async with self._client.stream("POST", url, content=msgspec.json.encode(body), headers=headers) as answer:
                if answer.status_code != 200:
                    raise UpstreamError("the upstream refused", answer.status_code, (await answer.aread())[:MAX_EVENT])
                async for data in _server_events(answer.aiter_bytes()):
                    if data == b"[DONE]":
                        return
                    chunk = msgspec.json.decode(data)
                    if isinstance(chunk, dict):
                        if "error" in chunk:
                            raise UpstreamError("the upstream reported an error in its stream")
                        yield chunk
        except httpx.TimeoutException as error:
            raise UpstreamError(f"the upstream was silent: {type(error).__name__}", 504) from error
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise UpstreamError(f"the upstream broke off: {type(error).__name__}") from error


def serve(upstream: str, policy: Policy, *, host: str = "127.0.0.1", port: int = 8787) -> None:
    """Serve until interrupted; on this machine alone unless `host` says otherwise. No request is logged."""
    uvicorn.run(Proxy(upstream, policy).app(), host=host, port=port, access_log=False, log_level="warning")


def _headers(request: Request) -> dict[str, str]:
    handed = {name: request.headers[name] for name in _HANDED_ON if name in request.headers}
    return handed | {"content-type": "application/json"}


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_REQUEST:
            raise msgspec.DecodeError("too long")
    return bytes(body)


async def _server_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event, however the bytes are cut. Raises UpstreamError for an event without end."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if b"\n" in piece:
            *lines, rest = bytes(held).split(b"\n")
            held = bytearray(rest)
            for line in lines:
                if line.startswith(b"data:"):
                    yield line[5:].strip()
        if len(held) > MAX_EVENT:
            raise UpstreamError(f"the upstream sent an event of more than {MAX_EVENT:,} bytes")


async def _events(first: dict[str, Any], rest: _Chunks) -> AsyncIterator[bytes]:
    """Chunks as server-sent events; an upstream that breaks off is an error event, and never a proper end."""
    async with aclosing(rest):
        try:
            yield b"data: " + msgspec.json.encode(first) + b"\n\n"
            async for chunk in rest:
                yield b"data: " + msgspec.json.encode(chunk) + b"\n\n"
        except UpstreamError as error:
            yield b"data: " + msgspec.json.encode(_error(str(error))) + b"\n\n"
            return
        yield b"data: [DONE]\n\n"


async def _together(first: dict[str, Any], rest: _Chunks) -> dict[str, Any]:
    """The chunks as the one answer of a request that did not ask for a stream."""
    message, last = Message(), first
    usage: dict[str, int] | None = None
    message.add(first)
    async for chunk in rest:
        message.add(chunk)
        last, usage = chunk, chunk.get("usage") or usage
    kept: dict[str, Any] = {key: last[key] for key in ("id", "created", "model") if key in last}
    choice = {"index": 0, "message": message.whole, "finish_reason": message.finish}
    used = {"usage": usage} if usage else {}
    return {**kept, "object": "chat.completion", "choices": [choice], **used}


def _answers(calls: Sequence[Mapping[str, Any]], objections: Sequence[str]) -> list[dict[str, Any]]:
    """What the model is told in the place of its tools: of the calls beside a broken one too, none was run."""
    beside = "Not run, since another call of the same message was refused. Make it again if it is still right."
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": said or beside}
        for call, said in zip(calls, objections, strict=True)
    ]


def _choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "finish_reason": finish}]


def _sum(total: dict[str, int], usage: Any) -> None:
    """Add what one try used, as far as it is counts."""
    for key, count in usage.items() if isinstance(usage, dict) else ():
        if isinstance(count, int):
            total[key] = total.get(key, 0) + count


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": f"counterform guard: {message}", "type": "guard_error", "code": None}}


def _problem(message: str, status: int) -> JSONResponse:
    return JSONResponse(_error(message), status_code=status)
