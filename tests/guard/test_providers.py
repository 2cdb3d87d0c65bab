"""What the proxy does not know it hands on unchanged, and calls are put together as providers really send them."""

import asyncio
import json
import socket
import threading
from contextlib import asynccontextmanager

import pytest

httpx = pytest.importorskip("httpx2")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from counterform.guard.policy import Rule  # noqa: E402
from counterform.guard.proxy import Proxy  # noqa: E402
from counterform.guard.tools import Policy  # noqa: E402
from tests.guard.shapes import PROVIDERS, shape  # noqa: E402

NAMES = ("refund", "look", "delete")
ASK = {
    "model": "m",
    "messages": [{"role": "user", "content": "Refund it."}],
    "tools": [{"type": "function", "function": {"name": name, "parameters": {}}} for name in NAMES],
}


def small(state, call):
    return "At most 50." if call.name == "refund" and call.arguments["amount"] > 50 else None


def kept(state, call):
    return "Delete nothing." if call.name == "delete" else None


RULES = [Rule("small", "No more than 50.", small), Rule("kept", "Nothing is deleted.", kept)]


def stream_of(chunks, end=True):
    pieces = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return "".join(f"data: {piece}\n\n" for piece in [*pieces, *(["[DONE]"] if end else [])]).encode()


class Upstream(httpx.AsyncBaseTransport):
    """Answers the n-th request with the n-th answer, the last one again and again."""

    def __init__(self, *answers):
        self.answers, self.requests = answers, []

    async def handle_async_request(self, request):
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, content=answer if isinstance(answer, bytes) else stream_of(answer))

    def body(self, at):
        return json.loads(self.requests[at].content)


@asynccontextmanager
async def proxied(upstream, **policy):
    app = Proxy("http://upstream/v1", Policy(RULES, **policy), transport=upstream).app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as client,
    ):
        yield client


def post(upstream, path="/v1/chat/completions", headers=None, **body):
    async def run():
        async with proxied(upstream) as client:
            return await client.post(path, json={**ASK, **body}, headers=headers or {})

    return asyncio.run(run())


def streamed(upstream, **body):
    """The chunks that the client gets."""
    answer = post(upstream, stream=True, **body)
    assert answer.status_code == 200, answer.text
    events = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def deltas(chunks):
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def calls_in(chunks):
    return [call for delta in deltas(chunks) for call in delta.get("tool_calls") or ()]


def made(chunks):
    return [(call["function"]["name"], json.loads(call["function"]["arguments"] or "{}")) for call in calls_in(chunks)]


def chunk_of(delta, finish=None, **choice):
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}]}


def pieces(*calls, finish="tool_calls"):
    return [*[chunk_of({"tool_calls": [call]}) for call in calls], chunk_of({}, finish)]


def without_calls(chunks):
    """Everything that the chunks say besides the calls, as (where, what)."""
    found = []
    for chunk in chunks:
        chunk = json.loads(chunk) if isinstance(chunk, str) else chunk
        found += [(key, value) for key, value in chunk.items() if key != "choices"]
        for choice in chunk["choices"]:
            found += [(f"choice.{key}", value) for key, value in choice.items() if key != "delta"]
            found += [(f"delta.{key}", value) for key, value in choice["delta"].items() if key != "tool_calls"]
    return [(key, value) for key, value in found if value not in (None, "", [], {})]


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_a_provider_says_besides_its_calls_reaches_the_client(name):
    sent = shape(name, 9)
    got = streamed(Upstream(stream_of(sent)))
    assert made(got)[0] == ("refund", {"amount": 9})
    missing = [one for one in without_calls(sent) if one not in without_calls(got)]
    assert not missing
    assert json.dumps(calls_in(got)[0].get("extra_content")) == (
        '{"google": {"thought_signature": "SIG"}}' if name == "gemini" else "null"
    )
    finishes = [choice["finish_reason"] for chunk in got for choice in chunk["choices"] if choice.get("finish_reason")]
    assert finishes == ["tool_calls"]
    words = [delta.get("content") for delta in deltas(got) if delta.get("content")]
    assert words == [one[1] for one in without_calls(sent) if one[0] == "delta.content"]


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_refused_turn_goes_back_as_it_came_and_no_call_of_it_passes(name):
    upstream = Upstream(stream_of(shape(name, 99)), stream_of(shape(name, 9)))
    got = streamed(upstream)
    assert "99" not in json.dumps([call["function"] for call in calls_in(got)])
    assert made(got)[0] == ("refund", {"amount": 9})
    turn, *told = upstream.body(1)["messages"][1:]
    assert json.loads(turn["tool_calls"][0]["function"]["arguments"]) == {"amount": 99}
    assert [one["tool_call_id"] for one in told] == [call["id"] for call in turn["tool_calls"]]
    assert "No more than 50" in told[0]["content"]
    back = {
        "gemini": (
            "tool_calls",
            lambda turn: turn["tool_calls"][0]["extra_content"],
            {"google": {"thought_signature": "SIG"}},
        ),
        "deepseek": ("", lambda turn: turn["reasoning_content"], "I will refund"),
        "openrouter": (
            "",
            lambda turn: [part.get("text") or part.get("data") for part in turn["reasoning_details"]],
            ["Think", "SIG"],
        ),
        "mistral": ("", lambda turn: [part["type"] for part in turn["content"]], ["thinking", "text"]),
        "vllm": ("", lambda turn: turn["reasoning"], "Hm"),
    }
    if name in back:
        _, look, wanted = back[name]
        assert look(turn) == wanted


