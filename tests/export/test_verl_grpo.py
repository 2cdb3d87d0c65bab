"""GRPO in verl: the files, the reward, and, where verl is installed, verl's own readers and config."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from counterform.arms import policy
from counterform.errors import DataError, StudyError
from counterform.export import export
from counterform.export.verl_grpo import G, chosen, write_grpo
from counterform.export.verl_reward import VerlReward
from counterform.problems.readers import read_problems
from counterform.store import RunDir
from counterform.study import ProblemsSpec, Study, VerifySpec
from counterform.types import Problem

needs_verl = pytest.mark.skipif(importlib.util.find_spec("verl") is None, reason="verl is not installed")


@pytest.fixture
def folder(run, tmp_path):
    export(run, "sampled", to="verl-grpo", out=tmp_path / "out")
    return tmp_path / "out"


def reward_of(folder):
    spec = importlib.util.spec_from_file_location("reward", folder / "reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute_score


def rows(folder, name):
    import pyarrow.parquet as pq

    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_the_problems_come_back_through_the_reader_of_problems(run, folder):
    known = RunDir(run).read_rows("problems.parquet", Problem)
    for name, split in (("train", "train"), ("val", "held_out")):
        ours = [p for p in known if p.split == split]
        read = read_problems(folder / f"{name}.parquet")
        assert not read.broken
        assert [(p.id, p.prompt, p.answer, p.solution) for p in read.problems] == [
            (p.id, p.prompt, p.answer, p.solution) for p in ours
        ]


def test_an_arm_with_completions_gives_its_problems_too(run, folder, tmp_path):
    export(run, "texts", to="verl-grpo", out=tmp_path / "other")
    assert rows(tmp_path / "other", "train") == rows(folder, "train")


@pytest.mark.parametrize(
    ("text", "score", "known"),
    [
        ("SOLUTION", 1.0, 1.0),
        ("1 + 1 = 3. The answer is 12345.", 0.0, 1.0),
        ("The answer is 12345.", 0.0, 1.0),  # wrong, by no step that could be judged
        ("I do not know.", 0.0, 0.0),
        ("\x00<s>" * 9, 0.0, 0.0),
    ],
)
def test_the_reward_file_grades_a_rollout(folder, text, score, known):
    row = rows(folder, "train")[0]
    told = reward_of(folder)(
        data_source=row["data_source"],
        solution_str=text.replace("SOLUTION", row["solution"]),
        ground_truth=row["reward_model"]["ground_truth"],
        extra_info={**row["extra_info"], "num_turns": 2},  # verl adds keys of its own
    )
    assert (told["score"], told["known"]) == (score, known)
    # Of an arm of RoC its own: no call was made (0.5), and whether one answer is stated.
    assert told["penalty"] == {"I do not know.": 0.75, "\x00<s>" * 9: 0.75}.get(text, 0.25)


def test_the_penalty_is_the_share_of_wrong_steps():
    problem = {"id": "p", "prompt": "?", "family": "user", "facts": "{}"}
    reward = VerlReward(steps="arithmetic", options={}, seconds=1.0)
    told = reward("1 + 1 = 3. 2 + 2 = 4. 3 + 3 = 6. So it is. 4 + 4 = 8. The answer is 8.", "8", problem)
    assert told == {"score": 1.0, "known": 1.0, "penalty": 0.25}


def test_many_threads_ask_at_once():
    problem = {"id": "p", "prompt": "?", "family": "user", "facts": "{}"}
    reward = VerlReward(steps="arithmetic", options={}, seconds=1.0)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: reward(f"The answer is {n}.", str(n - n % 2), problem)["score"], range(64)))
    assert told == [1.0, 0.0] * 32


def test_rows_that_are_not_ours():
    with pytest.raises(DataError, match=r"extra_info does not hold a problem \(KeyError\('id'\)\)"):
        VerlReward(steps="arithmetic", options={}, seconds=1.0)("The answer is 1.", "1", {"index": 0})


def test_an_unknown_verifier_in_the_reward_file():
    with pytest.raises(StudyError, match="unknown step verifier 'ledgr'"):
        VerlReward(steps="ledgr", options={}, seconds=1.0)


@pytest.mark.parametrize(
    ("study", "line"),
    [
        (Study(name="a", problems=ProblemsSpec(family="ledger", options={"without": [["add", "double"]]})),
         "steps='ledger', options={'without': [['add', 'double']]}, seconds=5.0,"),
        (Study(name="a", problems=ProblemsSpec(file="x.jsonl")), "steps='arithmetic', options={}, seconds=5.0,"),
        (Study(name="a", problems=ProblemsSpec(file="x.jsonl"), verify=VerifySpec(steps="mine:It", seconds=2.0)),
         "steps='mine:It', options={}, seconds=2.0,"),
    ],
)  # fmt: skip
def test_the_reward_file_has_the_verifiers_of_the_study(tmp_path, study, line):
    write_grpo(tmp_path, tmp_path, study, chosen("a", "sft", {}), [Problem(id="p", prompt="?", answer="1")], [])
    assert line in " ".join((tmp_path / "reward.py").read_text().split())


def exported(run, arm, tmp_path):
    """The config and the reward of an arm of this name."""
    files = RunDir(run)
    record = files.records.get("arm/sampled")
    made_arm = {"objective": arm.objective, "options": arm.options}
    files.records.write(replace(record, facts=made_arm))
    folder = tmp_path / "exported"
    export(run, "sampled", to="verl-grpo", out=folder)
    return (folder / "grpo.yaml").read_text(), reward_of(folder)


PROBLEM = {"id": "p", "prompt": "?", "family": "ledger", "facts": '{"operations": [["add", 1]], "start": 1}'}


class TestWhatAnArmIsStaysWhatItIs:
    """The kind: an arm that is written for another trainer, which lacks what makes it that arm, or was never told."""

    @pytest.mark.parametrize(
        ("recipe", "n", "keep", "mode"),
        [
            (policy.Grpo, G, G, "random"),
            (policy.Grpo2G, 2 * G, 2 * G, "random"),
            (policy.GrpoRandom, 2 * G, G, "random"),
            (policy.RoC, 2 * G, G, "paper"),
            (policy.RoCBoth, 2 * G, G, "both"),
            (policy.RoCNoFailures, 2 * G, G, "no_failures"),
        ],
    )
    def test_which_rollouts_it_learns_from(self, run, tmp_path, recipe, n, keep, mode):
        config, _ = exported(run, recipe(), tmp_path)
        assert f"    n: {n}\n" in config
        assert f"        keep: {keep} " in config
        assert f"        mode: {mode}\n" in config
        [prompts, mini] = (
            int(line.split()[1])
            for line in config.splitlines()
            if "batch_size: " in line and line.split()[1].isdecimal()
        )
        assert prompts * keep == mini * n

    def test_what_it_is_rewarded_for(self, run, tmp_path):
        _, right = exported(run, policy.Grpo(), tmp_path / "a")
        _, form = exported(run, policy.FormatReward(), tmp_path / "b")
        _, coin = exported(run, policy.RandomReward(), tmp_path / "c")
        _, less = exported(run, policy.GrpoPenalty(penalties=["format"]), tmp_path / "d")
        texts = ("The answer is 2.", "The answer is 3.", "I do not know.")
        told = {
            reward: [(said["score"], said["known"]) for said in (reward("", text, "2", PROBLEM) for text in texts)]
            for reward in (right, form)
        }
        assert told[right] == [(1, 1), (0, 1), (0, 0)]
        assert told[form] == [(1, 1), (1, 1), (0, 1)]
        coins = [coin("", texts[at % 2], "2", PROBLEM)["score"] for at in range(400)]
        assert 140 < sum(coins) < 260
        assert abs(sum(coins[::2]) - sum(coins[1::2])) < 60
        assert coin("", texts[2], "2", PROBLEM)["known"] == 0
        assert less("", "The answer is 2. The answer is 2.", "2", PROBLEM)["score"] == 0.5
        assert less("", texts[0], "2", PROBLEM)["score"] == 1

    @pytest.mark.parametrize(
        ("recipe", "why"),
        [
            (policy.Psr(), "learns_from = 'successes'"),
            (policy.Nsr(), "learns_from = 'failures'"),
            (policy.MajorityReward(), "reward = 'majority'"),
            (policy.RoCWaves(), "mode = 'waves'"),
            (policy.RoC(tool="calc"), "tool = 'calc'"),
        ],
    )
    def test_what_verl_cannot_do_is_refused(self, run, tmp_path, recipe, why):
        with pytest.raises(DataError, match=f"arm 'sampled' is what it is by {why}.*it would be another arm"):
            exported(run, recipe, tmp_path)
        assert not (tmp_path / "exported").exists()

    @pytest.mark.parametrize("to", ["verl-grpo", "trl"])
    @pytest.mark.parametrize("objective", ["sdft", "sdpo"])
    def test_nor_does_any_format_hold_a_teacher(self, run, tmp_path, objective, to):
        files = RunDir(run)
        files.records.write(replace(files.records.get("arm/sampled"), facts={"objective": objective, "options": {}}))
        with pytest.raises(DataError, match="learns from a teacher that is shown more than it is"):
            export(run, "sampled", to=to, out=tmp_path / "out")

    def test_the_config_says_whose_problems_it_trains_on(self, run, tmp_path):
        export(run, "texts", to="verl-grpo", out=tmp_path / "out")
        head = (tmp_path / "out" / "grpo.yaml").read_text().splitlines()[0]
        assert (
            head
            == "# GRPO with resampling on correct (RoC), on the problems of the arm 'texts', for verl 0.9 with its V1 trainer."
        )


@needs_verl
class TestContract:
    """verl itself reads what was written; fails by name when something moves."""

    @pytest.fixture
    def config(self, folder):
        from hydra import compose, initialize_config_dir

        with initialize_config_dir(config_dir=str(folder), version_base=None):
            return compose(config_name="grpo")

    def test_the_config_composes_and_is_valid(self, config, folder):
        from verl.utils.config import validate_config

        validate_config(config, use_reference_policy=False, use_critic=False)
        assert config.data.train_files == f"{folder}/train.parquet"
        actor, n = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout.n
        keep = config.trainer.v1.sampler.sampler_kwargs["keep"]
        assert actor.ppo_mini_batch_size * n == config.data.train_batch_size * keep

    def test_the_trainer_builds_our_sampler(self, config):
        from types import SimpleNamespace

        from verl.trainer.ppo.v1.trainer_base import PPOTrainer

        trainer = SimpleNamespace(config=config, trainer_mode="sync", _add_prompts_to_generate=lambda n: None)
        assert type(PPOTrainer._build_replay_buffer(trainer)).__name__ == "RoCSampler"

    def test_the_reward_manager_calls_our_reward(self, config, folder):
        import asyncio

        import numpy as np
        import torch
        from verl import DataProto
        from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
        from verl.trainer.ppo.reward import get_custom_reward_fn

        row = rows(folder, "train")[0]

        class Tokenizer:
            def decode(self, ids, skip_special_tokens):
                return row["solution"]

        async def score():
            data = DataProto.from_dict(
                tensors={"responses": torch.ones(1, 4, dtype=int), "attention_mask": torch.ones(1, 6, dtype=int)},
                non_tensors={
                    name: np.array([row[name]], dtype=object) for name in ("data_source", "reward_model", "extra_info")
                },
            )
            return await NaiveRewardManager(config, Tokenizer(), get_custom_reward_fn(config)).run_single(data)

        told = asyncio.run(score())
        assert told["reward_score"] == 1.0
        assert told["reward_extra_info"] == {"score": 1.0, "known": 1.0, "penalty": 0.25}

    def test_the_rl_dataset_reads_the_problems(self, config, folder):
        from transformers import AutoTokenizer
        from verl.utils.dataset.rl_dataset import RLHFDataset

        from counterform.study import BASE

        data = RLHFDataset(str(folder / "train.parquet"), AutoTokenizer.from_pretrained(BASE), config.data)
        row = rows(folder, "train")[0]
        assert len(data) == len(rows(folder, "train"))
        assert [dict(turn) for turn in data[0]["raw_prompt"]] == row["prompt"]
        assert data[0]["reward_model"]["ground_truth"] == row["reward_model"]["ground_truth"]
        assert data[0]["extra_info"] == row["extra_info"]

    def test_the_sft_dataset_puts_the_loss_on_the_completion(self, run, tmp_path):
        from transformers import AutoTokenizer
        from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

        from counterform.study import BASE
        from counterform.types import Example

        problems = [p for p in RunDir(run).read_rows("problems.parquet", Problem) if p.split == "train"]
        solved = [Example(problem_id=p.id, prompt=p.prompt, completion=p.solution) for p in problems]
        RunDir(run).write_rows("arms/texts.parquet", solved, Example)
        [file] = export(run, "texts", to="verl", out=tmp_path / "sft").files
        tokenizer = AutoTokenizer.from_pretrained(BASE)
        item = MultiTurnSFTDataset(str(file), tokenizer, {"max_length": 256})[0]
        learnt = tokenizer.decode(item["input_ids"][item["loss_mask"].bool()], skip_special_tokens=True)
        assert (
            learnt.split()
            == tokenizer.decode(tokenizer(problems[0].solution)["input_ids"], skip_special_tokens=True).split()
        )
