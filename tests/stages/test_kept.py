"""What a study keeps so as not to ask, or pay, twice."""

import pytest

from counterform.stages.kept import CRITIQUES_A_PART, Kept
from counterform.store import RunDir
from counterform.types import Attempt, Completion, Critic, Criticism, Graded, Mark, Problem, Verdict


class Paid(Critic):
    """A critic that remembers whom it was asked about, and dies after so many calls."""

    name = "paid"

    def __init__(self, calls=99):
        self.asked, self.calls = [], calls

    def __call__(self, shown, *, seed):
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        self.asked += [graded.attempt.id for _, graded in shown]
        return [
            Criticism(
                attempt_id=graded.attempt.id,
                verdict=Mark.WRONG,
                first_error=len(self.asked),
                right=(0, 1),
                text=f"Said with seed {seed}.",
                tokens=7,
            )
            for _, graded in shown
        ]


def kept(critic, path, folder, lost=None):
    return Kept(critic, RunDir(path), lambda: folder, [].extend if lost is None else lost.extend)


def pairs(names):
    for name in names:
        attempt = Attempt(
            id=f"{name}/m/0",
            problem_id=str(name),
            model="m",
            seed=0,
            completion=Completion(text="x", tokens=1, finish="stop"),
        )
        verdict = Verdict(attempt_id=attempt.id, outcome=Mark.WRONG, lenient=Mark.WRONG, verifier="v")
        yield Problem(id=str(name), prompt="?", answer="1"), Graded(attempt=attempt, verdict=verdict)


def test_a_paid_critic_is_asked_once_an_attempt(tmp_path):
    first, second = Paid(), Paid()
    said = kept(first, tmp_path, "critiques/a")(list(pairs(range(6))), seed=5)
    again = kept(second, tmp_path, "critiques/a")(list(pairs([7, *range(5, -1, -1)])), seed=6)
    assert again[1:] == said[::-1]
    assert second.asked == ["7/m/0"]


def test_what_was_said_before_a_kill_is_not_asked_again(tmp_path):
    shown = list(pairs(range(CRITIQUES_A_PART + 10)))
    with pytest.raises(KeyboardInterrupt):
        kept(Paid(calls=1), tmp_path, "critiques/a")(shown, seed=5)
    critic = Paid()
    said = kept(critic, tmp_path, "critiques/a")(shown, seed=5)
    assert critic.asked == [graded.attempt.id for _, graded in shown[CRITIQUES_A_PART:]]
    assert [one.attempt_id for one in said] == [graded.attempt.id for _, graded in shown]


def test_another_critic_says_something_else(tmp_path):
    shown, other = list(pairs(range(3))), Paid()
    kept(Paid(), tmp_path, "critiques/a")(shown, seed=5)
    kept(other, tmp_path, "critiques/b")(shown, seed=5)
    assert len(other.asked) == 3
