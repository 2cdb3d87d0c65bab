from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.findings.blindness import Tally, blindness, sentence, share
from counterform.types import Mark, StepVerdict, Verdict

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


def verdict(outcome: Mark, *steps: Mark) -> Verdict:
    rules = {R: "kept", W: "broken", U: "unread"}
    graded = tuple(StepVerdict(mark=mark, rule=rules[mark]) for mark in steps)
    return Verdict(attempt_id="a", outcome=outcome, lenient=outcome, steps=graded, verifier="v")


POOL = [
    verdict(R, R, W, R),
    verdict(R, R, R),
    verdict(R, R, U),
    verdict(W, W, R, R),
    verdict(W, R, R),
    verdict(U, W, R),
    verdict(R, U, U),
    verdict(R),
]


def test_counts_what_is_there():
    found = blindness(POOL, ["p", "p", "q", "q", "q", "p", "p", "p"])
    assert (found.attempts, found.problems, found.unread) == (5, 2, 3)
    assert found.table == {(R, W): 1, (R, R): 1, (R, U): 1, (W, W): 1, (W, R): 1}
    assert (found.violated_right.hits, found.violated_right.n) == (1, 2)
    assert (found.only_process.hits, found.only_process.n, found.only_process.value) == (1, 5, 0.2)
    assert (found.right_violated.hits, found.right_violated.n) == (1, 3)
    assert (found.sound_wrong.hits, found.sound_wrong.n) == (1, 2)
    assert found.first_error == (0.125, 0.25, 0.375)
    assert found.kinds == {"broken": 2}
    assert "of the 2 held-out attempts of the pool with a wrong step" in sentence(found)
    assert "of all 5 (3 more could not be read)" in sentence(found)


def test_a_pool_in_parts_is_the_same_pool():
    problems = ["p", "p", "q", "q", "q", "p", "p", "p"]
    tally = Tally()
    for at in range(0, len(POOL), 3):
        tally.add(POOL[at : at + 3], problems[at : at + 3])
    assert tally.found() == blindness(POOL, problems)


@pytest.mark.parametrize("pool", [[], POOL[5:], [verdict(R, R)]])
def test_nothing_is_said_of_nothing(pool):
    found = blindness(pool, ["p"] * len(pool))
    assert found.violated_right.value is None
    assert math.isnan(found.first_error[1])
    assert "none of" in sentence(found)


def test_the_interval_is_one_of_clusters():
    hits = np.array([True] * 20 + [False] * 20)
    alone = share(hits, np.ones(40, dtype=bool), np.arange(40))
    clustered = share(hits, np.ones(40, dtype=bool), np.arange(40) // 10)
    assert alone.value == clustered.value == 0.5
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)
    none = share(np.zeros(40, dtype=bool), np.ones(40, dtype=bool), np.arange(40))
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 40))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), max_size=40))
def test_a_share_lies_in_its_interval(rows):
    hits, among, clusters = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, bool),) * 3
    )
    found = share(hits.astype(bool), among.astype(bool), clusters.astype(int))
    assert found.n == int(among.sum())
    if found.value is not None:
        assert 0 <= found.low <= found.high <= 1
        assert 0 <= found.value <= 1
