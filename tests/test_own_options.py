"""Arms that are trained with options of their own."""

import msgspec
import pytest

import counterform
from counterform.errors import StudyError
from counterform.report.data import load
from counterform.report.tables import ledger_table
from counterform.stages.work import Work
from counterform.store import RunDir
from counterform.study import ArmSpec, AttemptsSpec, MatchSpec, ProbeSpec, ProblemsSpec, Study, TrainSpec, load_study
from counterform.types import Checkpoint

SLOW = ArmSpec(name="slow", recipe="sft", train={"learning_rate": 1e-4})
STUDY = Study(
    name="own",
    seeds=(0,),
    problems=ProblemsSpec(family="ledger", lengths=(2,), train=40, held_out=8),
    attempts=AttemptsSpec(samples=4, max_tokens=40),
    match=MatchSpec(cases=8, by="loss_tokens"),
    arms=("sft", SLOW, ArmSpec(name="policy", recipe="grpo", train={"max_steps": 1})),
    train=TrainSpec(
        sft={"num_train_epochs": 1, "per_device_train_batch_size": 8, "learning_rate": 5e-4},
        grpo={"num_generations": 4, "per_device_train_batch_size": 8, "max_steps": 2, "max_completion_length": 24},
    ),
    probes=("accuracy",),
    probe=ProbeSpec(samples=1, k=1, max_tokens=40),
)


def with_arm(arm: ArmSpec) -> Study:
    return msgspec.structs.replace(STUDY, arms=(STUDY.arms[0], arm, *STUDY.arms[2:]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> counterform.Run:
    return counterform.run(STUDY, tmp_path_factory.mktemp("own"))


def checkpoint(finished, arm):
    return msgspec.json.decode((finished.path / f"checkpoints/{arm}/0/checkpoint.json").read_bytes(), type=Checkpoint)


def test_they_are_used_recorded_and_shown(finished):
    assert checkpoint(finished, "slow").own_options == {"learning_rate": 1e-4}
    assert checkpoint(finished, "sft").own_options == {}
    assert checkpoint(finished, "policy").ledger.optimizer_steps == 1
    assert "slow was trained with learning_rate = 0.0001 (the others: 0.0005)" in finished.results.notes
    table = ledger_table(load(RunDir(finished.path)).checkpoints)
    own = {row[0]: row[table.headings.index("Of its own")] for row in table.rows}
    assert own == {"sft": "–", "slow": "learning_rate = 0.0001", "policy": "max_steps = 1"}
    assert load_study(finished.path / "study.toml").arm_specs[1].train == SLOW.train


def test_a_change_trains_that_arm_again_and_no_other(finished):
    said = []
    changed = with_arm(msgspec.structs.replace(SLOW, train={"learning_rate": 2e-4}))
    counterform.run(changed, finished.path, until="train", say=said.append)
    assert {line.split()[1] for line in said if line.startswith("train ") and "seed" in line} == {"slow"}
    assert not any("cases" in line for line in said)


def test_arms_without_their_own_share_a_trainer(tmp_path):
    work = Work(with_arm(ArmSpec(name="again", recipe="sft")), RunDir(tmp_path), print)
    assert work.trainer("again") is work.trainer("sft")
    assert work.trainer("again") is not work.trainer("policy")


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"learning_rat": 1e-4}, r"\$\.arms\[1\]\.train: unknown option 'learning_rat'.*'learning_rate'\?"),
        ({"learning_rate": "slow"}, r"\$\.arms\[1\]\.train\.learning_rate: Expected `float`.*'slow'"),
        ({"seed": 1}, r"\$\.arms\[1\]\.train: 'seed' is set by counterform itself"),
    ],
)
def test_what_cannot_be_is_told_by_the_path_of_the_arm(train, said, tmp_path):
    with pytest.raises(StudyError, match=said):
        counterform.run(with_arm(ArmSpec(name="slow", recipe="sft", train=train)), tmp_path, until="problems")
