"""Training one arm on its own rollouts by the odds of the same model that is shown more, by TRL's SDFT and SDPO trainers.

The teacher is the base (SDFT) or a moving average of the student (SDPO), as TRL has it; `teacher_model_kind` changes that.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.errors import StudyError, extra
from counterform.models.chat import plain_text
from counterform.models.loading import context_window, load_tokenizer
from counterform.models.source import spec_of
from counterform.results import TOKEN_CLASSES
from counterform.study import ChatSpec, ModelSpec, TrainSpec
from counterform.text import wording
from counterform.text.lexicon import Lexicon
from counterform.text.token_classes import token_classes
from counterform.train.rewards import Graders, rewards_of
from counterform.train.through_trl import Counting, ThroughTRL
from counterform.train.tokens import token_counter, training_rows
from counterform.types import Arm, Example, Graded, Ledger, Mark

with extra("train"):
    import torch

KL_OF = "kl_of_class"
"""What is logged of each class of tokens: `kl_of_class/answer` and so on, by which the student stands from its teacher (nats per token)."""


class SelfDistillation(ThroughTRL):
    """Trains arms that sample for themselves and learn the odds of a teacher that is shown more."""

    experimental = True
    ours = ThroughTRL.ours | {"chat_template_kwargs"}
    second = "its teacher, a second copy of the base,"

    def check(self, arms: Sequence[Arm], *, base: str | ModelSpec) -> None:
        """Raises StudyError for options that take away what an arm is, and for a teacher's prompt that does not fit."""
        self.check_arm_options(arms)
        tokenizer, window = load_tokenizer(base), context_window(base)
        counted = token_counter(tokenizer, spec_of(base).chat)

        def count(texts: Sequence[str]) -> int:
            return max(counted([Example(problem_id="", prompt=text, completion=None) for text in texts])[0])

        for arm in arms:
            config = self.made_config(arm, base, 0, Path("unused"))
            longest = self.longest(arm, config, count)
            cut = self.cut(config)
            room = window - config.max_completion_length
            if longest > min(cut, room):
                raise StudyError(
                    f"arm {arm.name!r}: its teacher may be shown {longest:,} tokens. The model's window has {room:,} beside "
                    f"$.train.{self.table}.max_completion_length ({config.max_completion_length:,}), and behind {self.limit} ({cut:,}) TRL "
                    "cuts. Raise or lower those, show less, or leave this arm out."
                )

    def made_config(self, arm: Arm, base: str | ModelSpec, seed: int, out: Path) -> Any:
        """TRL's config; it puts prompts into the chat template itself, and loads the teacher by the model's name."""
        config = super().made_config(arm, base, seed, out)
        config.chat_template_kwargs = spec_of(base).chat.template
        config.trust_remote_code = spec_of(base).trust_remote_code
        return config

    @property
    @abstractmethod
    def limit(self) -> str:
        """The option behind which TRL cuts what the teacher is shown."""

    @abstractmethod
    def cut(self, config: Any) -> float:
        """What this option says, in tokens."""

    @abstractmethod
    def longest(self, arm: Arm, config: Any, count: Callable[[Sequence[str]], int]) -> int:
        """Tokens of the longest prompt of the teacher. count: of the longest of some user texts, as a prompt."""

    def less_memory(self) -> list[str]:
        """What needs less of it, in words."""
        without = ["[train.lora], whose teacher is the model without it"] if self.spec.lora is None else []
        return [*without, 'teacher_model_kind = "live"', *super().less_memory()]

    def ledger(self, trainer: Any) -> Ledger:
        """With what was sampled, and the steps of which no token taught anything."""
        return replace(
            super().ledger(trainer), generated_tokens=trainer.generated_tokens, idle_steps=trainer.idle_steps
        )


