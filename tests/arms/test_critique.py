import numpy as np
from msgspec.structs import replace

from counterform.arms.critique import Critique, critique_of
from counterform.testing import check_recipe
from counterform.types import Mark
from counterform.wording import critique_prompt, named_error


def shown_in(case, example):
    return case.wrong if example.attempt_ids == (case.wrong.attempt.id,) else case.right


def test_promises(cases):
    check_recipe(Critique(), cases)


def test_half_of_the_attempts_are_wrong_drawn_by_seed(cases):
    draws = []
    for seed in (0, 0, 1):
        examples = Critique()(cases, np.random.default_rng(seed)).examples
        draws.append([shown_in(case, e) is case.wrong for case, e in zip(cases, examples, strict=True)])
        assert sum(draws[-1]) == (len(cases) + 1) // 2
    assert draws[0] == draws[1] != draws[2]


def test_the_critique_says_what_the_verifier_found(cases):
    for case, example in zip(cases, Critique()(cases, np.random.default_rng(0)).examples, strict=True):
        shown = shown_in(case, example)
        assert example.prompt == critique_prompt(case.problem.prompt, shown.step_texts)
        first_error = shown.verdict.first_error
        if shown is case.right:
            assert named_error(example.completion) == -1
            assert example.completion.endswith("The attempt is right.")
        elif first_error is None:
            assert named_error(example.completion) is None
            assert example.completion == f"The answer should be {case.problem.answer}. The attempt is wrong."
        else:
            assert named_error(example.completion) == first_error
            assert shown.verdict.steps[first_error].hint.rstrip(".") in example.completion


def test_a_wrong_step_is_named_though_the_answer_is_right(cases):
    case = next(case for case in cases if case.wrong.verdict.first_error is not None)
    lucky = replace(case.wrong, verdict=replace(case.wrong.verdict, outcome=Mark.RIGHT))
    assert named_error(critique_of(case.problem, lucky)) == case.wrong.verdict.first_error


def test_a_step_that_nobody_read_is_not_called_right(cases):
    case = cases[0]
    steps = (replace(case.right.verdict.steps[0], mark=Mark.UNKNOWN), *case.right.verdict.steps[1:])
    critique = critique_of(case.problem, replace(case.right, verdict=replace(case.right.verdict, steps=steps)))
    assert "Step 1 is right" not in critique
    assert "Step 2 is right" in critique


def test_a_mended_step_is_not_called_right(cases):
    right = cases[0].right.verdict.steps
    steps = (replace(right[0], mark=Mark.WRONG), replace(right[0], mends=True), *right[1:])
    critique = critique_of(
        cases[0].problem, replace(cases[0].right, verdict=replace(cases[0].right.verdict, steps=steps))
    )
    assert critique.startswith("Step 2 is right. ")
    assert critique.endswith("The attempt is right.")
