from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.guard.canonical import read_arguments, spelling
from counterform.guard.offered import Offered

AMBIGUOUS = [
    '{"amount": 60, "amount": 5}',
    '{"to": {"name": "a", "name": "b"}}',
    '{"rows": [{"x": 1, "x": 2}]}',
    '{"amount": 5, "Amount": 60}',
    '{"amount": 5, "ａmount": 60}',
    '{"amount": 5, "amount\\u200b": 60}',
    '{"amount\\u00ad": 60}',
    '{"amount": NaN}',
    '{"amount": Infinity}',
    '{"amount": -Infinity}',
    '{"amount": 1e999}',
    '{"amount": 1e-999}',
    '{"amount": 1e-99999999999999999999}',
    '{"amount": 9007199254740993}',
    '{"amount": 1' + "0" * 5_000 + "}",
    '{"amount": 50.00000000000000000001}',
    '{"to": "bob\\u200b@example.org"}',
    '{"to": "\\u202ebob"}',
    '{"to": "bob\\udb40\\udc41"}',
    '{"to": "\\ud800"}',
    '{"amount": 60',
    '{"amount": 60} {"amount": 5}',
    '{"amount": 0x3c}',
    "{'amount': 60}",
    '{"amount": 60,}',
    '\ufeff{"amount": 60}',
    "[60]",
    "60",
    '"{}"',
    "[" * 50_000,
    '{"a":' * 50_000,
]


@pytest.mark.parametrize("text", AMBIGUOUS, ids=lambda text: ascii(text)[:30])
def test_what_two_readers_may_read_differently_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        read_arguments(text)


PLAIN = [
    {"amount": 60, "rate": 0.1, "big": 2**53 - 1, "small": 1e-7, "yes": True, "none": None},
    {"text": "Grüße, мир, 世界, नमस्ते"},
    {"text": "👨‍👩‍👧 می‌خواهم"},  # joiners that belong to the writing
    {"rows": [{"x": 1}, {"x": 2}], "empty": {}},
]


@pytest.mark.parametrize("value", PLAIN)
def test_what_has_one_meaning_is_read_as_it_is(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1), value):
        read = read_arguments(text)
        assert read == value
        again = copy.deepcopy(read)
        again["new"] = 1
        for name in ("new", next(iter(value))):
            with pytest.raises(TypeError, match="must not change"):
                read[name] = 1


@given(
    st.dictionaries(
        st.text(max_size=5), st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
    )
)
def test_what_is_read_is_what_python_reads(value):
    text = json.dumps(value)
    try:
        read = read_arguments(text)
    except ValueError:
        return
    assert read == json.loads(text)


def test_spelling():
    assert spelling("Re\u200bfund ") == spelling("ｒefund") == "refund"


def offers(*names, **more):
    return Offered({"tools": [{"type": "function", "function": {"name": name}} for name in names], **more})


@pytest.mark.parametrize("name", ["delete", "Pay", "pay\u200b", "раy", "pay ", "", "payy"])
def test_what_was_not_offered_is_no_call(name):
    said = offers("pay", "look").objection(name, {})
    assert "was not offered" in said
    assert ("written 'pay'" in said) == (name in ("Pay", "pay\u200b", "pay "))


def test_what_a_request_offers():
    assert offers("pay").objection("pay", {}) == ""
    assert "no tool" in Offered({}).objection("pay", {})
    assert Offered({"functions": [{"name": "pay"}]}).objection("pay", {}) == ""
    assert offers("pay", tool_choice="none").objection("pay", {})
    one = {"type": "function", "function": {"name": "look"}}
    assert offers("pay", "look", tool_choice=one).objection("pay", {})
    some = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [one]}}
    assert offers("pay", "look", tool_choice=some).objection("pay", {})
    assert offers("pay", "look", tool_choice=some).objection("look", {}) == ""


def test_arguments_that_a_tool_does_not_take():
    def takes(**schema):
        return Offered({"tools": [{"function": {"name": "pay", "parameters": schema}}]})

    known = {"amount": {"type": "number"}}
    assert takes(properties=known).objection("pay", {"amount": 5}) == ""
    assert "takes no argument 'Amount'" in takes(properties=known).objection("pay", {"Amount": 60})
    assert takes(properties=known, additionalProperties=True).objection("pay", {"x": 60}) == ""
    assert takes(properties={}).objection("pay", {"x": 60}) == ""
    assert takes().objection("pay", {"x": 60}) == ""
    for odd in (None, 3, [], {"tools": 3}, {"tools": [3, {"function": 3}]}):
        assert Offered(odd if isinstance(odd, dict) else {"tools": odd}).objection("pay", {})
