import numpy as np
import pytest

from counterform.probes.probe import HeldOut
from counterform.problems.ledger import Ledger
from counterform.types import Attempt, Completion, Graded
from counterform.verify.answer import Answers
from counterform.verify.steps import grade as verdicts_of


@pytest.fixture(scope="session")
def problems():
    return tuple(Ledger().generate(8, rng=np.random.default_rng(0)))


@pytest.fixture(scope="session")
def grade(problems):
    """The study's own grading, of whole-number answers: nothing that would start a process."""
    answers, known = Answers(5.0), {problem.id: problem for problem in problems}

    def graded(attempts):
        verdicts = verdicts_of(attempts, known, outcome=answers, steps=Ledger())
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    yield graded
    answers.close()


@pytest.fixture(scope="session")
def items(problems, grade):
    """Of every problem its solution and one planted error."""
    texts = {}
    for at, problem in enumerate(problems):
        planted = Ledger().plant_errors(problem, rng=np.random.default_rng(at))
        texts[problem.id] = (problem.solution, planted[at % len(planted)].text)
    attempts = [
        Attempt(
            id=f"{name}/base/{number}",
            problem_id=name,
            model="base",
            seed=0,
            completion=Completion(text=text, tokens=len(text.split()), finish="stop"),
        )
        for name, pair in texts.items()
        for number, text in enumerate(pair)
    ]
    return HeldOut(problems=problems, attempts=tuple(grade(attempts)))
