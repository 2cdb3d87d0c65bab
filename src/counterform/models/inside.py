"""Models whose insides can be seen."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from counterform.errors import ModelError
from counterform.types import Model


class Inspectable(Model):
    """A model that says what it predicts at each token, and what it holds after it."""

    @abstractmethod
    def trace(self, prompt: str, text: str) -> Any:
        """What it says before, and holds after, each token of `text` (models/hf.py: Trace)."""


def trace(model: Model, prompt: str, text: str) -> Any:
    """`model.trace(prompt, text)`. Raises ModelError for a model whose insides cannot be seen, as an endpoint's."""
    if not isinstance(model, Inspectable):
        raise ModelError(f"the insides of {model.name!r} cannot be seen. Give a model of kind `hf`.")
    return model.trace(prompt, text)
