"""Supervised fine-tuning of one arm by TRL's SFTTrainer, with a ledger."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from counterform.bench import Bench
from counterform.errors import StudyError, TrainingDiverged, extra, unknown_name
from counterform.models.loading import best_device, free_memory, load, load_tokenizer
from counterform.models.lora import save_trained
from counterform.models.source import Adapted, dtype_read, pinned, spec_of, with_base
from counterform.study import ModelSpec, TrainSpec
from counterform.train.launch import launch
from counterform.train.memory import process_peak_mb
from counterform.train.part_way import KeepPartWay
from counterform.train.tokens import token_counter, training_rows, weights_of
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Ledger

with extra("train"):
    import datasets
    import torch
    from peft import LoraConfig
    from transformers import PrinterCallback
    from transformers.integrations import get_available_reporting_integrations
    from trl import SFTConfig, SFTTrainer

OURS = frozenset({"output_dir", "seed", "data_seed", "save_strategy", "load_best_model_at_end", "trust_remote_code"})
"""What a study may not set, whoever trains: it decides where files go, or would let something other than the last step be the result."""
WEIGHT = "weight"
"""Column of a row's weight in the loss."""
_DEFAULTS = {field.name: field.default for field in fields(SFTConfig)}


class SFT(Trainer):
    """Trains all weights, or a LoRA, of which the adapter is kept; the loss is on the completion alone."""

    keeps_part_way = True

    def __init__(self, spec: TrainSpec, *, bench: Bench | None = None) -> None:
        super().__init__(spec, bench=bench)
        check_options("$.train.sft", spec.sft, SFTConfig, ours=OURS | {"completion_only_loss"})
        if spec.lora is not None:
            check_options("$.train.lora", spec.lora, LoraConfig)

    def check(self, arms: Sequence[Arm], *, base: str | ModelSpec) -> None:
        """Raises StudyError for rows that TRL would cut: an arm without the ends of its answers is another arm."""
        packed = [name for name in ("packing", "padding_free") if self.spec.sft.get(name)]
        weighed = [arm.name for arm in arms if any(example.kind for example in arm.examples)]
        if packed and weighed:
            raise StudyError(
                f"$.train.sft.{packed[0]}: several examples in one row cannot be weighed, and {', '.join(weighed)} weighs its "
                "kinds of examples. Leave it out, or that arm."
            )
        room = self.spec.sft.get("max_length", _DEFAULTS["max_length"])
        count = token_counter(load_tokenizer(base), spec_of(base).chat)
        for arm in arms:
            lengths = [prompt + loss for prompt, loss in zip(*count(arm.examples), strict=True)]
            long = [length for length in lengths if room is not None and length > room]
            if long:
                raise StudyError(
                    f"arm {arm.name!r}: {len(long):,} of {len(lengths):,} rows are longer than $.train.sft.max_length "
                    f"({room} tokens; the longest has {max(long):,}) and would be cut. Raise it, or leave long "
                    "attempts out of the pool."
                )

    def steps(self, rows: int) -> int:
        """Of one process: rows over the batch, as often as there are epochs, or `max_steps`."""
        return steps_of(_DEFAULTS | self.spec.sft, rows)

    def shortened(self, steps: int) -> SFT:
        """The same with `max_steps`."""
        return SFT(msgspec.structs.replace(self.spec, sft=self.spec.sft | {"max_steps": steps}), bench=self.bench)

    def train(self, arm: Arm, *, base: str | ModelSpec, seed: int, out: Path) -> Checkpoint:
        """Teach `arm` to the model at `base`; the last step is the result, whatever came before.

        Raises TrainingDiverged at the first loss, or in the end at weights, that are not numbers.
        """
        if self.spec.launch:
            return launch("sft", self.spec, arm, base=base, seed=seed, out=out)
        started = time.monotonic()
        datasets.disable_progress_bars()
        model, tokenizer = load_to_train(base, self.spec)
        chat = spec_of(base).chat
        rows = datasets.Dataset.from_list(training_rows(arm.examples, tokenizer, chat))
        weights = weights_of(arm.examples, token_counter(tokenizer, chat))
        if weights is not None:
            rows = rows.add_column(WEIGHT, weights)
        with refused_options("$.train", TypeError, ValueError):  # Sound one by one and not together, or here.
            trainer = _CountingTrainer(
                model=model,
                args=self._config(seed, out),
                train_dataset=rows,
                processing_class=tokenizer,
                peft_config=lora_config(self.spec),
                weighted=weights is not None,
                callbacks=[KeepPartWay(self.spec.readings, out, tokenizer, pinned(base))],
            )
        trainer.remove_callback(PrinterCallback)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        with refused_options("$.train.sft"):
            trainer.train()
        trained = trainer.accelerator.unwrap_model(trainer.model)
        # The last step is followed by no loss that would tell.
        if not all(weight.isfinite().all() for weight in trained.parameters()):
            raise TrainingDiverged(f"weights are not numbers after the last step. {trainer.way_out}")
        loss_tokens, prompt_tokens = trainer.tokens_of_all_processes()
        if trainer.accelerator.is_main_process:
            save_trained(trained, tokenizer, out, pinned(base))
        ledger = Ledger(
            examples=len(arm.examples),
            loss_tokens=loss_tokens,
            prompt_tokens=prompt_tokens,
            optimizer_steps=trainer.state.global_step,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(),
        )
        del trainer, trained, model
        free_memory()
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=ledger)

    def _config(self, seed: int, out: Path) -> SFTConfig:
        options = usual_options() | self.spec.sft
        with refused_options("$.train.sft", TypeError, ValueError):
            return SFTConfig(
                output_dir=str(out), seed=seed, data_seed=seed, save_strategy="no", completion_only_loss=True, **options
            )


