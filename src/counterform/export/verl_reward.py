"""The reward of one rollout in verl, told by the verifiers of a study."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from counterform.errors import DataError
from counterform.parts import made, part
from counterform.train.penalties import ProcessViolations, Rollout
from counterform.types import Attempt, Completion, Mark, Problem
from counterform.verify.steps import grade


class VerlReward:
    """Scores rollouts one at a time, from any thread: verl calls its reward function from several."""

    def __init__(self, *, steps: str, options: dict[str, Any], seconds: float) -> None:
        self._steps = made("step verifier", steps, options, "reward.py")
        self._outcome = part("outcome verifier", "answer")(seconds)
        self._lock = threading.Lock()

    def __call__(self, text: str, answer: str, extra_info: Mapping[str, Any]) -> dict[str, float]:
        """`score`: 1 right, 0 else. `known`: 0 where it could not be told; the sampler drops such a rollout, for verl alone
        a 0 is a failure. `penalty` in [0, 1]: `penalties.ProcessViolations`.
        """
        problem = _problem(answer, extra_info)
        said = Completion(text=text, tokens=0, finish="stop")
        rollout = Attempt(id="rollout", problem_id=problem.id, model="verl", seed=0, completion=said)
        with self._lock:
            [verdict] = grade([rollout], {problem.id: problem}, outcome=self._outcome, steps=self._steps)
        return {
            "score": float(verdict.outcome is Mark.RIGHT),
            "known": float(verdict.outcome is not Mark.UNKNOWN),
            "penalty": ProcessViolations()(Rollout(text=text, verdict=verdict)),
        }


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
