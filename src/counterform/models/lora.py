"""LoRAs that are read without being merged: one base in memory, and one adapter after another around it.

A merged adapter is rounded to the dtype of the base, and takes the base's room on the disk; one that is put around the base does neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import extra
from counterform.models.source import Adapted, bare
from counterform.study import ModelSpec

with extra("train"):
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class _Base(Struct, frozen=True):
    key: bytes
    model: PreTrainedModel


_left: list[_Base] = []
"""The base that the last adapter was taken off: one at most."""


class Worn:
    """An adapter around a base. load: of a spec without an adapter, used where the base is not the one at hand."""

    def __init__(self, spec: Adapted, load: Callable[[ModelSpec], Loaded]) -> None:
        key = msgspec.json.encode(bare(spec))
        at_hand = [base for base in _left if base.key == key]
        forget_base()
        self._base = at_hand[0] if at_hand else _Base(key, load(bare(spec))[0])
        self._around = PeftModel.from_pretrained(self._base.model, spec.adapter)

    @property
    def model(self) -> PreTrainedModel:
        """The model as transformers knows it, with the adapter in its layers."""
        return self._around.get_base_model()

    def take_off(self) -> None:
        """Leave the base, as it was, for the next adapter; it stays in memory until another model is loaded."""
        self._around.unload()
        _left[:] = [self._base]


def forget_base() -> None:
    """Give up the base that the last adapter was taken off."""
    _left.clear()


def merged(loaded: PreTrainedModel, adapter: str) -> PreTrainedModel:
    """The model with the adapter in its weights."""
    whole: PreTrainedModel = PeftModel.from_pretrained(loaded, adapter).merge_and_unload()
    return whole


@contextmanager
def whole(spec: ModelSpec, *, dtype: Any = "auto") -> Iterator[Path]:
    """A directory with the whole weights of a model, for what reads no adapters: that of a LoRA is made, and goes in the end."""
    from counterform.models.loading import load  # which imports this module

    if not isinstance(spec, Adapted):
        yield Path(spec.path)
        return
    with TemporaryDirectory() as folder:
        model, tokenizer = load(spec, dtype=dtype)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        del model
        yield Path(folder)


def save_trained(trained: Any, tokenizer: PreTrainedTokenizerBase, out: Path, base: ModelSpec) -> None:
    """Write what was trained: the whole weights, or an adapter that names its base as the study does."""
    if isinstance(trained, PeftModel):
        config = trained.peft_config["default"]
        config.base_model_name_or_path, config.revision = base.path, base.revision or None
        # Left to itself peft asks the hub whether the base's vocabulary has grown; none of ours does.
        trained.save_pretrained(out, selected_adapters=["default"], save_embedding_layers=False)
    else:
        trained.save_pretrained(out)
    tokenizer.save_pretrained(out)
