"""A study with an arm that imitates beside arms that sample for themselves."""

import json

import msgspec
import pytest

import counterform
from counterform.results import MatchCard
from counterform.store import RunDir
from counterform.study import ArmSpec, AttemptsSpec, MatchSpec, ModelSpec, ProbeSpec, ProblemsSpec, Study, TrainSpec
from counterform.types import Checkpoint, Reading

ARMS = ("sft", "roc", "grpo_random")
STUDY = Study(
    name="grpo",
    seeds=(0,),
    model=ModelSpec(tool="calc", tool_failures=0.1),
    problems=ProblemsSpec(family="ledger", lengths=(2, 3), train=40, held_out=12),
    attempts=AttemptsSpec(samples=4, max_tokens=40),
    match=MatchSpec(by="loss_tokens", cases=12),
    arms=(
        "sft",
        *(ArmSpec(name=name, recipe=name, options={"tool": "calc", "tool_failures": 0.1}) for name in ARMS[1:]),
    ),
    contrasts=(("roc", "grpo_random"),),
    train=TrainSpec(
        sft={"num_train_epochs": 1, "per_device_train_batch_size": 12, "learning_rate": 5e-4},
        grpo={"num_generations": 4, "per_device_train_batch_size": 8, "max_steps": 2, "max_completion_length": 40},
    ),
    probes=("accuracy",),
    probe=ProbeSpec(samples=1, k=1, max_tokens=40),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> counterform.Run:
    return counterform.run(STUDY, tmp_path_factory.mktemp("grpo"))


def checkpoint(finished, arm):
    return msgspec.json.decode((finished.path / f"checkpoints/{arm}/0/checkpoint.json").read_bytes(), type=Checkpoint)


def test_each_arm_is_trained_by_its_objective(finished):
    ledgers = {arm: checkpoint(finished, arm).ledger for arm in ARMS}
    assert ledgers["sft"].rollouts_kept == 0
    for arm in ARMS[1:]:
        assert (ledgers[arm].rollouts_kept, ledgers[arm].rollouts_dropped) == (16, 16)
        assert ledgers[arm].generated_tokens > ledgers[arm].loss_tokens > 0
        steps = (finished.path / f"checkpoints/{arm}/0/steps.jsonl").read_text().splitlines()
        assert "roc/tool_errors/right" in "".join(json.loads(steps[0]))
    assert "Rollouts dropped" in (finished.path / "report.html").read_text()


def test_every_arm_is_read_on_the_same_items(finished):
    files = RunDir(finished.path)
    items = [
        {reading.item_id for reading in files.read_rows(f"readings/accuracy/{arm}-0.parquet", Reading)}
        for arm in ("base", *ARMS)
    ]
    assert items[0]
    assert all(found == items[0] for found in items)
    assert finished.results.findings


def test_the_card_counts_no_loss_before_it_is_sampled(finished):
    card = msgspec.json.decode((finished.path / "arms/match.json").read_bytes(), type=MatchCard)
    loss = {row.arm: row.loss_tokens for row in card.arms}
    assert loss["sft"] > 0
    assert loss["roc"] == loss["grpo_random"] == 0
    assert {row.examples for row in card.arms} == {12}


def test_other_options_of_grpo_leave_the_imitation_as_it_is(finished):
    said = []
    train = msgspec.structs.replace(STUDY.train, grpo=STUDY.train.grpo | {"max_steps": 1})
    counterform.run(msgspec.structs.replace(STUDY, train=train), finished.path, until="train", say=said.append)
    trained = {line.split()[1] for line in said if line.startswith("train ") and "seed" in line}
    assert trained == {"roc", "grpo_random"}


@pytest.mark.slow
def test_two_processes_learn_a_lora_by_the_graders_of_the_study(tmp_path):
    train = msgspec.structs.replace(
        STUDY.train,
        launch=("--multi_gpu", "--num_processes", "2"),
        lora={"r": 2, "target_modules": ["q_proj"]},
        grpo=STUDY.train.grpo | {"per_device_train_batch_size": 4},
    )
    study = msgspec.structs.replace(STUDY, arms=(ArmSpec(name="roc", recipe="roc"),), contrasts=(), train=train)
    run = counterform.run(msgspec.structs.replace(study, model=ModelSpec()), tmp_path)
    ledger = checkpoint(run, "roc").ledger
    assert (ledger.rollouts_kept, ledger.rollouts_dropped) == (16, 16)
    assert (run.path / "checkpoints/roc/0/adapter_model.safetensors").is_file()
    assert {finding.arm for finding in run.results.findings} == {"roc"}
