"""Training one arm of pairs, a right attempt against a wrong one, by TRL's DPO, KTO and ORPO trainers.

The reference model is the base: a second copy of it, or with LoRA the model without its adapter. TRL's classes are not copied: what is
added counts tokens and stops at a loss that is not a number.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.errors import StudyError, TrainingDiverged, extra
from counterform.models.hf import free_memory, load, load_tokenizer
from counterform.models.source import spec_of
from counterform.study import ChatSpec, ModelSpec, TrainSpec
from counterform.train.policy import HISTORY
from counterform.train.sft import check_options, lora_config, peak_memory_mb, refused_options, usual_options
from counterform.train.tokens import preference_rows, token_counter
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Example, Ledger

with extra("train"):
    import datasets
    import torch
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

_OURS = frozenset(
    {
        "output_dir",
        "seed",
        "data_seed",
        "save_strategy",
        "load_best_model_at_end",
        "trust_remote_code",
        "model_init_kwargs",
    }
)
"""What a study may not set: files, seeds, what the result is, and the model."""
_NO_ROOM = ("not enough memory", "can't allocate memory", "out of memory")


class Preference(Trainer):
    """Trains all weights, or a LoRA that is merged at the end, on pairs; the last step is the result."""

    table: ClassVar[str]
    """Of the study file's [train]."""
    has_reference: ClassVar[bool] = True

    def __init__(self, spec: TrainSpec, *, bench: Bench | None = None) -> None:
        super().__init__(spec, bench=bench)
        self._options: dict[str, Any] = getattr(spec, self.table)
        self.check_options()
        if spec.lora is not None:
            check_options("$.train.lora", spec.lora, LoraConfig)
        if spec.launch:
            raise StudyError(
                "$.train.launch: arms that learn from pairs are trained in the study's own process. Leave `launch` out, or export "
                "the arm (`counterform export --to trl`) and run TRL's trainer under `accelerate launch`."
            )

    @property
    @abstractmethod
    def config(self) -> type:
        """TRL's config class."""

    @property
    @abstractmethod
    def trainer(self) -> type:
        """TRL's trainer, with `_Counting` before it."""

    def check_options(self) -> None:
        """Raises StudyError for an option that TRL's config does not have, or of another type."""
        check_options(f"$.train.{self.table}", self._options, self.config, ours=_OURS)

    def rows(self, examples: Sequence[Example], tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """The rows that TRL is given, in the preference format."""
        return preference_rows(examples, tokenizer, chat)

    def check(self, arms: Sequence[Arm], *, base: str | ModelSpec) -> None:
        """Raises StudyError for rows that TRL would cut, and for options that take away what an arm is."""
        count = token_counter(load_tokenizer(base), spec_of(base).chat)
        for arm in arms:
            for name, value in arm.options.items():
                asked = self._options.get(name, value)
                if asked not in (value, [value]):
                    raise StudyError(
                        f"$.train.{self.table}.{name} is {asked!r}, and arm {arm.name!r} is what it is by {name} = {value!r}. Leave it "
                        f"out there, or give it to another arm alone: train = {{ {name} = ... }}"
                    )
            room = self._config(arm, 0, Path("unused")).max_length
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

    def train(self, arm: Arm, *, base: str | ModelSpec, seed: int, out: Path) -> Checkpoint:
        """Teach `arm` to the model at `base`. Raises TrainingDiverged at the first loss, or in the end at weights, that are not numbers."""
        started = time.monotonic()
        datasets.disable_progress_bars()
        with self._room():
            model, tokenizer = load(base, dtype=torch.float32)
            config = self._config(arm, seed, out)
            trainer = self._trainer(arm, model, tokenizer, config, base)
            trainer.remove_callback(PrinterCallback)
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            # An unknown loss_type, for one, TRL finds out at the first loss.
            with refused_options(f"$.train.{self.table}", ValueError):
                trainer.train()
        trained = trainer.accelerator.unwrap_model(trainer.model)
        if self.spec.lora is not None:
            trained = trained.merge_and_unload()
        if not all(weight.isfinite().all() for weight in trained.parameters()):
            raise TrainingDiverged(f"weights are not numbers after the last step. {trainer.way_out}")
        trained.save_pretrained(out)
        tokenizer.save_pretrained(out)
        lines = [msgspec.json.encode(row) for row in trainer.state.log_history]
        (out / HISTORY).write_bytes(b"\n".join(lines) + b"\n")
        ledger = Ledger(
            examples=len(arm.examples),
            loss_tokens=trainer.loss_tokens,
            prompt_tokens=trainer.all_tokens - trainer.loss_tokens,
            optimizer_steps=trainer.state.global_step,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(),
        )
        del trainer, trained, model
        free_memory()
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=ledger)

    def _trainer(self, arm: Arm, model: Any, tokenizer: Any, config: Any, base: str | ModelSpec) -> Any:
        given: dict[str, Any] = {}
        if self.has_reference and self.spec.lora is None and not config.precompute_ref_log_probs:
            given["ref_model"] = load(base, dtype=torch.float32)[0]
        with refused_options("$.train", TypeError, ValueError):  # Sound one by one and not together, or here.
            return self.trainer(
                model=model,
                args=config,
                train_dataset=datasets.Dataset.from_list(
                    self.rows(arm.examples, tokenizer, spec_of(base).chat, config.seed)
                ),
                processing_class=tokenizer,
                peft_config=lora_config(self.spec),
                **given,
            )

    def _config(self, arm: Arm, seed: int, out: Path) -> Any:
        # TRL's own collators take what they need; ORPO's says so on every run otherwise.
        quiet = {"remove_unused_columns": self.has_reference, "logging_steps": 1}
        options = usual_options() | quiet | self._options | arm.options
        with refused_options(f"$.train.{self.table}", TypeError, ValueError):
            return self.config(output_dir=str(out), seed=seed, data_seed=seed, save_strategy="no", **options)

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Memory that runs out is a StudyError that says what needs less of it."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _NO_ROOM):
                raise
            both = (
                "the model and its reference, a second copy of the base, do" if self.has_reference else "the model does"
            )
            ways = ["a smaller per_device_train_batch_size"]
            if self.has_reference and self.spec.lora is None:
                ways = [
                    "[train.lora], whose reference is the model without it",
                    "precompute_ref_log_probs = true",
                    *ways,
                ]
            raise StudyError(
                f"$.train.{self.table}: {both} not fit into memory ({str(error).splitlines()[0][:200] if str(error) else 'MemoryError'}). "
                f"What needs less: {'; '.join(ways)}."
            ) from error


