import asyncio
import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

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


def once(state, call):
    same = [
        r for r in state.results if r.call.name == "refund" and r.call.arguments["order"] == call.arguments["order"]
    ]
    return "Already refunded." if same else None


ONCE = Policy([Rule("once", "An order is refunded once.", once)])


def refunds(tools, seconds=0.05):
    paid = []

    @tools
    def refund(order):
        time.sleep(seconds)
        paid.append(order)

    async def refund_later(order):
        await asyncio.sleep(seconds)
        paid.append(order)

    refund_later.__name__ = "refund"
    return refund, tools(refund_later), paid


def test_two_calls_at_once_are_judged_one_after_the_other_under_asyncio():
    _, refund, paid = refunds(Tools(ONCE))

    async def both():
        return await asyncio.gather(refund(order=1), refund(order=1), refund(order=2), return_exceptions=True)

    found = asyncio.run(both())
    assert sorted(paid) == [1, 2]
    assert sum(isinstance(one, CallRefused) for one in found) == 1


def test_two_calls_at_once_are_judged_one_after_the_other_in_threads():
    refund, _, paid = refunds(Tools(ONCE))
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(refund, order=1) for _ in range(8)]
        refused = [one.exception() for one in done]
    assert paid == [1]
    assert sum(isinstance(one, CallRefused) for one in refused) == 7


def test_a_tool_that_is_refused_or_fails_is_seen_as_what_it_was():
    tools = Tools(
        Policy([Rule("small", "Small.", lambda state, call: "No." if call.arguments["amount"] > 5 else None)])
    )

    @tools
    def pay(amount):
        raise ConnectionError("gone")

    with pytest.raises(CallRefused):
        pay(amount=6)
    assert tools.state.results == ()
    with pytest.raises(ConnectionError):
        pay(amount=5)
    [failed] = tools.state.results  # whether it was paid nobody knows
    assert (failed.call.arguments, failed.text, failed.pending) == ({"amount": 5}, "ConnectionError: gone", False)


def test_a_slow_rule_keeps_no_coroutine_and_no_other_conversation_waiting():
    def slow(state, call):
        time.sleep(0.3)

    policy = Policy([Rule("slow", "Slow.", slow)])

    async def look():
        return 1

    async def all_at_once():
        ticks = 0
        asked = asyncio.gather(*[Tools(policy)(look)() for _ in range(6)])
        while not asked.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    started = time.perf_counter()
    assert asyncio.run(all_at_once()) > 10
    assert time.perf_counter() - started < 1.2


def test_a_call_that_is_given_up_while_it_is_judged_never_ran():
    def slow(state, call):
        time.sleep(0.1)

    tools = Tools(Policy([Rule("slow", "Slow.", slow)]))

    @tools
    async def pay():
        raise AssertionError("it never runs")

    async def given_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pay(), 0.02)
        await asyncio.sleep(0.3)

    asyncio.run(given_up())
    assert tools.state.results == ()


def test_options_are_checked():
    for options in ({"on_unknown": "ignore"}, {"seconds": 0}):
        with pytest.raises(ValueError, match=r"on_unknown|seconds"):
            Policy(SMALL, **options)


def small(state, call):
    return "At most 50." if call.arguments["amount"] > 50 else None


SMALL = [Rule("small", "Small.", small)]


def pay_any(**kw):
    return "paid"


def pay_defaults(amount=60):
    return "paid"


def pay_with(amount, *more, **kw):
    return "paid"


class Till:
    def pay(self, amount=60):
        return "paid"

    def __call__(self, amount=60):
        return "paid"


@pytest.mark.parametrize(
    ("tool", "args", "kwargs"),
    [
        (pay_any, (), {"amount": 60}),
        (pay_defaults, (), {}),
        (functools.partial(pay_defaults, 60), (), {}),
        (functools.partial(pay_any, amount=60), (), {}),
        (functools.partial(functools.partial(pay_with, 60), 1), (2,), {"x": 3}),
        (Till().pay, (), {}),
        (Till(), (), {}),
        (functools.lru_cache(pay_defaults), (), {}),
    ],
    ids=["**kw", "default", "partial", "partial kw", "partial twice", "method", "object", "cache"],
)
def test_no_argument_is_hidden_from_a_rule(tool, args, kwargs):
    with pytest.raises(CallRefused, match="At most 50"):
        Tools(Policy(SMALL))(tool)(*args, **kwargs)


def one_name_twice(amount, /, **kw):
    return kw["amount"]


@pytest.mark.parametrize(
    ("tool", "args", "kwargs"),
    [
        (pay_any, (), {"amount": float("nan")}),
        (pay_any, (), {"amount": float("-inf")}),
        (pay_any, (), {"amount": Decimal("NaN")}),
        (pay_any, (), {"amount": Decimal("sNaN")}),
        (pay_any, (), {"amount": 5, "to": "bob\u200b"}),
        (pay_any, (), {"amount": 5, "list": [{"x": float("nan")}]}),
        (pay_any, (), {"amount": 5, "Amount": 60}),
        (pay_any, (), {"amount": 5, "amount\u200d": 60}),
        (one_name_twice, (5,), {"amount": 60}),
    ],
)
@pytest.mark.parametrize("on_unknown", ["pass", "refuse"])
def test_what_has_more_than_one_meaning_is_never_run(tool, args, kwargs, on_unknown):
    with pytest.raises(CallRefused, match="cannot be read"):
        Tools(Policy(SMALL, on_unknown=on_unknown))(tool)(*args, **kwargs)


def test_a_rule_cannot_change_what_it_is_shown():
    def meddle(state, call):
        call.arguments["rows"][0]["amount"] = 1

    def late(state, call):
        return "At most 50." if call.arguments["rows"][0]["amount"] > 50 else None

    rows = [{"amount": 60}]
    tool = Tools(Policy([Rule("meddle", "Meddle.", meddle), Rule("late", "Late.", late)], on_unknown="pass"))(pay_any)
    with pytest.raises(CallRefused, match="At most 50"):
        tool(rows=rows)
    assert rows == [{"amount": 60}]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_rule_that_would_end_the_program_could_not_tell(error):
    def ends(state, call):
        raise error(3)

    with pytest.raises(CallRefused, match="could not be checked"):
        Tools(Policy([Rule("ends", "Ends.", ends)]))(pay_any)()


@pytest.mark.parametrize("answer", [True, False, 0, [], object()])
def test_a_rule_that_says_neither_text_nor_none_could_not_tell(answer):
    with pytest.raises(CallRefused, match="could not be checked"):
        Tools(Policy([Rule("odd", "Odd.", lambda state, call: answer)]))(pay_any)()


def test_a_rule_that_loops_is_left_and_the_others_are_asked_on():
    def loops(state, call):
        while call.arguments.get("loop"):
            pass

    policy = Policy([Rule("loops", "Loops.", loops), *SMALL], seconds=0.05, on_unknown="pass")
    for _ in range(12):  # more than may hang at once
        with pytest.raises(CallRefused, match="At most 50"):
            Tools(policy)(pay_any)(amount=60, loop=True)
    until = time.monotonic() + 10
    while threading.active_count() > 30 and time.monotonic() < until:
        time.sleep(0.05)
    assert Tools(policy)(pay_any)(amount=5) == "paid"
    assert policy.counts["unknown"] == 12  # the rule was asked again, once it had been interrupted


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
