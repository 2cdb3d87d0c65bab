from typing import get_args

import numpy as np
import pytest
from msgspec.structs import replace

from counterform.arms.calc import CalcTraces
from counterform.arms.policy import (
    LEARNS_FROM,
    REWARDS,
    FormatReward,
    Grpo,
    Grpo2G,
    GrpoPenalty,
    GrpoRandom,
    MajorityReward,
    Nsr,
    Psr,
    RandomReward,
    RoC,
    RoCBoth,
    RoCNoFailures,
    RoCWaves,
)
from counterform.errors import DataError, StudyError
from counterform.parts import PARTS, part
from counterform.testing import check_recipe
from counterform.train.grpo import LearnsFrom
from counterform.train.rewards import Kind

SELECTIONS = (Grpo, Grpo2G, GrpoPenalty, GrpoRandom, RoC, RoCBoth, RoCNoFailures, RoCWaves)
REWARDED = (Psr, Nsr, RandomReward, FormatReward, MajorityReward)


@pytest.mark.parametrize("recipe", [*SELECTIONS, *REWARDED])
def test_promises(recipe, cases):
    check_recipe(recipe(), cases)
    arm = recipe()(cases, None)
    assert arm.objective == recipe.objective == "grpo"
    assert all(example.completion is None for example in arm.examples)
    assert part("arm", recipe.name) is recipe


def test_what_sets_them_apart(cases):
    told = {r.name: (r().options["generate"], r().options["keep"], r().options["mode"]) for r in SELECTIONS}
    assert told == {
        "grpo": (1, 1, "random"),
        "grpo_2g": (2, 2, "random"),
        "grpo_penalty": (1, 1, "random"),
        "grpo_random": (2, 1, "random"),
        "roc": (2, 1, "paper"),
        "roc_both": (2, 1, "both"),
        "roc_no_failures": (2, 1, "no_failures"),
        "roc_waves": (2, 1, "waves"),
    }
    assert {r.name for r in SELECTIONS if r().options["penalty_weight"]} == {"grpo_penalty"}


def test_options():
    options = RoC(mode="released", generate=3, penalties=["process"], tool="calc", tool_failures=0.2).options
    assert options == {
        "generate": 3,
        "keep": 1,
        "mode": "released",
        "penalties": ["process"],
        "penalty_weight": 0.0,
        "reward": "right",
        "learns_from": "all",
        "tool": "calc",
        "tool_failures": 0.2,
    }
    for wrong in (
        {"keep": 3},
        {"keep": 0},
        {"tool_failures": 1.5},
        {"penalty_weight": -1},
        {"tool": "calculator"},
        {"reward": "luck"},
        {"learns_from": "both"},
        {"reward": 3},
    ):
        with pytest.raises(ValueError, match=r"keep|in 0\.\.1|unknown (tool|reward|learns_from)"):
            RoC(**wrong)
    with pytest.raises(StudyError, match="proces"):
        RoC(penalties=["proces"])
    assert "process" in PARTS["penalty"]


def test_a_control_differs_from_grpo_in_one_thing():
    """And any arm has its own control by an option."""
    differs = {r.name: {k: v for k, v in r().options.items() if v != Grpo().options[k]} for r in REWARDED}
    assert differs == {
        "psr": {"learns_from": "successes"},
        "nsr": {"learns_from": "failures"},
        "random_reward": {"reward": "random"},
        "format_reward": {"reward": "format"},
        "majority_reward": {"reward": "majority"},
    }
    assert RoC(reward="random").options == RoC().options | {"reward": "random"}
    with pytest.raises(ValueError, match="whole groups"):
        RoCWaves(reward="majority")


def test_the_options_are_those_that_the_trainer_knows():
    assert get_args(Kind) == REWARDS
    assert get_args(LearnsFrom) == LEARNS_FROM


class TestCalcTraces:
    def test_promises(self, cases):
        check_recipe(CalcTraces(), cases)

    def test_every_error_is_called_again(self, cases):
        arm = CalcTraces(malformed=1, failed=1)(cases, rng())
        for example, case in zip(arm.examples, cases, strict=True):
            steps = example.completion.split(". ")
            assert [step for step in steps if "error" not in step] == case.problem.solution.split(". ")
            assert sum("error" in step for step in steps) == 2 * (len(steps) - 1) // 3

    def test_without_noise_it_is_the_worked_solution(self, cases):
        arm = CalcTraces(malformed=0, failed=0)(cases, rng())
        assert [example.completion for example in arm.examples] == [case.problem.solution for case in cases]

    def test_bad_input(self, cases):
        words = [replace(case, problem=replace(case.problem, solution="It is less.")) for case in cases]
        with pytest.raises(DataError, match="made of equations"):
            CalcTraces()(words, rng())
        with pytest.raises(ValueError, match=r"in 0\.\.1"):
            CalcTraces(failed=2)


def rng():
    return np.random.default_rng(0)
