"""Prompts in, attempts out: how a model is asked for attempts, in a study and in its probes alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from counterform.errors import ModelError
from counterform.store import key_of
from counterform.study import ProbeSpec
from counterform.types import Attempt, Completion, Model, Problem


def sample_attempts(
    model: Model, problems: Sequence[Problem], *, who: str, n: int, seed: int, temperature: float, max_tokens: int
) -> list[Attempt]:
    """`n` attempts at each problem, in problem order. `who` names the model in the attempts' ids."""
    completions = model.generate(
        [problem.prompt for problem in problems], n=n, seed=seed, temperature=temperature, max_tokens=max_tokens
    )
    return [
        Attempt(id=f"{problem.id}/{who}/{index}", problem_id=problem.id, model=who, seed=seed, completion=completion)
        for problem, row in zip(problems, completions, strict=True)
        for index, completion in enumerate(row)
    ]


def answers_for(spec: ProbeSpec, model: Model, problems: Sequence[Problem], *, arm: str, seed: int) -> list[Attempt]:
    """The samples that probes read: one call for all of them, so that a `Remembering` model is asked only once."""
    return sample_attempts(
        model,
        problems,
        who=f"{arm}-{seed}",
        n=spec.samples,
        seed=seed,
        temperature=spec.temperature,
        max_tokens=spec.max_tokens,
    )


def derived_seed(*parts: object) -> int:
    """A seed that depends on all its parts, so that two arms of one seed do not share their luck."""
    return int(key_of(*[str(part) for part in parts])[:8], 16) % 2**31


class Remembering:
    """A model that answers the same question only once, so that two probes can look at the same completions."""

    def __init__(self, model: Model) -> None:
        self.name, self._model = model.name, model
        self._answers: dict[str, list[list[Completion]]] = {}
        if hasattr(model, "write"):  # a text that is read along is remembered by who reads it
            self.write = model.write

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """As the model itself; an equal call gets the equal answer from memory."""
        key = key_of(list(prompts), n, seed, temperature, max_tokens)
        if key not in self._answers:
            self._answers[key] = self._model.generate(
                prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens
            )
        return self._answers[key]

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """As the model itself."""
        return self._model.logprobs(prompt, continuations)

    def trace(self, prompt: str, text: str) -> Any:
        """As the model itself. Raises ModelError for a model whose insides cannot be seen."""
        return trace(self._model, prompt, text)


def trace(model: Model, prompt: str, text: str) -> Any:
    """What `model` says before, and holds after, each token of `text` (models/hf.py: Trace).

    Raises ModelError for a model whose insides cannot be seen, as an endpoint's.
    """
    if not hasattr(model, "trace"):
        raise ModelError(f"the insides of {model.name!r} cannot be seen. Give a model of kind `hf`.")
    return model.trace(prompt, text)