@pytest.mark.parametrize("name", PROVIDERS)
def test_of_a_provider_that_never_calls_rightly_no_call_passes(name):
    got = streamed(Upstream(stream_of(shape(name, 99))))
    assert calls_in(got) == []
    assert "Refused: refund was not run" in "".join(str(delta.get("content")) for delta in deltas(got))
    assert [c["finish_reason"] for chunk in got for c in chunk["choices"] if c.get("finish_reason")] == ["stop"]


def test_what_all_tries_took_is_told_with_its_details():
    got = streamed(Upstream(stream_of(shape("openai", 99)), stream_of(shape("openai", 9))))
    [used] = [chunk["usage"] for chunk in got if chunk.get("usage")]
    assert (used["total_tokens"], used["prompt_tokens_details"], used["completion_tokens_details"]) == (
        58,
        {"cached_tokens": 8},
        {"reasoning_tokens": 6},
    )
    got = streamed(Upstream(stream_of(shape("vllm", 99)), stream_of(shape("vllm", 9))))
    assert got[-1]["usage"] == {"prompt_tokens": 40, "total_tokens": 48, "completion_tokens": 8}


R9, R8 = '{"amount": 9}', '{"amount": 8}'
WAYS = {
    "same index, new id": (
        [
            {"index": 0, "id": "a", "function": {"name": "refund", "arguments": R9}},
            {"index": 0, "id": "b", "function": {"name": "refund", "arguments": R8}},
        ],
        [("refund", 9), ("refund", 8)],
    ),
    "same index, new id, in pieces": (
        [
            {"index": 0, "id": "a", "function": {"name": "refund", "arguments": R9[:5]}},
            {"index": 0, "function": {"arguments": R9[5:]}},
            {"index": 0, "id": "b", "function": {"name": "refund", "arguments": R8[:5]}},
            {"index": 0, "function": {"arguments": R8[5:]}},
        ],
        [("refund", 9), ("refund", 8)],
    ),
    "same index, no id, whole": (
        [{"index": 0, "function": {"name": "refund", "arguments": arguments}} for arguments in (R9, R8)],
        [("refund", 9), ("refund", 8)],
    ),
    "no index, in pieces": (
        [{"id": "a", "function": {"name": "refund", "arguments": R9[:5]}}, {"function": {"arguments": R9[5:]}}],
        [("refund", 9)],
    ),
    "null index, two calls": (
        [
            {"index": None, "id": "a", "function": {"name": "refund", "arguments": R9[:5]}},
            {"index": None, "function": {"arguments": R9[5:]}},
            {"index": None, "id": "b", "function": {"name": "refund", "arguments": R8}},
        ],
        [("refund", 9), ("refund", 8)],
    ),
    "no index, no id, whole": (
        [{"function": {"name": "refund", "arguments": arguments}} for arguments in (R9, R8)],
        [("refund", 9), ("refund", 8)],
    ),
    "no index, id in every piece": (
        [{"id": "a", "function": {"name": "refund", "arguments": part}} for part in (R9[:5], R9[5:])],
        [("refund", 9)],
    ),
    "id and name in every piece": (
        [{"index": 0, "id": "a", "function": {"name": "refund", "arguments": part}} for part in (R9[:5], R9[5:])],
        [("refund", 9)],
    ),
    "name in every piece, no id": (
        [{"index": 0, "function": {"name": "refund", "arguments": part}} for part in (R9[:5], R9[5:])],
        [("refund", 9)],
    ),
    "name in pieces": (
        [
            {"index": 0, "id": "a", "function": {"name": "ref", "arguments": ""}},
            {"index": 0, "function": {"name": "und", "arguments": R9}},
        ],
        [("refund", 9)],
    ),
    "name longer each time": (
        [
            {"index": 0, "id": "a", "function": {"name": "ref", "arguments": ""}},
            {"index": 0, "id": "a", "function": {"name": "refund", "arguments": R9}},
        ],
        [("refund", 9)],
    ),
    "id after the name": (
        [
            {"index": 0, "function": {"name": "refund", "arguments": ""}},
            {"index": 0, "id": "a", "function": {"arguments": R9}},
        ],
        [("refund", 9)],
    ),
    "empty id afterwards": (
        [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "refund", "arguments": R9[:5]}},
            {"index": 0, "id": "", "type": "", "function": {"name": "", "arguments": R9[5:]}},
        ],
        [("refund", 9)],
    ),
    "null name afterwards": (
        [
            {"index": 0, "id": "a", "function": {"name": "refund", "arguments": None}},
            {"index": 0, "id": None, "function": {"name": None, "arguments": R9}},
        ],
        [("refund", 9)],
    ),
    "one id for two calls": (
        [
            {"index": at, "id": "refund", "function": {"name": "refund", "arguments": a}}
            for at, a in enumerate((R9, R8))
        ],
        [("refund", 9), ("refund", 8)],
    ),
    "indices from one": (
        [{"index": at, "id": f"{at}", "function": {"name": "refund", "arguments": a}} for at, a in ((1, R9), (2, R8))],
        [("refund", 9), ("refund", 8)],
    ),
    "interleaved": (
        [
            {"index": 0, "id": "a", "function": {"name": "refund", "arguments": R9[:5]}},
            {"index": 1, "id": "b", "function": {"name": "refund", "arguments": R8[:5]}},
            {"index": 0, "function": {"arguments": R9[5:]}},
            {"index": 1, "function": {"arguments": R8[5:]}},
        ],
        [("refund", 9), ("refund", 8)],
    ),
    "arguments as an object": (
        [{"index": 0, "id": "a", "function": {"name": "refund", "arguments": {"amount": 9}}}],
        [("refund", 9)],
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False])
def test_calls_are_put_together_as_providers_send_them(way, stream):
    sent, wanted = WAYS[way]
    upstream = Upstream(pieces(*sent))
    if stream:
        got = calls_in(streamed(upstream))
        assert [call["index"] for call in got] == list(range(len(got)))
    else:
        got = post(upstream).json()["choices"][0]["message"]["tool_calls"]
    read = [call["function"]["arguments"] for call in got]
    read = [one if isinstance(one, dict) else json.loads(one) for one in read]
    assert [(call["function"]["name"], one["amount"]) for call, one in zip(got, read, strict=True)] == wanted
    assert len(upstream.requests) == 1


