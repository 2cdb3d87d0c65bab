"""Training one arm of pairs, a right attempt against a wrong one, by TRL's DPO, KTO and ORPO trainers.

The reference model is the base: a second copy of it, or with LoRA the model without its adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from msgspec.structs import replace

from counterform.errors import StudyError, extra
from counterform.models.loading import load, load_tokenizer
from counterform.models.source import spec_of
from counterform.study import ChatSpec, ModelSpec
from counterform.train.through_trl import Counting, ThroughTRL
from counterform.train.tokens import preference_rows, token_counter
from counterform.types import Arm

with extra("train"):
    import torch
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer


class Preference(ThroughTRL):
    """Trains all weights, or a LoRA that is merged at the end, on pairs; the last step is the result."""

    has_reference: ClassVar[bool] = True
    second = "its reference, a second copy of the base,"

    def rows(self, arm: Arm, tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """Rows in TRL's preference format."""
        return preference_rows(arm.examples, tokenizer, chat)

    def check(self, arms: Sequence[Arm], *, base: str | ModelSpec) -> None:
        """Raises StudyError for rows that TRL would cut, and for options that take away what an arm is."""
        self.check_arm_options(arms)
        count = token_counter(load_tokenizer(base), spec_of(base).chat)
        for arm in arms:
            room = self.made_config(arm, base, 0, Path("unused")).max_length
            texts = [
                replace(e, completion=text, rejected=None) for e in arm.examples for text in (e.completion, e.rejected)
            ]
            lengths = [prompt + loss for prompt, loss in zip(*count(texts), strict=True)]
            long = [length for length in lengths if room is not None and length > room]
            if long:
                raise StudyError(
                    f"arm {arm.name!r}: {len(long):,} of {len(lengths):,} texts are longer than $.train.{self.table}.max_length ({room} "
                    f"tokens; the longest has {max(long):,}) and would be cut. Raise it, or leave long attempts out of the pool."
                )

    def given(self, arm: Arm, config: Any, base: str | ModelSpec) -> dict[str, Any]:
        """The reference model, where TRL would not make it of the model itself."""
        if self.has_reference and self.spec.lora is None and not config.precompute_ref_log_probs:
            return {"ref_model": load(base, dtype=torch.float32)[0]}
        return {}

    def defaults(self) -> dict[str, Any]:
        """TRL's own collators take what they need; ORPO's says so on every run otherwise."""
        return super().defaults() | {"remove_unused_columns": self.has_reference}

    def less_memory(self) -> list[str]:
        """What needs less of it, in words."""
        without = ["[train.lora], whose reference is the model without it", "precompute_ref_log_probs = true"]
        return (without if self.has_reference and self.spec.lora is None else []) + super().less_memory()


class _CountingPairs(Counting):
    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's step, counted."""
        loss, whole = self.shown(inputs)
        self.loss_tokens += loss
        self.all_tokens += whole
        return super().training_step(model, inputs, *args, **kwargs)

    def shown(self, inputs: dict[str, Any]) -> tuple[int, int]:
        """Tokens that bear a loss, and all. KTO also reads mismatched pairs, without learning from them; they are not counted."""
        return int(inputs["completion_mask"][:, 1:].sum()), int(inputs["attention_mask"].sum())

    @property
    def way_out(self) -> str:
        """What to do when training diverges."""
        return f"Lower learning_rate (now {self.args.learning_rate:g}), raise beta (now {self.args.beta:g}), or set max_grad_norm."


class _CountingDPO(_CountingPairs, DPOTrainer):  # type: ignore[misc]
    pass


class _CountingKTO(_CountingPairs, KTOTrainer):  # type: ignore[misc]
    pass


class DPO(Preference):
    """Pairs by TRL's DPOTrainer: the arms `dpo` and `ipo`."""

    table = "dpo"
    config = DPOConfig
    trainer = _CountingDPO


class KTO(Preference):
    """Right and wrong attempts, each on its own, by TRL's KTOTrainer.

    TRL estimates its KL term from each row's prompt with the completion of the row before it in the batch, and so keeps the order of rows.
    Here that order is drawn, once, with right and wrong in turn and the two of one case half a set apart: TRL's own way of taking
    pairs apart puts all right ones first, and side by side a wrong attempt would be measured by the right one of its own problem.
    """

    table = "kto"
    rows_of_example = 2
    config = KTOConfig
    trainer = _CountingKTO

    def rows(self, arm: Arm, tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """Rows in TRL's unpaired format."""
        order = np.random.default_rng(seed).permutation(len(arm.examples)).tolist()
        half = len(order) // 2
        rows = preference_rows(arm.examples, tokenizer, chat)
        pairs = [(row, {side: row.pop(side) for side in ("chosen", "rejected")}) for row in rows]
        return [
            {**shared, "completion": sides[column], "label": column == "chosen"}
            for right, wrong in zip(order, [*order[half:], *order[:half]], strict=True)
            for (shared, sides), column in ((pairs[right], "chosen"), (pairs[wrong], "rejected"))
        ]


class ORPO(Preference):
    """Pairs by TRL's ORPOTrainer, which is among what TRL calls experimental.

    Its imitation loss is on the prompt too (the authors' code does so); as loss tokens those of the two attempts are counted.
    """

    table = "orpo"
    experimental = True
    has_reference = False
    second = ""

    @property
    def config(self) -> type:
        """ORPOConfig."""
        with extra("train"):
            from trl.experimental.orpo import ORPOConfig

        return ORPOConfig  # type: ignore[no-any-return]

    @property
    def trainer(self) -> type:
        """ORPOTrainer, counting."""
        with extra("train"):
            from trl.experimental.orpo import ORPOTrainer

        class CountingORPO(_CountingPairs, ORPOTrainer):  # type: ignore[misc]
            def shown(self, inputs: dict[str, Any]) -> tuple[int, int]:
                sides = ("chosen", "rejected")
                loss = sum(int((inputs[f"{side}_labels"][:, 1:] != -100).sum()) for side in sides)
                return loss, sum(int(inputs[f"{side}_attention_mask"].sum()) for side in sides)

        return CountingORPO
