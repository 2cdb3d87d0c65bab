"""Trainers: one arm in, one checkpoint and its ledger out."""

from __future__ import annotations

from typing import Any

__all__ = ["RoCGRPOTrainer"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: the pure selection next to it needs no torch.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from counterform.train.grpo import RoCGRPOTrainer

    return RoCGRPOTrainer
