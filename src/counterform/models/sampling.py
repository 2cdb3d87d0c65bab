"""Prompts in, attempts out: how a model is asked for attempts, in a study and in its probes alike."""

from __future__ import annotations

from collections.abc import Sequence

from counterform.bench import Bench
from counterform.store import key_of
from counterform.types import Attempt, Completion, Model, Problem


def answers_for(bench: Bench, model: Model, problems: Sequence[Problem], *, arm: str, seed: int) -> list[Attempt]:
    """The samples that probes read: asked once, however many probes of one bench look at them."""
    spec, prompts = bench.spec, [problem.prompt for problem in problems]
    completions = remembered(
        bench, model, prompts, n=spec.samples, seed=seed, temperature=spec.temperature, max_tokens=spec.max_tokens
    )
    return attempts_of(problems, completions, who=f"{arm}-{seed}", seed=seed)


def remembered(
    bench: Bench, model: Model, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
) -> list[list[Completion]]:
    """As `model.generate`; an equal question of one bench gets the equal answer from memory."""
    question = question_of(model, prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens)
    if question not in bench.answers:
        bench.answers[question] = model.generate(
            prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens
        )
    return bench.answers[question]


def question_of(model: Model, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int) -> str:
    """Under what a bench remembers what a model answered."""
    return key_of(model.name, list(prompts), n, seed, temperature, max_tokens)


def attempts_of(
    problems: Sequence[Problem], completions: Sequence[Sequence[Completion]], *, who: str, seed: int
) -> list[Attempt]:
    """Completions as attempts at their problems; `who` names the model in their ids."""
    return [
        Attempt(id=f"{problem.id}/{who}/{index}", problem_id=problem.id, model=who, seed=seed, completion=completion)
        for problem, row in zip(problems, completions, strict=True)
        for index, completion in enumerate(row)
    ]


def derived_seed(*parts: object) -> int:
    """A seed that depends on all its parts, so that two arms of one seed do not share their luck."""
    return int(key_of(*[str(part) for part in parts])[:8], 16) % 2**31
