import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.parts import part
from counterform.problems.desk import NOISE, Desk, broken_steps, carried_on, noisy_attempt, with_policy
from counterform.problems.desk_policy import LIMIT, POLICY, READS, WRITES, Order, State, read_step
from counterform.testing import check_verifier
from counterform.text.steps import split_steps
from counterform.types import Mark, Problem, Verdict
from counterform.verify.answer import Answers
from counterform.verify.audit import audit_family, require
from counterform.verify.steps import grade_steps

FAMILY = Desk()
SEEDS = st.integers(0, 2**32 - 1)
LAMP = Order(
    number=12,
    item="lamp",
    price=40,
    sale=False,
    paid="card",
    days=20,
    customer="guest",
    condition="sealed",
    receipt=True,
    wants="refund",
)
LOOK = "Call look up order 12: lamp, 40, full price, card, 20 days, guest."
CHECKED = f"{LOOK} Call check date: in time. Call inspect: sealed. Call check receipt: yes."
SOUND = f"{CHECKED} Call ask consent: yes. Call refund 40 to card. The answer is refund."


def case(**facts):
    order = replace(LAMP, **facts)
    return Problem(id="p", prompt=order.prompt, answer=State(order).decision, facts=to_builtins(order))


def solved(problem):
    return " ".join(carried_on(State(Order(**problem.facts))))


def verdict(problem, text, outcome=Mark.UNKNOWN):
    steps = grade_steps(FAMILY, problem, text)
    return Verdict(attempt_id="a", outcome=outcome, lenient=outcome, steps=steps, verifier="desk")


def wrong(problem, text):
    """(index, rule, hint) of every wrong step."""
    steps = verdict(problem, text).steps
    return [(index, step.rule, step.hint) for index, step in enumerate(steps) if step.mark is Mark.WRONG]


def tokens(text):
    return re.findall(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]", text)


def drawn(seed):
    return FAMILY.generate(1, rng=np.random.default_rng(seed))[0]


# The generator.


@given(SEEDS)
def test_own_worked_solutions_are_right_and_say_the_answer(seed):
    problem = drawn(seed)
    read = verdict(problem, problem.solution)
    assert read.process is Mark.RIGHT
    assert 5 <= len(read.steps) <= 8
    assert problem.solution.endswith(f"The answer is {problem.answer}.")
    assert json.loads(json.dumps(problem.facts)) == problem.facts


def test_problems_differ_and_come_again_from_the_same_seed():
    first, second = (FAMILY.generate(500, rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert len({p.id for p in first}) == len({p.prompt for p in first}) == 500
    assert FAMILY.generate(5, rng=np.random.default_rng(3)) == first[:5]


def test_prompts_and_solutions_are_short_and_their_vocabulary_is_small():
    rng = np.random.default_rng(0)
    problems = FAMILY.generate(1000, rng=rng)
    attempts = [" ".join(noisy_attempt(p, rng, unnoticed=0.5, mended=0.5)) for p in problems]
    assert max(len(tokens(p.prompt)) for p in problems) <= 60
    assert max(len(tokens(text)) for text in [*attempts, *(p.solution for p in problems)]) <= 90
    used = {token for text in [*attempts, *(p.prompt + p.solution for p in problems)] for token in tokens(text)}
    numbers = {int(token) for token in used if token.isdecimal()}
    assert min(numbers) >= 0
    assert max(numbers) <= 99
    assert len(used) - len(numbers) <= 120


def test_no_answer_is_the_answer_to_half_of_the_problems():
    problems = FAMILY.generate(2000, rng=np.random.default_rng(0))
    counts = Counter(p.answer for p in problems)
    assert set(counts) == set(WRITES)
    assert max(counts.values()) < 0.4 * len(problems)
    assert min(counts.values()) > 0.15 * len(problems)


def test_lengths_are_calls():
    for length in (4, 5, 6, 7):
        problems = FAMILY.generate(20, rng=np.random.default_rng(0), lengths=[length])
        assert {len(split_steps(p.solution)) for p in problems} == {length + 1}


@pytest.mark.timeout(20)
def test_more_problems_than_there_are():
    with pytest.raises(DataError, match=r"found 0 of the 3 .*\(9,\).*there are \(4, 5, 6, 7\)"):
        FAMILY.generate(3, rng=np.random.default_rng(0), lengths=[9])


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        ({}, "refund"),
        ({"wants": "exchange"}, "exchange"),
        ({"receipt": False}, "store credit"),
        ({"receipt": False, "wants": "exchange"}, "exchange"),
        ({"sale": True}, "refund"),
        ({"sale": True, "wants": "exchange"}, "store credit"),
        ({"condition": "opened"}, "store credit"),
        ({"condition": "opened", "wants": "exchange"}, "store credit"),
        ({"condition": "opened", "days": 31}, "refuse"),
        ({"days": 30}, "refund"),
        ({"days": 31}, "refuse"),
        ({"days": 31, "customer": "member"}, "refund"),
        ({"days": 61, "customer": "member"}, "refuse"),
        ({"days": 61, "condition": "broken"}, "refund"),
        ({"days": 61, "condition": "broken", "receipt": False}, "store credit"),
    ],
)
def test_the_policy_decides(facts, answer):
    problem = case(**facts)
    assert problem.answer == answer
    text = solved(problem)
    assert verdict(problem, text).process is Mark.RIGHT
    # The key does not come from the rules: no other decision passes them.
    for other in set(WRITES) - {answer}:
        assert wrong(problem, " ".join(carried_on(State(Order(**problem.facts)), other)))