class _Watched(Counting):
    """Stands before TRL's trainers of self-distillation: counts, and logs on which classes of tokens the teacher stands apart."""

    generated_tokens = idle_steps = 0
    _teaches = False
    accelerator: Any
    lexicon: Lexicon
    processing_class: Any
    _metrics: dict[str, Any]

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's step; one of an update of which no token taught anything is counted."""
        found = super().training_step(model, inputs, *args, **kwargs)
        if self.accelerator.sync_gradients:
            self.idle_steps += not self._teaches
            self._teaches = False
        return found

    def _prepare_training_batch(self, inputs: list[dict[str, Any]]) -> Any:
        batch = super()._prepare_training_batch(inputs)  # type: ignore[misc]
        self.generated_tokens += int(batch["raw_completion_lengths"].sum())
        return batch

    def _compute_self_distillation_loss(self, model: Any, inputs: Any, distillation_logits: Any) -> torch.Tensor:
        mask = distillation_logits.loss_mask
        loss = int(mask.sum())
        answers = int(inputs["completion_mask"].sum())
        self.loss_tokens += loss
        self.all_tokens += int(inputs["prompt_mask"].sum() + inputs["teacher_attention_mask"].sum()) - answers + loss
        self._teaches |= loss > 0
        for name, apart in apart_by_class(distillation_logits, self.processing_class, self.lexicon).items():
            self._metrics["train"][f"{KL_OF}/{name}"].append(apart)
        found: torch.Tensor = super()._compute_self_distillation_loss(model, inputs, distillation_logits)  # type: ignore[misc]
        return found


