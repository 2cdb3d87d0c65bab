from collections import Counter

import numpy as np
import pytest

from counterform.errors import DataError
from counterform.problems.several import Several
from counterform.testing import check_verifier
from counterform.verify.answer import Answers
from counterform.verify.audit import audit_family, require


def problems(n, *families):
    return Several(families or ("route", "ledger")).generate(n, rng=np.random.default_rng(0))


def test_promises():
    check_verifier(Several(), problems(6))


def test_as_many_of_each_in_turn():
    found = problems(9)
    assert Counter(problem.family for problem in found) == {"route": 5, "ledger": 4}
    assert [problem.family for problem in found[:4]] == ["route", "ledger"] * 2


def test_its_graders_can_be_graded():
    with Answers(5.0) as outcome:
        require(audit_family(Several(), outcome, Several()))


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(ValueError, match="2 or more different families"):
        Several(["route"])
    with pytest.raises(DataError, match="'sorting-out' holds out whole tasks"):
        problems(8, "route", "sorting-out")