def test_calls_stand_in_the_order_of_their_places():
    late = [
        {"index": at, "id": f"c{at}", "function": {"name": "look", "arguments": f'{{"at": {at}}}'}} for at in (2, 0, 1)
    ]
    assert [arguments["at"] for _, arguments in made(streamed(Upstream(pieces(*late))))] == [0, 1, 2]


@pytest.mark.parametrize("way", WAYS)
def test_and_refused_as_providers_send_them(way):
    sent, _ = WAYS[way]
    text = (
        json.dumps(sent).replace("9}", "99}").replace(": 9", ": 99")
        if "object" in way
        else json.dumps(sent).replace("9}", "99}")
    )
    upstream = Upstream(pieces(*json.loads(text)))
    assert "99" in text
    got = streamed(upstream)
    assert calls_in(got) == []
    assert "At most 50" in json.dumps(upstream.body(1)["messages"][-1] | {"all": upstream.body(1)["messages"]})


def test_a_name_that_is_repeated_is_the_same_name():
    sent = [{"index": 0, "id": "a", "function": {"name": "delete", "arguments": part}} for part in ("{", "}")]
    got = streamed(Upstream(pieces(*sent)))
    assert calls_in(got) == []
    assert "Nothing is deleted" in json.dumps(got)


@pytest.mark.parametrize("arguments", ["", None, "null", "{}", " "])
def test_a_tool_without_parameters(arguments):
    sent = {"index": 0, "id": "a", "function": {"name": "look", "arguments": arguments}}
    upstream = Upstream(pieces(sent))
    assert [call["function"]["name"] for call in calls_in(streamed(upstream))] == ["look"]
    assert calls_in(streamed(Upstream(pieces({**sent, "function": {"name": "delete", "arguments": arguments}})))) == []