@torch.no_grad()
def apart_by_class(seen: Any, tokenizer: Any, lexicon: Lexicon) -> dict[str, float]:
    """For each class of tokens, how much likelier the student holds the tokens that it sampled than its teacher does (nats per token).

    Over many samples that is the divergence of the student from the teacher. Rows whose text does not come apart into the same tokens again
    are left out; a class without tokens has no entry.
    """
    apart = _logprobs(seen.student_logits, seen.completion_ids) - _logprobs(seen.teacher_logits, seen.completion_ids)
    rows, masks, ids = apart.float().cpu().numpy(), seen.loss_mask.bool().cpu().numpy(), seen.completion_ids.tolist()
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    sums, counts = np.zeros(len(TOKEN_CLASSES)), np.zeros(len(TOKEN_CLASSES))
    for row, mask, own, text, again, spans in zip(
        rows, masks, ids, texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        length = len(again)
        if not length or own[:length] != again or not mask[:length].any():
            continue
        classes = token_classes(text, spans, lexicon)[mask[:length]]
        sums += np.bincount(classes, weights=row[:length][mask[:length]], minlength=len(TOKEN_CLASSES))
        counts += np.bincount(classes, minlength=len(TOKEN_CLASSES))
    return {name: float(sums[at] / counts[at]) for at, name in enumerate(TOKEN_CLASSES) if counts[at]}


def _logprobs(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)


class SDFT(SelfDistillation):
    """By TRL's SDFTTrainer: what the teacher is shown was made beforehand, one prompt per example."""

    table = "sdft"
    ours = SelfDistillation.ours | {"teacher_prompt_template"}
    limit = "$.train.sdft.max_prompt_length"

    @property
    def config(self) -> type:
        """SDFTConfig."""
        with extra("train"):
            from trl.experimental.sdft import SDFTConfig

        return SDFTConfig  # type: ignore[no-any-return]

    @property
    def trainer(self) -> type:
        """SDFTTrainer, counting."""
        with extra("train"):
            from trl.experimental.sdft import SDFTTrainer

        class WatchedSDFT(_Watched, SDFTTrainer):  # type: ignore[misc]
            lexicon = self.bench.lexicon

        return WatchedSDFT

    def rows(self, arm: Arm, tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """Prompts, each with that of the teacher."""
        plain = plain_text(tokenizer)
        rows = training_rows(arm.examples, tokenizer, chat)
        return [
            {"prompt": row["prompt"], "privileged_context": plain(text)}
            for row, text in zip(rows, arm.options["teacher_prompts"], strict=True)
        ]

    def made_config(self, arm: Arm, base: str | ModelSpec, seed: int, out: Path) -> Any:
        """The whole prompt of the teacher is given as its context; TRL's config alone insists on putting the problem before it."""
        config = super().made_config(arm, base, seed, out)
        config.teacher_prompt_template = "{privileged_context}"
        return config

    def arm_options(self, arm: Arm) -> dict[str, Any]:
        """None: what the teacher is shown stands in the rows."""
        return {}

    def cut(self, config: Any) -> float:
        """Longer prompts lose their beginning."""
        return config.max_prompt_length or math.inf

    def longest(self, arm: Arm, config: Any, count: Callable[[Sequence[str]], int]) -> int:
        """Of the teacher's prompts."""
        return count(arm.options["teacher_prompts"])


class SDPO(SelfDistillation):
    """By TRL's SDPOTrainer: what the teacher is shown comes up in training, a right rollout of the group, and the step verifier's words.

    Nothing but self-distillation: TRL's mixture with a policy gradient scores what could not be graded as wrong.
    """

    table = "sdpo"
    ours = SelfDistillation.ours | {"distillation_weight", "reward_weights"}
    limit = "$.train.sdpo.max_reprompt_len"

    def __init__(self, spec: TrainSpec, *, bench: Bench | None = None) -> None:
        super().__init__(spec, bench=bench)
        self._graders = Graders(self.bench.grade)

    @property
    def config(self) -> type:
        """SDPOConfig."""
        with extra("train"):
            from trl.experimental.sdpo import SDPOConfig

        return SDPOConfig  # type: ignore[no-any-return]

    @property
    def trainer(self) -> type:
        """SDPOTrainer, counting, whose feedback is the step verifier's."""
        with extra("train"):
            from trl.experimental.sdpo import SDPOTrainer

        lexicon_of_study, graders = self.bench.lexicon, self._graders

        class WatchedSDPO(_Watched, SDPOTrainer):  # type: ignore[misc]
            lexicon = lexicon_of_study

            def sample_rollouts(self, inputs: list[dict[str, Any]]) -> Any:
                batch = super().sample_rollouts(inputs)
                if not self.args.include_environment_feedback:
                    return batch
                texts = self.processing_class.batch_decode(batch["completion_ids"], skip_special_tokens=True)
                for row, graded in zip(inputs, graders([row["problem_id"] for row in inputs], texts), strict=True):
                    row["privileged_context"] = feedback_on(graded)
                return batch

        return WatchedSDPO

    def rows(self, arm: Arm, tokenizer: Any, chat: ChatSpec, seed: int) -> list[dict[str, Any]]:
        """Prompts, each with its problem."""
        rows = training_rows(arm.examples, tokenizer, chat)
        return [
            {"prompt": row["prompt"], "problem_id": example.problem_id}
            for row, example in zip(rows, arm.examples, strict=True)
        ]

    def given(self, arm: Arm, config: Any, base: str | ModelSpec) -> dict[str, Any]:
        """The reward: a right answer, by the study's verifiers."""
        graders, rng = self._graders, np.random.default_rng(config.seed)

        def right(completions: list[Any], problem_id: list[str], **others: Any) -> list[float | None]:
            texts = [row if isinstance(row, str) else row[0]["content"] for row in completions]
            return rewards_of("right", graders(problem_id, texts), group=config.num_generations, rng=rng)

        return {"reward_funcs": [right]}

    def cut(self, config: Any) -> float:
        """Longer prompts lose their beginning."""
        return float(config.max_reprompt_len)

    def longest(self, arm: Arm, config: Any, count: Callable[[Sequence[str]], int]) -> int:
        """Of a prompt with as long a rollout in it as may be; the feedback is not known yet."""
        rollout, template = int(config.max_completion_length), str(config.reprompt_template)
        return count([example.prompt for example in arm.examples]) * template.count("{prompt}") + rollout


def feedback_on(graded: Graded) -> str:
    """What the step verifier says of a rollout that goes wrong: at which step, and what would be right there; else nothing."""
    verdict = graded.verdict
    if verdict.first_error is None:
        return ""
    right = [at for at, step in enumerate(verdict.steps[: verdict.first_error]) if step.mark is Mark.RIGHT]
    return wording.critique_of_wrong_step(verdict.first_error, verdict.steps[verdict.first_error].hint, right)
