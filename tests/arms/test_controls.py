from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.arms.controls import AnswerOnly, ShuffledTarget
from counterform.errors import ControlError
from counterform.testing import check_recipe
from counterform.text.steps import split_steps
from counterform.types import Attempt, Case, Completion, Graded, Mark, Problem, Verdict


def case(number, answer, solution=True):
    """A problem whose solution ends in its answer and names its number."""
    text = f"By way {number}. The answer is {answer}."
    attempt = Attempt(
        id=f"{number}/m/0",
        problem_id=str(number),
        model="m",
        seed=0,
        completion=Completion(text=text, tokens=7, finish="stop"),
    )
    verdict = Verdict(attempt_id=attempt.id, outcome=Mark.RIGHT, lenient=Mark.RIGHT, verifier="test")
    right = Graded(attempt=attempt, verdict=verdict)
    problem = Problem(id=str(number), prompt=f"Question {number}", answer=answer, solution=text if solution else None)
    return Case(problem=problem, right=right, wrong=right)


@pytest.mark.parametrize("recipe", [ShuffledTarget(), AnswerOnly()])
def test_promises(recipe, cases):
    check_recipe(recipe, cases)


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), st.integers(0, 99), st.booleans())
def test_shuffled_targets_are_a_permutation_without_a_right_answer(answers, seed, solution):
    cases = [case(number, answer, solution) for number, answer in enumerate(answers)]
    if 2 * max(Counter(answers).values()) > len(answers):
        with pytest.raises(ControlError, match=rf"of {len(answers)} cases share one answer"):
            ShuffledTarget()(cases, np.random.default_rng(seed))
        return
    examples = ShuffledTarget()(cases, np.random.default_rng(seed)).examples
    assert sorted(e.completion for e in examples) == sorted(c.right.attempt.completion.text for c in cases)
    for c, example in zip(cases, examples, strict=True):
        assert example.prompt == c.problem.prompt
        assert not example.completion.endswith(f"The answer is {c.problem.answer}.")


def test_another_seed_shuffles_in_another_way(cases):
    first, again, other = (ShuffledTarget()(cases, np.random.default_rng(seed)).examples for seed in (0, 0, 1))
    assert first == again != other


def test_one_answer_for_all_cannot_be_shuffled(cases):
    same = [replace(c, problem=replace(c.problem, answer="7")) for c in cases]
    with pytest.raises(ControlError, match=f"{len(cases)} of {len(cases)} cases share one answer.*leave this arm out"):
        ShuffledTarget()(same, np.random.default_rng(0))


def test_answer_only_has_no_step(cases):
    for c, example in zip(cases, AnswerOnly()(cases, np.random.default_rng(0)).examples, strict=True):
        assert example.completion == f"The answer is {c.problem.answer}."
        assert len(split_steps(example.completion)) == 1 < len(split_steps(c.problem.solution))


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_in_another_writing_is_the_same_answer(seed):
    """Sorted as text each stands next to its like, which is what a turn by one would give it."""
    same = [{"0.5", "0.50", "00.5"}, {"1,000", "1000"}]
    cases = [case(at, answer) for at, answer in enumerate(["0.5", "0.50", "00.5", "1,000", "1000", "7", "8", "9"])]
    for c, example in zip(cases, ShuffledTarget()(cases, np.random.default_rng(seed)).examples, strict=True):
        other = example.completion.rpartition("The answer is ")[2].removesuffix(".")
        assert not any({other, c.problem.answer} <= group for group in same)


def test_one_answer_for_all_in_several_writings_cannot_be_shuffled():
    cases = [case(at, answer) for at, answer in enumerate(["0.5", "0.50", "1/2", "50%"])]
    with pytest.raises(
        ControlError, match=r"still ends in the right answer, written in another way.*leave this arm out"
    ):
        ShuffledTarget()(cases, np.random.default_rng(0))
