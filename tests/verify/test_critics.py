import numpy as np
import pytest
from msgspec.structs import replace

from counterform.problems.ledger import Ledger
from counterform.testing import HOSTILE
from counterform.types import Attempt, Completion, Graded, Mark, Problem, StepVerifier, Watch
from counterform.verify.answer import Answers
from counterform.verify.critics import Reference, Steps
from counterform.verify.steps import grade

PROBLEM = Problem(id="p", prompt="?", answer="24", solution="7 + 5 = 12. 12 * 2 = 24. The answer is 24.")
STEPS, REFERENCE = Steps(), Reference()


def graded(text, outcome=None, problem=PROBLEM, steps=None):
    attempt = Attempt(
        id="p/m/0",
        problem_id=problem.id,
        model="m",
        seed=0,
        completion=Completion(text=text, tokens=1, finish="stop"),
        recorded=outcome or Mark.UNKNOWN,
    )
    answers = Answers(5.0)
    [verdict] = grade([attempt], {problem.id: problem}, outcome=answers, steps=steps or Unread())
    answers.close()
    return Graded(attempt=attempt, verdict=verdict)


class Unread(StepVerifier, Watch):
    name = "unread"

    def start(self, problem):
        return self

    def feed(self, step):
        from counterform.verify.steps import UNREAD

        return UNREAD


def by(critic, text, outcome=Mark.WRONG, problem=PROBLEM):
    [said] = critic([(problem, graded(text, outcome, problem))], seed=0)
    return said


@pytest.fixture(scope="module")
def planted():
    """Ledger attempts with a known first error, by kind."""
    found = []
    for at, problem in enumerate(Ledger().generate(30, rng=np.random.default_rng(0))):
        for error in Ledger().plant_errors(problem, rng=np.random.default_rng(at)):
            found.append((problem, error, graded(error.text, Mark.WRONG, problem, Ledger())))
    return found


def test_steps_names_every_planted_error(planted):
    said = STEPS([(problem, one) for problem, _, one in planted], seed=0)
    for (_, error, one), found in zip(planted, said, strict=True):
        assert (found.attempt_id, found.verdict) == (one.attempt.id, Mark.WRONG)
        assert found.first_error == error.first_error
        assert found.hint == one.verdict.steps[error.first_error].hint
        assert found.right == tuple(range(error.first_error))


def test_reference_names_planted_errors_of_a_family_with_one_way(planted):
    # A lost step is no departure: steps of the solution may be skipped.
    planted = [row for row in planted if row[1].kind != "unfinished"]
    said = REFERENCE([(problem, one) for problem, _, one in planted], seed=0)
    hits = [found.first_error == error.first_error for (_, error, _), found in zip(planted, said, strict=True)]
    assert np.mean(hits) > 0.9  # a wrong result may by chance be a later result of the solution


def test_steps_says_no_more_than_was_checked():
    unlocated, sound = by(STEPS, "It is 25."), by(STEPS, "It is 24.", Mark.RIGHT)
    assert (unlocated.verdict, unlocated.first_error, unlocated.right) == (Mark.WRONG, None, ())
    assert (sound.verdict, sound.right) == (Mark.RIGHT, ())
    [untold] = STEPS([(PROBLEM, graded("Hmm."))], seed=0)
    assert untold.verdict is Mark.UNKNOWN
    assert untold.why


@pytest.mark.parametrize(
    ("text", "named", "hint", "right"),
    [
        ("7 + 5 = 13. 13 * 2 = 26. The answer is 26.", 0, "7 + 5 = 12.", ()),
        ("7 + 5 = 12. 12 * 2 = 26. The answer is 26.", 1, "12 * 2 = 24.", (0,)),
        ("7 + 5 = 12. 12 * 2 = 24. The answer is 42.", 2, "The answer is 24.", (0, 1)),
        ("5 + 7 = 12.00. 12 + 12 = 24. the answer is 25.", 2, "The answer is 24.", (0, 1)),
        ("12 * 2 = 24. The answer is 25.", 1, "The answer is 24.", (0,)),  # a step may be skipped
        ("7 + 5 = 12. 12 * 2 = 24. The answer is 24. No.", 3, "", (0, 1, 2)),
        ("7 + 5 = 12.", None, "", ()),  # it stops, and nothing of it can be shown wrong
    ],
)
def test_reference_names_the_first_step_that_departs(text, named, hint, right):
    said = by(REFERENCE, text)
    assert (said.verdict, said.first_error, said.hint, said.right) == (Mark.WRONG, named, hint, right)


def test_reference_calls_no_step_of_a_right_attempt_wrong():
    said = by(REFERENCE, "2 * 7 = 14. 2 * 5 = 10. 14 + 10 = 24. The answer is 24.", Mark.RIGHT)
    assert (said.verdict, said.first_error, said.right) == (Mark.RIGHT, None, (2, 3))


def test_reference_tells_nothing_without_a_solution_or_a_grade():
    assert by(REFERENCE, "12.", problem=replace(PROBLEM, solution=None)).why == "the problem has no worked solution"
    [ungraded] = REFERENCE([(PROBLEM, graded("Hmm."))], seed=0)
    assert (ungraded.verdict, ungraded.why) == (Mark.UNKNOWN, "the answer could not be graded")


@pytest.mark.parametrize("critic", [STEPS, REFERENCE])
def test_hostile_texts_are_criticised_or_unknown(critic):
    for text in HOSTILE:
        said = by(critic, text, problem=replace(PROBLEM, solution=f"{PROBLEM.solution} {text}"))
        assert said.first_error is None or said.verdict is Mark.WRONG