class _CountingTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, which also counts the tokens it was shown and stops at a loss that is not a number.

    weighted: rows have a weight by which their loss is multiplied. TRL knows no such thing, and asks whoever wants another
    loss to override `compute_loss`; its own metrics are left out there.
    """

    def __init__(self, *args: Any, weighted: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loss_tokens = self._all_tokens = 0
        self._weighted = weighted
        if weighted:
            collate: Any = self.data_collator  # type: ignore[has-type]
            self.data_collator = lambda rows: {**collate(rows), WEIGHT: torch.tensor([row[WEIGHT] for row in rows])}

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if self._weighted and WEIGHT not in self._signature_columns:
            self._signature_columns.append(WEIGHT)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """TRL's loss, or the mean over tokens of their cross-entropy times the weight of their row."""
        if not self._weighted:
            return super().compute_loss(model, inputs, *args, **kwargs)
        weights, labels = inputs.pop(WEIGHT), inputs.pop("labels")[:, 1:]
        logits = model(**inputs, use_cache=False).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
        total = (losses * weights[:, None]).sum()
        tokens = kwargs.get("num_items_in_batch")
        if tokens is None:
            return total / (labels != -100).sum().clamp(min=1)
        # Counted over all micro-batches and, as a rule, all processes; over those a mean of gradients is taken.
        return total / tokens * (self.accelerator.num_processes if self.args.average_tokens_across_devices else 1)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        labels = inputs["labels"]
        # The first token of a row is predicted from nothing, so it never bears a loss.
        self._loss_tokens += int((labels[:, 1:] != -100).sum())
        # Rows packed without padding come without a mask.
        self._all_tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else labels.numel()
        loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
        if not torch.isfinite(loss).all():
            raise TrainingDiverged(f"the loss is {loss.item()} at step {self.state.global_step + 1}. {self.way_out}")
        return loss

    @property
    def way_out(self) -> str:
        """What to do when training diverges."""
        return f"Lower learning_rate in [train.sft] (now {self.args.learning_rate:g}), or set max_grad_norm."

    def tokens_of_all_processes(self) -> tuple[int, int]:
        """Loss tokens and the other tokens, over all processes of an `accelerate launch`."""
        counts = torch.tensor([self._loss_tokens, self._all_tokens], device=self.accelerator.device)
        loss, whole = self.accelerator.reduce(counts, reduction="sum").tolist()
        return loss, whole - loss


