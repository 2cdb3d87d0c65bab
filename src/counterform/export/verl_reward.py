"""The reward of one rollout in verl, told by the verifiers of a study."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterform.errors import DataError
from counterform.parts import made, part
from counterform.train.penalties import Penalty, Rollout, penalise
from counterform.train.rewards import Kind, rewards_of
from counterform.types import Attempt, Completion, Graded, Problem
from counterform.verify.steps import grade


class VerlReward:
    """Scores rollouts one at a time, from any thread: verl calls its reward function from several."""

    def __init__(
        self,
        *,
        steps: str,
        options: dict[str, Any],
        seconds: float,
        reward: Kind = "right",
        penalties: Sequence[str] = ("process",),
        penalty_weight: float = 0.0,
    ) -> None:
        """reward, penalties, penalty_weight: as of an arm of GRPO; no reward of a whole group."""
        self._steps = made("step verifier", steps, options, "reward.py")
        self._outcome = part("outcome verifier", "answer")(seconds)
        self._kind, self._weight = reward, penalty_weight
        self._penalties: list[Penalty] = [made("penalty", name, {}, "reward.py") for name in penalties]
        self._coins = np.random.default_rng()  # verl asks in several processes, none of which may toss another's coins
        self._lock = threading.Lock()

    def __call__(self, text: str, answer: str, extra_info: Mapping[str, Any]) -> dict[str, float]:
        """`score`: the reward, less the weighted penalty; 0 where it could not be told. `known`: 0 for such a rollout, which the sampler
        drops; for verl alone a 0 is a failure. `penalty` in [0, 1]: the mean of the penalties.
        """
        problem = _problem(answer, extra_info)
        said = Completion(text=text, tokens=0, finish="stop")
        rollout = Attempt(id="rollout", problem_id=problem.id, model="verl", seed=0, completion=said)
        with self._lock:
            [verdict] = grade([rollout], {problem.id: problem}, outcome=self._outcome, steps=self._steps)
            [reward] = rewards_of(self._kind, [Graded(attempt=rollout, verdict=verdict)], group=1, rng=self._coins)
        penalty = float(penalise(self._penalties, [Rollout(text=text, verdict=verdict)])[0])
        score = 0.0 if reward is None else reward - self._weight * penalty
        return {"score": score, "known": float(reward is not None), "penalty": penalty}


def _problem(answer: str, extra_info: Mapping[str, Any]) -> Problem:
    try:
        return Problem(
            id=extra_info["id"],
            prompt=extra_info["prompt"],
            answer=answer,
            family=extra_info["family"],
            facts=json.loads(extra_info["facts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"extra_info does not hold a problem ({error!r}). This reward reads the Parquet files that "
            "`counterform export --to verl-grpo` writes."
        ) from error
