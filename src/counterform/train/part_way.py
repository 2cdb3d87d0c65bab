"""Keeps what an arm was after a share of its training's steps, so that it can be read there: a curve, and no picked point."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterform.errors import extra
from counterform.specs import part_dir

with extra("train"):
    from peft import PeftModel
    from transformers import TrainerCallback


class KeepPartWay(TrainerCallback):  # type: ignore[misc]
    """Saves the model after each of these shares of the steps, rounded to whole ones; the first step is the earliest.

    A LoRA is merged into a copy. The schedule of the learning rate is that of the whole training.
    """

    def __init__(self, parts: Sequence[float], out: Path, tokenizer: Any) -> None:
        self._parts, self._out, self._tokenizer = parts, out, tokenizer

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        """Save where a share is reached."""
        for part in self._parts:
            if state.global_step == max(1, round(part * state.max_steps)):
                whole = copy.deepcopy(model).merge_and_unload() if isinstance(model, PeftModel) else model
                folder = self._out / part_dir(part)
                whole.save_pretrained(folder)
                self._tokenizer.save_pretrained(folder)
