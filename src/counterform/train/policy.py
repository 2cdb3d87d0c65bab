"""Training one arm that samples for itself, by GRPO: the outcome verifier is the reward, RoC or a control selects."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.errors import StudyError, TrainingDiverged, extra
from counterform.models.loading import free_memory
from counterform.models.lora import save_trained
from counterform.models.source import pinned, spec_of
from counterform.parts import made
from counterform.study import ModelSpec, TrainSpec
from counterform.text.answers import answer_of
from counterform.train.grpo import LearnsFrom, RoCGRPOTrainer, check_selection
from counterform.train.launch import launch
from counterform.train.part_way import KeepPartWay
from counterform.train.penalties import Penalty, Rollout
from counterform.train.rewards import Graders, Kind, rewards_of
from counterform.train.roc import Mode
from counterform.train.rollouts import Rollouts
from counterform.train.sft import (
    OURS,
    check_options,
    load_to_train,
    lora_config,
    peak_memory_mb,
    steps_of,
    usual_options,
)
from counterform.train.tokens import training_rows
from counterform.train.trainer import Trainer
from counterform.types import Arm, Checkpoint, Grade, Graded, Ledger, Mark
from counterform.verify.answer import grade_answer
from counterform.verify.choices import read_choice

with extra("train"):
    import datasets
    import torch
    from transformers import PrinterCallback
    from trl import GRPOConfig

_OURS = OURS | {"reward_weights", "chat_template_kwargs"}
"""What a study may not set here: an arm says its weights, and the model its chat."""
_DEFAULTS = {field.name: field.default for field in fields(GRPOConfig)}
HISTORY = "steps.jsonl"
"""In the checkpoint's directory: what was logged, one line per logging step."""


class Selection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a GRPO arm says for itself (`Arm.options`)."""

    generate: int = 1
    """Rollouts a prompt that are sampled, in multiples of `num_generations`."""
    keep: int = 1
    """Of them, those that are learnt from, in the same multiples."""
    mode: Mode = "random"
    penalties: tuple[str, ...] = ()
    penalty_weight: float = 0.0
    """Of the mean penalty, taken off the reward."""
    reward: Kind = "right"
    """What a rollout is rewarded for (`train.rewards`)."""
    learns_from: LearnsFrom = "all"
    tool: str = ""
    tool_failures: float = 0.0
    answers: tuple[str, ...] = ()
    """What is right for each example in place of its problem's own answer: the letter, where it is asked as multiple choice."""


