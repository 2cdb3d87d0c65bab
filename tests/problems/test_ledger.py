import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError
from counterform.problems.ledger import MAX_TOTAL, PRIMITIVES, Ledger, Operation, broken_steps, facts, solution_steps
from counterform.testing import check_verifier
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
    assert {p.kind for p in planted} >= {"arithmetic", "operation", "answer"} | (
        {"unfinished"} if length > 1 else set()
    )
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
        steps = broken_steps(start, operations, at=at, kind=kind, off=off, mended=mended)
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
    steps = broken_steps(start, operations, at=at, kind=kind, off=1, mended=mended)
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


# Away from training.

PAIRS = (("add", "double"), ("take", "take"), ("halve", "mirror"))


def neighbours(problem):
    names = [operation.name for operation in facts(problem)[1]]
    return list(pairwise(names))


@pytest.fixture(scope="module")
def held_apart():
    """A family with held-out pairs, what it trains on, and its shifts by label."""
    family = Ledger(without=PAIRS)
    trained = family.generate(300, rng=np.random.default_rng(0))
    levels = {}
    for problem in family.shifts(20, rng=np.random.default_rng(1), trained=trained):
        levels.setdefault(problem.shift.label, []).append(problem)
    return family, trained, levels


def test_no_generated_problem_has_a_held_out_pair(held_apart):
    assert not [pair for problem in held_apart[1] for pair in neighbours(problem) if pair in PAIRS]


def test_every_level_is_full_of_different_problems_never_trained_on(held_apart):
    _, trained, levels = held_apart
    assert set(levels) == {
        *(f"length {n}" for n in (1, 2, 6, 7, 8)),
        *(f"composition {n}" for n in (1, 2, 3)),
        *(f"composition reversed {n}" for n in (1, 2)),
        "vocabulary numbers",
        "vocabulary words",
    }
    every = [problem for level in levels.values() for problem in level]
    assert {len(level) for level in levels.values()} == {20}
    assert len({problem.id for problem in every}) == len(every)
    assert not {problem.prompt for problem in every} & {problem.prompt for problem in trained}
    assert {problem.split for problem in every} == {"held_out"}


def test_a_composition_has_so_many_held_out_pairs_and_the_control_their_reverse(held_apart):
    back = {(after, first) for first, after in PAIRS} - set(PAIRS)
    for shift, level in held_apart[2].items():
        for problem in level:
            found, turned = (sum(pair in pairs for pair in neighbours(problem)) for pairs in (PAIRS, back))
            if "reversed" in shift:
                assert (found, turned) == (0, problem.shift.distance)
            else:
                assert found == (problem.shift.distance if shift.startswith("composition") else 0)


def test_lengths_beyond_training_have_signed_distances(held_apart):
    levels = held_apart[2]
    distances = {shift: level[0].shift.distance for shift, level in levels.items() if shift.startswith("length")}
    assert distances == {"length 1": -2, "length 2": -1, "length 6": 1, "length 7": 2, "length 8": 3}
    assert {len(facts(problem)[1]) for problem in levels["length 7"]} == {7}


def test_unusual_numbers_and_words_are_those_that_training_never_saw(held_apart):
    _, trained, levels = held_apart
    known = {number for problem in trained for number in re.findall(r"\d+", problem.prompt)}
    for problem in levels["vocabulary numbers"]:
        numbers = re.findall(r"\d+", problem.prompt)
        assert not set(numbers) & known
        assert problem.shift.distance == pytest.approx(len(numbers) / len(re.findall(r"\w+", problem.prompt)))
    assert min(problem.shift.distance for problem in levels["vocabulary words"]) > 0.4


def test_shifted_problems_are_worked_rightly(held_apart):
    family, _, levels = held_apart
    for problem in (problem for level in levels.values() for problem in level):
        assert verdict(problem, sentences(problem.solution)).process is Mark.RIGHT
        assert all(0 <= int(n) <= MAX_TOTAL for n in re.findall(r"= (-?\d+)\.", problem.solution))
    check_verifier(family, [level[0] for level in levels.values()])


