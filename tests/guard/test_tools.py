import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import CallRefused, StudyError
from counterform.guard.calls import Call, State
from counterform.guard.policy import Rule
from counterform.guard.tools import Policy, Tools

POLICY = '''
def looked_up(state, call):
    """Look an order up before money goes back."""
    if call.name == "refund" and state.last("look_up", number=call.arguments["number"]) is None:
        return "Call look_up first."

def no_more_than_paid(state, call):
    """No more goes back than was paid."""
    if call.name == "refund":
        paid = state.last("look_up", number=call.arguments["number"])["paid"]
        if call.arguments["amount"] > paid:
            return f"At most {paid}."
'''


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "policy.py"
    path.write_text(POLICY)
    return path


def desk(policy):
    tools, done = Tools(policy), []

    @tools
    def look_up(number: int) -> dict:
        """Shows an order."""
        done.append(("look_up", number))
        return {"paid": 40}

    @tools
    def refund(number: int, amount: int = 40) -> str:
        """Gives money back."""
        done.append(("refund", number, amount))
        return "done"

    return look_up, refund, done, tools


def test_a_call_that_breaks_a_rule_is_not_made(path):
    policy = Policy(path, on_unknown="pass")
    look_up, refund, done, _ = desk(policy)
    with pytest.raises(CallRefused) as refused:
        refund(12)
    said = str(refused.value)
    assert said.splitlines() == [
        "Refused: refund was not run.",
        "It breaks the rule: Look an order up before money goes back. Hint: Call look_up first.",
    ]
    assert look_up(12) == {"paid": 40}
    with pytest.raises(CallRefused, match="At most 40"):
        refund(12, amount=41)
    assert refund(12) == "done"
    assert done == [("look_up", 12), ("refund", 12, 40)]
    assert dict(policy.counts) == {"asked": 4, "refused": 2, "unknown": 1, "looked_up": 1, "no_more_than_paid": 1}
    assert (refund.__name__, refund.__doc__) == ("refund", "Gives money back.")


def test_what_cannot_be_told_is_refused_unless_said_otherwise(path):
    look_up, refund, done, _ = desk(Policy(path))
    look_up(12)
    with pytest.raises(CallRefused, match="could not be checked"):
        refund(12, amount="all")
    assert len(done) == 1
    look_up, refund, done, _ = desk(Policy(path, on_unknown="pass"))
    look_up(12)
    assert refund(12, amount="all") == "done"


def test_only_reports(path):
    policy = Policy(path, dry=True)
    _, refund, done, _ = desk(policy)
    assert refund(12) == "done"
    assert policy.counts["refused"] == 1
    assert done


def test_conversations_do_not_see_each_other(path):
    policy = Policy(path)
    look_up, _, _, _ = desk(policy)
    _, other_refund, _, _ = desk(policy)
    look_up(12)
    with pytest.raises(CallRefused):
        other_refund(12)


def test_async_tools_and_what_was_said():
    def consent(state, call):
        return None if "yes" in state.said("user") else "Ask."

    tools = Tools(Policy([Rule("consent", "Ask before you write.", consent)]))

    @tools
    async def write(text):
        return text

    with pytest.raises(CallRefused, match="Ask before you write"):
        asyncio.run(write("a"))
    tools.hear("user", "yes, please")
    assert asyncio.run(write("a")) == "a"
    assert [result.text for result in tools.state.results] == ["a"]


def test_a_rule_that_hangs_is_unknown():
    def slow(state, call):
        time.sleep(0.5)

    rules = [Rule("slow", "Slow.", slow)]
    tool = Tools(Policy(rules, seconds=0.02))(lambda: 1)
    with pytest.raises(CallRefused, match="TimeoutError"):
        tool()
    assert Tools(Policy(rules, seconds=0.02, on_unknown="pass"))(lambda: 1)() == 1


def test_a_file_that_is_no_policy(tmp_path):
    with pytest.raises(StudyError, match="cannot be run"):
        Policy(tmp_path / "none.py")


WORDS = st.sampled_from(["", "a", "amount", "40", "\ud800", "é" * 500])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(
    arguments=st.dictionaries(st.sampled_from(["number", "amount", "x"]), JSON),
    name=WORDS | st.just("refund"),
)
def test_any_arguments_are_judged_and_never_an_error(tmp_path_factory, arguments, name):
    policy = policies.setdefault("one", None)
    if policy is None:
        path = tmp_path_factory.mktemp("policy") / "policy.py"
        path.write_text(POLICY)
        policy = policies["one"] = Policy(path)
    call = Call(name=name, arguments=arguments)
    objections = policy.objections(State(), call)
    assert bool(objections) == (name == "refund")
    assert len(policy.refusal(call, objections)) < 5_000


policies: dict = {}
