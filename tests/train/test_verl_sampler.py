"""RoC in verl, on verl's own replay buffer where verl is installed, else on a double of what the sampler leans on."""

import inspect
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from counterform.errors import DataError, StudyError
from counterform.models.sampling import derived_seed
from counterform.train.roc import select

try:
    import verl.trainer.ppo.v1.replay_buffer as replay_buffer

    VERL = True
except ImportError:
    VERL = False

needs_verl = pytest.mark.skipif(not VERL, reason="verl is not installed")


class Queue:
    """A TransferQueue in memory: partition -> key -> (tag, fields)."""

    def __init__(self):
        self.held = {"train": {}, "val": {}}

    def kv_list(self):
        return {name: {key: dict(tag) for key, (tag, _) in rows.items()} for name, rows in self.held.items()}

    def kv_clear(self, *, partition_id, keys):
        for key in keys:
            del self.held[partition_id][key]

    def kv_batch_get(self, *, keys, partition_id, select_fields):
        return {field: [self.held[partition_id][key][1][field] for key in keys] for field in select_fields}

    def group(self, uid, rollouts, *, partition="train", rows=1, status="finished", step=1):
        """Rollouts as (reward, said by the reward function); each writes `rows` rows, and only the last tells the truth."""
        rows_of = self.held[partition]
        rows_of[uid] = ({"is_prompt": True, "status": status, "global_steps": step}, {})
        for session, (reward, said) in enumerate(rollouts):
            for row in range(rows):
                last = row == rows - 1
                told = SimpleNamespace(data={"reward_extra_info": said if last else {"penalty": 0.0, "known": 0.0}})
                scores = np.array([0.0, reward]) if last else np.array([9.0])
                fields = {"rm_scores": scores, "extra_fields": told}
                rows_of[f"{uid}_{session}_{row}"] = ({"seq_len": 10 * session + row}, fields)


class Batch:
    """A double of transfer_queue.KVBatchMeta."""

    def __init__(self, partition_id, keys, tags):
        self.partition_id, self.keys, self.tags = partition_id, keys, tags


class BufferDouble:
    """What the sampler leans on in verl's ReplayBuffer; `needs_verl` tests prove that it still is so there."""

    def __init__(
        self,
        trainer_mode,
        trainer_config,
        max_off_policy_threshold,
        max_off_policy_strategy,
        sampler_kwargs,
        refill_fn=None,
    ):
        self.trainer_mode = trainer_mode

    def sample(self, global_steps, partition_id, batch_size):
        held = sys.modules["transfer_queue"].kv_list()[partition_id]
        uids = [key for key, tag in held.items() if tag.get("is_prompt")][:batch_size]
        return self._materialize_batch(partition_id, uids, {k: t for k, t in held.items() if k not in uids}), {
            "theirs": 1
        }

    def _materialize_batch(self, partition_id, selected_prompt_uids, partition_snapshot):
        sys.modules["transfer_queue"].kv_clear(partition_id=partition_id, keys=selected_prompt_uids)
        keys = [key for key in partition_snapshot if key.split("_")[0] in selected_prompt_uids]
        return Batch(partition_id, keys, [partition_snapshot[key] for key in keys])


@pytest.fixture
def queue(monkeypatch):
    held = Queue()
    if not VERL:
        names = ["verl", "verl.trainer", "verl.trainer.ppo", "verl.trainer.ppo.v1", "verl.trainer.ppo.v1.replay_buffer"]
        for name in [*names, "transfer_queue"]:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        buffers = sys.modules[names[-1]]
        buffers.ReplayBuffer, buffers.ReplayBufferAsync = BufferDouble, type("AsyncDouble", (BufferDouble,), {})
        sys.modules["transfer_queue"].KVBatchMeta = Batch
        monkeypatch.delitem(sys.modules, "counterform.train.verl_sampler", raising=False)
    for name in ("kv_list", "kv_clear", "kv_batch_get"):
        monkeypatch.setattr(sys.modules["transfer_queue"], name, getattr(held, name), raising=VERL)
    yield held
    if not VERL:
        sys.modules.pop("counterform.train.verl_sampler", None)


