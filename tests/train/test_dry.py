from safetensors.torch import load_file

from counterform.study import BASE, TrainSpec
from counterform.testing import check_trainer
from counterform.train.dry import Dry


def test_promises(arm, tmp_path):
    check_trainer(Dry(TrainSpec(trainer="dry")), arm, str(BASE), tmp_path)


def test_the_base_comes_out_unchanged(arm, tmp_path):
    checkpoint = Dry(TrainSpec(trainer="dry")).train(arm, base="world", seed=0, out=tmp_path)
    before, after = load_file(BASE / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert all((before[name] == after[name]).all() for name in before | after)
    assert (checkpoint.arm, checkpoint.ledger.examples, checkpoint.ledger.optimizer_steps) == ("sft", 16, 0)
