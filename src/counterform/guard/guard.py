"""The guard: a step verifier that watches a text grow, and steps in where a step breaks a rule.

Fail closed: a step that breaks a rule is in no answer, whatever budget ends; an answer that could not be finished without
one is marked refused. A verifier that cannot tell, crashes or times out says UNKNOWN; what then happens is a choice, and
is counted either way. One that does not start lets nothing pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Literal, TypeVar

from counterform.errors import ModelError, unknown_name
from counterform.guard.patience import Patience
from counterform.guard.watching import Guarded, Note, Watching
from counterform.models.growing import Grown, Writer
from counterform.types import Completion, Model, Problem, StepVerifier

OnViolation = Literal["stop", "retry", "cut back", "report"]
Check = Literal["each step", "the end"]
_Result = TypeVar("_Result")

RULE = Note("\n[Refused: {step} It breaks the rule: {rule}. Write this step again.]\n")
HINT = Note("\n[Refused: {step} It breaks the rule: {rule}. Hint: {hint} Write this step again.]\n")
HINT_AS_STEP = Note(" {hint}", stays=True)
"""For verifiers whose hint is the right step: the guard writes it in the model's place."""


class Guard:
    """Wraps any model that can be read along (`around`).

    on_violation: `stop` there; `retry` from the start; `cut back` to the last sound step and go on; `report` only.
    note: told after a cut (`RULE`, `HINT`, `HINT_AS_STEP`, or one's own), or with `report` after the step that stays.
    check: every step as soon as it stands, or all of them when the text has ended.
    interventions: retries or cuts of one answer. tokens: sampled for one answer, the cut ones too (default: max_tokens
    times interventions + 1). on_unknown: what becomes of a step that the verifier could not tell. seconds: for one step,
    of a verifier that does not say of itself that it is `bounded` (types.py: StepVerifier).

    Raises ValueError for an option that there is not.
    """

    def __init__(
        self,
        verifier: StepVerifier,
        on_violation: OnViolation = "cut back",
        *,
        note: Note | None = None,
        check: Check = "each step",
        interventions: int = 8,
        tokens: int | None = None,
        on_unknown: Literal["pass", "refuse"] = "pass",
        seconds: float = 5.0,
    ) -> None:
        for kind, value, options in (
            ("on_violation", on_violation, ("stop", "retry", "cut back", "report")),
            ("check", check, ("each step", "the end")),
            ("on_unknown", on_unknown, ("pass", "refuse")),
        ):
            if value not in options:
                raise ValueError(unknown_name(kind, value, options))
        if interventions < 0 or seconds <= 0 or (tokens is not None and tokens < 1):
            raise ValueError("interventions cannot be negative; seconds and tokens must be positive")
        if note is not None and on_violation not in ("cut back", "report"):
            raise ValueError(f"nothing is told with on_violation={on_violation!r}; use 'cut back', or leave `note` out")
        if note is not None:
            try:
                note.text.format(step="", rule="", hint="")
            except (LookupError, ValueError) as error:
                raise ValueError(f"the note {note.text!r} may use {{step}}, {{rule}} and {{hint}} alone") from error
        self.verifier, self.on_violation, self.note, self.check = verifier, on_violation, note, check
        self.interventions, self.tokens, self.on_unknown = interventions, tokens, on_unknown
        self._patience = None if verifier.bounded else Patience(seconds)

    def in_time(self, call: Callable[[], _Result]) -> _Result:
        """The call's own result or exception; TimeoutError if it takes too long."""
        return call() if self._patience is None else self._patience.run(call)

    def around(self, model: Model, problems: Iterable[Problem] = ()) -> GuardedModel:
        """The model under this guard. problems: what its verifier must know of those prompts (spaces around them apart).

        Raises ModelError for a model that cannot be read along, or that has no words for the note.
        """
        return GuardedModel(self, model, problems)

    def watch(self, problem: Problem, model: Model | None = None) -> Watching:
        """A reader of one growing answer, for models of one's own (models/growing.py). model: whose vocabulary notes must be of."""
        return Watching(self, problem, model)


class GuardedModel(Model):
    """A model under a guard: a Model itself. A refused answer is its sound steps, and its finish is `length`."""

    def __init__(self, guard: Guard, model: Model, problems: Iterable[Problem]) -> None:
        if not isinstance(model, Writer):
            raise ModelError(
                f"{model.name!r} cannot be read along while it writes: it is no counterform.models.growing.Writer. Use a model of "
                "kind `hf`, `openai` or `scripted`."
            )
        if guard.note is not None and (words := model.unread_words(guard.note.text.format(step="", rule="", hint=""))):
            raise ModelError(
                f"{model.name!r} has no words for the note, it cannot read: {words[:200]}. Tell it in words that it knows: "
                "guard.Note(...), or HINT_AS_STEP."
            )
        self.name = model.name
        self._guard, self._model = guard, model
        self._problems = {problem.prompt: problem for problem in problems}
        bare = Counter(prompt.strip() for prompt in self._problems)
        self._bare = {prompt.strip(): known for prompt, known in self._problems.items() if bare[prompt.strip()] == 1}

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """As the model itself, under the guard."""
        found = self.answer(prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens)
        return [[guarded.completion for guarded in row] for row in found]

    def answer(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Guarded]]:
        """`n` guarded answers to each prompt, with what the guard did."""
        tokens = self._guard.tokens or max_tokens * (self._guard.interventions + 1)
        asked = [prompt for prompt in prompts for _ in range(n)]
        readers = [self._guard.watch(self._problem(prompt), self._model) for prompt in asked]
        # What nobody can verify is not written: no token is spent on it.
        writing = [at for at, reader in enumerate(readers) if not reader.refused]
        grown = dict.fromkeys(range(len(asked)), Grown(text="", sampled=0, told=0, calls=0, finish="length"))
        if writing:
            texts = self._model.write(
                [asked[at] for at in writing],
                [readers[at] for at in writing],
                seed=seed,
                temperature=temperature,
                max_tokens=max_tokens,
                budget=tokens,
            )
            grown |= zip(writing, texts, strict=True)
        found = [
            reader.guarded(text.text, sampled=text.sampled, told=text.told, calls=text.calls, finish=text.finish)
            for reader, text in zip(readers, grown.values(), strict=True)
        ]
        return [found[at : at + n] for at in range(0, len(found), n)]

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """As the model itself: nothing is guarded there."""
        return self._model.logprobs(prompt, continuations)

    def _problem(self, prompt: str) -> Problem:
        known = self._problems.get(prompt) or self._bare.get(prompt.strip())
        return known or Problem(id=blake2b(prompt.encode(errors="replace")).hexdigest()[:12], prompt=prompt, answer="")
