import asyncio
import json
import logging
import socket
import time
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

httpx = pytest.importorskip("httpx2")
openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from counterform.guard import message as message_module  # noqa: E402
from counterform.guard import proxy as proxy_module  # noqa: E402
from counterform.guard.exchange import TRIES  # noqa: E402
from counterform.guard.policy import Rule  # noqa: E402
from counterform.guard.proxy import Proxy  # noqa: E402
from counterform.guard.tools import Policy  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("look", "pay")]
ASK = {"model": "m", "messages": [{"role": "user", "content": "Pay 60."}], "tools": TOOLS}


def small(state, call):
    return "At most 50." if call.name == "pay" and call.arguments["amount"] > 50 else None


RULES = [Rule("small", "No more than 50 is paid.", small)]


def event(delta, finish=None, **more):
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", **more}
    return (
        b"data: %s\n\n"
        % json.dumps({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode()
    )


def call(name, arguments, index=0, number="1"):
    arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
    first = {
        "index": index,
        "id": f"call-{number}",
        "type": "function",
        "function": {"name": name, "arguments": arguments[:3]},
    }
    rest = {"index": index, "function": {"arguments": arguments[3:]}}
    return [event({"tool_calls": [first]}), event({"tool_calls": [rest]})]


def said(*texts):
    return [event({"content": text}) for text in texts]


END = [event({}, "stop"), b"data: [DONE]\n\n"]
CALLED = [event({}, "tool_calls"), b"data: [DONE]\n\n"]


class Upstream(httpx.AsyncBaseTransport):
    """Streams the n-th script to the n-th request (the last one again and again)."""

    def __init__(self, *scripts):
        self.scripts, self.requests, self.closed, self.sent = scripts, [], 0, 0

    async def handle_async_request(self, request):
        self.requests.append(request)
        script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
        if isinstance(script, Exception):
            raise script
        if isinstance(script, tuple):
            return httpx.Response(script[0], content=script[1])
        upstream = self

        class Body(httpx.AsyncByteStream):
            async def __aiter__(self):
                for piece in script:
                    if isinstance(piece, Exception):
                        raise piece
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                        continue
                    upstream.sent += 1
                    yield piece

            async def aclose(self):
                upstream.closed += 1

        return httpx.Response(200, stream=Body())

    def body(self, at):
        return json.loads(self.requests[at].content)


@asynccontextmanager
async def through(upstream, **options):
    app = Proxy("http://upstream/v1", Policy(RULES, **options), transport=upstream).app()
    async with app.router.lifespan_context(app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy")
        async with client:
            yield (
                client,
                openai.AsyncOpenAI(base_url="http://proxy/v1", api_key="sk-secret", http_client=client, max_retries=0),
            )


def ask(upstream, stream=False, policy=None, **body):
    """The answer of the `openai` client: a message, or the chunks put together."""

    async def run():
        async with through(upstream, **(policy or {})) as (_, client):
            answer = await client.chat.completions.create(**{**ASK, **body}, stream=stream)
            return [chunk async for chunk in answer] if stream else answer

    return asyncio.run(run())


def test_text_and_good_calls_pass():
    script = [*said("I ", "pay."), *call("pay", {"amount": 50}), *CALLED]
    answer = ask(Upstream(script))
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("I pay.", "tool_calls")
    [made] = choice.message.tool_calls
    assert (made.id, made.function.name, json.loads(made.function.arguments)) == ("call-1", "pay", {"amount": 50})
    chunks = ask(Upstream(script), stream=True)
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == ["I ", "pay."]
    assert [c.choices[0].finish_reason for c in chunks][-1] == "tool_calls"
    [made] = [made for c in chunks for made in c.choices[0].delta.tool_calls or []]
    assert made.function.arguments == '{"amount": 50}'


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_call_goes_back_to_the_model_and_not_to_the_client(stream):
    upstream = Upstream([*call("pay", {"amount": 60}), *CALLED], [*call("pay", {"amount": 50}, number="2"), *CALLED])
    answer = ask(upstream, stream=stream)
    assert "60" not in str(answer).replace("Pay 60.", "")
    assert "call-2" in str(answer)
    first, second = upstream.body(0), upstream.body(1)
    assert second["messages"][:-2] == first["messages"]
    assert second["messages"][-2]["tool_calls"][0]["function"] == {"name": "pay", "arguments": '{"amount": 60}'}
    told = second["messages"][-1]
    assert (told["role"], told["tool_call_id"]) == ("tool", "call-1")
    assert (
        told["content"] == "Refused: pay was not run.\nIt breaks the rule: No more than 50 is paid. Hint: At most 50."
    )


def test_of_parallel_calls_none_passes_beside_a_bad_one():
    both = [*call("look", {}, 0, "a"), *call("pay", {"amount": 60}, 1, "b"), *CALLED]
    upstream = Upstream(both, [*said("Sorry."), *END])
    message = ask(upstream).choices[0].message
    assert (message.content, message.tool_calls) == ("Sorry.", None)
    look, pay = upstream.body(1)["messages"][-2:]
    assert (look["tool_call_id"], pay["tool_call_id"]) == ("call-a", "call-b")
    assert "another call" in look["content"]
    assert "At most 50" in pay["content"]


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "",
        "[60]",
        '"60"',
        "__import__('os')",
        '{"amount": "60"}',
        "{}",
        '{"amount": 1' + "0" * 200_000 + "}",
        "[" * 50_000,
    ],
)
def test_arguments_that_cannot_be_read_never_pass(arguments):
    answer = ask(Upstream([*call("pay", arguments), *CALLED]))
    [choice] = answer.choices
    assert choice.message.tool_calls is None
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith("Refused: pay was not run.")


def test_a_stubborn_model_is_refused_after_some_tries():
    upstream = Upstream([*said("Now."), *call("pay", {"amount": 60}), *CALLED])
    answer = ask(upstream)
    assert len(upstream.requests) == TRIES
    assert answer.choices[0].message.tool_calls is None
    assert (
        answer.choices[0].message.content
        == "Now." * TRIES + "Refused: pay was not run.\nIt breaks the rule: No more than 50 is paid. Hint: At most 50."
    )


def test_only_reports():
    upstream = Upstream([*call("pay", {"amount": 60}), *CALLED])
    assert ask(upstream, policy={"dry": True}).choices[0].message.tool_calls
    assert len(upstream.requests) == 1


def test_what_a_try_used_is_summed():
    usage = [
        event({}, "tool_calls"),
        b'data: {"id": "c1", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}\n\n',
        b"data: [DONE]\n\n",
    ]
    answer = ask(Upstream([*call("pay", {"amount": 60}), *usage], [*said("No."), *usage]))
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (10, 14)


def test_bytes_may_be_cut_anywhere():
    whole = b"".join([*said("Grüße, ", "Welt."), *call("pay", {"amount": 50}), *CALLED]).replace(b"\n\n", b"\r\n\r\n")
    for size in (1, 7, 1000):
        answer = ask(Upstream([whole[at : at + size] for at in range(0, len(whole), size)]))
        assert answer.choices[0].message.content == "Grüße, Welt."
        assert answer.choices[0].message.tool_calls[0].function.arguments == '{"amount": 50}'


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([*said("One"), httpx.ReadTimeout("stalled")], "silent"),
        ([*said("One"), httpx.RemoteProtocolError("gone")], "broke off"),
        ([*said("One"), b"data: {half\n\n"], "broke off"),
        ([*said("One"), *call("pay", {"amount": 50})], "ended before"),
        ([*said("One"), b'data: {"error": {"message": "boom"}}\n\n'], "reported an error"),
        ([*said("One"), b"data: " + b"x" * 1_100_000], "event of more than"),
    ],
    ids=["stall", "drop", "half", "no end", "error", "endless"],
)
def test_an_upstream_that_breaks_off_is_an_error_and_passes_no_call(script, words):
    with pytest.raises(openai.APIError, match=words):
        ask(Upstream(script), stream=True)
    with pytest.raises(openai.APIStatusError, match=words):
        ask(Upstream(script))


