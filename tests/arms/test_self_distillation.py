import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.self_distillation import CONTEXTS, Sdft, Sdpo
from counterform.errors import DataError
from counterform.parts import part
from counterform.testing import check_recipe
from counterform.text import wording

SHOWN = "{prompt}\n{solution}\n\n{prompt}"


def prompts(cases, context):
    arm = Sdft(context=context, shown=SHOWN)(cases, np.random.default_rng(0))
    return arm.options["teacher_prompts"]


@pytest.mark.parametrize("recipe", [*(Sdft(context=context) for context in CONTEXTS), Sdpo()])
def test_promises(recipe, cases):
    check_recipe(recipe, cases)
    assert part("arm", recipe.name) is type(recipe)
    assert part("trainer", recipe.objective).table == recipe.objective


def test_what_the_teacher_is_shown(cases):
    """Each cell holds what it says, and the student's prompt holds none of it."""
    for case, none, solution, wrong, feedback, both in zip(
        cases, *(prompts(cases, name) for name in ("none", "solution", "wrong", "feedback", "both")), strict=True
    ):
        problem, attempt = case.problem, case.wrong.attempt.completion.text
        assert none == problem.prompt
        assert solution == f"{problem.prompt}\n{problem.solution}\n\n{problem.prompt}"
        assert wrong == f"{problem.prompt}\n{attempt}\n\n{problem.prompt}"
        assert wording.verdict_of(feedback).value == "wrong"
        assert problem.solution not in feedback
        assert both == f"{feedback}\n{problem.solution}\n\n{feedback}"


def test_shuffled_feedback_is_all_of_it_and_none_in_its_place(cases):
    told, mixed = prompts(cases, "feedback"), prompts(cases, "shuffled")
    named = [wording.named_error(text) for text in told]
    moved = [wording.named_error(text) for text in mixed]
    assert sorted(map(str, named)) == sorted(map(str, moved))
    assert all(a is None or a != b for a, b in zip(named, moved, strict=True))


def test_the_match_card_tells_what_the_critic_located(cases):
    assert "the critic locates an error in" in Sdft(context="feedback")(cases, np.random.default_rng(0)).differs_by
    assert "critic" not in Sdft(context="solution")(cases, np.random.default_rng(0)).differs_by


def test_what_cannot_be(cases):
    with pytest.raises(ValueError, match=r"unknown context 'solutoin'.*'solution'"):
        Sdft(context="solutoin")
    with pytest.raises(ValueError, match="unknown context 'shuffled'"):
        Sdpo(context="shuffled")
    with pytest.raises(ValueError, match="shown must hold"):
        Sdft(shown="{prompt}")
    without = [replace(case, problem=replace(case.problem, solution=None)) for case in cases]
    with pytest.raises(DataError, match="arm 'sdft' shows solutions, and 21 of 21 problems have none"):
        Sdft()(without, np.random.default_rng(0))
    Sdft(context="wrong")(without, np.random.default_rng(0))


@pytest.mark.parametrize(("context", "own", "feedback"), [("solution", True, False), ("both", True, True)])
def test_sdpo_says_it_to_its_trainer(cases, context, own, feedback):
    arm = Sdpo(context=context)(cases, np.random.default_rng(0))
    assert arm.options == {"use_successful_as_teacher": own, "include_environment_feedback": feedback}
