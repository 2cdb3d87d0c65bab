from __future__ import annotations

import numpy as np
import pytest

from counterform.errors import AuditError
from counterform.problems.ledger import Ledger
from counterform.types import Attempt, Completion, Mark, Problem, StepVerdict, StepVerifier, Watch
from counterform.verify.answer import Answers
from counterform.verify.audit import audit_family, audit_recorded, audit_user, contradicted, require
from counterform.verify.steps import Arithmetic


class Lenient(StepVerifier, Watch):
    """A step verifier that finds everything right."""

    name = "lenient"

    def start(self, problem):
        return self

    def feed(self, step):
        return StepVerdict(mark=Mark.RIGHT, rule="nothing")


def recorded(problem_id: str, text: str, mark: Mark) -> Attempt:
    completion = Completion(text=text, tokens=1, finish="stop")
    return Attempt(id=text, problem_id=problem_id, model="m", seed=0, completion=completion, recorded=mark)


def test_ledger_passes_its_own_audit():
    with Answers(1.0) as answers:
        rows = audit_family(Ledger(), answers, Ledger())
    require(rows)
    assert {row.check for row in rows} >= {"own solutions", "planted: arithmetic", "planted: answer"}
    assert all(row.passed == row.total > 0 for row in rows)


def test_a_verifier_that_catches_nothing_is_named_with_an_example():
    with Answers(1.0) as answers:
        rows = audit_family(Ledger(), answers, Lenient())
    with pytest.raises(AuditError, match=r"planted: arithmetic: 0 of \d+ passed.*fails on problem ledger-") as error:
        require(rows)
    assert "own solutions" not in str(error.value)


def test_a_family_with_a_wrong_key_fails():
    class Off(Ledger):
        def generate(self, n, *, rng, lengths=(3,)):
            problems = super().generate(n, rng=rng, lengths=lengths)
            return [
                Problem(id=p.id, prompt=p.prompt, answer="1000", solution=p.solution, facts=p.facts) for p in problems
            ]

        def plant_errors(self, problem, *, rng: np.random.Generator):
            return []

    with Answers(1.0) as answers, pytest.raises(AuditError, match="own solutions: 0 of 200"):
        require(audit_family(Off(), answers, Off()))


def test_user_data():
    problems = [
        Problem(id="1", prompt="?", answer="18", solution="9 * 2 = <<9*2=18>>18\n#### 18"),
        Problem(id="2", prompt="?", answer="5", solution="2 + 2 = 5\nThe answer is 5."),
        Problem(id="3", prompt="?", answer="7"),
    ]
    attempts = [
        recorded("1", "The answer is 18.", Mark.RIGHT),
        recorded("2", "The answer is 6.", Mark.RIGHT),
        recorded("3", "no idea", Mark.WRONG),
    ]
    with Answers(1.0) as answers:
        own, clean = audit_user(problems, answers, Arithmetic())
        [grades] = audit_recorded(problems, attempts, answers)
    assert (own.passed, own.total, own.required) == (2, 2, 0.95)
    assert (clean.verifier, clean.passed, clean.total, clean.required) == ("arithmetic", 1, 2, 0.0)
    assert (grades.check, grades.passed, grades.total, grades.unknown) == ("recorded grades", 1, 3, 1)
    require([own, clean, grades])


def test_keys_that_cannot_be_read_back_stop_a_study():
    problems = [Problem(id=str(i), prompt="?", answer="18", solution="so it is eighteen") for i in range(3)]
    with Answers(1.0) as answers, pytest.raises(AuditError, match="answer, own solutions: 0 of 3 passed, 95% must"):
        require(audit_user(problems, answers, Arithmetic()))


def test_nothing_to_audit_is_no_failure():
    with Answers(1.0) as answers:
        assert audit_user([Problem(id="1", prompt="?", answer="1")], answers, Arithmetic()) == []
        assert audit_recorded([Problem(id="1", prompt="?", answer="")], [recorded("1", "1", Mark.RIGHT)], answers) == []


@pytest.mark.parametrize("opposite", [0, 1, 2])
def test_recorded_grades_that_the_key_contradicts_are_said(opposite):
    """The kind: grades of somebody else's grader, which stand. A few errors are everywhere; what is not read is no contradiction."""
    problems = [Problem(id="1", prompt="?", answer="18")]
    attempts = [
        *(recorded("1", "The answer is 18.", Mark.WRONG) for _ in range(opposite)),
        *(recorded("1", "The answer is 18.", Mark.RIGHT) for _ in range(98 - opposite)),
        *(recorded("1", "no idea", Mark.WRONG) for _ in range(2)),
    ]
    with Answers(1.0) as answers:
        notes = contradicted(audit_recorded(problems, attempts[::-1], answers))
    if opposite < 2:
        assert notes == []
    else:
        [note] = notes
        assert "2 of 100 recorded grades are the opposite of what the key says" in note
        assert "'The answer is 18.'" in note
