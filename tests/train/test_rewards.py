import numpy as np
import pytest

from counterform.train.rewards import KINDS, rewards_of
from counterform.types import Attempt, Completion, Graded, Mark, Verdict


def rollout(text, outcome=Mark.WRONG):
    attempt = Attempt(
        id=text, problem_id="p", model="m", seed=0, completion=Completion(text=text, tokens=1, finish="stop")
    )
    return Graded(attempt=attempt, verdict=Verdict(attempt_id=text, outcome=outcome, lenient=outcome, verifier="v"))


def rewards(kind, rows, *, group=None, seed=0):
    return rewards_of(kind, rows, group=group or len(rows), rng=np.random.default_rng(seed))


GROUP = [
    rollout("The answer is 7."),
    rollout("The answer is 8.", Mark.RIGHT),
    rollout("So it is. The answer is 14/2."),
    rollout("I think it is less.", Mark.UNKNOWN),
    rollout("I think it is less.", Mark.UNKNOWN),
    rollout("I think it is less.", Mark.UNKNOWN),
]


def test_each_kind_takes_another_thing_for_right():
    assert rewards("right", GROUP) == [0.0, 1.0, 0.0, None, None, None]
    assert rewards("format", GROUP) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert rewards("majority", GROUP) == [1.0, 0.0, 1.0, None, None, None], "who says nothing has no vote"


def test_a_majority_is_of_a_group_and_of_two_as_large_the_first():
    both = [rollout(f"The answer is {n}.") for n in (1, 2, 2, 2, 1, 1)]
    assert rewards("majority", both, group=3) == [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    assert rewards("majority", both, group=2) == [1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert rewards("majority", [rollout("Hm.")]) == [None]


def test_a_coin_knows_nothing_and_a_seed_decides():
    rows = [rollout(f"The answer is {at}.", Mark.RIGHT if at % 2 else Mark.WRONG) for at in range(4000)]
    got = np.array(rewards("random", rows))
    right = np.array([at % 2 for at in range(4000)], bool)
    assert set(got) == {0.0, 1.0}
    assert abs(got.mean() - 0.5) < 0.03
    assert abs(got[right].mean() - got[~right].mean()) < 0.05
    assert rewards("random", rows) == got.tolist() != rewards("random", rows, seed=1)
    assert rewards("random", GROUP)[3:] == [None] * 3, "what was not graded is UNKNOWN for the control too"


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts(kind):
    rows = [rollout(text, Mark.UNKNOWN) for text in ("", "\x00\ud83d", "The answer is " * 500, "9" * 5000)]
    assert all(reward in (None, 0.0, 1.0) for reward in rewards(kind, rows, group=2))
    assert rewards(kind, [], group=4) == []