def test_fields_of_calls_and_of_what_comes_beside_them_are_kept():
    call = {"index": 0, "id": "a", "type": "function", "extra_content": {"google": {"thought_signature": "SIG"}}}
    call["function"] = {"name": "refund", "arguments": R9, "strict": True}
    sent = [
        chunk_of({"tool_calls": [call], "reasoning_details": [{"type": "reasoning.encrypted", "data": "X"}]}),
        chunk_of({}, "tool_calls"),
    ]
    [got] = calls_in(streamed(Upstream(sent)))
    assert (got["extra_content"], got["function"]["strict"]) == ({"google": {"thought_signature": "SIG"}}, True)
    message = post(Upstream(sent)).json()["choices"][0]["message"]
    assert message["reasoning_details"] == [{"type": "reasoning.encrypted", "data": "X"}]
    assert message["tool_calls"][0]["extra_content"] == call["extra_content"]
    upstream = Upstream(json.loads(json.dumps(sent).replace(": 9}", ": 99}")), sent)
    streamed(upstream)
    turn = upstream.body(1)["messages"][1]
    assert turn["tool_calls"][0]["extra_content"] == call["extra_content"]
    assert turn["reasoning_details"]


@pytest.mark.parametrize("stream", [True, False])
def test_nothing_is_added_to_what_the_client_asked(stream):
    upstream = Upstream(stream_of(shape("openai", 9)))
    more = {"stream": stream, "temperature": 0.5, "extra": {"a": [1]}, "seed": 2**53 + 1, "stream_options": None}
    post(upstream, **more)
    assert upstream.body(0) == {**ASK, **more}


