"""Arms that learn from what they sample themselves (GRPO): one rollout selection against another.

All examples are prompts; the trainer samples. G is `num_generations` in [train.grpo], the rollouts a prompt that most of
these arms learn from: so they are matched by rollouts kept, and what they sampled for it stands in the ledger.
Source of RoC: rStar2-Agent, arXiv 2508.20722.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import unknown_name
from counterform.parts import part
from counterform.types import Arm, Case, Example

PENALTIES = ("tool_errors", "format")
"""The two that the paper adds."""
TOOLS = ("", "calc")


class Grpo(Recipe):
    """Sample G rollouts a prompt and learn from them all (Shao et al. 2024, arXiv 2402.03300).

    generate, keep: rollouts a prompt that are sampled and learnt from, in multiples of G. mode: how the kept ones are
    chosen (`train.roc`). penalties: what an unclean way is, by name. penalty_weight: of the mean penalty, taken off the
    reward. tool: `calc` answers what the model writes after "=", and fails at the rate `tool_failures`.
    Raises ValueError for numbers that cannot be.
    """

    name = "grpo"
    objective: Literal["sft", "grpo"] = "grpo"
    differs_by = "sampled by the arm itself; learns from all G rollouts of a prompt"
    generate, keep, mode, penalty_weight = 1, 1, "random", 0.0

    def __init__(
        self,
        *,
        generate: int | None = None,
        keep: int | None = None,
        mode: str | None = None,
        penalties: Sequence[str] = PENALTIES,
        penalty_weight: float | None = None,
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
        if tool not in TOOLS:
            raise ValueError(unknown_name("tool", tool, TOOLS))
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