class _Counting:
    """Stands before one of TRL's trainers: counts the tokens that it was shown, and stops at a loss that is not a number."""

    loss_tokens = all_tokens = 0
    args: Any
    state: Any

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's step."""
        loss, whole = self.shown(inputs)
        self.loss_tokens += loss
        self.all_tokens += whole
        found: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        if not torch.isfinite(found).all():
            raise TrainingDiverged(f"the loss is {found.item()} at step {self.state.global_step + 1}. {self.way_out}")
        return found

    def shown(self, inputs: dict[str, Any]) -> tuple[int, int]:
        """Tokens that bear a loss, and all. KTO also reads mismatched pairs, without learning from them; they are not counted."""
        return int(inputs["completion_mask"][:, 1:].sum()), int(inputs["attention_mask"].sum())

    @property
    def way_out(self) -> str:
        """What to do when training diverges."""
        return f"Lower learning_rate (now {self.args.learning_rate:g}), raise beta (now {self.args.beta:g}), or set max_grad_norm."


class _CountingDPO(_Counting, DPOTrainer):  # type: ignore[misc]
    pass


class _CountingKTO(_Counting, KTOTrainer):  # type: ignore[misc]
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
    config = KTOConfig
    trainer = _CountingKTO

    def rows(self, examples: Sequence[Example], tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """Rows in TRL's unpaired format."""
        order = np.random.default_rng(seed).permutation(len(examples)).tolist()
        half = len(order) // 2
        rows = preference_rows(examples, tokenizer, chat)
        pairs = [(row, {side: row.pop(side) for side in ("chosen", "rejected")}) for row in rows]
        return [
            {**shared, "completion": sides[column], "label": column == "chosen"}
            for right, wrong in zip(order, [*order[half:], *order[:half]], strict=True)
            for (shared, sides), column in ((pairs[right], "chosen"), (pairs[wrong], "rejected"))
        ]


class ORPO(Preference):
    """Pairs by TRL's ORPOTrainer, which is among what TRL calls experimental: imported when it is used.

    Its imitation loss is on the prompt too (the authors' code does so); as loss tokens those of the two attempts are counted.
    """

    table = "orpo"
    has_reference = False

    def check_options(self) -> None:
        """As the others; where TRL has no ORPO its arm was refused, and there is nothing to check."""
        try:
            super().check_options()
        except ImportError as error:
            if self._options:
                raise StudyError(
                    f"$.train.orpo: this version of TRL has no ORPO ({error}). Leave the table out."
                ) from error

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

        class CountingORPO(_Counting, ORPOTrainer):  # type: ignore[misc]
            def shown(self, inputs: dict[str, Any]) -> tuple[int, int]:
                sides = ("chosen", "rejected")
                loss = sum(int((inputs[f"{side}_labels"][:, 1:] != -100).sum()) for side in sides)
                return loss, sum(int(inputs[f"{side}_attention_mask"].sum()) for side in sides)

        return CountingORPO
