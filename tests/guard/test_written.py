"""Calls that a model writes into its text are judged like any other, and no byte of a refused one reaches a client."""

import json

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from counterform.guard.written import MOST_STARTS, Holding, written_calls
from tests.guard.test_providers import Upstream, chunk_of, post

NAMES = {"refund", "look", "delete"}
WRITTEN = {
    "an object": '{"name": "refund", "arguments": {"amount": 60}}',
    "a tag": '<tool_call>\n{"name": "refund", "arguments": {"amount": 60}}\n</tool_call>',
    "a fence": 'Now.\n```json\n{"name": "refund", "arguments": {"amount": 60}}\n```',
    "a list": '[{"name": "look", "arguments": {}}, {"name": "refund", "parameters": {"amount": 60}}]',
    "an action": 'Action:\n{"action": "refund", "action_input": {"amount": 60}}',
    "ReAct": 'Thought: pay.\nAction: refund\nAction Input: {"amount": 60}',
    "a function": '{"type": "function", "function": {"name": "refund", "arguments": {"amount": 60}}}',
    "a text": '{"name": "refund", "arguments": "{\\"amount\\": 60}"}',
    "flat": '{"tool": "refund", "amount": 60}',
    "inside": '{"thought": "I pay", "calls": [{"tool_name": "refund", "args": {"amount": 60}}]}',
    "Mistral": '[TOOL_CALLS]refund{"amount": 60}',
    "Llama": '<function=refund>{"amount": 60}</function>',
    "parameters as tags": "<function=refund>\n<parameter=amount>60</parameter></function>",
    "Anthropic": '<invoke name="refund"><parameter name="amount">60</parameter></invoke>',
    "GLM": "<tool_call>refund\n<arg_key>amount</arg_key><arg_value>60</arg_value></tool_call>",
    "Kimi": '<|tool_call_begin|>functions.refund:0<|tool_call_argument_begin|>{"amount": 60}',
    "DeepSeek": '<｜tool▁call▁begin｜>function<｜tool▁sep｜>refund\n```json\n{"amount": 60}\n```',
    "a tag of its name": "<refund><amount>60</amount></refund>",
    "far behind its name": "Action: refund\n" + " " * 5_000 + '\nAction Input: {"amount": 60}',
    "a Python dict": "{'name': 'refund', 'arguments': {'amount': 60}}",
    "a key twice": '{"name": "refund", "arguments": {"amount": 5, "amount": 60}}',
    "a key twice, the name escaped": '{"name": "ref\\u0075nd", "arguments": {"amount": 5, "amount": 60}}',
    "a line inside": '{"name": "refund", "arguments": {"amount": 60, "note": "a\nb"}}',
    "JSON to be mended": '{"name": "refund", "arguments": {"amount": 60,},}',
    "keys without quotes": '{name: "refund", arguments: {amount: 60}}',
    "other quotes": "{“name”: “refund”, “arguments”: {“amount”: 60}}",
    "cut short": '{"name": "refund", "arguments": {"amount": 60',
    "NaN beside": '{"x": NaN, "calls": [{"name": "functions.refund", "args": {"amount": 60}}]}',
    "longer than is read": '{"name": "ref\\u0075nd", "arguments": {"amount": 60, "note": "' + "x" * 100_000 + '"}}',
    "another case": '{"Name": "Refund", "Arguments": {"amount": 5}}',
    "spaces": '{\n\n   "name"  : "refund", "arguments": {"amount": 60}}',
    "behind braces": '{ } {x} {"name": "refund", "arguments": {"amount": 60}}',
    "a namespace": '{"recipient_name": "functions.refund", "parameters": {"amount": 60}}',
}
FREE = (
    "No braces at all.",
    "A set {1, 2}, \\frac{1}{2}, if (x) { return; } and <b>bold</b>, <think>so</think> 3 < 4.",
    'The order is {"id": 7, "items": ["cup"], "paid": true}.',
    '{"name": "Ada", "city": "London"}',
    "An open { ",
    "An open <",
    "Use refund(amount=60).",
)


def answered(text, *, stream, size=3):
    size = max(size, len(text) // 500)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    script = [*(chunk_of({"content": piece}) for piece in pieces), chunk_of({}, "stop")]
    good = [chunk_of({"content": "I cannot."}), chunk_of({}, "stop")]
    upstream = Upstream(script, good)
    answer = post(upstream, stream=stream)
    said = (
        "".join(
            choice["delta"].get("content") or ""
            for line in answer.text.split("\n\n")
            if line.startswith("data: {")
            for choice in json.loads(line[6:])["choices"]
        )
        if stream
        else answer.json()["choices"][0]["message"]["content"]
    )
    return said, upstream


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", WRITTEN)
def test_one_that_breaks_a_rule_does_not_pass(how, stream):
    said, upstream = answered(WRITTEN[how], stream=stream)
    assert "60" not in said
    assert said.endswith("I cannot.")
    back = upstream.body(1)["messages"]
    assert back[-2]["content"] == WRITTEN[how]
    assert back[-1]["role"] == "user"
    assert back[-1]["content"].startswith("Refused: ")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_one_that_keeps_them_passes_to_the_letter(size):
    for how in ("an object", "a tag", "a fence", "ReAct", "flat", "Mistral", "Llama", "inside"):
        text = WRITTEN[how].replace("60", "40") + " Done."
        assert answered(text, stream=True, size=size)[0] == text


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize("text", FREE)
def test_other_text_passes_to_the_letter_and_is_no_call(text, size):
    assert written_calls(text, NAMES) == []
    assert answered(text, stream=True, size=size)[0] == text


def test_text_without_a_place_for_a_call_is_not_held():
    holding = Holding(NAMES)
    assert [holding.passes(piece)[0] for piece in ("So \\frac{", "1}{", "2} <", "b> ")] == [
        "So \\frac",
        "{1}",
        "{2} ",
        "<b> ",
    ]
    assert holding.passes('now {"a') == ("now ", '{"a')
    assert holding.passes("more") == ("", "more")


def test_what_is_called_in_the_text_has_run_for_later_rules():
    from counterform.guard.calls import Conversation
    from counterform.guard.offered import Offered

    tools = [{"type": "function", "function": {"name": name}} for name in NAMES]
    talk = Conversation(Offered({"tools": tools}))
    talk.feed({"role": "assistant", "content": WRITTEN["an object"]})
    [result] = talk.state.results
    assert (result.call.name, dict(result.call.arguments), result.pending) == ("refund", {"amount": 60}, True)
    beside = {"role": "assistant", "content": WRITTEN["an object"], "tool_calls": [{"function": {"name": "look"}}]}
    assert [call.name for _, call in talk.feed(beside)] == ["look"], "who has calls reads none out of the text"


def test_a_text_of_many_beginnings_is_read_in_bounded_time():
    [*_, last] = written_calls('{"a": ' * 50_000, NAMES)
    assert isinstance(last["function"]["arguments"], str)
    assert len(written_calls('{"name": "look"} ' * (2 * MOST_STARTS), NAMES)) == 2 * MOST_STARTS