def test_few_primitives_and_what_options_there_are():
    problems = Ledger(primitives=["add", "take"]).generate(50, rng=np.random.default_rng(0), lengths=[2])
    assert {operation.name for problem in problems for operation in facts(problem)[1]} == {"add", "take"}
    for options in (
        {"primitives": ["ad"]},
        {"without": [["add", "dubble"]]},
        {"without": [["add"]]},
        {"primitives": []},
    ):
        with pytest.raises(ValueError, match=r"primitive"):
            Ledger(**options)
    with pytest.raises(ValueError, match=r"'triple'.*Options: add, take"):
        Ledger(primitives=["add", "take"], without=[["add", "triple"]])


def test_a_level_that_cannot_be_filled_holds_what_there_is(monkeypatch):
    monkeypatch.setattr("counterform.problems.ledger.PATIENCE", 1_000)
    family = Ledger(primitives=["double"])
    trained = family.generate(10, rng=np.random.default_rng(0), lengths=[1])
    levels = {}
    for problem in family.shifts(40, rng=np.random.default_rng(0), trained=trained):
        levels.setdefault(problem.shift.label, []).append(problem)
    assert len(levels["length 4"]) == 7  # 0 to 6, doubled four times


# One step that cannot be read does not hide what is wrong by itself, nor where the attempt goes on.


GARBLED = Problem(
    id="p",
    prompt="?",
    answer="63",
    facts={"start": 70, "operations": [["take", 9], ["add", 5], ["take", 3]]},
)


@pytest.mark.parametrize(
    "garbled", ["70 - 9 = via 61.", "70 - 9 is 61.", "7O - 9 = 61.", "70 - = 61.", "Then 61 left."]
)
def test_what_is_wrong_by_itself_is_wrong_after_a_step_that_cannot_be_read(garbled):
    read = graded(GARBLED, [garbled, "61 + 5 = 69."])
    assert [step.mark for step in read] == [Mark.UNKNOWN, Mark.WRONG]
    assert read[1].hint == "61 + 5 = 66."


def test_an_attempt_is_found_again_after_a_step_that_cannot_be_read():
    marks = [Mark.UNKNOWN, Mark.RIGHT, Mark.RIGHT, Mark.RIGHT]
    steps = ["70 - 9 = via 61.", "61 + 5 = 66.", "66 - 3 = 63.", "The answer is 63."]
    assert [step.mark for step in graded(GARBLED, steps)] == marks
    assert graded(GARBLED, [*steps[:2], "66 - 3 = 62."])[-1].mark is Mark.WRONG
    assert graded(GARBLED, [*steps[:2], "67 - 3 = 64."])[-1].rule == "carry"
    assert graded(GARBLED, [*steps[:2], "The answer is 66."])[-1].rule == "unfinished"
    assert graded(GARBLED, [*steps[:3], "The answer is 66."])[-1].rule == "answer"


def test_where_an_attempt_goes_on_is_not_guessed():
    twice = Problem(
        id="p", prompt="?", answer="9", facts={"start": 1, "operations": [["add", 2], ["add", 4], ["add", 2]]}
    )
    thrice = Problem(id="p", prompt="?", answer="7", facts={"start": 1, "operations": [["add", 2]] * 3})
    assert [step.mark for step in graded(twice, ["Hmm 3.", "7 + 4 = 11."])] == [Mark.UNKNOWN, Mark.RIGHT]
    assert graded(thrice, ["Hmm.", "3 + 2 = 5."])[1].mark is Mark.UNKNOWN
    assert graded(thrice, ["Hmm.", "3 + 2 = 6."])[1].mark is Mark.WRONG


@pytest.mark.parametrize("answer", ["The answer is 24.", "The answer is 25.", "The answer is -1."])
def test_a_bare_answer_breaks_no_step(answer):
    assert [step.mark for step in graded(PROBLEM, [answer])] == [Mark.UNKNOWN]
    assert [step.mark for step in graded(PROBLEM, [answer, "7 + 5 = 12.", "The answer is 12."])][1:] == [
        Mark.RIGHT,
        Mark.WRONG,
    ]