def test_the_manager_is_asked_over_fifty_and_for_no_refusal():
    assert "manager" not in solved(case(price=50))
    assert "Call ask manager: yes. Call ask consent: yes. Call refund 51 to card." in solved(case(price=51))
    assert "ask" not in solved(case(price=51, days=31))


def test_with_policy_says_every_rule_and_shows_every_tool():
    short = drawn(0)
    told = with_policy(short)
    assert told.prompt.endswith(short.prompt)
    assert all(rule.text in told.prompt for rule in POLICY)
    assert replace(told, prompt=short.prompt) == short
    calls = [read_step(line)[0] for line in told.prompt.splitlines()]
    assert [call.tool for call in calls if call] == [*READS, *WRITES]
    asked = Desk(policy=True).generate(3, rng=np.random.default_rng(1))
    assert asked == [with_policy(p) for p in FAMILY.generate(3, rng=np.random.default_rng(1))]


# Right answer, violated process.


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (SOUND.replace(" Call ask consent: yes.", ""), "consent"),
        (SOUND.replace(" Call check receipt: yes.", ""), "checks"),
        (SOUND.replace(LOOK, "").strip(), "look up"),
        (SOUND.replace("to card", "to cash"), "way back"),
        (SOUND.replace("refund 40", "refund 41"), "amount"),
        (SOUND.replace("The answer", "Call store credit 40. The answer"), "one write"),
        (SOUND.replace("Call inspect: sealed.", "Call inspect: broken."), "result"),
        (f"{LOOK} The answer is refund.", "unfinished"),
    ],
)
def test_a_run_can_end_well_and_still_break_a_rule(text, rule):
    problem = case()
    with Answers(1.0) as answers:
        [outcome] = answers([(problem, text)])
    read = verdict(problem, text, outcome.strict)
    assert read.outcome is Mark.RIGHT
    assert read.process is Mark.WRONG
    assert read.steps[read.first_error].rule == rule
    assert len(wrong(problem, text)) == 1


def test_outcomes_are_read_from_every_decision():
    problems = [case(), case(wants="exchange"), case(condition="opened"), case(days=31)]
    pairs = [(problem, f"The answer is {answer}.") for problem in problems for answer in WRITES]
    with Answers(1.0) as answers:
        marks = [reading.strict for reading in answers(pairs)]
    assert marks == [Mark.RIGHT if text == f"The answer is {p.answer}." else Mark.WRONG for p, text in pairs]


# The rules.