def sampler(kind="RoCSampler", **options):
    import importlib

    return getattr(importlib.import_module("counterform.train.verl_sampler"), kind)(
        trainer_mode="sync",
        trainer_config={},
        max_off_policy_threshold=8,
        max_off_policy_strategy="drop",
        sampler_kwargs=options,
        refill_fn=lambda n: None,
    )


def right(penalty):
    return 1.0, {"penalty": penalty, "known": 1.0}


WRONG = (0.0, {"penalty": 0.5, "known": 1.0})
UNKNOWN = (0.0, {"penalty": 0.5, "known": 0.0})


@pytest.mark.parametrize("kind", ["RoCSampler", "RoCSamplerAsync"])
def test_keeps_as_many_of_each_group_as_asked_and_clears_the_others(queue, kind):
    for step, uid in enumerate("abc"):  # the oldest prompts go first
        queue.group(
            uid, step=step, rollouts=[right(0.5), right(0.0), right(0.5), right(0.0), WRONG, WRONG, WRONG, WRONG]
        )
    batch, metrics = sampler(kind, keep=4).sample(global_steps=1, partition_id="train", batch_size=2)
    kept = [key.split("_") for key in batch.keys]
    assert [sum(uid == name for uid, *_ in kept) for name in "abc"] == [4, 4, 0]
    # Half and half, and of the right ones those without a wrong step.
    assert [session for _, session, _ in kept if int(session) < 4] == ["1", "3", "1", "3"]
    assert [tag["seq_len"] for tag in batch.tags] == [10 * int(session) for _, session, _ in kept]
    # The trainer clears what it was given; nothing else of these prompts may stay behind.
    assert {key for key in queue.held["train"] if key[0] in "ab"} == set(batch.keys)
    assert sum(key[0] == "c" for key in queue.held["train"]) == 9
    assert metrics["roc/rollouts_generated"] == 16
    assert metrics["roc/rollouts_kept"] == 8
    assert metrics["roc/reward_generated"] == metrics["roc/reward_kept"] == 0.5
    assert (metrics["roc/penalty_of_rewarded_generated"], metrics["roc/penalty_of_rewarded_kept"]) == (0.25, 0.0)


def test_what_is_kept_is_what_the_selection_function_keeps(queue):
    penalties = [0.1, 0.9, 0.4, 0.3, 0.8, 0.2]
    queue.group("a", [right(p) for p in penalties] + [WRONG] * 6)
    batch, _ = sampler(keep=6, mode="both", seed=7).sample(global_steps=3, partition_id="train", batch_size=1)
    ours = select(
        [0] * 12, [1.0] * 6 + [0.0] * 6, [*penalties, *[0.5] * 6], 6, seed=derived_seed("verl", 7, 3, 1), mode="both"
    )
    assert batch.keys == [f"a_{index}_0" for index in ours]


def test_an_unknown_rollout_is_never_handed_over(queue):
    queue.group("a", [right(0.0), WRONG, WRONG, UNKNOWN, UNKNOWN, UNKNOWN])
    queue.group("b", [right(0.0), UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN])
    batch, metrics = sampler(keep=4).sample(global_steps=1, partition_id="train", batch_size=2)
    # verl would take the bare reward of b's only graded rollout as its advantage.
    assert batch.keys == ["a_0_0", "a_1_0", "a_2_0"]
    assert metrics["roc/rollouts_unknown"] == 8
    assert metrics["roc/reward_generated"] == 0.5


def test_keeping_all_is_plain_grpo_without_what_could_not_be_graded(queue):
    queue.group("a", [right(0.5), WRONG, UNKNOWN, WRONG])
    batch, _ = sampler(keep=4).sample(global_steps=1, partition_id="train", batch_size=1)
    assert batch.keys == ["a_0_0", "a_1_0", "a_3_0"]


def test_a_group_in_which_rollouts_failed_is_left_whole(queue):
    queue.group("a", [right(0.5), WRONG, WRONG], status="failure")
    queue.group("b", [right(0.5)] * 4 + [WRONG] * 4)
    one = sampler(keep=4)
    if VERL:  # with the built-in default failed groups stay sampleable in sync mode
        assert one.sync_refill_failed_groups is False
    batch, _ = one.sample(global_steps=1, partition_id="train", batch_size=2)
    assert [key[0] for key in batch.keys] == ["a"] * 3 + ["b"] * 4