def test_what_the_upstream_refuses_is_the_clients_own_error():
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask(Upstream((429, b'{"error": {"message": "slow down"}}')), stream=True)
    with pytest.raises(openai.InternalServerError, match="broke off"):
        ask(Upstream(httpx.ConnectError("nobody there")))


def test_requests_that_are_none():
    async def run():
        async with through(Upstream(END)) as (client, _):
            path, json_type = "/v1/chat/completions", {"content-type": "application/json"}
            for content in (b"{", b"[]", b"{}", b'{"messages": 3}', b'{"messages": [], "n": 2}', b"\xff" * 10):
                assert (await client.post(path, content=content, headers=json_type)).status_code == 400
            assert (await client.post(path, content=b"{}", headers={"content-type": "text/plain"})).status_code == 415
            odd = {"messages": [None, 3, {"role": 7}, {"role": "assistant", "tool_calls": "x"}, {"role": "tool"}]}
            assert (await client.post(path, json=odd)).status_code == 200

    asyncio.run(run())


def test_keys_are_handed_on_and_never_logged(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    upstream = Upstream([*said("Hi."), *END])
    ask(upstream)
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-secret"
    out = capfd.readouterr()
    logged = "".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("counterform", "uvicorn", "starlette"))
    )
    assert "sk-secret" not in logged + out.out + out.err


