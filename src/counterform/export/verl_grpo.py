"""GRPO in verl on the problems of an arm: two Parquet files, a config that Hydra composes with verl's own, a reward file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from string import Template
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from counterform.errors import DataError
from counterform.study import BASE, ChatSpec, Study
from counterform.types import Problem

G = 16
"""Rollouts of a prompt that are learnt from; RoC samples twice as many (rStar2-Agent, arXiv 2508.20722, section 2.2.3)."""
PROMPTS = 128
"""Prompts a step, at most; the released scripts of the paper have as many."""

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("data_source", pa.string()),
        ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        ("solution", pa.string()),
        (
            "extra_info",
            pa.struct(
                [(name, pa.string()) for name in ("id", "split", "prompt", "family", "facts")] + [("index", pa.int64())]
            ),
        ),
    ]
)


class Chosen(Struct, frozen=True, kw_only=True):
    """What of an arm verl can do: which rollouts are learnt from, and what for."""

    what: str
    """In words."""
    generate: int = 2
    keep: int = 1
    """Rollouts of a prompt that are sampled and learnt from, in multiples of G."""
    mode: str = "paper"
    reward: str = "right"
    penalties: tuple[str, ...] = ("process",)
    penalty_weight: float = 0.0


def chosen(arm: str, objective: str, options: Mapping[str, Any]) -> Chosen:
    """What is written of an arm: of one of GRPO what it is itself, of another RoC on its problems.

    Raises DataError for an arm that would be another one in verl.
    """
    if objective != "grpo":
        return Chosen(what=f"GRPO with resampling on correct (RoC), on the problems of the arm {arm!r}")
    asked = {name: options[name] for name in ("generate", "keep", "mode", "reward", "penalties", "penalty_weight")}
    lacking = (
        (options["learns_from"] != "all", "learns_from", "verl's GRPO learns from all rollouts it is handed"),
        (
            options["reward"] == "majority",
            "reward",
            "verl asks for the reward of one rollout, and this is of a whole group",
        ),
        (options["mode"] == "waves", "mode", "verl samples a group at once"),
        (bool(options["tool"]), "tool", "the tool is not there"),
    )
    for asked_for, name, why in lacking:
        if asked_for:
            raise DataError(
                f"arm {arm!r} is what it is by {name} = {options[name]!r}, and {why}: exported, it would be another arm. Take one without, or "
                "train it here."
            )
    return Chosen(what=f"The arm {arm!r}", **asked | {"penalties": tuple(asked["penalties"])})


def write_grpo(
    folder: Path, final: Path, study: Study, chosen: Chosen, train: Sequence[Problem], held_out: Sequence[Problem]
) -> int:
    """Write everything into `folder`, which will stand at `final`, and say how many training problems there are."""
    for name, problems in (("train", train), ("val", held_out)):
        rows = [_row(problem, index, study.model.chat) for index, problem in enumerate(problems)]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / f"{name}.parquet", compression="zstd")
    values = _values(study, final, chosen, len(train))
    for name, template in (("grpo.yaml", _CONFIG), ("reward.py", _REWARD)):
        (folder / name).write_text(Template(template).substitute(values), encoding="utf-8")
    return len(train)


def _row(problem: Problem, index: int, chat: ChatSpec) -> dict[str, Any]:
    """One problem in verl's columns; `extra_info` holds what the step verifier needs to know of it."""
    return {
        "id": problem.id,
        "data_source": f"counterform/{problem.family}",
        "prompt": chat.messages(problem.prompt),
        "ability": problem.family,
        "reward_model": {"style": "rule", "ground_truth": problem.answer},
        "solution": problem.solution,
        "extra_info": {
            "id": problem.id,
            "split": problem.split,
            "prompt": problem.prompt,
            "family": problem.family,
            "facts": json.dumps(problem.facts, sort_keys=True),
            "index": index,
        },
    }


def _values(study: Study, final: Path, chosen: Chosen, problems: int) -> dict[str, Any]:
    kept = Fraction(chosen.keep, chosen.generate)
    prompts = min(PROMPTS, problems)
    prompts = prompts - prompts % kept.denominator or 1
    own = not study.verify.steps and bool(study.problems.family)
    return {
        # JSON strings are YAML strings, whatever stands in them.
        "folder": json.dumps(str(final)),
        "model": json.dumps(str(BASE) if study.model.path == "world" else study.model.path),
        "name": json.dumps(study.name),
        "prompts": prompts,
        "what": chosen.what,
        "mini": max(int(prompts * kept), 1),
        "n": chosen.generate * G,
        "keep": chosen.keep * G,
        "mode": chosen.mode,
        "reward": repr(chosen.reward),
        "penalties": repr(chosen.penalties),
        "penalty_weight": repr(chosen.penalty_weight),
        "response": study.attempts.max_tokens,
        "seed": study.seeds[0],
        "steps": repr(study.verify.steps or study.problems.family or "arithmetic"),
        "options": repr(study.problems.options if own else {}),
        "seconds": repr(study.verify.seconds),
    }


_REWARD = '''\
"""What verl calls to score a rollout: the verifiers of the study $name. Yours to change."""

from counterform.export.verl_reward import VerlReward

_reward = VerlReward(
    steps=$steps,
    options=$options,
    seconds=$seconds,
    reward=$reward,
    penalties=$penalties,
    penalty_weight=$penalty_weight,
)


def compute_score(data_source, solution_str, ground_truth, extra_info):
    """The reward as `score`, whether it could be told as `known`, and how unclean the way was as `penalty`."""
    return _reward(solution_str, ground_truth, extra_info)
'''

_CONFIG = """\
# $what, for verl 0.9 with its V1 trainer.
#
#   python -m verl.trainer.main_ppo --config-path HERE --config-name grpo
#
# HERE is this folder, as an absolute path. Any value can be overridden: trainer.n_gpus_per_node=8
hydra:
  searchpath: ["pkg://verl.trainer.config"]
defaults:
  - ppo_trainer
  - _self_

counterform:
  folder: $folder  # change it when this folder moves

data:
  train_files: $${counterform.folder}/train.parquet
  val_files: $${counterform.folder}/val.parquet
  train_batch_size: $prompts
  max_prompt_length: 1024
  max_response_length: $response
  truncation: error

algorithm:
  adv_estimator: grpo
  use_kl_in_reward: false

actor_rollout_ref:
  model:
    path: $model
  actor:
    # verl multiplies this by rollout.n, whatever the sampler keeps of them: $prompts prompts * $keep kept = $mini * $n, one
    # update a step. A larger number is filled up with padding.
    ppo_mini_batch_size: $mini
    use_dynamic_bsz: true
    use_kl_loss: false
    entropy_coeff: 0
    clip_ratio_low: 0.2
    clip_ratio_high: 0.28
    loss_agg_mode: token-mean
    optim:
      lr: 1.0e-6
  rollout:
    name: vllm
    n: $n

reward:
  custom_reward_function:
    path: $${counterform.folder}/reward.py
    name: compute_score

trainer:
  project_name: counterform
  experiment_name: $name
  logger: ["console"]
  v1:
    trainer_mode: sync
    sampler:
      custom_sampler:
        path: pkg://counterform.train.verl_sampler
        name: RoCSampler  # RoCSamplerAsync for colocate_async and separate_async
      sampler_kwargs:
        keep: $keep  # of the rollouts of a prompt; as many as rollout.n: only those that could not be graded are dropped
        mode: $mode
        seed: $seed
"""
