"""Keeps what an arm was after a share of its training's steps, so that it can be read there: a curve, and no picked point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterform.errors import extra
from counterform.models.lora import save_trained
from counterform.specs import ModelSpec, part_dir

with extra("train"):
    from transformers import TrainerCallback


class KeepPartWay(TrainerCallback):  # type: ignore[misc]
    """Saves the model after each of these shares of the steps, rounded to whole ones; the first step is the earliest.

    Of a LoRA the adapter is kept. The schedule of the learning rate is that of the whole training.
    """

    def __init__(self, parts: Sequence[float], out: Path, tokenizer: Any, base: ModelSpec) -> None:
        self._parts, self._out, self._tokenizer, self._base = parts, out, tokenizer, base

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        """Save where a share is reached."""
        for part in self._parts if state.is_world_process_zero else ():
            if state.global_step == max(1, round(part * state.max_steps)):
                save_trained(model, self._tokenizer, self._out / part_dir(part), self._base)
