"""A model as critic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import msgspec

from counterform.parts import part
from counterform.study import ModelSpec
from counterform.text import wording
from counterform.types import Completion, Critic, Criticism, Graded, Mark, Model, Problem

_CONCLUSION = re.compile(
    r"[*_`# ]{0,4}conclusion[*_` ]{0,4}:[*_` ]{0,4}(right|wrong)[*_` ]{0,4}\.?[*_` ]{0,4}", re.IGNORECASE
)


class Judge(Critic):
    """Any model, in the role that Wang, Yue and Chen (2025, arXiv 2501.17703) gave theirs, in words of our own.

    model: the keys of a study's `[model]` table, or a Model. temperature: the source's is 0.3. Of an answer the last line
    must be "Conclusion: right" or "Conclusion: wrong", and what stands before must not contradict it; all else is
    UNKNOWN. Nothing checks whether the model is right: `agreement` with a step verifier says how far to trust it.
    """

    keeps = True

    def __init__(self, model: Mapping[str, Any] | Model, temperature: float = 0.3, max_tokens: int = 800) -> None:
        if not 0.0 <= temperature <= 2.0 or max_tokens < 1:
            raise ValueError(
                f"temperature must be from 0 to 2, and max_tokens at least 1; got {temperature}, {max_tokens}"
            )
        self._temperature, self._max_tokens = temperature, max_tokens
        self._open: Callable[[], AbstractContextManager[Model]]
        if isinstance(model, Mapping):
            spec = _spec(model)
            called, self._open = spec.path, partial(_opened, spec)
        else:
            called, self._open = model.name, lambda: nullcontext(model)
        self.name = f"{called} at temperature {temperature:g}"

    def __call__(self, shown: Sequence[tuple[Problem, Graded]], *, seed: int) -> list[Criticism]:
        with self._open() as model:
            answers = model.generate(
                [judge_prompt(problem.prompt, graded.step_texts) for problem, graded in shown],
                n=1,
                seed=seed,
                temperature=self._temperature,
                max_tokens=self._max_tokens,
            )
        return [read_judge(graded, answer) for (_, graded), [answer] in zip(shown, answers, strict=True)]


def judge_prompt(problem_prompt: str, steps: Sequence[str]) -> str:
    """How a model is asked to judge an attempt."""
    numbered = "\n".join(f"Step {number}: {step.strip()}" for number, step in enumerate(steps, 1))
    return (
        "You are an expert in mathematics and science, and you check the work of others.\n\n"
        f"The problem:\n{problem_prompt}\n\nA solution that was handed in, step by step:\n{numbered}\n\n"
        "Is it right? Be brief. If a step is wrong, name the first wrong one in these words: 'Step 3 is wrong: ' and what "
        "would be right. Your last line must be 'Conclusion: right' or 'Conclusion: wrong', with nothing after it."
    )


def read_judge(graded: Graded, answer: Completion) -> Criticism:
    """A model's answer as a criticism; UNKNOWN, with the reason, where it is not in the form that was asked for."""

    def unknown(why: str) -> Criticism:
        return Criticism(attempt_id=graded.attempt.id, verdict=Mark.UNKNOWN, why=why, tokens=answer.tokens)

    if answer.finish == "error":
        return msgspec.structs.replace(unknown("the model was not heard"), transient=answer.transient)
    if answer.finish == "length":
        return unknown("the answer was cut off")
    lines = answer.text.strip().removesuffix("[END]").rstrip().split("\n")
    conclusion = _CONCLUSION.fullmatch(lines[-1].strip())
    if not conclusion:
        return unknown("the last line is no conclusion")
    right = conclusion[1].lower() == "right"
    text = "\n".join(lines[:-1]).strip()
    if not (text or right):
        return unknown("it says that something is wrong, and not what")
    named = wording.named_error(text)
    step = named if named is not None and named >= 0 else None
    if step is not None and step >= len(graded.verdict.steps):
        return unknown("it names a step that is not there")
    verdict = Mark.RIGHT if right else Mark.WRONG
    before = {found[1].lower() for line in lines[:-1] if (found := _CONCLUSION.fullmatch(line.strip()))}
    if wording.verdict_of(text) not in (verdict, Mark.UNKNOWN) or before - {conclusion[1].lower()}:
        return unknown("it contradicts itself")
    return Criticism(attempt_id=graded.attempt.id, verdict=verdict, first_error=step, text=text, tokens=answer.tokens)


def _spec(table: Mapping[str, Any]) -> ModelSpec:
    try:
        spec = msgspec.convert(table, ModelSpec)
    except msgspec.ValidationError as error:
        raise ValueError(f"model: {error}; its keys are those of a study's [model] table") from error
    part("model", spec.kind)  # a kind that there is not must not be found after an hour of sampling
    return spec


@contextmanager
def _opened(spec: ModelSpec) -> Iterator[Model]:
    model = part("model", spec.kind).open(spec)
    try:
        yield model
    finally:
        model.close()
