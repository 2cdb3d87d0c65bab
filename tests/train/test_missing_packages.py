"""Options of a training that need a package which is not installed: one message at the option's path, before anything is sampled if possible."""

import importlib.util

import pytest

from counterform.bench import Bench
from counterform.errors import StudyError
from counterform.study import BASE, TrainSpec
from counterform.train.policy import GRPO
from counterform.train.sft import SFT

FAST = {"max_steps": 1, "per_device_train_batch_size": 2}


def missing(module):
    return importlib.util.find_spec(module) is None


NEED_A_PACKAGE = {
    "liger_kernel": ({"use_liger_kernel": True}, "liger"),
    "bitsandbytes": ({"optim": "adamw_bnb_8bit"}, "bitsandbytes"),
    "galore_torch": ({"optim": "galore_adamw", "optim_target_modules": ["q_proj"]}, "galore"),
}
"""Options of TRL, by the package that they need."""


@pytest.mark.parametrize("asked", ["wandb", ["wandb"], ["none", "mlflow"], "no such tracker"])
def test_a_tracker_is_looked_for_before_anything_runs(asked, monkeypatch):
    monkeypatch.setattr("counterform.train.sft.get_available_reporting_integrations", lambda: ["tensorboard"])
    named = r"'(wandb|mlflow|no such tracker)' is not installed here.* give one of: none, tensorboard"
    with pytest.raises(StudyError, match=rf"\$\.train\.sft\.report_to: {named}"):
        SFT(TrainSpec(sft={"report_to": asked}))
    with pytest.raises(StudyError, match=rf"\$\.train\.grpo\.report_to: {named}"):
        GRPO(TrainSpec(grpo={"report_to": asked}), bench=Bench())


@pytest.mark.parametrize("asked", ["none", "all", [], "tensorboard", ["tensorboard"]])
def test_trackers_that_are_there(asked, monkeypatch):
    monkeypatch.setattr("counterform.train.sft.get_available_reporting_integrations", lambda: ["tensorboard"])
    SFT(TrainSpec(sft={"report_to": asked}))


@pytest.mark.parametrize("package", filter(missing, NEED_A_PACKAGE))
@pytest.mark.filterwarnings("ignore:`use_liger_kernel=True` is deprecated")
def test_any_other_option_says_which_package_it_needs(package, arm, tmp_path):
    """The kind, not the tracker: transformers finds a missing package when it needs it, at the latest at the first step."""
    options, words = NEED_A_PACKAGE[package]
    with pytest.raises(StudyError, match=rf"\$\.train.*{words}") as caught:
        SFT(TrainSpec(sft={**FAST, **options})).train(arm, base=str(BASE), seed=0, out=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not missing("vllm"), reason="vllm is installed")
def test_vllm_is_named(tmp_path, arm):
    options = {"use_vllm": True, "num_generations": 2, "per_device_train_batch_size": 2}
    with pytest.raises(StudyError, match=r"\$\.train\.grpo: .*vLLM"):
        GRPO(TrainSpec(grpo=options), bench=Bench()).train(arm, base=str(BASE), seed=0, out=tmp_path)


@pytest.mark.parametrize("trainer", [lambda o: SFT(TrainSpec(sft=o)), lambda o: GRPO(TrainSpec(grpo=o), bench=Bench())])
def test_no_option_of_a_training_allows_a_model_s_code(trainer):
    """One option allows it: `trust_remote_code` of the model."""
    with pytest.raises(StudyError, match="'trust_remote_code' is set by counterform itself"):
        trainer({"trust_remote_code": True})