def test_an_upstream_that_wants_no_stream_options_is_asked_without():
    class Strict(Upstream):
        async def handle_async_request(self, request):
            if "stream_options" in json.loads(request.content):
                return httpx.Response(
                    422, json={"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}
                )
            return await super().handle_async_request(request)

    assert post(Strict(stream_of(shape("openai", 9)))).status_code == 200


def test_headers_are_handed_on():
    limits = {"Retry-After": "7", "x-ratelimit-remaining-requests": "0", "x-request-id": "r1"}
    upstream = Upstream(
        httpx.Response(
            429, headers={**limits, "content-type": "text/plain", "connection": "x-hop", "x-hop": "1"}, content=b"slow"
        )
    )
    answer = post(upstream, headers={"api-key": "k", "x-title": "t", "connection": "keep-alive"})
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (429, "slow", "text/plain")
    assert {name: answer.headers[name] for name in limits} == limits
    assert "x-hop" not in answer.headers
    sent = upstream.requests[0].headers
    assert (sent["api-key"], sent["x-title"], sent["accept-encoding"], sent["host"]) == (
        "k",
        "t",
        "identity",
        "upstream",
    )
    good = httpx.Response(
        200,
        headers={"x-ratelimit-remaining-tokens": "5", "access-control-allow-origin": "*"},
        content=stream_of(shape("openai", 9)),
    )
    for stream in (True, False):
        answer = post(Upstream(good), stream=stream)
        assert answer.headers["x-ratelimit-remaining-tokens"] == "5"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("error", [None, "", {}, [], False])
def test_an_error_that_is_none(error):
    sent = [{**chunk_of({"content": "a"}), "error": error}, {**chunk_of({}, "stop"), "error": error}]
    assert [delta.get("content") for delta in deltas(streamed(Upstream(sent)))] == ["a", None]


@pytest.mark.parametrize(
    "bad",
    [
        'data: {"error": {"message": "boom"}, "choices": []}\n\n',
        'event: error\ndata: {"message": "boom"}\n\n',
        'data: {"error": "boom"}\n\n',
    ],
)
def test_an_error_in_a_stream(bad):
    answer = post(Upstream(stream_of([chunk_of({"content": "a"})], end=False) + bad.encode()), stream=True)
    assert "reported an error in its stream" in answer.text
    assert "[DONE]" not in answer.text


def test_what_an_answer_without_a_stream_holds():
    logprobs = {"content": [{"token": "a", "logprob": -0.1}]}
    more = {"content": [{"token": "b", "logprob": -0.2}]}
    sent = [
        {
            **chunk_of({"role": "assistant", "content": "a", "reasoning_content": "be"}, logprobs=logprobs),
            "system_fingerprint": "fp",
        },
        {
            **chunk_of({"content": "b", "reasoning_content": "cause", "annotations": [{"url": "u"}]}, logprobs=more),
            "system_fingerprint": "fp",
        },
        chunk_of({"refusal": "no"}),
        {**chunk_of({}, "stop"), "usage": {"total_tokens": 3, "details": {"cached": 1}}},
    ]
    answer = post(Upstream(sent)).json()
    [choice] = answer["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "ab",
        "reasoning_content": "because",
        "annotations": [{"url": "u"}],
        "refusal": "no",
    }
    assert choice["logprobs"] == {"content": [*logprobs["content"], *more["content"]]}
    assert (answer["usage"], answer["system_fingerprint"], answer["object"]) == (
        {"total_tokens": 3, "details": {"cached": 1}},
        "fp",
        "chat.completion",
    )


WHOLE = {
    "id": "w",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "citations": ["u"],
    "usage": {"total_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1}},
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "native_finish_reason": "STOP",
            "logprobs": {"content": [{"token": "a", "logprob": -0.1}]},
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "reasoning_content": "because",
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "refund", "arguments": R9},
                        "extra_content": {"x": 1},
                    }
                ],
            },
        }
    ],
}


def test_an_answer_at_once_passes_unchanged_or_not_at_all():
    whole = httpx.Response(200, json=WHOLE)
    assert post(Upstream(whole)).json() == WHOLE
    got = streamed(Upstream(whole))  # though a stream was asked for
    assert made(got) == [("refund", {"amount": 9})]
    assert calls_in(got)[0]["extra_content"] == {"x": 1}
    assert {"because"} == {delta["reasoning_content"] for delta in deltas(got) if delta.get("reasoning_content")}
    assert {chunk["object"] for chunk in got} == {"chat.completion.chunk"}
    bad = httpx.Response(200, json=json.loads(json.dumps(WHOLE).replace(": 9}", ": 99}")))
    answer = post(Upstream(bad)).json()
    assert "tool_calls" not in answer["choices"][0]["message"]
    assert "Refused" in answer["choices"][0]["message"]["content"]
    assert "logprobs" not in answer["choices"][0]
    assert answer["usage"]["total_tokens"] == 12


@pytest.mark.parametrize("stream", [True, False])
def test_function_calls_of_old_are_judged(stream):
    def old(name, arguments):
        return [
            chunk_of({"function_call": {"name": name, "arguments": arguments[:4]}}),
            chunk_of({"function_call": {"arguments": arguments[4:]}}),
            chunk_of({}, "function_call"),
        ]

    upstream = Upstream(old("delete", "{ }   "), old("refund", R9))
    answer = post(upstream, stream=stream)
    assert "delete" not in answer.text
    turn, told = upstream.body(1)["messages"][1:]
    assert turn["function_call"]["name"] == "delete"
    assert (told["role"], told["name"]) == ("function", "delete")
    if not stream:
        assert answer.json()["choices"][0]["message"]["function_call"] == {"name": "refund", "arguments": R9}
        assert answer.json()["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("refnud", "{}"),
        ("Delete", "{}"),
        ("delete\u200b", "{}"),
        ("refund", '{"amount": 99, "amount": 9}'),
        ("refund", '{"amount": NaN}'),
        ("refund", '{"amount": 9, "Amount": 99}'),
    ],
)
def test_what_was_not_offered_or_has_two_meanings_does_not_pass(name, arguments):
    sent = {"index": 0, "id": "a", "function": {"name": name, "arguments": arguments}}
    got = streamed(Upstream(pieces(sent)))
    assert calls_in(got) == []
    assert "The call cannot be read" in json.dumps(got)


