"""Sampling with the calculator at hand, for TRL's GRPOTrainer; what the tool says is masked from the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterform.errors import extra
from counterform.models.calc import Answering

with extra("train"):
    import torch
    from trl.models.utils import unwrap_model_for_generation


class Calc:
    """A rollout function. Reward functions are given `tool_calls` and `tool_errors` of each rollout.

    failures: the share of sound calls that fail.
    """

    def __init__(self, failures: float, seed: int) -> None:
        self.failures, self._rng = failures, np.random.default_rng(seed)

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """One completion a prompt, in order: TRL has repeated each prompt for its rollouts."""
        tokenizer = trainer.processing_class
        if isinstance(prompts[0], str):
            asked = tokenizer(prompts)["input_ids"]
        else:
            asked = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
        batch = tokenizer.pad({"input_ids": asked}, padding_side="left", return_tensors="pt")
        batch = batch.to(trainer.accelerator.device)
        width = batch["input_ids"].shape[1]
        tool = Answering(tokenizer, width, len(prompts), failures=self.failures, rng=self._rng)
        with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model, torch.no_grad():
            out = model.generate(**batch, generation_config=trainer.generation_config, logits_processor=[tool])
        rows = [_until_end(row, trainer.eos_token_ids) for row in out[:, width:].tolist()]
        masks = [[int(at not in said) for at in range(len(row))] for row, said in zip(rows, tool.forced, strict=True)]
        return {
            "prompt_ids": asked,
            "completion_ids": rows,
            "logprobs": None,
            "env_mask": masks,
            "tool_calls": tool.calls,
            "tool_errors": tool.errors,
        }


def _until_end(row: list[int], ends: list[int]) -> list[int]:
    at = next((index for index, token in enumerate(row) if token in ends), len(row))
    return row[: at + 1]