class GRPO(Trainer):
    """Trains arms whose objective is `grpo` with RoCGRPOTrainer; all weights, or a LoRA, of which the adapter is kept."""

    keeps_part_way = True

    def __init__(self, spec: TrainSpec, *, bench: Bench | None = None) -> None:
        super().__init__(spec, bench=bench)
        check_options("$.train.grpo", spec.grpo, GRPOConfig, ours=_OURS)

    def check(self, arms: Sequence[Arm], *, base: str | ModelSpec) -> None:
        """Raises StudyError for a selection, or a loss under it, that could not be."""
        for arm in arms:
            chosen = selection(arm)
            if chosen.answers and len(chosen.answers) != len(arm.examples):
                raise StudyError(
                    f"arm {arm.name!r} has {len(chosen.answers)} answers for {len(arm.examples)} examples."
                )
            config = self._config(chosen, 0, Path("unused"))
            check_selection(config, self._keep(chosen), chosen.mode)
            if chosen.tool and config.use_vllm:
                raise StudyError(f"arm {arm.name!r}: the tool answers inside transformers' own generation, not vLLM's.")

    def steps(self, rows: int) -> int:
        """Each prompt counts as often as it is answered; an arm that samples more has larger batches, not more steps."""
        options: dict[str, Any] = _DEFAULTS | self.spec.grpo
        return steps_of(options, rows * int(options["num_generations"]))

    def shortened(self, steps: int) -> GRPO:
        """The same with `max_steps`."""
        return GRPO(msgspec.structs.replace(self.spec, grpo=self.spec.grpo | {"max_steps": steps}), bench=self.bench)

    def train(self, arm: Arm, *, base: str | ModelSpec, seed: int, out: Path) -> Checkpoint:
        """Let the model at `base` learn `arm` from its own rollouts; the last step is the result.

        Raises TrainingDiverged for a loss or weights that are not numbers, and where no step has anything to teach.
        """
        if self.spec.launch:
            return launch("grpo", self.spec, arm, base=base, seed=seed, out=out, grading=self.bench.grading())
        started, chosen = time.monotonic(), selection(arm)
        datasets.disable_progress_bars()
        model, tokenizer = load_to_train(base, self.spec)
        chat = spec_of(base).chat
        prompts = [row["prompt"] for row in training_rows(arm.examples, tokenizer, chat)]
        ids = [example.problem_id for example in arm.examples]
        answers = chosen.answers or [""] * len(ids)
        config = self._config(chosen, seed, out)
        _require_whole_groups(config, chosen)
        judge = _Judge(self.bench.grade, chosen, group=config.num_generations, seed=seed, rank=config.process_index)
        # Of the reference model, which TRL loads by its name.
        config.trust_remote_code = spec_of(base).trust_remote_code
        config.chat_template_kwargs = chat.template
        rollouts = Rollouts(seed, tool_failures=chosen.tool_failures if chosen.tool else None)
        try:
            trainer = RoCGRPOTrainer(
                model=model,
                reward_funcs=[judge.reward],
                penalty_funcs=judge.penalty_funcs,
                keep=self._keep(chosen),
                mode=chosen.mode,
                learns_from=chosen.learns_from,
                args=config,
                train_dataset=datasets.Dataset.from_dict(
                    {"prompt": prompts, "problem_id": ids, "right_answer": answers}
                ),
                processing_class=tokenizer,
                peft_config=lora_config(self.spec),
                callbacks=[KeepPartWay(self.spec.readings, out, tokenizer, pinned(base))],
                rollout_func=rollouts if chosen.tool or Rollouts.can_sample_as(config) else None,
            )
        except (ImportError, TypeError, ValueError) as error:
            raise StudyError(f"$.train.grpo: {error}") from error
        trainer.remove_callback(PrinterCallback)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        trained = self._trained(trainer)
        if trainer.accelerator.is_main_process:
            save_trained(trained, tokenizer, out, pinned(base))
            lines = [msgspec.json.encode(row) for row in trainer.state.log_history]
            (out / HISTORY).write_bytes(b"\n".join(lines) + b"\n")
        ledger = Ledger(
            examples=len(arm.examples),
            loss_tokens=trainer.loss_tokens,
            prompt_tokens=trainer.prompt_tokens,
            generated_tokens=trainer.generated_tokens,
            rollouts_kept=trainer.rollouts_kept,
            rollouts_dropped=trainer.rollouts_dropped,
            optimizer_steps=trainer.state.global_step,
            idle_steps=trainer.idle_steps,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(),
        )
        del trainer, trained, model
        free_memory()
        return Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=ledger)

    def _trained(self, trainer: RoCGRPOTrainer) -> Any:
        failure = None
        try:
            trainer.train()
        except ImportError as error:  # a package that an option needs, the optimizer for one
            raise StudyError(f"$.train.grpo: {error}") from error
        except RuntimeError as error:  # weights that are not numbers are found when they are sampled from
            failure = error
        trained = trainer.accelerator.unwrap_model(trainer.model)
        if not all(weight.isfinite().all() for weight in trained.parameters()):
            raise TrainingDiverged(
                f"weights are not numbers after step {trainer.state.global_step}. Lower learning_rate in [train.grpo] "
                f"(now {trainer.args.learning_rate:g}), or set max_grad_norm."
            ) from failure
        if failure is not None:
            raise failure
        return trained

    def _keep(self, chosen: Selection) -> int:
        generations: int = self.spec.grpo.get("num_generations", _DEFAULTS["num_generations"])
        return generations * chosen.keep

    def _config(self, chosen: Selection, seed: int, out: Path) -> GRPOConfig:
        options = usual_options() | {"logging_steps": 1} | self.spec.grpo
        # Every arm sees as many prompts a step; one that samples more has so many times larger a batch of rollouts.
        for name in ("num_generations", "per_device_train_batch_size", "generation_batch_size"):
            rows = options.get(name, _DEFAULTS[name])
            options[name] = rows and rows * chosen.generate
        try:
            return GRPOConfig(output_dir=str(out), seed=seed, data_seed=seed, save_strategy="no", **options)
        except (ImportError, TypeError, ValueError) as error:
            raise StudyError(f"$.train.grpo: {error}") from error


