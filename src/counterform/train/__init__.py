"""Trainers: one arm in, one checkpoint and its ledger out; TRL's GRPO with RoC, and a watch over traits, for anybody's run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from counterform.train.grpo import RoCGRPOTrainer as RoCGRPOTrainer
    from counterform.train.traits import TraitCallback as TraitCallback

_PARTS = {"RoCGRPOTrainer": "counterform.train.grpo", "TraitCallback": "counterform.train.traits"}
__all__ = list(_PARTS)


def __getattr__(name: str) -> object:
    # Imported when asked for: transformers takes seconds, and the pure selection needs no torch.
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_PARTS[name]), name)
    return found
