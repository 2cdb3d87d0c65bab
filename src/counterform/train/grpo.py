"""GRPO that learns from a part of its rollouts: TRL's GRPOTrainer with the selection of `roc` inside every group.

    trainer = RoCGRPOTrainer(
        model="Qwen/Qwen3-0.6B", reward_funcs=right, penalty_funcs=[tool_errors], keep=8,
        args=GRPOConfig(num_generations=16), train_dataset=rows,
    )

Nothing of TRL's is copied. Rewards of dropped rollouts become NaN, which TRL leaves out of baseline and spread; then their
rows leave the batch, so that a step costs what `keep` rollouts cost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from counterform.errors import DataError, StudyError, TrainingDiverged, extra
from counterform.train.in_waves import Wave, in_row_order, one_entry_a_batch, sample_in_waves
from counterform.train.roc import Mode, select

with extra("train"):
    import torch
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

EXACT_LOSSES = ("dapo", "cispo", "vespo", "bnpo")
"""TRL's losses that divide by tokens: the same as if the dropped rows had never been."""
ROW_LOSSES = ("grpo", "sapo", "dr_grpo", "luspo")
"""Those that divide by rows: exact only where every micro-batch keeps as many rows as every other."""

LearnsFrom = Literal["all", "successes", "failures"]
"""Rollouts whose advantage stays: of one sign alone, for learning from successes or from failures."""

PenaltyFunc = Callable[..., Sequence[float]]
"""Called as TRL calls a reward function; one number in [0, 1] a completion, 0 is clean."""

logger = logging.getLogger(__name__)


class RoCGRPOTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's GRPOTrainer that samples `num_generations` rollouts a prompt and learns from `keep` of them.

    keep: rollouts a group to learn from; None: half. mode: see `roc.select`. With `no_failures` the baseline is that of
    `paper`, and the kept failures leave the loss alone: among successes of equal reward no advantage would be left.
    With `waves` a group is sampled `keep` at first, then `wave` rollouts at a time (None: a quarter of keep) until more could not
    make its kept ones cleaner, and `num_generations` at most (`waves.py`). penalty_funcs: their mean is the penalty.
    learns_from: `successes` sets every negative advantage to 0, `failures` every positive one (PSR and NSR, Zhu et al. 2025, arXiv
    2506.01347, with the group's own baseline). Those rollouts stay in the batch: baseline, the number that the loss is divided by and the KL
    anchor are those of `all`, so the two gradients add up to its own.
    patience: steps in a row in which no group had two different rewards. Such a step is no update (TRL's would still move by
    momentum and weight decay); after so many TrainingDiverged is raised.

    Raises StudyError for a `keep` that cannot be, and for a loss that would not be exact. DataError for rewards that are
    not one number or None a completion. A reward that is None or NaN is UNKNOWN: no failure, and no advantage.

    Logged beside what TRL logs, which is of the kept alone: roc/reward (before the selection), roc/kept, roc/dropped,
    roc/unknown, roc/used (rollouts sampled, in units of `keep`), roc/kept_length, roc/one_sided (share of groups without two
    different rewards among the kept), and for every penalty its mean over right rollouts (reward above 0) before and after:
    roc/NAME/right, roc/NAME/right_kept. With `waves`, "before" is of the first `keep` of each group, since later ones are
    sampled where the first lacked something. Evaluation selects nothing.
    """

    reward_funcs: list[Any]
    reward_func_names: list[str]
    reward_processing_classes: list[Any]
    reward_weights: torch.Tensor

    def __init__(
        self,
        *args: Any,
        keep: int | None = None,
        mode: Mode = "paper",
        penalty_funcs: Sequence[PenaltyFunc] = (),
        learns_from: LearnsFrom = "all",
        patience: int = 20,
        wave: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.keep = self.num_generations // 2 if keep is None else keep
        self.mode, self.patience = mode, patience
        self._least, self._most = {"all": (None, None), "successes": (0, None), "failures": (None, 0)}[learns_from]
        self._penalties = [getattr(func, "__name__", type(func).__name__) for func in penalty_funcs]
        # A penalty is a reward of weight 0: TRL calls it, gathers it over processes and writes it beside the completions.
        self.reward_funcs = [*self.reward_funcs, *penalty_funcs]
        self.reward_func_names = [*self.reward_func_names, *self._penalties]
        self.reward_processing_classes = [*self.reward_processing_classes, *[None] * len(penalty_funcs)]
        self.reward_weights = torch.cat([self.reward_weights, torch.zeros(len(penalty_funcs))])
        check_selection(self.args, self.keep, self.mode)
        self.wave = max(1, self.keep // 4) if wave is None else wave
        if mode == "waves" and (self.tools or self.accelerator.num_processes > 1 or self.wave < 1):
            raise StudyError(
                f"mode 'waves': needs a wave of at least 1 (wave = {self.wave}), one process (here "
                f"{self.accelerator.num_processes}) and no tools or environments of TRL's own, which it hands out by row of a whole "
                "batch. Use a rollout_func for the tool, or mode 'paper'."
            )
        self._selections = self._idle_steps = 0
        self.idle_steps = 0
        """Steps that were no update."""
        self._kept = torch.zeros(0, dtype=torch.bool)
        self._inputs: list[dict[str, Any]] = []
        self._found: torch.Tensor | None = None
        self._sampled: torch.Tensor | None = None
        self._teaches = self._window_teaches = False
        self.generated_tokens = self.prompt_tokens = self.loss_tokens = 0
        self.rollouts_kept = self.rollouts_dropped = 0
        self.add_callback(_SkipIdleSteps(self))

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        """[rollouts of all processes, rewards and penalties]; NaN where a rollout is UNKNOWN or plays no part."""
        found, self._found = self._found, None
        if found is None:
            found = self._graded(inputs, prompts, completions, completion_ids_list)
        columns = found.shape[1] - len(self._penalties)
        rewards, penalties = found[:, :columns], found[:, columns:]
        unknown = rewards.isnan().all(dim=1)
        if self.model.training:
            total, penalty = self._scores(found)
            scored = self._choose(total, penalty)
            self._note(total, penalties, scored, rewards)
            here = self._here(len(prompts))
            for ids, kept in zip(completion_ids_list, self._kept[here].tolist(), strict=True):
                if kept:
                    self._log_metric("roc/kept_length", len(ids))
            self._log_completion_extra("kept", self._kept[here].tolist())
            unknown |= ~scored
        # TRL knows an UNKNOWN rollout by NaN in every column: a penalty must not make a failure of it.
        return found.masked_fill(unknown[:, None], torch.nan)

    def _graded(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        try:
            found: torch.Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"a reward or penalty function failed, or returned something else than one number or None a completion: {error}"
            ) from error
        return found

    def _scores(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One reward and one penalty a rollout; a reward of NaN is UNKNOWN."""
        columns = found.shape[1] - len(self._penalties)
        rewards, penalties = found[:, :columns], found[:, columns:]
        total = (rewards * self.reward_weights[:columns].to(found.device)).nansum(dim=1)
        total = total.masked_fill(rewards.isnan().all(dim=1), torch.nan)
        return total, penalties.double().mean(dim=1) if self._penalties else torch.zeros_like(total)

    def _generate(self, prompts: list[Any]) -> Any:
        """TRL's rollouts of this batch; with `waves`, of no more of its rows than are needed."""
        if self.mode != "waves" or not self.model.training:
            return super()._generate(prompts)
        metrics = self._metrics["train"]
        before = {name: len(values) for name, values in metrics.items()}
        sizes: list[int] = []

        def sample(rows: list[int]) -> Wave:
            sizes.append(len(rows))
            asked = [prompts[row] for row in rows]
            prompt_ids, ids, masks, completions, _, extra, _, _ = super(RoCGRPOTrainer, self)._generate(asked)
            inputs = [self._inputs[row] for row in rows]
            for name, values in extra.items():
                for at, one in enumerate(inputs):
                    one[name] = values[at] if isinstance(values, list) else values
            found = self._graded(inputs, asked, completions, ids)
            return Wave(prompt_ids, ids, masks or [[1] * len(row) for row in ids], completions, found)

        done = sample_in_waves(
            len(prompts),
            limit=self.num_generations,
            keep=self.keep,
            wave=self.wave,
            sample=sample,
            scores=self._scores,
            empty=(
                self.eos_token_ids[0],
                "" if isinstance(prompts[0], str) else [{"role": "assistant", "content": ""}],
            ),
        )
        one_entry_a_batch(metrics, before, sizes)
        in_row_order(self._pending_extra_logs, len(prompts), done.order)
        self._found = done.found
        self._sampled = torch.zeros(len(prompts), dtype=torch.bool, device=done.found.device)
        self._sampled[done.order] = True
        self._log_metric("roc/waves", done.waves)
        return done.generated

    def _choose(self, total: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
        """Which rollouts make up the baseline; `self._kept` are those that stay in the loss."""
        rows = np.arange(len(total)) if self._sampled is None else self._sampled.nonzero().flatten().cpu().numpy()
        rewards, penalties = total.cpu().numpy()[rows], penalty.cpu().numpy()[rows]
        self._selections += 1

        def chosen(mode: Mode) -> torch.Tensor:
            # The same on every process, since all of them see all rewards.
            seed = self.args.seed * 1_000_003 + self._selections
            kept = select(rows // self.num_generations, rewards, penalties, self.keep, seed=seed, mode=mode)
            mask = torch.zeros(len(total), dtype=torch.bool)
            mask[rows[kept]] = True
            return mask.to(total.device)

        self._kept = chosen(self.mode)
        return chosen("paper") if self.mode == "no_failures" else self._kept

    def _note(self, total: torch.Tensor, penalties: torch.Tensor, scored: torch.Tensor, rewards: torch.Tensor) -> None:
        groups = torch.where(scored[:, None], rewards, torch.nan).view(-1, self.num_generations, rewards.shape[1])
        high, low = groups.nan_to_num(-torch.inf).amax(dim=1), groups.nan_to_num(torch.inf).amin(dim=1)
        two_sided = (high > low).any(dim=1)
        self._teaches = bool(two_sided.any())
        right, kept = total > 0, self._kept
        sampled = torch.ones_like(kept) if self._sampled is None else self._sampled
        first = torch.arange(len(total), device=total.device) % self.num_generations < self.keep
        before = sampled if self.mode != "waves" else first
        told = {
            "roc/reward": total[before].nanmean(),
            "roc/kept": kept.sum(),
            "roc/dropped": (sampled & ~kept).sum(),
            "roc/unknown": total[sampled].isnan().sum(),
            "roc/used": sampled.sum() / (len(total) // self.num_generations * self.keep),
            "roc/one_sided": 1 - two_sided.float().mean(),
        }
        for name, column in zip(self._penalties, penalties.T, strict=True):
            told[f"roc/{name}/right"] = column[right & before].mean()
            told[f"roc/{name}/right_kept"] = column[right & kept].mean()
        for name, value in told.items():
            if not value.isnan():  # of no rollout
                self._log_metric(name, value.item())
        self.rollouts_kept += int(kept.sum())
        self.rollouts_dropped += int((sampled & ~kept).sum())

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """TRL's batch of this process, without the dropped rows."""
        self._inputs, self._sampled = inputs, None
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return output
        if self._one_sided:
            output["advantages"] = output["advantages"].clamp(self._least, self._most)
        return self._without_dropped(output)

    def _without_dropped(self, output: dict[str, Any]) -> dict[str, Any]:
        if "num_images" in output:
            raise StudyError("RoCGRPOTrainer drops rows of text alone; it cannot train on images.")
        mask = output["completion_mask"]
        kept = self._kept[self._here(len(mask))]
        learnt = _learnt(output) * kept[:, None]
        asked = output["prompt_mask"] if self._sampled is None else output["prompt_mask"][self._sampled]
        counts = torch.stack([learnt.sum(), asked.sum()])
        loss, prompt = self.accelerator.reduce(counts, reduction="sum")
        self.generated_tokens += int(output["num_items_in_batch"])
        self.prompt_tokens += int(prompt)
        if not kept.all():
            output = output | {"completion_mask": mask * kept[:, None], "num_items_in_batch": loss}
            output = _only(output, kept, self.args.steps_per_generation)
        return output

    @property
    def _one_sided(self) -> bool:
        return (self._least, self._most) != (None, None)

    def _here(self, rows: int) -> slice:
        start = self.accelerator.process_index * rows
        return slice(start, start + rows)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's loss; counts its tokens, over all processes, and notes whether this step has anything to learn from."""
        self._window_teaches |= self._teaches
        if self.model.training:
            learnt = _learnt(inputs)
            if self._one_sided:
                learnt = learnt * (inputs["advantages"] != 0)[:, None]
            self.loss_tokens += int(self.accelerator.reduce(learnt.sum(), reduction="sum"))
        loss: torch.Tensor = super().compute_loss(model, inputs, *args, **kwargs)
        if not loss.isfinite():
            raise TrainingDiverged(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}. Lower learning_rate (now "
                f"{self.args.learning_rate:g}), or set max_grad_norm."
            )
        return loss

    def before_update(self, model: torch.nn.Module) -> None:
        """Make a step without a single advantage no update. Raises TrainingDiverged when it was one too many."""
        teaches, self._window_teaches = self._window_teaches, False
        if teaches:
            self._idle_steps = 0
            return
        self._idle_steps += 1
        self.idle_steps += 1
        said = "no group has two different rewards, so there is nothing to learn from"
        if self._idle_steps >= self.patience:
            raise TrainingDiverged(
                f"step {self.state.global_step + 1}: {said}, for {self._idle_steps} steps in a row. Where all rewards are low "
                "the problems are too hard for this model (or the grader reads none: try `counterform audit`); where all "
                "are high, too easy. Take other problems, more num_generations, or a higher temperature."
            )
        logger.warning("step %d: %s; the update is skipped", self.state.global_step + 1, said)
        # An optimizer passes over a weight without a gradient. DeepSpeed and a gradient scaler keep theirs elsewhere.
        if not self.is_deepspeed_enabled and self.accelerator.scaler is None:
            model.zero_grad(set_to_none=True)


def check_selection(args: GRPOConfig, keep: int, mode: Mode) -> None:
    """Raises StudyError for a selection that cannot be, or under which the loss would not be that of the kept rows."""
    sampled, chunks = args.num_generations, args.steps_per_generation
    if not 2 <= keep <= sampled:
        raise StudyError(
            f"keep = {keep}: keep at least 2 rollouts of a group, and at most the num_generations = {sampled} that are "
            "sampled."
        )
    select([], [], [], keep, seed=0, mode=mode)  # tells an unknown mode
    if mode == "waves" and args.use_vllm:
        raise StudyError(
            "mode 'waves': TRL asks vLLM for whole groups of num_generations, so a group cannot be stopped there. Leave "
            "use_vllm out, or use mode 'paper'."
        )
    if args.loss_type in EXACT_LOSSES or (keep == sampled and mode != "no_failures"):
        return
    groups, over = divmod(args.per_device_train_batch_size * chunks, sampled)
    if mode == "no_failures" or over or groups * keep % chunks:
        raise StudyError(
            f"loss_type {args.loss_type!r} divides by rows, and here micro-batches would keep different numbers of them. "
            f"Take one that divides by tokens ({', '.join(EXACT_LOSSES)}; TRL's default is dapo), or make the rows even: a "
            f"mode other than 'no_failures', whole groups of num_generations = {sampled} on every process, and groups x "
            f"keep divisible by steps_per_generation = {chunks}."
        )


class _SkipIdleSteps(TrainerCallback):  # type: ignore[misc]
    def __init__(self, trainer: RoCGRPOTrainer) -> None:
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        self.trainer.before_update(model)


def _learnt(rows: dict[str, Any]) -> torch.Tensor:
    """[rows, tokens] 1 where a token bears a loss: the model wrote it, and its row was not dropped."""
    mask: torch.Tensor = rows["completion_mask"] * rows.get("tool_mask", 1)
    return mask


def _only(output: dict[str, Any], kept: torch.Tensor, chunks: int) -> dict[str, Any]:
    """The kept rows, and as many dropped ones (masked) as TRL needs to cut them into `chunks` of one size."""
    chosen, spare = kept.nonzero().flatten(), (~kept).nonzero().flatten()
    missing = -len(chosen) % chunks if len(chosen) else chunks
    rows = torch.cat([chosen, spare[:missing]])
    return {
        name: value[rows] if isinstance(value, torch.Tensor) and value.ndim and len(value) == len(kept) else value
        for name, value in output.items()
    }
