"""Whatever an upstream streams, what a client puts together keeps the rules, and nothing of a refused call reaches it."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

httpx = pytest.importorskip("httpx2")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from counterform.guard.policy import Rule  # noqa: E402
from counterform.guard.proxy import Proxy  # noqa: E402
from counterform.guard.tools import Policy  # noqa: E402

NAMES = ("pay", "look")
ASK = {
    "model": "m",
    "messages": [{"role": "user", "content": "x"}],
    "tools": [{"type": "function", "function": {"name": name, "parameters": {}}} for name in NAMES],
}
RULES = [
    Rule("small", "Small.", lambda state, call: "No." if call.name == "pay" and call.arguments["amount"] > 50 else None)
]
PARTS = [
    '{"amount": 60}',
    '{"amount": 5}',
    '{"amount": ',
    "60}",
    "5}",
    "{",
    "}",
    "",
    "null",
    '{"amount": 5, "amount": 60}',
    " ",
]
PIECES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 0, 0, 1, 2, None, -1, "0"]),
        "id": st.sampled_from(["a", "b", "a", "", None]),
        "type": st.sampled_from(["function", "custom", None]),
        "extra": st.sampled_from(["s", {"x": 1}, None, ["y"]]),
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["pay", "look", "pa", "y", "Pay", "paypay", "", None]),
                "arguments": st.sampled_from([*PARTS, None, {"amount": 60}, {"amount": 5}, 7]),
            },
        ),
    },
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.sampled_from(["word ", "", None]),
        "reasoning_content": st.sampled_from(["think ", None]),
        "tool_calls": st.lists(PIECES, max_size=3) | st.none(),
        "function_call": st.none()
        | st.fixed_dictionaries(
            {}, optional={"name": st.sampled_from(["pay", "look"]), "arguments": st.sampled_from(PARTS)}
        ),
        "signature": st.sampled_from(["s", {"a": 1}]),
    },
)
CHUNKS = st.tuples(DELTAS, st.sampled_from([None, None, None, "tool_calls", "stop", ""]))


class Upstream(httpx.AsyncBaseTransport):
    def __init__(self, script):
        self.script = script

    async def handle_async_request(self, request):
        return httpx.Response(200, content=self.script)


def answered(script, stream):
    async def run():
        app = Proxy("http://upstream/v1", Policy(RULES), transport=Upstream(script)).app()
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as client,
        ):
            return await client.post("/v1/chat/completions", json={**ASK, "stream": stream})

    return asyncio.run(run())


def put_together(text):
    """The calls as a client of the API puts them together: by index, every text joined."""
    calls, legacy, finishes = {}, {"name": "", "arguments": ""}, []
    for event in text.split("\n\n"):
        data = event.removeprefix("data: ")
        if not data or data == "[DONE]":
            continue
        for choice in json.loads(data).get("choices", []):
            finishes += [choice["finish_reason"]] if choice.get("finish_reason") else []
            for piece in choice["delta"].get("tool_calls") or ():
                call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                for key, value in piece.get("function", {}).items():
                    call[key] = value if isinstance(value, dict) else call[key] + (value or "")
            for key, value in (choice["delta"].get("function_call") or {}).items():
                legacy[key] += value or ""
    return [*calls.values(), *([legacy] if legacy["name"] or legacy["arguments"] else [])], finishes


@settings(max_examples=100, deadline=None)
@given(chunks=st.lists(CHUNKS, min_size=1, max_size=7), stream=st.booleans())
def test_no_call_over_the_limit_reaches_a_client(chunks, stream):
    script = [
        {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in chunks
    ]
    text = "".join(
        f"data: {json.dumps(one)}\n\n"
        for one in [*script, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]
    )
    answer = answered(f"{text}data: [DONE]\n\n".encode(), stream)
    if stream:
        if answer.status_code != 200:
            return
        made, finishes = put_together(answer.text)
        assert len(finishes) <= 1
    else:
        if answer.status_code != 200:
            assert answer.status_code == 502
            return
        message = answer.json()["choices"][0]["message"]
        made = [call["function"] for call in message.get("tool_calls") or ()]
        made += [message["function_call"]] if message.get("function_call") else []
    for call in made:
        arguments = call["arguments"]
        read = (
            arguments
            if isinstance(arguments, dict)
            else json.loads(arguments.strip() or "null", object_pairs_hook=list)
        )
        pairs = list(read.items()) if isinstance(read, dict) else read or []
        assert call["name"] in NAMES
        assert len(dict(pairs)) == len(pairs)
        assert call["name"] != "pay" or dict(pairs)["amount"] <= 50
    if not made and "Refused: " in answer.text:
        assert "amount" not in answer.text.replace("'amount'", "")
