import torch
from safetensors.torch import load_file

from counterform.study import BASE, TrainSpec
from counterform.train.sft import SFT

FAST = {"max_steps": 4, "per_device_train_batch_size": 4, "learning_rate": 1e-2}
LORA = {"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM", "exclude_modules": ["lm_head"]}


def test_what_was_there_on_the_way_is_kept_of_a_lora_its_adapter(arm, tmp_path):
    """After the share of the steps that is said, and after the first where that is less than one; training goes on as if nothing was."""
    SFT(TrainSpec(sft=FAST, lora=LORA, readings=(0.1, 0.5))).train(arm, base=str(BASE), seed=0, out=tmp_path)
    assert not list(tmp_path.rglob("model*"))
    end, *kept = (
        load_file(folder / "adapter_model.safetensors") for folder in (tmp_path, tmp_path / "at-10", tmp_path / "at-50")
    )

    def moved(weights):
        return sum(float(weight.abs().sum()) for name, weight in weights.items() if "lora_B" in name)  # from 0

    assert 0 < moved(kept[0]) < moved(kept[1]) < moved(end)

    SFT(TrainSpec(sft=FAST, lora=LORA)).train(arm, base=str(BASE), seed=0, out=tmp_path / "alone")
    alone = load_file(tmp_path / "alone" / "adapter_model.safetensors")
    assert all(torch.equal(alone[name], end[name]) for name in end)
