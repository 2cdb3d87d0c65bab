import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.rationales import InvalidRationale, IrrelevantRationale, ShuffledRationale
from counterform.bench import Bench
from counterform.errors import ControlError
from counterform.problems.ledger import Ledger
from counterform.testing import check_recipe
from counterform.types import Graded, Mark
from counterform.verify.answer import Answers
from counterform.verify.steps import Arithmetic, grade_steps
from counterform.verify.steps import grade as verdicts_of

RECIPES = [InvalidRationale, ShuffledRationale, IrrelevantRationale]


def grader(cases, steps):
    answers, known = Answers(5.0), {case.problem.id: case.problem for case in cases}

    def grade(attempts):
        verdicts = verdicts_of(attempts, known, outcome=answers, steps=steps)
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    return grade


@pytest.mark.parametrize("recipe", RECIPES)
def test_promises(recipe, cases):
    check_recipe(recipe(bench=Bench(grade=grader(cases, Ledger()))), cases)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_answer_is_kept_and_the_rationale_is_not_sound(recipe, cases):
    arm = recipe(bench=Bench(grade=grader(cases, Ledger())))(cases, np.random.default_rng(0))
    for case, example in zip(cases, arm.examples, strict=True):
        assert example.prompt == case.problem.prompt
        assert example.completion.endswith(f" The answer is {case.problem.answer}.")
        assert example.completion != case.problem.solution
        marks = [step.mark for step in grade_steps(Ledger(), case.problem, example.completion)]
        assert Mark.WRONG in marks
        if recipe is InvalidRationale:
            assert Mark.RIGHT not in marks[:-1]
    assert arm.differs_by == recipe.differs_by


def test_an_order_that_nobody_can_call_wrong_is_told(cases):
    arm = ShuffledRationale(bench=Bench(grade=grader(cases, Arithmetic())))(cases, np.random.default_rng(0))
    assert arm.differs_by.endswith(f"; in {len(cases)} of {len(cases)} the step verifier finds no wrong step")


def test_steps_that_nobody_can_read_are_told(cases):
    talking = [replace(c, problem=replace(c.problem, solution=f"Well. {c.problem.solution}")) for c in cases]
    arm = InvalidRationale(bench=Bench(grade=grader(talking, Arithmetic())))(talking, np.random.default_rng(0))
    assert arm.differs_by.endswith(f"; {len(cases)} steps could not be read and are not proven")


@pytest.mark.parametrize("recipe", RECIPES)
def test_rationales_that_no_verifier_reads_are_counted_and_refused(recipe, cases):
    mute = [
        replace(c, problem=replace(c.problem, solution=f"Well. The answer is {c.problem.answer}.")) for c in cases[:3]
    ]
    with pytest.raises(
        ControlError,
        match=rf"'{recipe.name}': 3 of {len(cases)} worked solutions .*3 has no step that the step verifier could read; "
        rf"first: '{mute[0].problem.id}'.*verify.steps.*leave this arm out",
    ):
        recipe(bench=Bench(grade=grader([*mute, *cases[3:]], Ledger())))([*mute, *cases[3:]], np.random.default_rng(0))
