from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import StudyError
from counterform.guard.calls import Call, Result, State
from counterform.guard.policy import judge, load_policy
from counterform.types import Mark

POLICY = '''
"""The desk's policy."""
from math import isclose as close

_LIMIT = 50

def _over(call):
    return call.arguments["amount"] > _LIMIT

def small(state, call):
    """No more than 50
    is paid at once."""
    if call.name == "pay" and _over(call):
        return "Pay 50."

def first(state, call):
    """Look before you pay."""
    if call.name == "pay" and state.last("look") is None:
        return "Look."
'''


def write(tmp_path, text):
    path = tmp_path / "policy.py"
    path.write_text(text)
    return path


def test_public_functions_are_the_rules(tmp_path):
    rules = load_policy(write(tmp_path, POLICY))
    assert [(rule.name, rule.text) for rule in rules] == [
        ("small", "No more than 50 is paid at once."),
        ("first", "Look before you pay."),
    ]
    assert rules[0].check(State(), Call(name="pay", arguments={"amount": 60})) == "Pay 50."


def test_each_rule_judges_a_call(tmp_path):
    rules = load_policy(write(tmp_path, POLICY))

    def marks(call):
        return [(verdict.mark, verdict.rule, verdict.hint) for verdict in judge(rules, State(), call)]

    assert marks(Call(name="pay", arguments={"amount": 60})) == [
        (Mark.WRONG, "small", "Pay 50."),
        (Mark.WRONG, "first", "Look."),
    ]
    assert marks(Call(name="look")) == [(Mark.RIGHT, "small", ""), (Mark.RIGHT, "first", "")]
    assert marks(Call(name="pay"))[0] == (Mark.UNKNOWN, "small", "KeyError: 'amount'")
    assert marks(Call(name="look", unread="no JSON"))[0] == (Mark.UNKNOWN, "small", "no JSON")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has no rules"),
        ("def rule(state):\n    'It takes one.'", r"the rule 'rule' .* should take \(state, call\)"),
        ("def rule(state, call):\n    pass", "say in its docstring"),
        ("def rule(", "cannot be run: SyntaxError"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
    ],
)
def test_what_is_no_policy_is_one_message(tmp_path, text, message):
    with pytest.raises(StudyError, match=message):
        load_policy(write(tmp_path, text))


def test_a_missing_file_is_one_message(tmp_path):
    with pytest.raises(StudyError, match="cannot be run: FileNotFoundError"):
        load_policy(tmp_path / "none.py")


AIRLINE = load_policy(Path(__file__).parents[2] / "examples" / "airline_policy.py")
NAMES = st.sampled_from(
    ["book_reservation", "update_reservation_flights", "cancel_reservation", "send_certificate", "x"]
)
KEYS = st.sampled_from(
    ["reservation_id", "user_id", "flights", "payment_id", "payment_methods", "passengers", "amount"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(NAMES, st.dictionaries(KEYS, JSON, max_size=5), NAMES, JSON, st.text(max_size=10))
def test_any_call_is_judged(name, arguments, looked_up, value, said):
    results = (Result(call=Call(name=looked_up, arguments=arguments), text="", value=value),)
    verdicts = judge(AIRLINE, State(messages=(("user", said),), results=results), Call(name=name, arguments=arguments))
    assert [verdict.rule for verdict in verdicts] == [rule.name for rule in AIRLINE]