def steps_of(options: Mapping[str, Any], rows: int) -> int:
    """Optimizer steps of one process over so many rows, as transformers counts them."""
    if options["max_steps"] > 0:
        return int(options["max_steps"])
    batches = math.ceil(rows / int(options["per_device_train_batch_size"]))
    an_epoch = max(1, math.ceil(batches / int(options["gradient_accumulation_steps"])))
    return math.ceil(an_epoch * float(options["num_train_epochs"]))


def usual_options() -> dict[str, Any]:
    """What a study's own training sets unless the study file says otherwise.

    TRL turns on bfloat16 and gradient checkpointing by default; on a CPU the one is slow and the other wasteful.
    """
    return {
        "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        "use_cpu": best_device().type == "cpu",
        "gradient_checkpointing": False,
        "report_to": [],
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,
    }


def load_to_train(base: str | ModelSpec, spec: TrainSpec) -> tuple[Any, Any]:
    """The model and tokenizer that are trained: in float32, or, under a LoRA, in the dtype in which the base is read; peft keeps the adapter in float32.

    Raises StudyError for a LoRA over a LoRA, and for quantised weights without one.
    """
    named = spec_of(base)
    if spec.lora is None and named.load.quantization_config:
        raise StudyError(
            "$.model.load.quantization_config: quantised weights cannot be trained. Give [train.lora], or leave it out."
        )
    if spec.lora is None:
        return load(named, dtype=torch.float32)
    if isinstance(with_base(named), Adapted):
        raise StudyError(
            f"$.train.lora: the base {named.path!r} is a LoRA itself. Merge it into its base first, or train all weights: leave [train.lora] out."
        )
    return load(named, dtype=dtype_read(named))


def lora_config(spec: TrainSpec) -> LoraConfig | None:
    """The LoRA that a study asks for; None: all weights are trained."""
    return None if spec.lora is None else LoraConfig(**{"task_type": "CAUSAL_LM", **spec.lora})


def check_options(path: str, options: dict[str, Any], kind: type, *, ours: Collection[str] = ()) -> None:
    """Raises StudyError for a name that the config class does not have, and for a value of another type than its own."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)} - set(ours)
    for name, value in options.items():
        if name in ours:
            raise StudyError(f"{path}: {name!r} is set by counterform itself and cannot be changed.")
        if name not in known:
            raise StudyError(f"{path}: {unknown_name('option', name, known)}")
        if {hints[name], *get_args(hints[name])} & {int, float, bool}:
            try:
                msgspec.convert(value, hints[name])
            except msgspec.ValidationError as error:
                raise StudyError(f"{path}.{name}: {error}, namely {value!r}") from error
    _check_trackers(path, options)


@contextmanager
def refused_options(path: str, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds, and a package that an option needs and that is not there, become a StudyError at `path`."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (ImportError, *kinds)):
            raise
        raise StudyError(f"{path}: {' '.join(str(error).split())}") from error


def _check_trackers(path: str, options: dict[str, Any]) -> None:
    """Raises StudyError for a tracker that is not installed: a study must not find that out after its sampling."""
    named = options.get("report_to") or []
    there = get_available_reporting_integrations()
    for tracker in [named] if isinstance(named, str) else named:
        if tracker not in (*there, "none", "all"):
            raise StudyError(
                f"{path}.report_to: {tracker!r} is not installed here, or no tracker that transformers knows. Install it, "
                f"or give one of: {', '.join(['none', *there])}"
            )


def peak_memory_mb() -> float:
    """Peak of the accelerator, or of this process up to now."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return process_peak_mb()
