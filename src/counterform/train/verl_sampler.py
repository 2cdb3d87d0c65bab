"""RoC for verl: a sampler that hands the trainer only the rollouts that `roc.select` keeps.

For `trainer.v1.sampler.custom_sampler` of verl 0.9, which reads rewards from its TransferQueue. Rewards must be there when
rollouts are sampled: from a reward function, or from a reward model with a resource pool of its own, not a colocated one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import transfer_queue as tq
from msgspec import Struct
from numpy.typing import NDArray
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

from counterform.errors import DataError, StudyError
from counterform.models.sampling import derived_seed
from counterform.train.roc import Mode, select

Floats = NDArray[np.float64]


class _Told(Struct, frozen=True):
    """What the reward function said of each rollout (NaN: UNKNOWN), and the group that it belongs to."""

    group: NDArray[np.int64]
    reward: Floats
    penalty: Floats


class _Selecting:
    """Selects inside each prompt's group when a batch is handed to the trainer; validation is left alone.

    `trainer.v1.sampler.sampler_kwargs`: `keep` of the `rollout.n` rollouts of a prompt, `mode` (see `roc.select`) and
    `seed`. An UNKNOWN rollout is never handed over, nor one that is alone in its group: verl takes its bare reward as its
    advantage. A group of fewer than `keep` rollouts (some failed) is not selected from.
    """

    def __init__(self, *args: Any, sampler_kwargs: Any, **others: Any) -> None:
        super().__init__(*args, sampler_kwargs=sampler_kwargs, **others)  # type: ignore[call-arg]
        try:
            self._keep, self._mode, self._seed = _options(**sampler_kwargs)
        except TypeError as error:
            raise StudyError(
                f"trainer.v1.sampler.sampler_kwargs: {error}. Its options: keep, mode (paper), seed (0)"
            ) from error
        self._metrics: dict[str, float] = {}
        self._batches, self._step = 0, 0

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[KVBatchMeta, dict[str, Any]]:
        self._metrics, self._step = {}, global_steps
        batch, metrics = super().sample(global_steps, partition_id, batch_size)  # type: ignore[misc]
        return batch, {**metrics, **self._metrics}

    def _materialize_batch(self, partition_id: str, selected_prompt_uids: Any, partition_snapshot: Any) -> KVBatchMeta:
        batch = super()._materialize_batch(partition_id, selected_prompt_uids, partition_snapshot)  # type: ignore[misc]
        return batch if partition_id == "val" else self._selected(batch)

    def _selected(self, batch: KVBatchMeta) -> KVBatchMeta:
        # A rollout may have written several rows; its reward stands in the last of them.
        rows: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index in sorted(range(len(batch.keys)), key=lambda index: int(batch.keys[index].rsplit("_", 2)[2])):
            uid, session, _ = batch.keys[index].rsplit("_", 2)
            rows[uid, session].append(index)
        rollouts = list(rows.values())
        told = _told([uid for uid, _ in rows], [batch.keys[of[-1]] for of in rollouts], batch.partition_id)
        kept = self._choose(told)
        self._metrics = _metrics(told, kept)
        if not len(kept):
            raise DataError(
                f"step {self._step}: of {len(rollouts)} rollouts none can be learnt from, since no group has two with a "
                "grade. Look at what the model writes (trainer.rollout_data_dir) and at the reward function."
            )
        stay = {index for rollout in kept for index in rollouts[rollout]}
        dropped = [key for index, key in enumerate(batch.keys) if index not in stay]
        if dropped:  # the trainer clears only what it is given
            tq.kv_clear(partition_id=batch.partition_id, keys=dropped)
        return KVBatchMeta(
            partition_id=batch.partition_id,
            keys=[batch.keys[index] for index in sorted(stay)],
            tags=[batch.tags[index] for index in sorted(stay)],
        )

    def _choose(self, told: _Told) -> NDArray[np.int64]:
        """The rollouts that are kept, as sorted indices."""
        self._batches += 1
        seed = derived_seed("verl", self._seed, self._step, self._batches)
        whole = np.flatnonzero(np.bincount(told.group)[told.group] >= self._keep)
        chosen = np.isin(np.arange(len(told.group)), whole, invert=True)
        if len(whole):
            picked = select(
                told.group[whole], told.reward[whole], told.penalty[whole], self._keep, seed=seed, mode=self._mode
            )
            chosen[whole[picked]] = True
        chosen &= ~np.isnan(told.reward)
        return np.flatnonzero(chosen & (np.bincount(told.group, chosen)[told.group] >= 2))


class RoCSampler(_Selecting, ReplayBuffer):  # type: ignore[misc]
    """For `trainer_mode: sync`."""


class RoCSamplerAsync(_Selecting, ReplayBufferAsync):  # type: ignore[misc]
    """For `trainer_mode: colocate_async` and `separate_async`."""


def _options(keep: int, mode: Mode = "paper", seed: int = 0) -> tuple[int, Mode, int]:
    select([], [], [], keep, seed=seed, mode=mode)  # refuses what it cannot use, before anything is generated
    return keep, mode, seed


def _told(uids: Sequence[str], keys: list[str], partition_id: str) -> _Told:
    data = tq.kv_batch_get(keys=keys, partition_id=partition_id, select_fields=["rm_scores", "extra_fields"])
    reward, penalty = np.empty(len(keys)), np.empty(len(keys))
    for index, (scores, fields) in enumerate(zip(data["rm_scores"], data["extra_fields"], strict=True)):
        said = getattr(fields, "data", fields).get("reward_extra_info", {})
        if "penalty" not in said:
            raise StudyError(
                f"the reward function says no `penalty` of a rollout, only {sorted(said)}. Return a dict with `score`, "
                "`penalty` in [0, 1] and, where a grade can fail, `known`."
            )
        reward[index] = float(scores.sum()) if said.get("known", 1.0) else np.nan
        penalty[index] = said["penalty"]
    return _Told(np.unique(np.array(uids), return_inverse=True)[1], reward, penalty)


def _metrics(told: _Told, kept: NDArray[np.int64]) -> dict[str, float]:
    """Counts, and means before and after the selection: verl's own reward is over kept rollouts alone."""
    known = np.flatnonzero(~np.isnan(told.reward))
    means = {
        f"roc/{name}_{when}": float(values[rows].mean())
        for when, chosen in (("generated", known), ("kept", kept))
        for name, values, rows in (
            ("reward", told.reward, chosen),
            ("penalty_of_rewarded", told.penalty, chosen[told.reward[chosen] > 0]),
        )
        if len(rows)
    }
    counts = {"generated": len(told.reward), "unknown": len(told.reward) - len(known), "kept": len(kept)}
    return {**{f"roc/rollouts_{name}": float(n) for name, n in counts.items()}, **means}