def _require_whole_groups(config: GRPOConfig, chosen: Selection) -> None:
    """Raises StudyError for a reward that is of a whole group, where a group is spread over processes."""
    rows = config.per_device_train_batch_size * config.steps_per_generation
    if config.world_size > 1 and chosen.reward == "majority" and rows % config.num_generations:
        raise StudyError(
            f"$.train.grpo.per_device_train_batch_size: the reward 'majority' is of a whole group, and {rows} rollouts of a process are no whole "
            f"number of groups of {config.num_generations}. Take a multiple of num_generations."
        )


class _Judge:
    """Rewards and penalties of a batch of rollouts, from one grading of it."""

    def __init__(self, grade: Grade, chosen: Selection, *, group: int = 1, seed: int = 0, rank: int = 0) -> None:
        self._grade, self.weight, self._kind = Graders(grade), chosen.penalty_weight, chosen.reward
        self._group, self._rng = group, np.random.default_rng([seed, rank] if rank else seed)
        self.penalties: dict[str, Penalty] = {name: made("penalty", name, {}, "penalties") for name in chosen.penalties}
        self.penalty_funcs = [self._func(name) for name in self.penalties]
        self._batch: Any = None
        self._graded: list[tuple[Graded, Rollout]] = []

    def reward(
        self, completions: list[Any], log_metric: Callable[[str, float], None], **columns: Any
    ) -> list[float | None]:
        """What the arm rewards (1 for a right answer, 0 for a wrong one), less the weighted penalty; None where that is UNKNOWN."""
        looked = self._look(completions, columns)
        for graded, rollout in looked:
            if rollout.tool_calls:
                log_metric("tool_errors", rollout.tool_errors / rollout.tool_calls)
            if graded.verdict.outcome is not Mark.UNKNOWN:
                log_metric("right", float(graded.verdict.outcome is Mark.RIGHT))
        won = rewards_of(self._kind, [graded for graded, _ in looked], group=self._group, rng=self._rng)
        if not self.weight:
            return won
        return [
            None
            if reward is None
            else reward - self.weight * float(np.mean([p(rollout) for p in self.penalties.values()]))
            for reward, (_, rollout) in zip(won, looked, strict=True)
        ]

    def _func(self, name: str) -> Callable[..., list[float]]:
        def penalty(completions: list[Any], **columns: Any) -> list[float]:
            return [self.penalties[name](rollout) for _, rollout in self._look(completions, columns)]

        penalty.__name__ = name
        return penalty

    def _look(self, completions: list[Any], columns: dict[str, Any]) -> list[tuple[Graded, Rollout]]:
        if completions is not self._batch:  # TRL hands one list to every function
            texts = [row if isinstance(row, str) else row[0]["content"] for row in completions]
            lengths = [len(ids) for ids in columns["completion_ids"]]
            none = [0] * len(texts)
            calls, errors = columns.get("tool_calls", none), columns.get("tool_errors", none)
            wanted = columns.get("right_answer", [""] * len(texts))
            graded = [
                _graded_by(row, answer) if answer else row
                for row, answer in zip(self._grade(columns["problem_id"], texts, lengths), wanted, strict=True)
            ]
            self._graded = [
                (row, Rollout(text=text, tool_calls=made, tool_errors=failed, verdict=row.verdict))
                for row, text, made, failed in zip(graded, texts, calls, errors, strict=True)
            ]
            self._batch = completions
        return self._graded


def _graded_by(graded: Graded, answer: str) -> Graded:
    """The same attempt with its outcome by another answer than its problem's; UNKNOWN where it states none."""
    said = answer_of(graded.attempt.completion.text)
    mark = Mark.UNKNOWN
    if said:
        # A letter was asked for: whatever names none is not it.
        mark = grade_answer(answer, said)[0] if read_choice(said) else Mark.WRONG
    return replace(graded, verdict=replace(graded.verdict, outcome=mark, lenient=mark))


def selection(arm: Arm) -> Selection:
    """What the arm says of its rollouts. Raises StudyError for what it cannot say."""
    try:
        return msgspec.convert(arm.options, Selection)
    except msgspec.ValidationError as error:
        raise StudyError(f"arm {arm.name!r}: options: {error}") from error
