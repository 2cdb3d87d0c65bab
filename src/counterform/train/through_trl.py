"""What is shared by the arms that one of TRL's trainers trains as it is: DPO, KTO, ORPO, and self-distillation.

TRL's classes are not copied: what is added counts tokens and stops at a loss that is not a number.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec

from counterform.bench import Bench
from counterform.errors import StudyError, TrainingDiverged, extra
from counterform.models.loading import free_memory
from counterform.models.lora import save_trained
from counterform.models.source import pinned, spec_of
from counterform.study import ChatSpec, ModelSpec, TrainSpec
from counterform.train.part_way import KeepPartWay
from counterform.train.policy import HISTORY
from counterform.train.sft import (
    OURS,
    check_options,
    load_to_train,
    lora_config,
    peak_memory_mb,
    refused_options,
    steps_of,
    usual_options,
)
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Ledger

with extra("train"):
    import datasets
    import torch
    from peft import LoraConfig
    from transformers import PrinterCallback

_OURS = OURS | {"model_init_kwargs"}
"""What a study may not set here."""
_NO_ROOM = ("not enough memory", "can't allocate memory", "out of memory")


class ThroughTRL(Trainer):
    """Trains all weights, or a LoRA, of which the adapter is kept, by a trainer of TRL's; the last step is the result."""

    keeps_part_way = True
    table: ClassVar[str]
    """Of the study file's [train]."""
    ours: ClassVar[frozenset[str]] = _OURS
    """Options that a study may not set."""
    experimental: ClassVar[bool] = False
    """Imported when it is used, from what TRL calls experimental; where TRL has it not, the arm was refused."""
    second: ClassVar[str] = ""
    """The second model in memory beside the one that learns, in words; empty: there is none."""
    rows_of_example: ClassVar[int] = 1
    """Rows that an example becomes."""

    def __init__(self, spec: TrainSpec, *, bench: Bench | None = None) -> None:
        super().__init__(spec, bench=bench)
        self._options: dict[str, Any] = getattr(spec, self.table)
        self._check_options()
        if spec.lora is not None:
            check_options("$.train.lora", spec.lora, LoraConfig)
        if spec.launch:
            raise StudyError(
                f"$.train.launch: arms of [train.{self.table}] are trained in the study's own process. Leave `launch` out, or export "
                "the arm (`counterform export --to trl`) and run TRL's trainer under `accelerate launch`."
            )

    def steps(self, rows: int) -> int:
        """Rows over the batch, as often as there are epochs, or `max_steps`; of an arm that samples each prompt counts as often as it is answered."""
        options: dict[str, Any] = {field.name: field.default for field in fields(self.config)} | self._options
        return steps_of(options, rows * self.rows_of_example * int(options.get("num_generations", 1)))

    def shortened(self, steps: int) -> Self:
        """The same with `max_steps`."""
        spec = msgspec.structs.replace(self.spec, **{self.table: self._options | {"max_steps": steps}})
        return type(self)(spec, bench=self.bench)

    @property
    @abstractmethod
    def config(self) -> type:
        """TRL's config class."""

    @property
    @abstractmethod
    def trainer(self) -> type:
        """TRL's trainer, with `Counting` before it."""

    @abstractmethod
    def rows(self, arm: Arm, tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """The rows that TRL is given."""

    def given(self, arm: Arm, config: Any, base: str | ModelSpec) -> dict[str, Any]:
        """What TRL's trainer is called with besides the model, its rows and its config."""
        return {}

    def defaults(self) -> dict[str, Any]:
        """Options that are set unless the study file says otherwise."""
        return {"logging_steps": 1}

    def ledger(self, trainer: Any) -> Ledger:
        """What TRL's trainer has counted."""
        return Ledger(loss_tokens=trainer.loss_tokens, prompt_tokens=trainer.all_tokens - trainer.loss_tokens)

    def _check_options(self) -> None:
        try:
            check_options(f"$.train.{self.table}", self._options, self.config, ours=self.ours)
        except ImportError as error:
            if not self.experimental:
                raise
            if self._options:
                name = self.table.upper()
                raise StudyError(
                    f"$.train.{self.table}: this version of TRL has no {name} ({error}). Leave the table out."
                ) from error

    def train(self, arm: Arm, *, base: str | ModelSpec, seed: int, out: Path) -> Checkpoint:
        """Teach `arm` to the model at `base`. Raises TrainingDiverged at the first loss, or in the end at weights, that are not numbers."""
        started = time.monotonic()
        datasets.disable_progress_bars()
        with self._room():
            model, tokenizer = load_to_train(base, self.spec)
            config = self.made_config(arm, base, seed, out)
            with refused_options("$.train", TypeError, ValueError):  # Sound one by one and not together, or here.
                trainer = self.trainer(
                    model=model,
                    args=config,
                    train_dataset=datasets.Dataset.from_list(self.rows(arm, tokenizer, spec_of(base).chat, seed)),
                    processing_class=tokenizer,
                    peft_config=lora_config(self.spec),
                    callbacks=[KeepPartWay(self.spec.readings, out, tokenizer, pinned(base))],
                    **self.given(arm, config, base),
                )
            trainer.remove_callback(PrinterCallback)
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            # An unknown loss_type, for one, TRL finds out at the first loss.
            with refused_options(f"$.train.{self.table}", ValueError):
                trainer.train()
        trained = trainer.accelerator.unwrap_model(trainer.model)
        if not all(weight.isfinite().all() for weight in trained.parameters()):
            raise TrainingDiverged(f"weights are not numbers after the last step. {trainer.way_out}")
        save_trained(trained, tokenizer, out, pinned(base))
        lines = [msgspec.json.encode(row) for row in trainer.state.log_history]
        (out / HISTORY).write_bytes(b"\n".join(lines) + b"\n")
        ledger = msgspec.structs.replace(
            self.ledger(trainer),
            examples=len(arm.examples),
            optimizer_steps=trainer.state.global_step,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(),
        )
        del trainer, trained, model
        free_memory()
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=ledger)

    def arm_options(self, arm: Arm) -> dict[str, Any]:
        """Of an arm's options those of TRL's config: what makes the arm what it is."""
        return arm.options

    def check_arm_options(self, arms: Sequence[Arm]) -> None:
        """Raises StudyError where the study file takes away what an arm is."""
        for arm in arms:
            for name, value in self.arm_options(arm).items():
                asked = self._options.get(name, value)
                if asked not in (value, [value]):
                    raise StudyError(
                        f"$.train.{self.table}.{name} is {asked!r}, and arm {arm.name!r} is what it is by {name} = {value!r}. Leave it "
                        f"out there, or give it to another arm alone: train = {{ {name} = ... }}"
                    )

    def made_config(self, arm: Arm, base: str | ModelSpec, seed: int, out: Path) -> Any:
        """TRL's config for one training."""
        options = usual_options() | self.defaults() | self._options | self.arm_options(arm)
        with refused_options(f"$.train.{self.table}", TypeError, ValueError):
            return self.config(output_dir=str(out), seed=seed, data_seed=seed, save_strategy="no", **options)

    def less_memory(self) -> list[str]:
        """What needs less memory, in words."""
        return ["a smaller per_device_train_batch_size"]

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Memory that runs out is a StudyError that says what needs less of it."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _NO_ROOM):
                raise
            both = f"the model and {self.second} do" if self.second else "the model does"
            raise StudyError(
                f"$.train.{self.table}: {both} not fit into memory ({str(error).splitlines()[0][:200] if str(error) else 'MemoryError'}). "
                f"What needs less: {'; '.join(self.less_memory())}."
            ) from error


class Counting:
    """Stands before one of TRL's trainers: has counters for its tokens, and stops at a loss that is not a number."""

    loss_tokens = all_tokens = 0
    args: Any
    state: Any

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's step."""
        found: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        if not torch.isfinite(found).all():
            raise TrainingDiverged(f"the loss is {found.item()} at step {self.state.global_step + 1}. {self.way_out}")
        return found

    @property
    def way_out(self) -> str:
        """What to do when training diverges."""
        return f"Lower learning_rate (now {self.args.learning_rate:g}), or set max_grad_norm."
