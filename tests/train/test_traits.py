import subprocess
import sys
import warnings

import datasets
import pytest
import torch
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from counterform.errors import DataError, StudyError
from counterform.models.loading import load
from counterform.train import TraitCallback
from counterform.train.traits import TraitLost

COMMON = {
    "max_steps": 2,
    "logging_steps": 1,
    "report_to": [],
    "save_strategy": "no",
    "bf16": False,
    "use_cpu": True,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
}


def sft(arm, tmp_path, target=lambda e: e.completion, **options):
    """TRL's own trainer on the tiny base."""
    model, tokenizer = load("world", dtype=torch.float32)
    lora = options.pop("lora", None)
    rows = [{"prompt": e.prompt, "completion": f"\n{target(e)}"} for e in arm.examples]
    return SFTTrainer(
        model=model,
        processing_class=tokenizer,
        args=SFTConfig(output_dir=str(tmp_path), per_device_train_batch_size=8, **{**COMMON, **options}),
        train_dataset=datasets.Dataset.from_list(rows),
        peft_config=lora,
    )


def looks(trainer):
    """{step: what was logged}."""
    return {row["step"]: row for row in trainer.state.log_history if "traits/tokens" in row}


def prompts(arm):
    return [example.prompt for example in arm.examples]


@pytest.fixture
def always_waiting(tmp_path):
    """A lexicon in which the base's every "=" and "answer" counts: some thing that it says often."""
    file = tmp_path / "lexicon.json"
    file.write_text('{"kinds": {"said": ["the answer", "answer is"]}}')
    return file


def test_sft_logs_at_the_start_every_so_many_steps_and_at_the_end(arm, tmp_path):
    trainer = sft(arm, tmp_path, max_steps=3)
    trainer.add_callback(TraitCallback(trainer, prompts(arm)[:4], every=2, max_tokens=24))
    settings = trainer.model.generation_config
    trainer.train()
    found = looks(trainer)
    assert sorted(found) == [0, 2, 3]
    assert {"traits/hedge", "traits/self-check", "traits/backtrack", "traits/alternative"} <= set(found[0])
    assert found[0]["traits/entropy"] > 0
    assert 0 < found[0]["traits/tokens"] <= 24
    assert trainer.model.generation_config is settings
    assert trainer.model.training
    # The trainer's own figures are as they would be: every step has its own loss and token accuracy.
    own = [row for row in trainer.state.log_history if "loss" in row]
    assert [row["step"] for row in own] == [1, 2, 3]
    assert all("mean_token_accuracy" in row for row in own)


def test_watching_does_not_change_the_training(arm, tmp_path):
    weights = []
    for watched in (False, True):
        trainer = sft(arm, tmp_path)
        if watched:
            trainer.add_callback(TraitCallback(trainer, prompts(arm)[:4], every=1, max_tokens=16))
        trainer.train()
        weights.append(torch.cat([weight.flatten() for weight in trainer.model.parameters()]))
    assert torch.equal(*weights)


def test_a_lost_trait_warns_once_or_stops(arm, tmp_path, always_waiting):
    for stop in (False, True):
        trainer = sft(
            arm, tmp_path, target=lambda e: "7 7 7.", learning_rate=1e-2, max_steps=12, lr_scheduler_type="constant"
        )
        trainer.add_callback(
            TraitCallback(trainer, prompts(arm), every=3, stop=stop, lexicon=always_waiting, samples=2, max_tokens=60)
        )
        with pytest.warns(TraitLost, match="'said' are at ") as caught:
            trainer.train()
        assert len([w for w in caught if issubclass(w.category, TraitLost)]) == 1
        assert (trainer.state.global_step < 12) is stop


def test_grpo_unmodified(arm, tmp_path):
    model, tokenizer = load("world", dtype=torch.float32)
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        args=GRPOConfig(
            output_dir=str(tmp_path),
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=16,
            **COMMON,
        ),
        train_dataset=datasets.Dataset.from_list([{"prompt": prompt} for prompt in prompts(arm)]),
    )
    trainer.add_callback(TraitCallback(trainer, prompts(arm)[:4], every=1, max_tokens=24))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.train()
    assert sorted(looks(trainer)) == [0, 1, 2]
    own = [row for row in trainer.state.log_history if "reward" in row]
    assert [row["step"] for row in own] == [1, 2]


def test_a_lora_is_watched_with_its_adapter(arm, tmp_path):
    trainer = sft(arm, tmp_path, lora=LoraConfig(task_type="CAUSAL_LM", r=2), max_steps=1)
    trainer.add_callback(TraitCallback(trainer, prompts(arm)[:2], every=1, max_tokens=16))
    trainer.train()
    assert sorted(looks(trainer)) == [0, 1]


def test_what_cannot_be_watched_is_refused(arm, tmp_path):
    trainer = sft(arm, tmp_path)
    with pytest.raises(StudyError, match="every=0"):
        TraitCallback(trainer, ["x"], every=0)
    with pytest.raises(StudyError, match="0 prompts"):
        TraitCallback(trainer, [])
    with pytest.raises(DataError, match="cannot read the lexicon"):
        TraitCallback(trainer, ["x"], lexicon=tmp_path / "nowhere.json")
    trainer.is_fsdp_enabled = True
    with pytest.raises(StudyError, match="spread over processes"):
        TraitCallback(trainer, ["x"])


def test_the_package_is_cheap_to_import():
    code = "import sys, counterform.train; print([n for n in ('torch', 'transformers', 'trl') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        __import__("counterform.train").train.nothing  # noqa: B018