def test_every_rule_can_be_broken_and_is_named_with_what_would_be_right():
    ask, receipt = "Call ask consent: yes.", "Call check receipt: yes."
    exchange = {"wants": "exchange"}
    on_sale = CHECKED.replace("full price", "on sale").replace(f" {receipt}", "")
    broken = {
        "look up": (case(), "Call inspect: sealed.", LOOK),
        "one write": (case(), f"{CHECKED} {ask} Call refund 40 to card. {ask}", "The answer is refund."),
        "twice": (case(), f"{CHECKED} {receipt}", ask),
        "checks": (case(), f"{LOOK} {ask} Call refund 40 to card.", "Call check date: in time."),
        "late": (case(), f"{CHECKED} Call refuse.", ask),
        "opened": (
            case(condition="opened"),
            f"{CHECKED.replace('sealed', 'opened')} {ask} Call refund 40 to card.",
            "Call store credit 40.",
        ),
        "receipt": (
            case(receipt=False),
            f"{CHECKED.replace('yes', 'no')} {ask} Call refund 40 to card.",
            "Call store credit 40.",
        ),
        "sale": (case(sale=True, **exchange), f"{on_sale} {ask} Call exchange.", "Call store credit 40."),
        "wish": (case(), f"{CHECKED} {ask} Call store credit 40.", "Call refund 40 to card."),
        "amount": (case(), f"{CHECKED} {ask} Call refund 4 to card.", "Call refund 40 to card."),
        "way back": (case(), f"{CHECKED} {ask} Call refund 40 to voucher.", "Call refund 40 to card."),
        "manager": (
            case(price=60),
            f"{CHECKED.replace('40', '60')} {ask} Call refund 60 to card.",
            "Call ask manager: yes.",
        ),
        "consent": (case(), f"{CHECKED} Call refund 40 to card.", ask),
    }
    assert list(broken) == [rule.name for rule in POLICY]
    for rule, (problem, text, hint) in broken.items():
        last = len(split_steps(text)) - 1
        assert wrong(problem, text) == [(last, rule, hint)], rule


def test_a_rule_is_checked_on_a_state_and_the_call_before_it_is_made():
    consent = {rule.name: rule for rule in POLICY}["consent"]
    call, _, _ = read_step("Call refund 40 to card.")
    asked = State(LAMP, made=frozenset({"ask consent"}))
    assert consent.check(asked, call) is None
    assert consent.check(State(LAMP, made=frozenset(READS[:4])), call) == "Call ask consent: yes."


STEPS = st.lists(
    st.sampled_from(
        [
            *(State(LAMP).right(tool).sentence for tool in READS + WRITES),
            LOOK.replace("12", "13"),
            LOOK.replace("20", "50"),
            "Call check date: late.",
            "Call inspect: opened.",
            "Call check receipt: no.",
            "Call refund 40 to cash.",
            "Call store credit 7.",
            *(f"The answer is {answer}." for answer in WRITES),
            "Wait, call check date: late.",
            "Wait, call refund 40 to card.",
            "Wait, the answer is refund.",
            "Let me see.",
            "I ask for consent.",
        ]
    ),
    max_size=10,
)


@given(STEPS)
def test_a_hint_is_right_in_the_place_of_the_wrong_step(steps):
    problem = case()
    for at, step in enumerate(grade_steps(FAMILY, problem, " ".join(steps))):
        if step.mark is Mark.WRONG:
            wait = f"Wait, {step.hint}" if step.mends else step.hint
            mended = verdict(problem, " ".join([*steps[:at], wait])).steps[at]
            assert mended.mark is Mark.RIGHT, (steps[:at], step)
            assert step.rule in {rule.name for rule in POLICY} | {"result", "unfinished", "answer"}


@given(STEPS, st.integers(0, 10))
def test_a_prefix_is_graded_as_in_the_whole(steps, cut):
    whole = grade_steps(FAMILY, case(), " ".join(steps))
    assert grade_steps(FAMILY, case(), " ".join(steps[:cut])) == whole[:cut]


# Planted errors and noise.


@given(SEEDS)
def test_planted_errors_are_caught_where_they_are_and_only_there(seed):
    problem = drawn(seed)
    planted = FAMILY.plant_errors(problem, rng=np.random.default_rng(seed))
    assert {p.kind for p in planted} >= set(NOISE) - {"amount", "way back"}
    for error in planted:
        assert [index for index, _, _ in wrong(problem, error.text)] == [error.first_error], error


def test_the_audit_passes_on_every_kind():
    with Answers(1.0) as answers:
        rows = audit_family(FAMILY, answers, part("step verifier", "desk")())
    require(rows)
    assert {row.check for row in rows} == {"own solutions", *(f"planted: {kind}" for kind in NOISE)}
    assert all(row.passed == row.total >= 30 for row in rows)


