"""Rollouts for TRL's GRPOTrainer from our own decode loop: each prompt is read once for its whole group, with a calculator if there is one."""

from __future__ import annotations

from itertools import count
from typing import Any

from counterform.errors import extra
from counterform.models.calc import Calculator
from counterform.models.decoding import decode
from counterform.models.rows import Sample, stream_of

with extra("train"):
    import torch
    from trl import GRPOConfig
    from trl.models.utils import unwrap_model_for_generation


class Rollouts:
    """A rollout function (GRPOTrainer's `rollout_func`). Each call draws anew; what the calculator says is masked from the loss.

    tool_failures: the share of sound calls that fail; None: there is no calculator. With one, reward functions are given `tool_calls` and
    `tool_errors` of each rollout.
    """

    def __init__(self, seed: int, *, tool_failures: float | None = None) -> None:
        self._seed, self._tool_failures, self._calls = seed, tool_failures, count()

    @staticmethod
    def can_sample_as(config: GRPOConfig) -> bool:
        """Whether plain sampling at a temperature is all that this configuration asks for."""
        plain = config.top_p == 1.0 and not config.top_k and config.min_p is None and config.repetition_penalty == 1.0
        return bool(plain and not config.use_vllm and not config.use_transformers_paged)

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """One completion per prompt, in order: TRL has repeated each prompt for its rollouts."""
        tokenizer, failures, call = trainer.processing_class, self._tool_failures, next(self._calls)
        if isinstance(prompts[0], str):
            asked = tokenizer(prompts)["input_ids"]
        else:
            asked = tokenizer.apply_chat_template(
                prompts, add_generation_prompt=True, return_dict=True, **trainer.chat_template_kwargs
            )["input_ids"]
        calculator = None if failures is None else Calculator(tokenizer, failures=failures)
        rank = trainer.accelerator.process_index
        rows = [
            Sample(
                ids,
                ends=trainer.eos_token_ids,
                max_tokens=trainer.args.max_completion_length,
                stream=stream_of(self._seed, f"{call}/{rank}", at),
                calculator=calculator,
            )
            for at, ids in enumerate(asked)
        ]
        with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model, torch.no_grad():
            decode(model, rows, pad=tokenizer.pad_token_id, temperature=trainer.args.temperature)
        told: dict[str, Any] = {
            "prompt_ids": asked,
            "completion_ids": [row.ids + row.ended_by for row in rows],
            "logprobs": None,
        }
        if calculator is not None:
            told["env_mask"] = [
                [int(at not in row.given) for at in range(len(row.ids) + len(row.ended_by))] for row in rows
            ]
            told |= {"tool_calls": [row.calls for row in rows], "tool_errors": [row.errors for row in rows]}
        return told