def asked_once(state, call):
    same = [
        one
        for one in state.results
        if one.call.name == "refund" and one.call.arguments["order"] == call.arguments["order"]
    ]
    return "Already refunded." if same else None


def refunds(*amounts, order=7):
    calls = [
        {
            "index": at,
            "id": f"c{at}",
            "function": {"name": "refund", "arguments": json.dumps({"order": order, "amount": amount})},
        }
        for at, amount in enumerate(amounts)
    ]
    return pieces(*calls)


def through_once(upstream, messages=()):
    rules = [Rule("once", "An order is refunded once.", asked_once), RULES[0]]

    async def run():
        app = Proxy("http://upstream/v1", Policy(rules), transport=upstream).app()
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as client,
        ):
            answer = await client.post("/v1/chat/completions", json={**ASK, "messages": [*ASK["messages"], *messages]})
            return answer.json()["choices"][0]["message"]

    return asyncio.run(run())


def test_a_call_that_was_refused_never_ran_so_the_corrected_one_passes():
    upstream = Upstream(refunds(99), refunds(9))
    message = through_once(upstream)
    assert [json.loads(call["function"]["arguments"])["amount"] for call in message["tool_calls"]] == [9]
    assert len(upstream.requests) == 2


def test_of_two_calls_of_one_message_the_second_sees_the_first():
    upstream = Upstream(refunds(9, 9), refunds(9))
    message = through_once(upstream)
    assert len(message["tool_calls"]) == 1
    told = [one["content"] for one in upstream.body(1)["messages"] if one["role"] == "tool"]
    assert "another call of the same message" in told[0]
    assert "Already refunded" in told[1]


def test_a_call_that_ran_earlier_is_seen_whatever_its_answer_was():
    first = {
        "role": "assistant",
        "content": None,
        "tool_calls": [dict(refunds(9)[0]["choices"][0]["delta"]["tool_calls"][0], type="function")],
    }
    for answer in ([{"role": "tool", "tool_call_id": "c0", "content": "Error: time-out"}], []):
        assert "Already refunded" in through_once(Upstream(refunds(9)), [first, *answer])["content"]


def test_a_custom_tool_is_no_function_and_does_not_pass():
    sent = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "delete", "input": "all"}}
    assert calls_in(streamed(Upstream(pieces(sent)))) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"choices": [chunk_of({"content": "a"})["choices"][0], {"index": 1, "delta": {"tool_calls": []}}]},
        {"choices": [{"index": 1, "delta": {"tool_calls": [{"function": {"name": "delete"}}]}}]},
        {"choices": "x"},
        {"choices": [7]},
        {"choices": [{"index": 0, "delta": 3}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": {"0": {}}}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [7]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": "0"}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": True}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": "delete"}]}}]},
        {"choices": [{"index": 0, "delta": {"function_call": "delete"}}]},
        {"choices": [{"index": 0, "message": {"tool_calls": [{"function": {"name": "delete"}}]}}]},
        # Keys that a client takes for others, since it does not look at case.
        {"Choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"name": "delete"}}]}}]},
        {"choices": [{"index": 0, "Delta": {"tool_calls": [{"function": {"name": "delete"}}]}}]},
        {"choices": [{"index": 0, "delta": {"Tool_Calls": [{"function": {"name": "delete"}}]}}]},
        {"choices": [{"index": 0, "delta": {"toolCalls": [{"function": {"name": "delete"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool\u200b_calls": [{"function": {"name": "delete"}}]}}]},
        {"choices": [{"index": 0, "delta": {"FUNCTION_CALL": {"name": "delete"}}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"Function": {"name": "delete"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"name": "look", "Name": "delete"}}]}}]},
        {"choices": [{"index": 0, "delta": {"function_call": {"name": "look", "NAME": "delete"}}}]},
        {"choices": [{"index": 0, "delta": {"content": [{"type": "tool_use", "name": "delete", "input": {}}]}}]},
        [1],
        7,
    ],
)
def test_what_is_no_message_is_an_error(bad):
    answer = post(Upstream([bad, chunk_of({}, "tool_calls")]))
    assert answer.status_code == 502
    assert "counterform guard: the upstream" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "tool", [{"type": "mcp", "server_url": "http://x"}, {"type": "web_search"}, {"google_search": {}}]
)
def test_a_tool_that_the_upstream_runs_itself_is_refused_by_name(tool):
    upstream = Upstream(pieces())
    answer = post(upstream, tools=[*ASK["tools"], tool])
    assert answer.status_code == 400
    assert repr(tool.get("type")) in answer.json()["error"]["message"]
    assert not upstream.requests


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/responses", "the Responses API"),
        ("/responses", "the Responses API"),
        ("/v1/messages", "Anthropic's messages"),
        ("/v1/messages/count_tokens", "Anthropic's messages"),
        ("/v1/completions", "plain completions"),
        ("/api/chat", "Ollama's own API"),
        ("/v1/threads/t1/runs", "Assistants"),
        ("/v1beta/models/gemini:generateContent", "generateContent"),
        ("/v1/chat/completions/../responses", "responses"),
    ],
)
def test_what_is_not_guarded_is_refused_by_name(path, named):
    upstream = Upstream(stream_of(shape("openai", 9)))
    answer = post(upstream, path)
    assert answer.status_code == 404
    assert named.lower() in answer.json()["error"]["message"].lower()
    assert "is not guarded" in answer.json()["error"]["message"]
    assert upstream.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
