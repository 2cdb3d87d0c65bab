import numpy as np
import pytest

from counterform.problems.ledger import Ledger
from counterform.specs import VerifierErrors
from counterform.testing import check_verifier
from counterform.text.steps import split_steps
from counterform.types import Mark
from counterform.verify.fallible import Fallible, another
from counterform.verify.steps import grade_steps

PROBLEMS = Ledger().generate(150, rng=np.random.default_rng(0))
WRONG = [planted for p in PROBLEMS for planted in [Ledger().plant_errors(p, rng=np.random.default_rng(1))[0]]]


def marks(errors, seed=0):
    """Of every first step of a solution, and of every planted error, the mark by the verifier that errs."""
    verifier = Fallible(Ledger(), errors, seed)
    right = [grade_steps(verifier, p, p.solution)[0].mark for p in PROBLEMS]
    wrong = [
        grade_steps(verifier, p, planted.text)[planted.first_error].mark
        for p, planted in zip(PROBLEMS, WRONG, strict=True)
    ]
    return right, wrong


@pytest.mark.parametrize("fresh", [False, True])
def test_it_is_wrong_at_its_rates_and_only_there(fresh):
    right, wrong = marks(VerifierErrors(false_alarms=0.2, fresh=fresh))
    assert right.count(Mark.WRONG) / len(right) == pytest.approx(0.2, abs=0.09)
    right, wrong = marks(VerifierErrors(misses=0.2, fresh=fresh))
    assert set(right) == {Mark.RIGHT}
    assert wrong.count(Mark.RIGHT) / len(wrong) == pytest.approx(0.2, abs=0.09)
    right, wrong = marks(VerifierErrors())
    assert set(right) == {Mark.RIGHT}
    assert set(wrong) == {Mark.WRONG}


def test_equal_texts_get_equal_verdicts_unless_errors_are_drawn_anew():
    errors = VerifierErrors(false_alarms=0.5, misses=0.5)
    assert marks(errors) == marks(errors) != marks(errors, seed=1)
    for fresh, seen in ((False, 1), (True, 2)):
        verifier = Fallible(Ledger(), VerifierErrors(false_alarms=0.5, fresh=fresh))
        assert len({verifier.start(PROBLEMS[0]).feed(PROBLEMS[0].solution[:15]).mark for _ in range(20)}) <= seen
    anew = VerifierErrors(false_alarms=0.5, fresh=True)
    assert marks(anew) == marks(anew), "equal calls in equal order"


def test_at_a_false_alarm_it_believes_what_it_hints_and_stands_by_it():
    verifier = Fallible(Ledger(), VerifierErrors(false_alarms=1.0))
    problem = PROBLEMS[0]
    first = problem.solution[slice(*split_steps(problem.solution)[0])]
    refused = verifier.start(problem).feed(first)
    assert (refused.mark, refused.hint) == (Mark.WRONG, another(first))
    assert verifier.start(problem).feed(refused.hint).mark is Mark.RIGHT
    assert verifier.start(problem).feed(another(refused.hint)).hint == refused.hint


def test_what_it_cannot_read_stays_unknown_and_another_step_is_another():
    verifier = Fallible(Ledger(), VerifierErrors(false_alarms=1.0, misses=1.0))
    assert verifier.start(PROBLEMS[0]).feed("Let me think.").mark is Mark.UNKNOWN
    assert another("7 + 5 = 12.") == "7 + 5 = 13."
    assert another("It is fine.") == ""


def test_its_name_says_how_wrong_it_is():
    errors = VerifierErrors(false_alarms=0.05, misses=0.1, fresh=True)
    assert Fallible(Ledger(), errors).name == "ledger, made wrong (false alarms 5 %, misses 10 %, drawn anew)"
    assert Fallible(Ledger(), errors).bounded is Ledger.bounded
    assert (VerifierErrors(fresh=True).kind, VerifierErrors(fresh=True).words) == ("", "never wrong")
    assert errors.kind == "false alarms and misses, drawn anew"


def test_promises():
    check_verifier(Fallible(Ledger(), VerifierErrors(misses=0.1)), PROBLEMS[:2])