def test_kinds_that_change_the_answer_and_kinds_that_do_not():
    rng = np.random.default_rng(0)
    right = {kind: [] for kind in NOISE}
    for problem in FAMILY.generate(300, rng=rng):
        for kind in NOISE:
            if broken := broken_steps(Order(**problem.facts), kind, rng):
                right[kind].append(broken[0][-1] == f"The answer is {problem.answer}.")
    share = {kind: np.mean(hits) for kind, hits in right.items()}
    assert share["decision"] == share["answer"] == 0
    assert 0.3 < share["misread"] < 0.7
    assert all(share[kind] == 1 for kind in set(NOISE) - {"decision", "answer", "misread"})


def test_noise_comes_in_the_shares_that_are_asked_for():
    rng = np.random.default_rng(0)
    problems = FAMILY.generate(1000, rng=rng)
    attempts = [(p, noisy_attempt(p, rng, unnoticed=0.4, mended=0.2)) for p in problems]
    read = [verdict(p, " ".join(steps)) for p, steps in attempts]
    assert np.mean([v.process is Mark.WRONG for v in read]) == pytest.approx(0.4, abs=0.05)
    waits = [(v, steps) for v, (_, steps) in zip(read, attempts, strict=True) if "Wait, " in " ".join(steps)]
    assert len(waits) / 1000 == pytest.approx(0.2, abs=0.05)
    assert all(v.process is Mark.RIGHT and any(s.mark is Mark.WRONG for s in v.steps) for v, _ in waits)
    clean = FAMILY.generate(20, rng=rng)
    assert all(" ".join(noisy_attempt(p, rng, unnoticed=0, mended=0)) == p.solution for p in clean)
    broken = [(p, noisy_attempt(p, rng, unnoticed=1, mended=0)) for p in problems]
    assert 0.5 < np.mean([steps[-1] != f"The answer is {p.answer}." for p, steps in broken]) < 0.7


# The watch.


def test_a_misreading_is_believed_and_counted_once():
    problem = case()
    late = f"{LOOK} Call check date: late. Call inspect: sealed. Call check receipt: yes. Call refuse."
    assert wrong(problem, f"{late} The answer is refuse.") == [(1, "result", "Call check date: in time.")]
    assert wrong(problem, f"{late} The answer is refund.")[1:] == [(5, "answer", "The answer is refuse.")]
    days = late.replace("20 days", "50 days")
    assert wrong(problem, f"{days} The answer is refuse.") == [(0, "result", LOOK)]
    said_no = SOUND.replace("consent: yes", "consent: no")
    assert wrong(problem, said_no) == [(4, "result", "Call ask consent: yes.")]


def test_checks_may_come_in_any_order_and_more_may_be_read_than_is_needed():
    text = (
        f"{LOOK} Call ask consent: yes. Call check receipt: yes. Call ask manager: yes. Call inspect: sealed. "
        "Call check date: in time. Call refund 40 to card. The answer is refund."
    )
    assert verdict(case(), text).process is Mark.RIGHT


def test_waiting_takes_back_the_step_before():
    problem = case()
    rest = "Call check date: in time. Call inspect: sealed. Call check receipt: yes. Call ask consent: yes. "
    rest += "Call refund 40 to card. The answer is refund."
    misread = LOOK.replace("20 days", "50 days")
    assert verdict(problem, f"{misread} Wait, c{LOOK[1:]} {rest}").process is Mark.RIGHT
    assert verdict(problem, f"{misread} Wait, c{misread[1:]} Wait, c{LOOK[1:]} {rest}").process is Mark.RIGHT
    assert verdict(problem, f"{misread} Wait, c{misread[1:]} {rest}").first_error == 0
    assert verdict(problem, f"Call inspect: sealed. Wait, c{LOOK[1:]} {rest}").process is Mark.RIGHT
    too_soon = f"{CHECKED} The answer is refund. Wait, call ask consent: yes. Call refund 40 to card."
    assert verdict(problem, f"{too_soon} The answer is refund.").process is Mark.RIGHT
    last = SOUND.replace("is refund", "is exchange")
    assert verdict(problem, f"{last} Wait, the answer is refund.").process is Mark.RIGHT


