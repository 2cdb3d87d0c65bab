import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from counterform.errors import DataError
from counterform.models.loading import load
from counterform.study import BASE
from counterform.train.blend import blend


def weights(directory):
    return load_file(directory / "model.safetensors")


@pytest.fixture
def moved(tmp_path):
    """The base with every weight one higher."""
    shutil.copytree(BASE, tmp_path / "moved")
    higher = {name: weight + 1 for name, weight in weights(BASE).items()}
    save_file(higher, tmp_path / "moved" / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "moved"


def test_both_ends_and_the_middle(moved, tmp_path):
    for share in (0.0, 0.25, 1.0):
        out = tmp_path / str(share)
        blend(BASE, moved, share, out)
        for name, weight in weights(out).items():
            assert torch.allclose(weight.float(), weights(BASE)[name].float() + share, atol=1e-2)
            assert weight.dtype == weights(BASE)[name].dtype
    model, tokenizer = load(str(out), dtype=torch.float32)
    assert model.config.vocab_size
    assert len(tokenizer)


def test_other_shapes_are_refused(moved, tmp_path):
    less = weights(moved)
    less.pop(next(iter(less)))
    save_file(less, moved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="cannot be blended"):
        blend(BASE, moved, 0.5, tmp_path / "out")
