from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import StudyError
from counterform.guard.calls import Call, Conversation, Result, State
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


WAYS = """
import functools
from functools import lru_cache, partial, wraps

def _logged(rule):
    @wraps(rule)
    def inner(state, call):
        return rule(state, call)
    return inner

def plain(state, call):
    "Plain."
    return "plain"

@_logged
def wrapped(state, call):
    "Wrapped."
    return "wrapped"

@lru_cache
def cached(state, call):
    "Cached."
    return "cached"

def _limit(state, call, limit):
    "Limited."
    return f"limited to {limit}"

limited = partial(_limit, limit=50)
named = partial(_limit, limit=60)
named.__doc__ = "Named."

class _Rule:
    "An object."
    def __call__(self, state, call):
        return "object"

made = _Rule()
if True:
    def inside(state, call):
        "Inside an if."
        return "inside"
"""


def test_every_public_callable_is_a_rule_however_it_was_made(tmp_path):
    rules = load_policy(write(tmp_path, WAYS))
    texts = ["Plain.", "Wrapped.", "Cached.", "Limited.", "Named.", "An object.", "Inside an if."]
    assert [rule.text for rule in rules] == texts
    [(state, call)] = Conversation().feed({"role": "assistant", "tool_calls": [{"function": {"name": "x"}}]})
    hints = [verdict.hint for verdict in judge(rules, state, call)]
    assert hints == ["plain", "wrapped", "cached", "limited to 50", "limited to 60", "object", "inside"]


GOOD = 'def good(state, call):\n    "Good."\n'


@pytest.mark.parametrize(
    "text",
    [
        "quiet = lambda state, call: 'no'",
        "class Limit:\n    'A class.'\n    def __call__(self, state, call): return None",
        "async def later(state, call):\n    'Later.'\n    return 'no'",
        "def late(state, call):\n    'Late.'\n    yield 'no'",
        "def helper(amount):\n    'A helper.'",
        "def three(state, call, limit):\n    'Three.'",
        "import re\nyes = re.compile('yes').search",
        "RULES = [good]",
        "RULES = {'good': good}",
        "from counterform.guard.policy import Rule\nlisted = Rule('x', 'X.', good)",
        "def good(state, call):\n    'The same name again.'",
        "from os.path import *",
        "def _plain(rule):\n    def inner(state, call): return rule(state, call)\n    return inner\n@_plain\ndef undocumented(state, call):\n    'Lost by the decorator.'",
    ],
)
def test_a_public_name_that_could_be_a_rule_and_is_none_is_an_error(tmp_path, text):
    with pytest.raises(StudyError, match=r"underscore|by itself|Rename"):
        load_policy(write(tmp_path, GOOD + text))


def test_an_imported_rule_is_an_error_and_imported_helpers_are_none(tmp_path, monkeypatch):
    (tmp_path / "desk_rules.py").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError, match=r"'good' .* is imported, and looks like a rule"):
        load_policy(write(tmp_path, "from desk_rules import good\n" + GOOD.replace("good", "other")))
    helpers = "import re\nfrom datetime import datetime\nfrom math import sqrt\nfrom counterform.guard.calls import Call, State\n"
    assert len(load_policy(write(tmp_path, helpers + GOOD))) == 1
    assert (
        len(load_policy(write(tmp_path, "from desk_rules import good as _good\n" + GOOD.replace("good", "other")))) == 1
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "has no rules"),
        ("def rule(state):\n    'It takes one.'", r"the rule 'rule' .* should take \(state, call\)"),
        ("def rule(state, call):\n    pass", "say in its docstring"),
        ("def rule(", "cannot be run: SyntaxError"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("import sys\nsys.exit(0)", "cannot be run: SystemExit"),
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