def test_a_redirect_does_not_lead_past_the_guard(status):
    answer = post(Upstream(httpx.Response(status, headers={"location": "http://elsewhere/v1"})))
    assert answer.status_code == 502
    assert "the upstream redirects to" in answer.json()["error"]["message"]
    assert "location" not in answer.headers


@pytest.mark.parametrize("status", [201, 202, 206])
def test_a_success_of_another_number_is_judged_like_any_other(status):
    answer = post(Upstream(httpx.Response(status, content=stream_of(shape("openai", 99)))))
    assert "tool_calls" not in answer.json()["choices"][0]["message"]


def test_an_end_that_is_none():
    """Some gateways send an empty reason with every chunk; a stream that breaks off after one has no end."""
    sent = [
        chunk_of({"content": "a"}, ""),
        chunk_of({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}]}, ""),
    ]
    assert "ended before its message did" in post(Upstream(sent), stream=True).text
    assert [call["function"]["name"] for call in calls_in(streamed(Upstream([*sent, chunk_of({}, "tool_calls")])))] == [
        "look"
    ]


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/v1/models/a/b", "/v1/models/a/b"), ("/models", "/v1/models"), ("/v1/models/..%2Fresponses", "")],
)
def test_models_are_handed_on(path, asked):
    upstream = Upstream(httpx.Response(200, json={"id": "b"}))

    async def run():
        async with proxied(upstream) as client:
            return await client.get(path)

    answer = asyncio.run(run())
    assert [request.url.path for request in upstream.requests] == ([asked] if asked else [])
    assert answer.status_code == (200 if asked else 404)


@pytest.mark.parametrize("through", [True, False])
def test_the_environments_proxy_holds_as_for_any_client(monkeypatch, through):
    asked = []

    def serve(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append(connection.recv(65_536).split(b"\r\n")[0])
            body = stream_of(shape("openai", 9))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        at = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", at)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        app = Proxy("http://upstream.invalid/v1" if through else f"{at}/v1", Policy(RULES)).app()

        async def run():
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as client,
            ):
                return await client.post("/v1/chat/completions", json=ASK)

        assert asyncio.run(run()).status_code == 200
    where = b"http://upstream.invalid/v1" if through else b"/v1"
    assert asked == [b"POST %s/chat/completions HTTP/1.1" % where]


def test_azure_deployments_and_their_version():
    upstream = Upstream(stream_of(shape("azure", 9)))
    answer = post(upstream, "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21")
    assert answer.status_code == 200
    assert (
        str(upstream.requests[0].url)
        == "http://upstream/v1/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    )
