"""A callback for any transformers or TRL trainer: what a fixed set of prompts shows of the model's traits as it trains."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from counterform.errors import ModelError, StudyError, extra
from counterform.findings.stats import LEAST_IN_COMMON, like_lengths
from counterform.models.hf import HFModel
from counterform.text.lexicon import load_lexicon
from counterform.types import Completion

with extra("train"):
    from transformers import Trainer, TrainerCallback

ALPHA = 0.05


class TraitLost(UserWarning):
    """A trait has fallen below its share of the start."""


class _Look(NamedTuple):
    """What the fixed prompts showed at one step."""

    counts: NDArray[np.int64]
    """(answers, kinds)"""
    tokens: NDArray[np.float64]
    entropy: float | None
    """Nats per token, over each prompt's first answer."""


class TraitCallback(TrainerCallback):  # type: ignore[misc]
    """Samples the same prompts every `every` steps and at both ends, and logs markers, entropy and length where the run logs.

        trainer = SFTTrainer(...)  # or GRPOTrainer, or transformers' own
        trainer.add_callback(TraitCallback(trainer, prompts, every=50))

    Logged under `traits/`: each kind of marker per 1,000 tokens, and `KIND kept`, the rate over that of the start, and
    the same between answers of like length (left out where the start has none); `entropy` in nats per token; `tokens` an answer.

    A kind that falls below `floor` times its start, by more than chance (exact test at 5 %, given as many answers), is
    warned about once (TraitLost); with `stop=True` training ends there. More prompts and `samples` see smaller falls.
    The random state, mode and generation settings of the training are left as they were. Every process of a distributed
    run answers all prompts, and the first one logs. Raises StudyError for weights that are spread over processes.
    """

    def __init__(
        self,
        trainer: Trainer,
        prompts: Sequence[str],
        *,
        every: int = 50,
        floor: float = 0.5,
        stop: bool = False,
        lexicon: str | Path = "",
        samples: int = 1,
        temperature: float = 1.0,
        max_tokens: int = 160,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        if not prompts or every < 1 or samples < 1 or not 0 <= floor <= 1:
            raise StudyError(
                f"TraitCallback needs prompts, every >= 1, samples >= 1 and a floor from 0 to 1; got {len(prompts)} prompts, "
                f"every={every}, samples={samples}, floor={floor}."
            )
        if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
            raise StudyError(
                "TraitCallback cannot sample a model whose weights are spread over processes (DeepSpeed, FSDP). "
                "Read the checkpoints with the probe `traits` instead."
            )
        self._trainer, self._prompts, self._every, self._floor, self._stop = trainer, list(prompts), every, floor, stop
        self._lexicon = load_lexicon(lexicon)
        self._asked: dict[str, Any] = {"n": samples, "seed": seed, "temperature": temperature, "max_tokens": max_tokens}
        self._batch_size = batch_size
        self._start: _Look | None = None
        self._seen = -1
        self._warned: set[str] = set()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look before the first step; that is the start."""
        self._start, self._warned = None, set()
        self._look(state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look every so many steps."""
        if state.global_step % self._every == 0:
            self._look(state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at what has come out."""
        if state.global_step != self._seen:
            self._look(state, control)

    def _look(self, state: Any, control: Any) -> None:
        self._seen = state.global_step
        look = self._read()
        self._start = self._start or look
        logs = {"traits/tokens": float(look.tokens.mean())}
        if look.entropy is not None:
            logs["traits/entropy"] = look.entropy
        for index, kind in enumerate(self._lexicon.kinds):
            logs[f"traits/{kind}"] = 1000 * float(look.counts[:, index].sum()) / max(1.0, float(look.tokens.sum()))
            kept = _kept(self._start, look, index)
            if kept is not None:
                logs[f"traits/{kind} kept"] = kept
                like = _kept_at_like_lengths(self._start, look, index)
                logs |= {f"traits/{kind} kept at like lengths": like} if like is not None else {}
                self._judge(kind, index, kept, look, state, control)
        # Not the trainer's own `log`: TRL's adds the averages of its step metrics, and empties them. Logging takes back what
        # the trainer meant to log after this step.
        meant = control.should_log
        Trainer.log(self._trainer, logs)
        control.should_log = meant

    def _judge(self, kind: str, index: int, kept: float, look: _Look, state: Any, control: Any) -> None:
        if self._start is None or kept >= self._floor or kind in self._warned:
            return
        if _chance(self._start, look, index) > ALPHA:
            return
        self._warned.add(kind)
        after = " Training stops here." if self._stop else ""
        warnings.warn(
            f"step {state.global_step}: markers of kind {kind!r} are at {100 * kept:.0f} % of their start, under the floor "
            f"of {100 * self._floor:.0f} %.{after}",
            TraitLost,
            stacklevel=2,
        )
        if self._stop:
            control.should_training_stop = True

    def _read(self) -> _Look:
        with self._model() as model:
            answers = model.generate(self._prompts, **self._asked)
            entropy = _entropy(model, self._prompts, [row[0] for row in answers])
        flat = [completion for row in answers for completion in row]
        tokens = np.array([float(completion.tokens) for completion in flat])
        return _Look(self._lexicon.counts([completion.text for completion in flat]), tokens, entropy)

    @contextmanager
    def _model(self) -> Iterator[HFModel]:
        """The model in training, ready to answer, and afterwards as it was."""
        trained = self._trainer.accelerator.unwrap_model(self._trainer.model)
        tokenizer = getattr(self._trainer.processing_class, "tokenizer", self._trainer.processing_class)
        owner = trained.get_base_model() if hasattr(trained, "get_base_model") else trained
        mode, settings = trained.training, owner.generation_config
        try:
            yield HFModel(trained, tokenizer, name="in training", batch_size=self._batch_size)
        finally:
            owner.generation_config = settings
            if trained is not owner:
                trained.generation_config = settings
            trained.train(mode)


def _entropy(model: HFModel, prompts: Sequence[str], answers: Sequence[Completion]) -> float | None:
    """Nats per token; None where the model or its tokenizer does not show it."""
    nats = tokens = 0.0
    try:
        for prompt, answer in zip(prompts, answers, strict=True):
            logprobs = model.trace(prompt, answer.text).logprobs
            nats -= float((logprobs.exp() * logprobs).nan_to_num().sum())
            tokens += len(logprobs)
    except ModelError:
        return None
    return nats / tokens if tokens else None


def _kept(start: _Look, now: _Look, index: int) -> float | None:
    """The rate of one kind over that of the start; None without a rate to start from."""
    before, after = (float(look.counts[:, index].sum()) / max(float(look.tokens.sum()), 1.0) for look in (start, now))
    return after / before if before > 0 else None


def _kept_at_like_lengths(start: _Look, now: _Look, index: int) -> float | None:
    """The same between answers of like length; None too where they have too few in common."""
    strata = like_lengths([start.tokens, now.tokens])
    groups = 1 + max(int(part.max()) for part in strata)
    tables = []
    for part, look in zip(strata, (start, now), strict=True):
        rows = (np.ones(len(part)), look.counts[:, index], look.tokens)
        tables.append([np.bincount(part, weights=row, minlength=groups) for row in rows])
    weights = np.minimum(*(answers / answers.sum() for answers, _, _ in tables))
    rates = []
    for answers, counts, tokens in tables:
        scaled = weights / np.maximum(answers, 1)
        rates.append(float((scaled * counts).sum()) / max(float((scaled * tokens).sum()), 1e-9))
    return rates[1] / rates[0] if rates[0] > 0 and weights.sum() >= LEAST_IN_COMMON else None


def _chance(start: _Look, now: _Look, index: int) -> float:
    """How often so few markers would come, of all there were, if none had been lost: one-sided, by tokens written."""
    before, after = int(start.counts[:, index].sum()), int(now.counts[:, index].sum())
    share = float(now.tokens.sum()) / max(float(now.tokens.sum() + start.tokens.sum()), 1.0)
    return float(binomtest(after, before + after, share, alternative="less").pvalue) if before + after else 1.0
