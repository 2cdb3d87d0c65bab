"""What a rollout is rewarded for: a right answer, or what a control puts in its place.

right     the answer is right (the study's verifiers)
random    a coin, for every rollout that was graded (arXiv 2506.10947: such rewards raised Qwen's scores)
format    an answer is stated, right or wrong
majority  the answer is that of most rollouts of its group (TTRL, arXiv 2504.16084): no key is looked at
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from counterform.text.answers import times_stated
from counterform.trust import candidates
from counterform.types import Attempt, Completion, Grade, Graded, Mark
from counterform.verify.answer import say_the_same

Kind = Literal["right", "random", "format", "majority"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Graders:
    """Grades batches of rollouts; the last batch is remembered, since it is asked for more than once."""

    def __init__(self, grade: Grade) -> None:
        self._grade = grade
        self._batch: list[Attempt] = []
        self._graded: list[Graded] = []

    def __call__(self, problem_ids: Sequence[str], texts: Sequence[str], tokens: Sequence[int] = ()) -> list[Graded]:
        """The rollouts with their verdicts. tokens: of each; left out where nobody asks."""
        batch = [
            Attempt(
                id=f"{problem}/rollout/{at}",
                problem_id=problem,
                model="rollout",
                seed=0,
                completion=Completion(text=text, tokens=length, finish="stop"),
            )
            for at, (problem, text, length) in enumerate(
                zip(problem_ids, texts, tokens or [0] * len(texts), strict=True)
            )
        ]
        if batch != self._batch:
            self._batch, self._graded = batch, self._grade(batch)
        return self._graded


def rewards_of(kind: Kind, graded: Sequence[Graded], *, group: int, rng: np.random.Generator) -> list[float | None]:
    """A reward for each rollout, 0 or 1; None: UNKNOWN, which is no failure.

    group: rollouts of one prompt, which follow each other. Only `format` knows no UNKNOWN: where no answer is stated, that is its
    failure. A majority is of the stated answers that are provably the same; of two as large ones, the one that was given first.
    """
    texts = [one.attempt.completion.text for one in graded]
    if kind == "format":
        return [float(times_stated(text) > 0) for text in texts]
    if kind == "majority":
        return [reward for at in range(0, len(texts), group) for reward in _by_majority(texts[at : at + group])]
    known = [one.verdict.outcome is not Mark.UNKNOWN for one in graded]
    if kind == "random":
        won = [float(coin) for coin in rng.random(len(graded)) < 0.5]
    else:
        won = [float(one.verdict.outcome is Mark.RIGHT) for one in graded]
    return [reward if there else None for reward, there in zip(won, known, strict=True)]


def _by_majority(texts: Sequence[str]) -> list[float | None]:
    stating = [at for at, text in enumerate(texts) if times_stated(text)]
    groups = candidates([texts[at] for at in stating], say_the_same).values()
    largest = max(groups, key=len, default=[])
    won = {stating[member]: float(members is largest) for members in groups for member in members}
    return [won.get(at) for at in range(len(texts))]