def test_the_rows_of_one_rollout_stay_together_and_its_reward_stands_in_the_last(queue):
    queue.group("a", [right(0.0), right(0.9), WRONG, WRONG], rows=3)
    batch, metrics = sampler(keep=2, mode="released").sample(global_steps=1, partition_id="train", batch_size=1)
    assert batch.keys == [f"a_{session}_{row}" for session in (0, 2) for row in range(3)]
    assert metrics["roc/reward_generated"] == 0.5
    assert set(queue.held["train"]) == set(batch.keys)


def test_validation_is_left_alone(queue):
    queue.group("a", [UNKNOWN, right(0.5), WRONG, WRONG], partition="val")
    batch, metrics = sampler(keep=2).sample(global_steps=1, partition_id="val", batch_size=1)
    assert len(batch.keys) == 4
    assert not any(name.startswith("roc/") for name in metrics)


def test_a_step_without_anything_to_learn_from_stops_with_the_reason(queue):
    queue.group("a", [UNKNOWN] * 4)
    with pytest.raises(DataError, match="step 5: of 4 rollouts none can be learnt from"):
        sampler(keep=2).sample(global_steps=5, partition_id="train", batch_size=1)


def test_a_reward_function_that_says_no_penalty(queue):
    queue.group("a", [(1.0, {"acc": 1.0})] * 4)
    with pytest.raises(StudyError, match=r"no `penalty`.*only \['acc'\]"):
        sampler(keep=2).sample(global_steps=1, partition_id="train", batch_size=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sampler_kwargs: .*keep.*Its options: keep, mode"),
        ({"keep": 4, "mod": "paper"}, "sampler_kwargs: .*mod.*Its options"),
        ({"keep": 4, "mode": "papre"}, "unknown mode 'papre'. Did you mean 'paper'"),
        ({"keep": 0}, "keep"),
    ],
)
def test_bad_options_are_refused_before_anything_is_generated(queue, options, message):
    with pytest.raises(StudyError, match=message):
        sampler(**options)


@needs_verl
class TestContract:
    """What the sampler leans on in verl; fails by name when it moves."""

    def test_the_constructor_takes_what_the_trainer_gives(self):
        given = {
            "trainer_mode",
            "trainer_config",
            "max_off_policy_threshold",
            "max_off_policy_strategy",
            "sampler_kwargs",
            "refill_fn",
        }
        assert given <= set(inspect.signature(replay_buffer.ReplayBuffer.__init__).parameters), "ReplayBuffer.__init__"

    @pytest.mark.parametrize("kind", ["ReplayBuffer", "ReplayBufferAsync"])
    def test_the_methods_that_are_overridden(self, kind):
        buffer = getattr(replay_buffer, kind)
        for name, parameters in {
            "sample": ["self", "global_steps", "partition_id", "batch_size"],
            "_materialize_batch": ["self", "partition_id", "selected_prompt_uids", "partition_snapshot"],
        }.items():
            assert list(inspect.signature(getattr(buffer, name)).parameters) == parameters, f"{kind}.{name}"

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [("kv_clear", {"keys", "partition_id"}), ("kv_batch_get", {"keys", "partition_id", "select_fields"})],
    )
    def test_the_calls_of_the_queue(self, name, parameters):
        import transfer_queue

        assert parameters <= set(inspect.signature(getattr(transfer_queue, name)).parameters), f"transfer_queue.{name}"

    def test_a_batch_is_made_of_keys_and_tags(self):
        from transfer_queue import KVBatchMeta

        batch = KVBatchMeta(partition_id="train", keys=["a_0_0"], tags=[{"seq_len": 3}])
        assert (batch.partition_id, batch.keys, batch.tags) == ("train", ["a_0_0"], [{"seq_len": 3}])

    def test_a_lone_rollout_has_its_bare_reward_as_advantage(self):
        """Why a group of one is dropped."""
        import torch
        from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

        rewards, mask = torch.tensor([[0.0, 1.0]]), torch.ones(1, 2)
        advantages, _ = compute_grpo_outcome_advantage(rewards, mask, np.array(["a"]))
        assert advantages.tolist() == pytest.approx(np.ones((1, 2)), abs=1e-4)
