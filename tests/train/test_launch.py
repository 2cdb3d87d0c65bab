import json
import os

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.torch import load_file

from counterform.arms.policy import MajorityReward, RoC, RoCWaves
from counterform.bench import Bench, Grading
from counterform.errors import StudyError, TrainingDiverged
from counterform.problems.ledger import Ledger
from counterform.study import BASE, TrainSpec, VerifySpec
from counterform.train.policy import GRPO, HISTORY
from counterform.train.sft import SFT
from counterform.types import Case

FAST = {"num_train_epochs": 1, "per_device_train_batch_size": 2, "learning_rate": 5e-4}
# Accelerate's own name for several processes; where there is no GPU they are two on the CPU.
TWO = ("--multi_gpu", "--num_processes", "2")


def launched(arm, out, *arguments, **options):
    spec = TrainSpec(sft={**FAST, **options}, launch=arguments)
    return SFT(spec).train(arm, base=str(BASE), seed=3, out=out)


def test_a_launch_that_fails_says_so_in_one_message(arm, tmp_path):
    with pytest.raises(StudyError, match=r"(?s)\$\.train\.launch: .*--no_such_argument"):
        launched(arm, tmp_path, "--no_such_argument")


@pytest.mark.slow
def test_two_processes_share_the_rows_and_leave_one_checkpoint(arm, tmp_path):
    alone = SFT(TrainSpec(sft={**FAST, "per_device_train_batch_size": 4})).train(
        arm, base=str(BASE), seed=3, out=tmp_path / "alone"
    )
    both = launched(arm, tmp_path / "both", *TWO)
    assert both.ledger.optimizer_steps == alone.ledger.optimizer_steps == 4
    assert both.ledger.loss_tokens == alone.ledger.loss_tokens
    assert both.ledger.prompt_tokens == alone.ledger.prompt_tokens
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("both", "alone"))
    base = load_file(BASE / "model.safetensors")
    moved = sum(float((theirs[name] - base[name]).norm()) for name in base)
    apart = sum(float((theirs[name] - ours[name]).norm()) for name in base)
    assert apart < 0.5 * moved  # the same rows a step, in another order of sums
    assert sorted(os.listdir(tmp_path / "both")) == sorted(os.listdir(tmp_path / "alone"))


@pytest.mark.slow
def test_two_processes_weigh_rows_as_one_does(arm, tmp_path):
    """Kinds that count alike, by plain gradient descent: whatever a process leaves out shows in the weights."""
    kinds = replace(arm, examples=tuple(replace(e, kind=str(at % 3 == 0)) for at, e in enumerate(arm.examples)))
    options = {"optim": "sgd", "lr_scheduler_type": "constant", "max_grad_norm": 0.0, "learning_rate": 0.1}
    alone = {**FAST, **options, "per_device_train_batch_size": 4}
    SFT(TrainSpec(sft=alone)).train(kinds, base=str(BASE), seed=3, out=tmp_path / "alone")
    launched(kinds, tmp_path / "both", *TWO, **options)
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("both", "alone"))
    base = load_file(BASE / "model.safetensors")
    moved = sum(float((theirs[name] - base[name]).norm()) for name in base)
    assert sum(float((theirs[name] - ours[name]).norm()) for name in base) < 0.01 * moved


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RoC, MajorityReward])
def test_an_arm_that_samples_for_itself(recipe, tmp_path):
    """Two processes of half a batch each: as many rollouts, all of them graded by the study's graders, and one checkpoint."""
    problems = Ledger().generate(12, rng=np.random.default_rng(0), lengths=(2, 3))
    cases = [Case(problem=problem, right=None, wrong=None) for problem in problems]
    grading = Grading(problems=tuple(problems), family="ledger", options={}, verify=VerifySpec())
    options = {
        "num_generations": 4,
        "per_device_train_batch_size": 8,
        "max_steps": 2,
        "learning_rate": 3e-4,
        "max_completion_length": 24,
    }
    trainer = GRPO(TrainSpec(grpo=options, launch=TWO), bench=Bench(grading=lambda: grading))
    both = trainer.train(recipe()(cases, None), base=str(BASE), seed=3, out=tmp_path)
    dropped = 32 if recipe is RoC else 0
    assert (both.ledger.rollouts_kept, both.ledger.rollouts_dropped) == (32, dropped)
    assert both.ledger.optimizer_steps == 2
    assert 0 < both.ledger.loss_tokens <= both.ledger.generated_tokens
    steps = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert [step["roc/kept"] for step in steps if "roc/kept" in step] == [16, 16]
    assert all(0 <= step["right"] <= 1 for step in steps if "right" in step)
    base, ours = load_file(BASE / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert any(not ours[name].equal(base[name].float()) for name in base)


@pytest.mark.slow
def test_what_cannot_be_trained_so_is_one_message(tmp_path):
    problems = Ledger().generate(12, rng=np.random.default_rng(0), lengths=(2, 3))
    grading = Grading(problems=tuple(problems), family="ledger", options={}, verify=VerifySpec())
    options = {"num_generations": 4, "per_device_train_batch_size": 8, "max_steps": 1, "max_completion_length": 8}
    trainer = GRPO(TrainSpec(grpo=options, launch=TWO), bench=Bench(grading=lambda: grading))
    cases = [Case(problem=problem, right=None, wrong=None) for problem in problems]
    with pytest.raises(StudyError, match=r"^mode 'waves': needs .* one process"):
        trainer.train(RoCWaves()(cases, None), base=str(BASE), seed=3, out=tmp_path)


@pytest.mark.slow
def test_a_divergence_in_a_launched_process_is_the_same_error(arm, tmp_path):
    with pytest.raises(TrainingDiverged, match="Lower learning_rate"):
        launched(arm, tmp_path, *TWO, learning_rate=1e39, lr_scheduler_type="constant")
