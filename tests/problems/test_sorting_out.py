import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError
from counterform.problems.sorting_out import SortingOut, broken_steps, noisy_attempt, solution_steps
from counterform.problems.sorting_out_tasks import HELD_OUT, NOUNS, TASKS, defined, right_values
from counterform.testing import check_verifier
from counterform.text import wording
from counterform.types import Mark, Problem, Verdict
from counterform.verify.answer import Answers
from counterform.verify.audit import audit_family, require

FAMILY = SortingOut()
PROBLEMS = FAMILY.generate(400, rng=np.random.default_rng(0))
SEEDS = st.integers(0, 2**32 - 1)
TOKEN = re.compile(r"\n| ?[A-Za-z]+| ?\d+| ?[^\sA-Za-z\d]")
THINGS = [["big", "red", "cat"], ["small", "red", "saw"], ["big", "blue", "pie"], ["small", "red", "cat"]]


def problem(task, items):
    return Problem(
        id="p", prompt="?", answer=right_values(TASKS[task], items)[-1], facts={"task": task, "items": items}
    )


def sentences(text):
    return re.findall(r"[^.]+\.", text)


def graded(problem, steps):
    watch = FAMILY.start(problem)
    return [watch.feed(step) for step in steps]


def marks(problem, *steps):
    return "".join(step.mark[0] for step in graded(problem, steps))


def first_error(problem, steps):
    read = tuple(graded(problem, steps))
    return Verdict(attempt_id="a", outcome=Mark.UNKNOWN, lenient=Mark.UNKNOWN, steps=read, verifier="v").first_error


# The tasks.


def test_there_are_many_tasks_and_some_are_held_out():
    assert len(TASKS) >= 24
    assert len(HELD_OUT) >= 6
    assert set(TASKS) > HELD_OUT
    assert all(2 <= len(set(task.space)) <= 4 for task in TASKS.values())
    assert len({task.asks for task in TASKS.values()}) == len(TASKS)


def test_the_answer_space_of_a_held_out_task_is_that_of_training_tasks_or_its_words_are():
    trained = {word for name, task in TASKS.items() if name not in HELD_OUT for word in task.space}
    for name in HELD_OUT:
        assert set(TASKS[name].space) - trained <= {"foods"}


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("parity of red things", "odd"),
        ("amount of red things", "many"),
        ("more red things or blue things", "red"),
        ("more animals or tools", "animals"),
        ("more big things or small things", "same"),
        ("any red tool", "yes"),
        ("any blue animal", "no"),
        ("kind of the last thing", "animal"),
        ("colour of the last thing", "red"),
        ("same kind", "same"),
        ("same size", "different"),
        ("tool or food first", "tool"),
        ("animal or tool first", "animal"),
    ],
)
def test_answers_about_things(task, answer):
    assert right_values(TASKS[task], THINGS)[-1] == answer


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("parity of the biggest number", "even"),
        ("height of the first number", "low"),
        ("height of the biggest number", "high"),
        ("amount of odd numbers", "many"),
        ("amount of even numbers", "few"),
        ("up or down", "down"),
        ("parity of the sum", "even"),
    ],
)
def test_answers_about_numbers(task, answer):
    assert right_values(TASKS[task], [25, 48, 3, 24, 1])[-1] == answer


def test_a_first_food_must_be_there():
    assert defined(TASKS["food or animal first"], THINGS)
    assert not defined(TASKS["food or animal first"], THINGS[:2])


# The generator.


def test_held_out_problems_come_of_held_out_tasks_alone():
    for p in PROBLEMS:
        assert (p.split == "held_out") == (p.facts["task"] in HELD_OUT)
    assert Counter(p.split for p in PROBLEMS) == {"train": 200, "held_out": 200}
    assert {p.facts["task"] for p in FAMILY.generate(1000, rng=np.random.default_rng(0))} == set(TASKS)


def test_prompts_are_composed_from_the_facts():
    for p in PROBLEMS:
        assert p.prompt == wording.compose(p.facts)
        assert p.facts["simplified"] == f"Answer with one of: {', '.join(p.facts['space'])}."
        assert p.facts["instruction"].endswith(p.facts["simplified"])
        assert p.answer in p.facts["space"] == list(TASKS[p.facts["task"]].space)
        assert p.solution.endswith(f"The answer is {p.answer}.")


def test_demonstrations_are_right_and_of_two_answers():
    for p in PROBLEMS:
        shown = p.facts["demonstrations"]
        assert len({answer for _, answer in shown}) == len(shown) == 2
        for text, answer in shown:
            assert text != p.facts["input"]
            items = [int(i) if i.isdigit() else i.split() for i in text.rstrip(".").split(", ")]
            assert right_values(TASKS[p.facts["task"]], items)[-1] == answer