def test_a_message_out_of_all_bounds(monkeypatch):
    monkeypatch.setattr(message_module, "MAX_MESSAGE", 100_000)
    with pytest.raises(openai.APIStatusError, match="longer than"):
        ask(Upstream([*said("x" * 60_000, "x" * 60_000), *END]))
    with pytest.raises(openai.APIStatusError, match="more than 128"):
        ask(Upstream([*[piece for at in range(200) for piece in call("look", {}, at)], *CALLED]))


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_is_closed_when_its_client_leaves_before_the_answer(server, stream):
    for script in ([30.0, *said("late"), *END], [*call("look", {}), 30.0, *CALLED]):
        upstream = Upstream(script)
        client = openai.OpenAI(base_url=server(upstream), api_key="x", max_retries=0, timeout=0.5)
        with pytest.raises(openai.APITimeoutError):
            list(client.chat.completions.create(**ASK, stream=stream))
        client.close()
        until = time.monotonic() + 20
        while not upstream.closed and time.monotonic() < until:
            time.sleep(0.02)
        assert upstream.closed == 1


def test_an_upstream_is_closed_after_every_answer():
    for script in ([*said("Hi."), *END], [*said("One"), b"data: {half\n\n"], [*call("pay", {"amount": 50}), *CALLED]):
        for stream in (False, True):
            upstream = Upstream(script)
            with suppress(openai.APIError):
                ask(upstream, stream=stream)
            assert upstream.closed == 1


def test_a_request_has_a_deadline(monkeypatch):
    monkeypatch.setattr(proxy_module, "DEADLINE_SECONDS", 0.3)
    endless = Upstream([piece for _ in range(1_000) for piece in (*said("x"), 0.05)])
    with pytest.raises(openai.APIStatusError, match="took longer than"):
        ask(endless)
    with pytest.raises(openai.APIError, match="took longer than"):
        ask(endless, stream=True)
    assert endless.closed == 2


def test_a_client_that_sends_slowly_is_left(monkeypatch):
    monkeypatch.setattr(proxy_module, "READ_SECONDS", 0.2)

    async def slowly():
        for piece in (b'{"messages": [', b"]}"):
            yield piece
            await asyncio.sleep(0.5)

    async def run():
        upstream = Upstream([*said("x"), *END])
        async with through(upstream) as (client, _):
            answer = await client.post(
                "/v1/chat/completions", content=slowly(), headers={"content-type": "application/json"}
            )
            return answer, upstream.requests

    answer, requests = asyncio.run(run())
    assert (answer.status_code, requests) == (408, [])
    assert "was not sent within 0.2 s" in answer.json()["error"]["message"]


def test_a_client_that_reads_nothing_holds_up_its_own_upstream_and_no_memory(server):
    endless = Upstream([event({"content": "x" * 100_000})] * 2_000)
    address = httpx.URL(server(endless))
    body = json.dumps({**ASK, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.host, address.port)) as client:
        client.sendall(head.encode() + body)
        sent = [-1, -2]
        while sent[-1] != sent[-2] or not sent[-1]:
            time.sleep(0.3)
            sent.append(endless.sent)
        assert sent[-1] < 500, "of 200 MB"
        # Others are served meanwhile.
        upstream = openai.OpenAI(base_url=str(address), api_key="x", max_retries=0)
        with upstream.chat.completions.create(**ASK, stream=True) as other:
            assert next(iter(other)).choices[0].delta.content
    until = time.monotonic() + 20
    while endless.closed < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert endless.closed == 2


def test_of_an_endless_error_only_the_beginning_is_read():
    class Endless(Upstream):
        async def handle_async_request(self, request):
            upstream = self

            class Body(httpx.AsyncByteStream):
                async def __aiter__(self):
                    for _ in range(10_000):
                        upstream.sent += 1
                        yield b"x" * 65_536

                async def aclose(self):
                    upstream.closed += 1

            return httpx.Response(500, stream=Body())

    upstream = Endless()
    with pytest.raises(openai.InternalServerError):
        ask(upstream)
    assert (upstream.sent < 20, upstream.closed) == (True, 1)


def test_a_rule_that_would_end_the_program_is_a_refusal():
    def ends(state, call):
        raise SystemExit(0)

    async def run():
        app = Proxy(
            "http://upstream/v1",
            Policy([Rule("ends", "Ends.", ends)]),
            transport=Upstream([*call("look", {}), *CALLED]),
        ).app()
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as client,
        ):
            return await client.post("/v1/chat/completions", json=ASK)

    answer = asyncio.run(run())
    assert answer.status_code == 200
    assert "could not be checked" in answer.json()["choices"][0]["message"]["content"]


