"""What the guard's proxy costs: chat completions streamed through it against the same upstream asked directly.

A scripted upstream and the proxy stand on loopback, each in a process of its own; the client is the `openai` package. Measured:
milliseconds to the first token of one stream at a time (target: at most 5 ms more through the proxy), and a number of
streams at once, each of which must bring its own text whole and unmixed (target: 200).
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator

import msgspec
import openai
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from counterform.guard.calls import Call, State
from counterform.guard.policy import Rule
from counterform.guard.proxy import Proxy
from counterform.guard.tools import Policy

UPSTREAM, PROXY = 8791, 8792
CHUNKS = 50


async def scripted(request: Request) -> Response:
    """Says the client's own name again and again."""
    who = msgspec.json.decode(await request.body())["messages"][0]["content"]

    async def events() -> AsyncIterator[bytes]:
        for at in range(CHUNKS + 1):
            delta = {"content": f"{who}-{at} "} if at < CHUNKS else {}
            choice = {"index": 0, "delta": delta, "finish_reason": None if at < CHUNKS else "stop"}
            chunk = {"id": who, "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
            yield b"data: " + msgspec.json.encode(chunk) + b"\n\n"
            await asyncio.sleep(0.01)
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def upstream() -> None:
    app = Starlette(routes=[Route("/v1/chat/completions", scripted, methods=["POST"])])
    uvicorn.run(app, port=UPSTREAM, log_level="error")


def proxy() -> None:
    def small(state: State, call: Call) -> str | None:
        return "No." if call.arguments["amount"] > 50 else None

    rules = [Rule("small", "No more than 50.", small)]
    uvicorn.run(Proxy(f"http://127.0.0.1:{UPSTREAM}/v1", Policy(rules)).app(), port=PROXY, log_level="error")


async def one(client: openai.AsyncOpenAI, who: str) -> tuple[float, bool]:
    """Seconds to the first token, and whether the text is this stream's own and whole."""
    started, first, text = time.perf_counter(), 0.0, ""
    stream = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": who}], stream=True)
    async for chunk in stream:
        first = first or time.perf_counter() - started
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    return first, text == "".join(f"{who}-{at} " for at in range(CHUNKS))


async def measure(args: argparse.Namespace) -> None:
    ports = {"direct": UPSTREAM, "proxy": PROXY}
    clients = {
        name: openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=50)
        for name, port in ports.items()
    }
    for client in clients.values():
        await one(client, "warm")
    firsts: dict[str, list[float]] = {name: [] for name in ports}
    for repeat in range(args.repeats):
        for name in sorted(ports, reverse=bool(repeat % 2)):
            firsts[name].append((await one(clients[name], f"r{repeat}"))[0])
    for name, found in firsts.items():
        print(f"{name:<8} first token, median {1000 * statistics.median(found):.2f} ms of {len(found)} streams")
    more = [b - a for a, b in zip(firsts["direct"], firsts["proxy"], strict=True)]
    print(f"proxy - direct, median of pairs: {1000 * statistics.median(more):+.2f} ms (target <= 5 ms)")
    for name, client in clients.items():
        started = time.perf_counter()
        done = await asyncio.gather(*[one(client, f"s{at}") for at in range(args.streams)])
        whole = sum(sound for _, sound in done)
        print(f"{name:<8} {whole} of {args.streams} streams at once whole, {time.perf_counter() - started:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--streams", type=int, default=200)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    servers = [multiprocessing.Process(target=run, daemon=True) for run in (upstream, proxy)]
    for server in servers:
        server.start()
    try:
        asyncio.run(measure(args))
    finally:
        for server in servers:
            server.terminate()


if __name__ == "__main__":
    main()