def test_problems_differ_and_come_again_from_the_same_seed():
    assert FAMILY.generate(400, rng=np.random.default_rng(0)) == PROBLEMS
    assert FAMILY.generate(20, rng=np.random.default_rng(0)) == PROBLEMS[:20]
    assert len({p.id for p in PROBLEMS}) == len({(p.facts["task"], p.facts["input"]) for p in PROBLEMS}) == 400


def test_answers_are_balanced_within_a_task():
    problems = FAMILY.generate(2000, rng=np.random.default_rng(1))
    for name in HELD_OUT:
        answers = Counter(p.answer for p in problems if p.facts["task"] == name)
        assert max(answers.values()) / sum(answers.values()) < 1 / len(TASKS[name].space) + 0.2


def test_prompts_and_solutions_are_short_and_of_few_words():
    texts = [(p.prompt, p.solution) for p in PROBLEMS]
    assert max(len(TOKEN.findall(f" {prompt}")) for prompt, _ in texts) <= 120
    assert max(len(TOKEN.findall(f" {solution}")) for _, solution in texts) <= 90
    words = {w for pair in texts for text in pair for w in TOKEN.findall(f" {text}") if not w.strip().isdigit()}
    assert len(words) <= 150
    numbers = {int(n) for pair in texts for text in pair for n in re.findall(r"\d+", text)}
    assert max(numbers) <= 99


def test_lengths():
    for p in FAMILY.generate(40, rng=np.random.default_rng(0), lengths=(2, 7)):
        assert len(p.facts["items"]) in (2, 7)


@pytest.mark.timeout(30)
def test_more_problems_than_there_are():
    with pytest.raises(DataError, match=r"of the 9000 .*lengths"):
        FAMILY.generate(9000, rng=np.random.default_rng(0), lengths=[1])


# The step verifier.


def test_the_family_passes_its_own_audit():
    with Answers(1.0) as answers:
        rows = audit_family(FAMILY, answers, FAMILY)
    require(rows)
    assert all(row.passed == row.total > 0 for row in rows)
    kinds = {"count", "look", "kind", "place", "parity", "compare", "sum", "answer", "carry"}
    assert {row.check for row in rows} == {"own solutions", *(f"planted: {kind}" for kind in kinds)}


def test_another_answer_of_the_space_is_wrong():
    others = [(p, next(word for word in p.facts["space"] if word != p.answer)) for p in PROBLEMS]
    with Answers(1.0) as answers:
        graded = answers([(p, f"The answer is {word}.") for p, word in others])
    assert {grade.strict for grade in graded} == {Mark.WRONG}


def test_promises():
    check_verifier(FAMILY, PROBLEMS[:80])


@given(SEEDS, st.sampled_from(PROBLEMS), st.booleans(), st.booleans(), st.data())
def test_errors_are_caught_at_their_step(seed, p, carry, mended, data):
    task, items = TASKS[p.facts["task"]], p.facts["items"]
    at = data.draw(st.integers(0, len(task.steps) - 1))
    carry = carry and task.steps[at].shows_needs
    steps = broken_steps(task, items, np.random.default_rng(seed), at=at, carry=carry, mended=mended)
    read = graded(p, steps)
    assert first_error(p, steps) == (None if mended else at)
    assert [step.mark for step in read].count(Mark.WRONG) == 1
    assert (read[at].rule == "carry") == carry
    assert read[at].hint == solution_steps(task, items)[at]


@given(SEEDS, st.sampled_from(PROBLEMS), st.data())
def test_a_prefix_is_graded_as_in_the_whole(seed, p, data):
    steps = noisy_attempt(p, np.random.default_rng(seed), unnoticed=0.5, mended=0.3)
    cut = data.draw(st.integers(0, len(steps)))
    assert graded(p, steps[:cut]) == graded(p, steps)[:cut]


@given(st.sampled_from(PROBLEMS), st.lists(st.text(max_size=30), max_size=4))
def test_any_text_gets_a_mark(p, texts):
    assert all(step.mark in Mark for step in graded(p, texts))


def test_the_attempts_own_values_are_followed():
    red = problem("parity of red things", THINGS)
    read = graded(red, ["The number of red things is 2.", "2 is even.", "The answer is even."])
    assert [step.mark for step in read] == [Mark.WRONG, Mark.RIGHT, Mark.RIGHT]
    assert read[0].hint == "The number of red things is 3."


def test_leaving_steps_out_is_no_error():
    red = problem("parity of red things", THINGS)
    assert marks(red, "The answer is odd.") == "r"
    assert marks(red, "The answer is even.") == "u"  # a bare answer breaks no step
    assert marks(red, "3 is odd.", "The answer is odd.") == "rr"
    assert marks(red, "2 is even.", "The answer is even.") == "wr"


