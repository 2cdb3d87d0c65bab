import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError
from counterform.problems.ledger import MAX_TOTAL, PRIMITIVES, Ledger, Operation, facts, solution_steps, spoilt_steps
from counterform.types import Mark, Problem, Verdict

FAMILY = Ledger()
SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(1, 8)
PROBLEM = Problem(
    id="p", prompt="?", answer="24", family="ledger", facts={"start": 7, "operations": [["add", 5], ["double", 0]]}
)


def sentences(text):
    return re.findall(r"[^.]+\.", text)


def graded(problem, steps):
    watch = FAMILY.start(problem)
    return tuple(watch.feed(step) for step in steps)


def verdict(problem, steps):
    return Verdict(
        attempt_id="a",
        outcome=Mark.UNKNOWN,
        lenient=Mark.UNKNOWN,
        steps=graded(problem, steps),
        verifier="ledger",
    )


def drawn(seed, length):
    return FAMILY.generate(1, rng=np.random.default_rng(seed), lengths=[length])[0]


# The generator.


@given(SEEDS, LENGTHS)
def test_own_worked_solutions_are_right(seed, length):
    problem = drawn(seed, length)
    read = verdict(problem, sentences(problem.solution))
    assert len(read.steps) == length + 1
    assert read.process is Mark.RIGHT
    assert problem.solution.endswith(f"The answer is {problem.answer}.")


@given(SEEDS, LENGTHS)
def test_totals_stay_in_range_and_prompts_say_every_operation(seed, length):
    problem = drawn(seed, length)
    start, operations = facts(problem)
    totals = [start] + [int(n) for n in re.findall(r"= (-?\d+)\.", problem.solution)]
    assert all(0 <= total <= MAX_TOTAL for total in totals)
    assert problem.prompt.startswith(f"Start with {start}. ")
    assert problem.prompt.count(".") == len(operations) + 1