def test_waiting_takes_back_no_write():
    text = SOUND.replace("Call refund 40 to card.", "Call refund 40 to cash. Wait, call refund 40 to card.")
    read = verdict(case(), text)
    assert read.first_error == 5
    assert [(index, rule) for index, rule, _ in wrong(case(), text)] == [(5, "way back"), (6, "one write")]
    assert not any(step.mends for step in read.steps)
    late = SOUND.replace(
        "Call ask consent: yes. Call refund 40 to card.", "Call refund 40 to card. Wait, call ask consent: yes."
    )
    assert verdict(case(), late).first_error == 4


def test_the_first_step_takes_nothing_back():
    assert not verdict(case(), f"Wait, c{LOOK[1:]}").steps[0].mends


def test_a_remark_makes_no_call_and_excuses_none():
    text = f"Let me see. {SOUND.replace(' Call ask consent: yes.', '')}"
    read = verdict(case(), text)
    assert read.steps[0].mark is Mark.UNKNOWN
    assert [rule for _, rule, _ in wrong(case(), text)] == ["consent"]
    assert verdict(case(), f"Let me see. {SOUND}").process is Mark.UNKNOWN
    assert wrong(case(), f"Let me see. {SOUND}") == []


@pytest.mark.parametrize(
    "remark", ["I ask the customer for consent: yes.", "Call ask_consent() -> yes.", "[tool_call] ask."]
)
def test_what_an_unread_text_may_have_done_is_not_called_missing(remark):
    text = SOUND.replace("Call ask consent: yes.", remark)
    marks = [step.mark for step in verdict(case(), text).steps]
    assert marks[4:] == [Mark.UNKNOWN, Mark.UNKNOWN, Mark.RIGHT]
    # What breaks a rule all the same is wrong all the same.
    assert [rule for _, rule, _ in wrong(case(), text.replace("to card", "to cash"))] == ["way back"]
    assert [rule for _, rule, _ in wrong(case(price=39), text)][:1] == ["result"]


def test_an_answer_after_an_unread_write_is_compared_with_the_decision():
    text = f"{CHECKED} Call ask consent: yes. I give a refund of 40 to the card."
    assert wrong(case(), f"{text} The answer is refund.") == []
    assert wrong(case(), f"{text} The answer is refuse.") == [(6, "answer", "The answer is refund.")]


@pytest.mark.parametrize(
    "step", [LOOK.lower(), LOOK[:-1], f"  {LOOK}\n", LOOK.upper(), LOOK.replace("40", "040").replace("12", "١٢")]
)
def test_a_step_is_read_by_value(step):
    assert FAMILY.start(case()).feed(step).mark is Mark.RIGHT


@pytest.mark.parametrize(
    "step",
    [
        "",
        "   ",
        "Wait,",
        "Wait, let me think.",
        "Call the police.",
        "Call look up 12.",
        "Call look up order 12.",
        "Call look up order 12: lamp.",
        "Call look up order 12: unicorn, 40, full price, card, 20 days, guest.",
        "Call inspect.",
        "Call inspect: damaged.",
        "Call inspect: yes.",
        "Call inspect 7: sealed.",
        "Call refund.",
        "Call refund 40.",
        "Call refund to card.",
        "Call refund 40 to bitcoin.",
        "Call refund order 40 to card.",
        "Call refund 40 to card: done.",
        "Call store credit 40 to card.",
        "Call refuse 40.",
        "Call refund 1234567 to card.",
        "Call refund 40 to card. The answer is refund.",
        "Call refund 40\nto card.",
        "The answer is a refund.",
        "The answer is refund, or exchange.",
        "The answer is refund.</s>The answer is refuse.",
        "<script>Call refuse.</script>",
        "Call " * 10_000,
        "\x00",
        "\ud800",
    ],
)
def test_what_cannot_be_read_is_unknown(step):
    assert FAMILY.start(case()).feed(step).mark is Mark.UNKNOWN


@given(st.text())
def test_any_text_gets_a_mark(text):
    assert FAMILY.start(case()).feed(text).mark in Mark


def test_the_conformance_kit_passes():
    check_verifier(FAMILY, FAMILY.generate(20, rng=np.random.default_rng(0)))
    assert part("family", "desk") is Desk


def test_limits_are_what_the_rule_says():
    rule = {rule.name: rule for rule in POLICY}["late"]
    assert all(str(limit) in rule.text for limit in LIMIT.values())
