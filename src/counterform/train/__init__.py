"""Trainers: one arm in, one checkpoint and its ledger out; and a callback that watches traits in anybody's training run."""

from __future__ import annotations

from typing import Any

__all__ = ["TraitCallback"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: transformers takes seconds.
    if name not in __all__:
        raise AttributeError(f"module 'counterform.train' has no attribute {name!r}")
    from counterform.train.traits import TraitCallback

    return TraitCallback