def test_problems_differ_and_come_again_from_the_same_seed():
    first, second = (FAMILY.generate(500, rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert len({p.id for p in first}) == len({p.prompt for p in first}) == 500
    assert FAMILY.generate(500, rng=np.random.default_rng(4)) != first


def test_ids_follow_the_prompt_alone():
    few, many = (FAMILY.generate(n, rng=np.random.default_rng(0)) for n in (5, 50))
    assert [p.id for p in few] == [p.id for p in many][:5]


def test_every_primitive_and_length_is_drawn():
    problems = FAMILY.generate(300, rng=np.random.default_rng(0), lengths=(3, 4))
    operations = [facts(problem)[1] for problem in problems]
    assert {len(ops) for ops in operations} == {3, 4}
    assert {op.name for ops in operations for op in ops} == set(PRIMITIVES)


@pytest.mark.timeout(20)
def test_more_problems_than_there_are():
    with pytest.raises(DataError, match=r"of the 5000 .*lengths"):
        FAMILY.generate(5000, rng=np.random.default_rng(0), lengths=[1])


def test_operation_reads_as_it_computes():
    shown = {name: Operation(name, 20).equation(8) for name in PRIMITIVES}
    assert shown == {
        "add": ("8 + 20", 28),
        "take": ("8 - 20", -12),
        "double": ("8 * 2", 16),
        "triple": ("8 * 3", 24),
        "halve": ("8 / 2", 4),
        "mirror": ("20 - 8", 12),
    }


# Planted errors.


@given(SEEDS, LENGTHS)
def test_planted_errors_are_caught_where_they_are(seed, length):
    problem = drawn(seed, length)
    planted = FAMILY.plant_errors(problem, rng=np.random.default_rng(seed))
    assert {p.kind for p in planted} >= {"arithmetic", "operation", "unfinished", "answer"}
    for error in planted:
        assert verdict(problem, sentences(error.text)).first_error == error.first_error, error


def test_every_kind_is_planted():
    problems = FAMILY.generate(20, rng=np.random.default_rng(0))
    planted = [p for problem in problems for p in FAMILY.plant_errors(problem, rng=np.random.default_rng(0))]
    assert {p.kind for p in planted} == {"arithmetic", "operation", "carry", "unfinished", "answer"}


@given(SEEDS, LENGTHS, st.sampled_from(["arithmetic", "operation", "carry"]), st.integers(1, 3), st.data())
def test_errors_of_every_kind_at_every_step(seed, length, kind, off, data):
    problem = drawn(seed, length)
    start, operations = facts(problem)
    at = data.draw(st.integers(1 if kind == "carry" and length > 1 else 0, length - 1))
    for mended in (False, True):
        steps = spoilt_steps(start, operations, at=at, kind=kind, off=off, mended=mended)
        read = verdict(problem, steps)
        assert read.steps[at].mark is Mark.WRONG
        if kind != "carry":  # halving 13 in place of 12 is wrong, though it gives 6 too
            assert steps[at].partition(" = ")[2] != solution_steps(start, operations)[at].partition(" = ")[2]
        assert read.steps[at].hint == solution_steps(start, operations)[at]
        assert read.first_error == (None if mended else at)
        assert all(step.mark is Mark.RIGHT for index, step in enumerate(read.steps) if index != at)


def test_a_rule_is_named():
    assert [graded(PROBLEM, [step])[0].rule for step in ("7 + 5 = 13.", "7 - 5 = 2.", "8 + 5 = 13.")] == [
        "arithmetic",
        "operation",
        "carry",
    ]
    extra = graded(PROBLEM, ["7 + 5 = 12.", "12 * 2 = 24.", "24 + 1 = 25."])[-1]
    assert (extra.mark, extra.rule, extra.hint) == (Mark.WRONG, "extra", "The answer is 24.")


# The watch.


@given(SEEDS, LENGTHS, st.sampled_from(["arithmetic", "operation"]), st.booleans(), st.data())
def test_a_prefix_is_graded_as_in_the_whole(seed, length, kind, mended, data):
    problem = drawn(seed, length)
    start, operations = facts(problem)
    at = data.draw(st.integers(0, length - 1))
    steps = spoilt_steps(start, operations, at=at, kind=kind, off=1, mended=mended)
    whole = graded(problem, steps)
    cut = data.draw(st.integers(0, len(steps)))
    assert graded(problem, steps[:cut]) == whole[:cut]


@given(st.text())
def test_any_text_gets_a_mark(text):
    assert graded(PROBLEM, [text])[0].mark in Mark


@pytest.mark.parametrize(
    "step",
    [
        "",
        "   ",
        "So seven plus five is twelve.",
        "7 + 5 = 12 = 12.",
        "7 + 5 = 12. 12 * 2 = 24.",
        "7 + 5 = 12\n12 * 2 = 24",
        "7 ** 5 = 12.",
        "7 + 5 = twelve.",
        "7 + 5 = 12.0",
        "1234567 + 5 = 12.",
        "9" * 10_000 + " + 5 = 12.",
        "The answer is " + "9" * 10_000 + ".",
        "The answer is 24, or 25.",
        "The answer is 24.</s>The answer is 25.",
        "Wait,",
        "<script>7 + 5 = 12.</script>",
        "\x00",
        "\ud800",
    ],
)
def test_what_cannot_be_read_is_unknown(step):
    assert graded(PROBLEM, [step])[0].mark is Mark.UNKNOWN


def test_the_attempts_own_total_is_followed():
    read = graded(PROBLEM, ["7 + 5 = 13.", "13 * 2 = 26.", "The answer is 26."])
    assert [step.mark for step in read] == [Mark.WRONG, Mark.RIGHT, Mark.RIGHT]


@pytest.mark.parametrize(
    "step", ["007 + 5 = 12.", "7 + 05 = 012.", "7 + 5 = 12", " 7 + 5 = 12.\n", "٧ + ٥ = ١٢.", "5 + 7 = 12."]
)
def test_a_step_is_read_by_value(step):
    assert graded(PROBLEM, [step])[0].mark is Mark.RIGHT


def test_operands_that_do_not_commute_are_not_swapped():
    taken = Problem(id="p", prompt="?", answer="2", facts={"start": 7, "operations": [["take", 5]]})
    assert graded(taken, ["5 - 7 = 2."])[0].mark is Mark.WRONG


def test_mending_an_answer_given_too_soon_goes_on_from_the_total():
    read = verdict(PROBLEM, ["7 + 5 = 12.", "The answer is 12.", "Wait, 12 * 2 = 24.", "The answer is 24."])
    assert [step.mark for step in read.steps] == [Mark.RIGHT, Mark.WRONG, Mark.RIGHT, Mark.RIGHT]
    assert read.first_error is None


def test_mending_a_wrong_answer_goes_back_to_the_last_step():
    read = verdict(
        PROBLEM, ["7 + 5 = 12.", "12 * 2 = 24.", "The answer is 25.", "Wait, 12 * 2 = 24.", "The answer is 24."]
    )
    assert read.first_error is None
    assert read.process is Mark.RIGHT


def test_after_an_unread_step_a_sound_continuation_is_not_wrong():
    read = graded(PROBLEM, ["So seven plus five is twelve.", "12 * 2 = 24.", "The answer is 24."])
    assert Mark.WRONG not in [step.mark for step in read]


def test_after_an_unread_remark_steps_are_graded_as_before():
    right = graded(PROBLEM, ["Let me see.", "7 + 5 = 12.", "Good.", "12 * 2 = 24.", "The answer is 24."])
    assert [step.mark for step in right] == [Mark.UNKNOWN, Mark.RIGHT, Mark.UNKNOWN, Mark.RIGHT, Mark.RIGHT]
    wrong = graded(PROBLEM, ["Let me see.", "7 + 5 = 13."])
    assert [step.mark for step in wrong] == [Mark.UNKNOWN, Mark.WRONG]
