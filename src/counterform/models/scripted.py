"""The public fake: a model whose answers a function gives, for tests of everything that asks a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from counterform.errors import ModelError
from counterform.study import ModelSpec
from counterform.types import Completion

Answer = Callable[[str, int], str | None]
"""(prompt, sample index) -> the text, or None for a call that fails."""


class ScriptedModel:
    """Answers from a function. A word counts as a token; temperature and seed change nothing."""

    def __init__(
        self, answer: Answer, name: str = "scripted", *, logprob: Callable[[str, str], float] | None = None
    ) -> None:
        self.name = name
        self.calls: list[tuple[str, int]] = []
        """Every (prompt, sample index) that was asked, in order."""
        self._answer, self._logprob = answer, logprob

    @classmethod
    def open(cls, spec: ModelSpec) -> ScriptedModel:
        """The model whose answers come from the function that `spec.path` names as "module:function".

        Raises ModelError when there is no such function.
        """
        module, _, name = spec.path.partition(":")
        try:
            answer = getattr(import_module(module), name)
        except Exception as error:  # Whatever the user's module does while it is imported.
            raise ModelError(
                f'scripted model: {spec.path!r} is no "module:function" that can be imported: {error}'
            ) from error
        if not callable(answer):
            raise ModelError(f"scripted model: {spec.path!r} is not a function of (prompt, sample index)")
        return cls(answer, name=spec.path)

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """`n` completions for each prompt, in prompt order, cut after `max_tokens` words."""
        return [[self._complete(prompt, sample, max_tokens) for sample in range(n)] for prompt in prompts]

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """What the `logprob` function gives for each continuation. Raises ModelError without one."""
        if self._logprob is None:
            raise ModelError(f"the scripted model {self.name!r} has no log-probabilities; give it `logprob=`")
        return [self._logprob(prompt, continuation) for continuation in continuations]

    def close(self) -> None:
        """Nothing to give back."""

    def _complete(self, prompt: str, sample: int, max_tokens: int) -> Completion:
        self.calls.append((prompt, sample))
        text = self._answer(prompt, sample)
        if text is None:
            return Completion(text="", tokens=0, finish="error")
        words = text.split()
        if len(words) > max_tokens:
            return Completion(text=" ".join(words[:max_tokens]), tokens=max_tokens, finish="length")
        return Completion(text=text, tokens=len(words), finish="stop")
