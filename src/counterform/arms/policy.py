"""Arms that learn from what they sample themselves (GRPO): one rollout selection against another.

All examples are prompts; the trainer samples. G is `num_generations` in [train.grpo], the rollouts a prompt that most of
these arms learn from: so they are matched by rollouts kept, and what they sampled for it stands in the ledger.
Source of RoC: rStar2-Agent, arXiv 2508.20722. `random_reward`, `format_reward` and `majority_reward` are controls for all of them; as an
option (`reward`) of any other arm they are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import unknown_name
from counterform.parts import part
from counterform.types import Arm, Case, Example, Objective

PENALTIES = ("tool_errors", "format")
"""The two that the paper adds."""
TOOLS = ("", "calc")
REWARDS = ("right", "random", "format", "majority")
LEARNS_FROM = ("all", "successes", "failures")


class Grpo(Recipe):
    """Sample G rollouts a prompt and learn from them all (Shao et al. 2024, arXiv 2402.03300).

    generate, keep: rollouts a prompt that are sampled and learnt from, in multiples of G. mode: how the kept ones are
    chosen (`train.roc`). penalties: what an unclean way is, by name. penalty_weight: of the mean penalty, taken off the
    reward. reward: what for (`train.rewards`). learns_from: whose advantages stay. tool: `calc` answers what the model writes after
    "=", and fails at the rate `tool_failures`. Raises ValueError for what cannot be.
    """

    name = "grpo"
    objective: Objective = "grpo"
    differs_by = "sampled by the arm itself; learns from all G rollouts of a prompt"
    generate, keep, mode, penalty_weight = 1, 1, "random", 0.0
    reward, learns_from = "right", "all"

    def __init__(
        self,
        *,
        generate: int | None = None,
        keep: int | None = None,
        mode: str | None = None,
        penalties: Sequence[str] = PENALTIES,
        penalty_weight: float | None = None,
        reward: str | None = None,
        learns_from: str | None = None,
        tool: str = "",
        tool_failures: float = 0.0,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        self.options: dict[str, Any] = {
            "generate": self.generate if generate is None else generate,
            "keep": self.keep if keep is None else keep,
            "mode": mode or self.mode,
            "penalties": list(penalties),
            "penalty_weight": self.penalty_weight if penalty_weight is None else penalty_weight,
            "reward": reward or self.reward,
            "learns_from": learns_from or self.learns_from,
            "tool": tool,
            "tool_failures": tool_failures,
        }
        if not 1 <= self.options["keep"] <= self.options["generate"]:
            raise ValueError(
                f"keep = {self.options['keep']} x G of generate = {self.options['generate']} x G: keep at least 1, and "
                "at most what is generated"
            )
        if not 0 <= self.options["penalty_weight"] <= 1 or not 0 <= tool_failures <= 1:
            raise ValueError("penalty_weight and tool_failures lie in 0..1")
        for name, options in (("tool", TOOLS), ("reward", REWARDS), ("learns_from", LEARNS_FROM)):
            if self.options[name] not in options:
                raise ValueError(unknown_name(name, str(self.options[name]), options))
        if self.options["reward"] == "majority" and self.options["mode"] == "waves":
            raise ValueError("reward 'majority' is of whole groups, and mode 'waves' samples them bit by bit")
        for penalty in penalties:
            part("penalty", penalty)

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        examples = tuple(
            Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=None) for case in cases
        )
        return Arm(
            name=self.name,
            objective="grpo",
            differs_by=self.differs_by,
            examples=examples,
            options=self.options,
        )


class Grpo2G(Grpo):
    """Sample 2G and learn from them all: what twice the rollouts buy without any selection."""

    name = "grpo_2g"
    differs_by = "samples 2G rollouts of a prompt and learns from them all"
    generate, keep = 2, 2


class GrpoRandom(Grpo):
    """Sample 2G and learn from G drawn blindly: the control for RoC."""

    name = "grpo_random"
    differs_by = "samples 2G rollouts of a prompt and learns from G drawn blindly"
    generate = 2


class RoC(Grpo):
    """Sample 2G; learn from half of the failures, drawn evenly, and the cleaner half of the successes (section 2.2.3)."""

    name = "roc"
    differs_by = "samples 2G rollouts; keeps failures evenly and the cleaner successes"
    generate, mode = 2, "paper"


class RoCWaves(Grpo):
    """RoC that stops a group once more rollouts could not make its kept ones cleaner: for fewer than 2G of them."""

    name = "roc_waves"
    differs_by = (
        "as roc, and samples a group in waves: G, and more up to 2G only where they could replace an unclean success"
    )
    generate, mode = 2, "waves"


class RoCNoFailures(Grpo):
    """RoC whose failures stay in the baseline and leave the loss: learning from right answers alone."""

    name = "roc_no_failures"
    differs_by = "as roc, and the failures leave the loss"
    generate, mode = 2, "no_failures"


class RoCBoth(Grpo):
    """RoC that prefers clean failures too, which the authors tried and left."""

    name = "roc_both"
    differs_by = "as roc, and prefers clean failures too"
    generate, mode = 2, "both"


class GrpoPenalty(Grpo):
    """The penalty inside the reward, in place of any selection."""

    name = "grpo_penalty"
    differs_by = "the penalty is taken off the reward; learns from all G rollouts"
    penalty_weight = 0.5


class Psr(Grpo):
    """GRPO from successes alone: the advantages of failures are set to 0 (positive sample reinforcement, arXiv 2506.01347)."""

    name = "psr"
    differs_by = "as grpo, and only rollouts above their group's mean reward are learnt from"
    learns_from = "successes"


class Nsr(Grpo):
    """GRPO from failures alone: the advantages of successes are set to 0 (negative sample reinforcement, arXiv 2506.01347)."""

    name = "nsr"
    differs_by = "as grpo, and only rollouts below their group's mean reward are learnt from"
    learns_from = "failures"


class RandomReward(Grpo):
    """A coin in place of the grade. Keeps sampling, selection and updates, takes away what is rewarded."""

    name = "random_reward"
    differs_by = "as grpo, and a coin decides which of the graded rollouts are rewarded"
    reward = "random"


class FormatReward(Grpo):
    """The reward is for stating an answer, right or wrong."""

    name = "format_reward"
    differs_by = "as grpo, and every rollout that states an answer is rewarded, right or wrong"
    reward = "format"


class MajorityReward(Grpo):
    """The reward is for the commonest answer of the group: what is gained without any key."""

    name = "majority_reward"
    differs_by = "as grpo, and the commonest answer of a group is rewarded, right or wrong"
    reward = "majority"