def test_a_true_remark_is_right_and_what_follows_from_it_for_the_task_is_not():
    red = problem("parity of red things", THINGS)
    read = graded(red, ["The number of big things is 2.", "2 is even.", "The answer is even."])
    assert [(step.mark, step.rule) for step in read[:2]] == [(Mark.RIGHT, "count"), (Mark.WRONG, "carry")]
    assert read[1].hint == "3 is odd."
    assert marks(red, "The number of big things is 3.", "A cat is a tool.", "3 is less than 2.") == "www"


def test_steps_may_come_in_another_order():
    more = problem("more red things or blue things", THINGS)
    assert (
        marks(
            more,
            "The number of blue things is 1.",
            "The number of red things is 3.",
            "3 is more than 1.",
            "The answer is red.",
        )
        == "rrrr"
    )


def test_two_steps_of_one_form_are_told_apart():
    items = [["big", "red", "cat"], ["big", "red", "dog"]]
    kinds = problem("same kind", items)
    looks = ["The first thing is a cat.", "The last thing is a dog."]
    assert marks(kinds, *looks, "A dog is an animal.", "A cat is an animal.", "The answer is same.") == "rrrrr"
    assert marks(kinds, *looks, "A horse is an animal.") == "rrw"
    twice = problem("same kind", [["big", "red", "cat"], ["big", "red", "cat"]])
    steps = ["The first thing is a cat.", "The last thing is a cat.", "A cat is a tool.", "Wait, a cat is an animal."]
    assert first_error(twice, [*steps, "A cat is an animal.", "The answer is same."]) is None


def test_wait_takes_back_the_step_before_and_what_it_rests_on():
    red = problem("parity of red things", THINGS)
    sound = solution_steps(TASKS["parity of red things"], THINGS)
    assert first_error(red, ["The answer is even.", "Wait, the answer is odd."]) is None
    assert first_error(red, [*sound[:2], "The answer is even.", "Wait, 3 is odd.", sound[2]]) is None
    # Mending something else leaves the error where it is.
    assert first_error(red, ["The number of red things is 4.", "Wait, the number of big things is 2."]) == 0
    assert first_error(red, ["The number of red things is 4.", "Hmm.", "Wait, the number of red things is 3."]) == 0


def test_a_value_said_anew_opens_what_was_inferred_from_it():
    red = problem("parity of red things", THINGS)
    steps = [
        "The number of red things is 4.",
        "4 is even.",
        "Wait, the number of red things is 3.",
        "The answer is odd.",
    ]
    assert marks(red, *steps) == "wrrr"


def test_after_an_unread_step_another_value_is_not_wrong():
    red = problem("parity of red things", THINGS)
    assert marks(red, "I see two red ones.", "2 is even.", "The answer is even.") == "uur"
    assert marks(red, "I see two red ones.", "2 is odd.") == "uw"
    assert marks(red, "I see two red ones.", "The answer is even.") == "uu"
    assert marks(red, "I see two red ones.", "The number of red things is 2.") == "uw"
    assert marks(red, "Let me see.", "The number of red things is 3.", "2 is even.") == "urw"
    assert marks(red, "Let me see.", "The answer is purple.") == "uw"


@pytest.mark.parametrize(
    "step",
    [
        "So the number of red things is three.",
        "The number of red things is 3 or 4.",
        "The number of red things is 1234567.",
        "The number of red things is ٣.",
        "The number of red thing\u017f is 3.",
        "The number of red things is 3. 3 is odd.",
        "The answer is not odd.",
        "The answer is odd or even.",
        "Wait,",
        "\ud800",
    ],
)
def test_what_cannot_be_read_is_unknown(step):
    assert marks(problem("parity of red things", THINGS), step) == "u"


def test_a_step_is_read_without_regard_to_case_and_to_the_last_point():
    red = problem("parity of red things", THINGS)
    assert marks(red, "the number of RED things is 03", "3 is odd", "The answer is Odd") == "rrr"


# Documents.


@pytest.mark.parametrize(("unnoticed", "mended", "errors", "waits"), [(0, 0, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1)])
def test_noise_is_of_the_kind_that_was_asked_for(unnoticed, mended, errors, waits):
    rng = np.random.default_rng(0)
    for p in PROBLEMS[:100]:
        steps = noisy_attempt(p, rng, unnoticed=unnoticed, mended=mended)
        assert (first_error(p, steps) is not None) == bool(errors)
        assert sum(step.startswith("Wait, ") for step in steps) == waits


def test_nouns_take_the_article_a():
    assert all(noun[0] not in "aeiou" for nouns in NOUNS.values() for noun in nouns)
