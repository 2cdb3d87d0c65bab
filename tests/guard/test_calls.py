from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from counterform.guard.calls import MAX_ARGUMENTS, Conversation


def asks(*calls, said=None):
    """An assistant's message that makes calls: (id, name, arguments)."""
    made = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    return {"role": "assistant", "content": said, "tool_calls": made}


def answers(id, content):
    return {"role": "tool", "tool_call_id": id, "content": content}


def test_a_call_knows_what_was_there_before_it():
    talk = Conversation()
    assert talk.feed({"role": "system", "content": "Be kind."}) == []
    assert talk.feed({"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url"}]}) == []
    [(state, call)] = talk.feed(asks(("1", "look", '{"id": 7}')))
    assert (call.name, call.arguments, call.unread, call.said, call.beside) == ("look", {"id": 7}, "", "", 0)
    assert state.messages == (("user", "Hi"),)
    assert state.results == ()
    talk.feed(answers("1", '{"price": 3}'))
    talk.feed({"role": "assistant", "content": "It costs 3. Buy?"})
    talk.feed({"role": "user", "content": "Yes"})
    [(state, call), (_, other)] = talk.feed(asks(("2", "buy", '{"id": 7}'), ("3", "look", "{}"), said="Buying."))
    assert (call.said, call.beside, other.name) == ("Buying.", 1, "look")
    assert (state.said("user"), state.said("assistant"), state.said("nobody")) == ("Yes", "It costs 3. Buy?", "")
    assert state.last("look", id=7) == {"price": 3}
    assert state.last("look", id=8) is None
    assert state.last("buy") is None


def test_one_id_used_twice_is_answered_in_order():
    talk = Conversation()
    for number in (1, 2):
        talk.feed(asks(("same", "look", json.dumps({"id": number}))))
        talk.feed(answers("same", json.dumps({"of": number})))
    [(state, _)] = talk.feed(asks(("x", "buy", "{}")))
    assert [state.last("look", id=number)["of"] for number in (1, 2)] == [1, 2]
    assert state.last("look")["of"] == 2


def test_what_is_no_json_is_unread():
    talk = Conversation()
    for arguments in ("{", "[1]", "7", None, "", "x" * (MAX_ARGUMENTS + 1), "[" * 50_000, 7):
        [(_, call)] = talk.feed(asks(("1", "buy", arguments)))
        assert (call.name, call.arguments) == ("buy", {})
        assert "JSON" in call.unread
    [(_, call)] = talk.feed({"role": "assistant", "tool_calls": [{"function": "rm"}]})
    assert call.unread == "not a function call"
    talk.feed(answers("1", "Error: no such order"))
    assert talk.state.results[-1].value is None
    talk.feed(answers("never asked", "{}"))
    assert talk.state.results[-1].call.unread == "no such call"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ROLES = st.sampled_from(["user", "assistant", "tool", "system", 7, None])
MESSAGES = st.fixed_dictionaries(
    {"role": ROLES},
    optional={
        "content": JSON,
        "tool_calls": st.lists(st.fixed_dictionaries({}, optional={"id": JSON, "function": JSON}), max_size=3) | JSON,
        "tool_call_id": JSON,
        "name": JSON,
    },
)


@given(st.lists(MESSAGES | JSON, max_size=8))
def test_any_messages_can_be_fed(messages):
    talk = Conversation()
    for message in messages:
        for state, call in talk.feed(message):
            assert isinstance(call.arguments, dict)
            state.last(call.name, x=1)