def test_rules_that_loop_keep_no_other_client_waiting():
    def loops(state, call):
        while call.name == "pay":
            pass

    rules = [Rule("one", "One.", loops), Rule("two", "Two.", lambda state, call: loops(state, call))]

    class Both(Upstream):
        async def handle_async_request(self, request):
            name = json.loads(request.content)["messages"][0]["content"]
            return httpx.Response(200, content=b"".join([*call(name, {}), *CALLED]))

    async def run():
        app = Proxy("http://upstream/v1", Policy(rules, seconds=1.0), transport=Both()).app()
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy", timeout=60) as client,
        ):

            def one(name):
                return client.post(
                    "/v1/chat/completions", json={**ASK, "messages": [{"role": "user", "content": name}]}
                )

            stuck = [asyncio.create_task(one("pay")) for _ in range(6)]
            await asyncio.sleep(0.2)
            started = time.perf_counter()
            answers = await asyncio.gather(*[one("look") for _ in range(10)])
            took = time.perf_counter() - started
            for task in stuck:
                task.cancel()
            return answers, took

    answers, took = asyncio.run(run())
    assert all(answer.json()["choices"][0]["message"]["tool_calls"] for answer in answers)
    assert took < 5


def test_a_long_history_is_read_in_linear_time_and_beside_other_requests():
    turn = [
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": '{"a": 1}'},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "y"},
    ]

    def seconds(n):
        started = time.process_time()
        assert (
            ask(Upstream([*call("pay", {"amount": 5}), *CALLED]), messages=[*ASK["messages"], *turn * n])
            .choices[0]
            .message.tool_calls
        )
        return time.process_time() - started

    seconds(10)
    assert seconds(4_000) < 10 * seconds(1_000)


def test_a_large_piece_of_many_events_is_read_in_linear_time():
    def seconds(n):
        whole = b"".join([*said("x") * n, *END])
        started = time.process_time()
        assert len(ask(Upstream([whole])).choices[0].message.content) == n
        return time.process_time() - started

    seconds(10)
    assert seconds(8_000) < 10 * seconds(2_000)


DELTAS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["pay", '{"amount": 60}', '{"amount": 5}', "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tool_calls", "function", "function_call", "name", "arguments", "index", "id", "content"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=25)
@given(deltas=st.lists(DELTAS, max_size=5))
def test_no_call_over_the_limit_passes_whatever_comes(deltas):
    script = [event(delta) for delta in deltas]
    try:
        answer = ask(Upstream([*script, *CALLED]))
    except openai.APIStatusError:
        return
    for made in answer.choices[0].message.tool_calls or []:
        assert made.function.name != "pay" or json.loads(made.function.arguments)["amount"] <= 50


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_of_a_refused_call_no_byte_is_sent_however_the_stream_is_cut(sizes):
    whole = b"".join(
        [*said("Now."), *call("look", {"at": "xyzzy"}, 0, "a"), *call("pay", {"amount": 60}, 1, "b"), *CALLED]
    )
    pieces, at = [], 0
    for size in (*sizes, len(whole)):
        pieces.append(whole[at : at + size])
        at += size
    chunks = ask(Upstream(pieces, [*said("No."), *END]), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Now.No."
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks)
    assert "xyzzy" not in str(chunks)


@pytest.fixture
def server(on_loopback):
    """The proxy on loopback."""
    return lambda upstream: on_loopback(Proxy("http://upstream/v1", Policy(RULES), transport=upstream).app())


def test_text_arrives_while_the_upstream_still_writes_and_a_client_may_leave(server):
    upstream = Upstream([*said("First"), 30.0, *said("second"), *END])
    client = openai.OpenAI(base_url=server(upstream), api_key="x", max_retries=0)
    stream = client.chat.completions.create(**ASK, stream=True)
    assert next(stream).choices[0].delta.content == "First"
    assert upstream.sent == 1
    stream.close()
    client.close()
    until = time.monotonic() + 20
    while not upstream.closed and time.monotonic() < until:
        time.sleep(0.02)
    assert upstream.closed == 1


def test_many_streams_at_once_lose_and_mix_nothing(server):
    class Echo(Upstream):
        async def handle_async_request(self, request):
            who = json.loads(request.content)["messages"][0]["content"]
            script = [piece for at in range(20) for piece in (*said(f"{who}-{at} "), 0.001)]
            return await Upstream([*script, *call("look", {"who": who}), *CALLED]).handle_async_request(request)

    async def one(client, who):
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": who}], tools=TOOLS, stream=True
        )
        text, calls = "", []
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            calls += chunk.choices[0].delta.tool_calls or []
        return text, [made.function.arguments for made in calls]

    async def run(url):
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
            return await asyncio.gather(*[one(client, f"w{at}") for at in range(30)])

    for at, (text, calls) in enumerate(asyncio.run(run(server(Echo())))):
        assert text == "".join(f"w{at}-{n} " for n in range(20))
        assert calls == [f'{{"who": "w{at}"}}']
