"""The public fake: a model whose answers a function gives, for tests of everything that asks a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from importlib import import_module

from counterform.errors import ModelError
from counterform.models.growing import LOOK_AFTER, Change, Finish, Grown, Reader, Writer, changed
from counterform.study import ModelSpec
from counterform.types import Completion

Answer = Callable[[str, int], str | None]
"""(prompt, sample index) -> the text, or None for a call that fails."""


class ScriptedAnswer:
    """Marks a function as one that answers for a model: `@ScriptedAnswer` above it.

    A study file names it, and no function that was not meant for it is called with a prompt.
    """

    def __init__(self, function: Answer) -> None:
        self._function = function

    def __call__(self, prompt: str, sample: int) -> str | None:
        """What the function answers."""
        return self._function(prompt, sample)


class ScriptedModel(Writer):
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
        """The model whose answers come from the `@ScriptedAnswer` that `spec.path` names as "module:function".

        Raises ModelError when there is no such function, or when it is not so marked.
        """
        module, _, name = spec.path.partition(":")
        try:
            answer = getattr(import_module(module), name)
        except Exception as error:  # Whatever the user's module does while it is imported.
            raise ModelError(
                f'scripted model: {spec.path!r} is no "module:function" that can be imported: {error}'
            ) from error
        if not isinstance(answer, ScriptedAnswer):
            raise ModelError(
                f"scripted model: {spec.path!r} is no function that is marked for it. Write @ScriptedAnswer (of "
                "counterform.models.scripted) above your function of (prompt, sample index)."
            )
        return cls(answer, name=spec.path)

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """`n` completions for each prompt, in prompt order, cut after `max_tokens` words."""
        return [[self._complete(prompt, sample, max_tokens) for sample in range(n)] for prompt in prompts]

    def completions(
        self,
        prompts: Sequence[str],
        *,
        n: int,
        seed: int,
        temperature: float,
        max_tokens: int,
        known: Container[tuple[int, int]] = (),
    ) -> Iterator[tuple[int, int, Completion]]:
        """One after the other; what is known is not asked again."""
        for index, prompt in enumerate(prompts):
            for sample in range(n):
                if (index, sample) not in known:
                    yield index, sample, self._complete(prompt, sample, max_tokens)

    def write(
        self,
        prompts: Sequence[str],
        readers: Sequence[Reader],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
        budget: int,
    ) -> list[Grown]:
        """One text per prompt, read along word by word (models/growing.py: Writer).

        After a change the function is asked anew, with the text so far behind the prompt and the number of changes as
        the sample index, for what follows.
        """
        pairs = zip(prompts, readers, strict=True)
        return [self._write(prompt, reader, max_tokens=max_tokens, budget=budget) for prompt, reader in pairs]

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """What the `logprob` function gives for each continuation. Raises ModelError without one."""
        if self._logprob is None:
            raise ModelError(f"the scripted model {self.name!r} has no log-probabilities; give it `logprob=`")
        return [self._logprob(prompt, continuation) for continuation in continuations]

    def _complete(self, prompt: str, sample: int, max_tokens: int) -> Completion:
        self.calls.append((prompt, sample))
        text = self._answer(prompt, sample)
        if text is None:
            return Completion(text="", tokens=0, finish="error")
        words = text.split()
        if len(words) > max_tokens:
            return Completion(text=" ".join(words[:max_tokens]), tokens=max_tokens, finish="length")
        return Completion(text=text, tokens=len(words), finish="stop")

    def _write(self, prompt: str, reader: Reader, *, max_tokens: int, budget: int) -> Grown:
        text, sampled, told, calls = "", 0, 0, 0
        while True:
            self.calls.append((prompt + text, calls))
            rest = self._answer(prompt + text, calls)
            calls += 1
            if rest is None:
                return Grown(text="", sampled=sampled, told=told, calls=calls, finish="error")
            room, left = max_tokens - len(text.split()), budget - sampled
            words = re.findall(r"\s*\S+", rest)[: max(0, min(room, left))]
            whole = len(words) == len(rest.split())
            finish: Finish = (
                "stop" if whole and len(words) < min(room, left) else "length" if room <= left else "budget"
            )
            written, change = _read_along(text, words, reader, finish)
            text, sampled = text + "".join(words[:written]), sampled + written
            if change is None or change.stop:
                text = changed(text, change) if change else text
                return Grown(
                    text=text,
                    sampled=sampled,
                    told=told,
                    calls=calls,
                    finish="stop" if change or finish == "stop" else "length",
                )
            text, told = changed(text, change), told + len(change.add.split())


def _read_along(text: str, words: Sequence[str], reader: Reader, finish: Finish) -> tuple[int, Change | None]:
    """How many of these words were written behind the text before the reader changed something, and what."""
    wanted, read = set(reader.ends), 0
    for at in range(1, len(words)):
        # As a model does it: one word after what may be an end, and now and then.
        if (at > 1 and not wanted.isdisjoint(words[at - 2])) or at - read >= LOOK_AFTER:
            read = at
            change = reader.read(text + "".join(words[:at]), "")
            if change is not None:
                return at, change
    return len(words), reader.read(text + "".join(words), finish)
