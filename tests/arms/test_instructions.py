from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.arms.instructions import OPTIONS, Instructions, wrong_labels
from counterform.errors import ControlError, DataError, StudyError
from counterform.parts import made
from counterform.problems.sorting_out import SortingOut
from counterform.testing import check_recipe
from counterform.text import wording
from counterform.types import Attempt, Case, Completion, Graded, Mark, Problem, Verdict

ARMS = [dict(zip(OPTIONS, values, strict=True)) for values in product(*OPTIONS.values())]


def case(problem):
    """The recipe looks at no attempt."""
    completion = Completion(text="", tokens=0, finish="stop")
    attempt = Attempt(id="a", problem_id=problem.id, model="m", seed=0, completion=completion)
    verdict = Verdict(attempt_id="a", outcome=Mark.UNKNOWN, lenient=Mark.UNKNOWN, verifier="none")
    graded = Graded(attempt=attempt, verdict=verdict)
    return Case(problem=problem, right=graded, wrong=graded)


def with_facts(problem, **changes):
    facts = {**problem.facts, **changes}
    return replace(problem, facts=facts, prompt=wording.compose(facts))


PROBLEMS = [p for p in SortingOut().generate(300, rng=np.random.default_rng(0)) if p.split == "train"]
CASES = [case(p) for p in PROBLEMS]


def examples(**options):
    return Instructions(**options)(CASES, np.random.default_rng(0)).examples


@pytest.mark.parametrize("options", ARMS)
def test_promises(options):
    check_recipe(Instructions(**options), CASES)


def test_every_arm_says_what_sets_it_apart():
    assert len(ARMS) == 18
    assert len({Instructions(**options).differs_by for options in ARMS}) == 18


@pytest.mark.parametrize("options", ARMS)
def test_what_is_removed_is_gone_and_what_is_kept_is_kept(options):
    for p, example in zip(PROBLEMS, examples(**options), strict=True):
        asks = p.facts["instruction"].removesuffix(p.facts["simplified"]).strip()
        assert (asks in example.prompt) == (options["definition"] == "original")
        assert (p.facts["simplified"] in example.prompt) == (options["definition"] != "empty")
        right = [wording.demonstration(*pair) in example.prompt for pair in p.facts["demonstrations"]]
        assert set(right) == {options["demonstrations"] == "original"}
        inputs = [shown in example.prompt for shown, _ in p.facts["demonstrations"]]
        assert set(inputs) == {options["demonstrations"] != "none"}
        assert example.prompt.endswith(f"Input: {p.facts['input']}")
        label = example.completion.removeprefix("The answer is ").removesuffix(".")
        assert label in p.facts["space"]
        assert (label == p.answer) == (options["targets"] == "paired")


def test_the_whole_prompt_is_the_problems_own():
    assert [e.prompt for e in examples()] == [p.prompt for p in PROBLEMS]


def test_a_template_stays_around_the_prompt():
    wrapped = [case(replace(p, prompt=f"<< {p.prompt} >>")) for p in PROBLEMS]
    for example in Instructions(definition="empty")(wrapped, np.random.default_rng(0)).examples:
        assert example.prompt.startswith("<< Input: ")
        assert example.prompt.endswith(" >>")


def test_wrong_targets_are_a_permutation_within_each_task_where_labels_are_even():
    kept, turned = Counter(), Counter()
    for p, example in zip(PROBLEMS, examples(targets="shuffled"), strict=True):
        label = example.completion.removeprefix("The answer is ").removesuffix(".")
        kept[p.facts["task"], p.answer] += 1
        turned[p.facts["task"], label] += 1
    by_task = Counter(p.facts["task"] for p in PROBLEMS)
    for (task, label), n in kept.items():
        largest = max(count for (name, _), count in kept.items() if name == task)
        assert turned[task, label] == n or 2 * largest > by_task[task]


@given(st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("abc")), min_size=1, max_size=30), st.integers(0, 99))
def test_wrong_labels(pairs, seed):
    rows = {(task, str(at)): (label, "abc") for at, (task, label) in enumerate(pairs)}
    wrong = wrong_labels(rows, np.random.default_rng(seed))
    assert wrong.keys() == rows.keys()
    for (task, _), group in {(task, ""): [r for r in rows if r[0] == task] for task in "st"}.items():
        right = Counter(rows[r][0] for r in group)
        assert all(wrong[r] != rows[r][0] and wrong[r] in "abc" for r in group), task
        if group and 2 * max(right.values()) <= len(group):
            assert Counter(wrong[r] for r in group) == right


def test_one_input_has_one_wrong_label_wherever_it_is_shown():
    shown = PROBLEMS[0].facts["demonstrations"]
    same = [p for p in PROBLEMS if p.facts["task"] == PROBLEMS[0].facts["task"]]
    cases = [case(with_facts(p, demonstrations=shown)) for p in same]
    arm = Instructions(demonstrations="delusive")(cases, np.random.default_rng(0))
    assert len(same) > 2
    assert (
        len({e.prompt.partition("Input: " + p.facts["input"])[0] for p, e in zip(same, arm.examples, strict=True)}) == 1
    )


@pytest.mark.parametrize(
    ("options", "changes", "words"),
    [
        ({"definition": "empty"}, {"input": "Count the red. Is there one?", "instruction": "is THERE  one?"}, "still in"),
        ({"definition": "space"}, {"instruction": "Answer with one of: odd, even.", "simplified": "Answer with one of: odd, even."}, "nothing to take away"),
        ({"definition": "space"}, {"simplified": "Say a word."}, "no longer states"),
        ({"demonstrations": "none"}, {"demonstrations": []}, "no demonstrations"),
        ({}, {"space": ["neither", "nor"]}, "not in its answer space"),
    ],
)  # fmt: skip
def test_a_control_that_does_not_hold_is_refused(options, changes, words):
    broken = case(with_facts(PROBLEMS[0], **changes))
    with pytest.raises(ControlError, match=words):
        Instructions(**options)([*CASES[1:5], broken], np.random.default_rng(0))


def test_problems_without_an_instruction_are_refused(cases):
    with pytest.raises(DataError, match=r"21 of 21 have none .*\[problems\] instruction"):
        Instructions()(cases, np.random.default_rng(0))


def test_a_prompt_that_is_not_composed_is_refused():
    odd = case(Problem(id="x", prompt="?", answer="odd", facts=PROBLEMS[0].facts))
    with pytest.raises(DataError, match="'x' is not composed"):
        Instructions()([odd], np.random.default_rng(0))


def test_an_unknown_option_names_the_options():
    with pytest.raises(StudyError, match=r"Did you mean 'delusive'\? Options: delusive, none, original"):
        made("arm", "instructions", {"demonstrations": "delusiv"}, "$.arms[0].options")
