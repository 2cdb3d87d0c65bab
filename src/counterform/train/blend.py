"""A model part of the way from one checkpoint's weights to another's: a straight line between two trainings of one base."""

from __future__ import annotations

import shutil
from pathlib import Path

from counterform.errors import DataError, extra

with extra("train"):
    import torch
    from safetensors.torch import load_file, save_file


def blend(first: Path, second: Path, share: float, out: Path) -> None:
    """Write (1 - share) * first + share * second to `out`, an ordinary Hugging Face directory as `first` is.

    Raises DataError where the two do not have the same weights in the same shapes.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in first.iterdir():
        if path.is_file() and path.suffix in (".json", ".jinja", ".model", ".py", ".txt"):
            shutil.copy(path, out / path.name)
    theirs = _weights(second)
    for path in sorted(first.glob("*.safetensors")):
        mixed: dict[str, torch.Tensor] = {}
        for name, own in load_file(path).items():
            other = theirs.get(name)
            if other is None or other.shape != own.shape:
                raise DataError(
                    f"{first} and {second} cannot be blended: {name!r} is not the same in both. Blend arms of one base."
                )
            mixed[name] = (
                torch.lerp(own.float(), other.float(), share).to(own.dtype) if own.is_floating_point() else own
            )
        save_file(mixed, out / path.name, metadata={"format": "pt"})


def _weights(directory: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for path in directory.glob("*.safetensors") for name, tensor in load_file(path).items()}
