import numpy as np
import pytest

from counterform.problems.ledger import Ledger
from counterform.types import Attempt, Case, Completion, Graded, Mark, Verdict
from counterform.verify.steps import grade_steps


def graded(problem, text, name, outcome):
    """An attempt with the marks of the ledger's own step verifier."""
    attempt = Attempt(
        id=f"{problem.id}/{name}/0",
        problem_id=problem.id,
        model=name,
        seed=0,
        completion=Completion(text=text, tokens=len(text.split()), finish="stop"),
    )
    steps = grade_steps(Ledger(), problem, text)
    return Graded(
        attempt=attempt,
        verdict=Verdict(attempt_id=attempt.id, outcome=outcome, lenient=outcome, steps=steps, verifier="ledger"),
    )


@pytest.fixture(scope="session")
def cases():
    """Ledger problems with their solution and with a planted error each; every fifth error cannot be located."""
    family = Ledger()
    found = []
    for at, problem in enumerate(family.generate(21, rng=np.random.default_rng(0))):
        planted = family.plant_errors(problem, rng=np.random.default_rng(at))[0].text
        wrong = "I think it is less." if at % 5 == 4 else planted
        found.append(
            Case(
                problem=problem,
                right=graded(problem, problem.solution, "right", Mark.RIGHT),
                wrong=graded(problem, wrong, "wrong", Mark.WRONG),
            )
        )
    return found
