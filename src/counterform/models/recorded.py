"""Answers that were recorded, as a model that can be asked for those and for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterform.types import Completion, Model

NOT_RECORDED = "not recorded"
"""The failure of a call for an answer that nobody recorded: it was not heard, and is not scored."""
_MISSING = Completion(text="", tokens=0, finish="error", failure=NOT_RECORDED)


class RecordedModel(Model):
    """Gives the answers recorded to a prompt, in order, whatever seed, temperature and length are asked for."""

    def __init__(self, name: str, answers: Mapping[str, Sequence[Completion]]) -> None:
        self.name, self._answers = name, answers

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """The first `n` answers to each prompt; those that are not there are `not recorded`."""
        found = [list(self._answers.get(prompt, ()))[:n] for prompt in prompts]
        return [row + [_MISSING] * (n - len(row)) for row in found]
