"""The guard: a step verifier that watches a text grow, and steps in where a step breaks a rule.

Fail closed: a step that breaks a rule is in no answer, whatever budget ends; an answer that could not be finished without
one is marked refused. A verifier that cannot tell, crashes or times out says UNKNOWN; what then happens is a choice, and
is counted either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, TypeVar

from msgspec import Struct

from counterform.errors import ModelError, unknown_name
from counterform.guard.patience import Patience
from counterform.models.growing import Change, Finish, Reader, Writer
from counterform.text.steps import Splitter, Step
from counterform.types import Completion, Mark, Model, Problem, StepVerdict, StepVerifier, Watch

OnViolation = Literal["stop", "retry", "cut back", "report"]
Check = Literal["each step", "the end"]
ENDS = ".!?。！？\n\r>\"')]”’」』）*_"
"""Characters behind which a step of counterform.text.steps may end."""
_Result = TypeVar("_Result")

_GLUED = StepVerdict(mark=Mark.WRONG, rule="a step that was verified must not be written on")


class Note(Struct, frozen=True):
    """What the model is told in place of a refused step: `{step}`, `{rule}` and `{hint}` are filled in.

    End it with a space or a new line, unless the model writes one before its next word.
    """

    text: str
    stays: bool = False
    """The note is a step of the answer, and verified like any other; else the model alone sees it."""


RULE = Note("\n[Refused: {step} It breaks the rule: {rule}. Write this step again.]\n")
HINT = Note("\n[Refused: {step} It breaks the rule: {rule}. Hint: {hint} Write this step again.]\n")
HINT_AS_STEP = Note(" {hint}", stays=True)
"""For verifiers whose hint is the right step: the guard writes it in the model's place."""


class Intervention(Struct, frozen=True, kw_only=True):
    """One step that the guard did not let pass (`report`: would not have)."""

    step: str
    rule: str
    hint: str
    at: int
    """Characters of the answer before it."""
    mark: Mark
    """UNKNOWN: refused because the verifier could not tell."""


class Guarded(Struct, frozen=True, kw_only=True):
    """An answer written under a guard, and what that cost."""

    completion: Completion
    """Verified steps only (`report`: all); its tokens are all that were sampled, those cut away too."""
    refused: bool
    """The answer could not be finished: it is the sound steps before a violation that was not got over."""
    interventions: tuple[Intervention, ...]
    passed_unknown: int
    """Steps that passed though the verifier could not tell."""
    failures: int
    """Steps at which the verifier crashed or timed out."""
    calls: int
    """How often the model was set to write."""
    told: int
    """Tokens that were put into its text."""
    steps: int
    """Steps that stand in the answer."""
    told_steps: int
    """Of these, steps that the guard wrote (a note that stays)."""


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
        """The model under this guard. problems: what its verifier must know of those prompts.

        Raises ModelError for a model that cannot be read along.
        """
        return GuardedModel(self, model, {problem.prompt: problem for problem in problems})

    def watch(self, problem: Problem) -> Watching:
        """A reader of one growing answer, for models of one's own (models/growing.py)."""
        return Watching(self, problem)


class GuardedModel(Model):
    """A model under a guard: a Model itself. A refused answer is its sound steps, and its finish is `length`."""

    def __init__(self, guard: Guard, model: Model, problems: Mapping[str, Problem]) -> None:
        if not isinstance(model, Writer):
            raise ModelError(
                f"{model.name!r} cannot be read along while it writes: it is no counterform.models.growing.Writer. Use a model of "
                "kind `hf`, `openai` or `scripted`."
            )
        self.name = model.name
        self._guard, self._model, self._problems = guard, model, problems

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
        readers = [self._guard.watch(self._problem(prompt)) for prompt in asked]
        grown = self._model.write(
            asked, readers, seed=seed, temperature=temperature, max_tokens=max_tokens, budget=tokens
        )
        found = [
            reader.guarded(text.text, sampled=text.sampled, told=text.told, calls=text.calls, finish=text.finish)
            for reader, text in zip(readers, grown, strict=True)
        ]
        return [found[at : at + n] for at in range(0, len(found), n)]

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """As the model itself: nothing is guarded there."""
        return self._model.logprobs(prompt, continuations)

    def _problem(self, prompt: str) -> Problem:
        known = self._problems.get(prompt)
        return known or Problem(id=blake2b(prompt.encode(errors="replace")).hexdigest()[:12], prompt=prompt, answer="")


class Watching(Reader):
    """One growing answer under a guard.

    Two texts are told apart: what the model goes on from, with the notes that it alone sees, and the answer without
    them, whose steps are verified. Offsets are of the answer unless they are called places.
    """

    ends = ENDS

    def __init__(self, guard: Guard, problem: Problem) -> None:
        self._guard, self._problem = guard, problem
        self._done: list[Intervention] = []
        self._passed_unknown = self._failures = 0
        self._refused = False
        self._notes: list[tuple[int, int]] = []
        """Notes that the model alone sees: where they stand in the answer, and how long they are."""
        self._sound: list[Step] = []
        self._waiting: list[Step] = []
        self._told_at: set[int] = set()
        """Where in the answer steps begin that the guard wrote."""
        self._sound_end = self._place = 0
        """Up to where the answer is verified; up to where what the model goes on from was read."""
        self._watch: Watch | None = None
        self._begin("")

    def read(self, text: str, finish: Finish) -> Change | None:
        """Verify the steps that are new; the first that does not pass decides what happens."""
        self._answer += text[self._place :]
        new: list[Step] = list(self._splitter.feed(text[self._place :]))
        self._place = len(text)
        if finish:
            new += self._splitter.close()
        self._waiting += [step for step in new if step.end > self._sound_end]
        if self._guard.check == "each step" or finish:
            while self._waiting:
                step = self._waiting.pop(0)
                verdict = self._grade(step.text) if step.start >= self._sound_end else _GLUED
                if not self._passes(verdict):
                    change = self._step_in(step, verdict, finish)
                    if change is not None:
                        return change
                self._sound.append(step)
                self._sound_end = step.end
        if finish == "budget":
            self._refused = self._guard.on_violation != "report"
            return Change(keep=self._place_of(self._sound_end), stop=True) if self._refused else None
        return None

    def guarded(
        self, text: str, *, sampled: int, told: int, calls: int, finish: Literal["stop", "length", "error"]
    ) -> Guarded:
        """What came of it, once the model has ended. text: what the model went on from."""
        answer = self._visible(text)
        if finish == "error":
            self._refused = True
        return Guarded(
            completion=Completion(
                text="" if finish == "error" else answer,
                tokens=sampled,
                finish="length" if self._refused and finish == "stop" else finish,
            ),
            refused=self._refused,
            interventions=tuple(self._done),
            passed_unknown=self._passed_unknown,
            failures=self._failures,
            calls=calls,
            told=told,
            steps=len(self._sound),
            told_steps=sum(step.start in self._told_at for step in self._sound),
        )

    def _begin(self, answer: str) -> None:
        """Start the splitter and the verifier anew behind this answer: none of it, or all up to its last sound step."""
        if not answer:
            self._sound, self._told_at = [], set()
        self._answer, self._splitter = answer, Splitter()
        self._sound_end = self._sound[-1].end if self._sound else 0
        self._waiting = [step for step in self._splitter.feed(answer) if step.end > self._sound_end]
        self._watch, self._broken = None, ""

    def _grade(self, step: str) -> StepVerdict:
        """The verifier's own verdict; UNKNOWN from where it fails on, since nobody knows what it remembers then."""
        if not self._broken:
            try:
                # A call that was given up may come back later: what it remembers must not become ours.
                begun, sound = self._watch, list(self._sound) if self._watch is None else []
                self._watch, verdict = self._guard.in_time(lambda: self._fed(begun, sound, step))
                return verdict
            except Exception as error:  # anybody's verifier, fed hostile text
                self._broken = f"{type(error).__name__}: {error}"[:200]
        self._failures += 1
        return StepVerdict(mark=Mark.UNKNOWN, rule="verifier failed", hint=self._broken)

    def _fed(self, begun: Watch | None, sound: Sequence[Step], step: str) -> tuple[Watch, StepVerdict]:
        watch = begun or self._guard.verifier.start(self._problem)
        for before in sound:
            watch.feed(before.text)
        verdict = watch.feed(step)
        if not isinstance(verdict, StepVerdict):
            raise TypeError(f"a verifier says a StepVerdict, not {type(verdict).__name__}")
        return watch, verdict

    def _passes(self, verdict: StepVerdict) -> bool:
        if verdict.mark is Mark.UNKNOWN and self._guard.on_unknown == "pass":
            self._passed_unknown += 1
            return True
        return verdict.mark is Mark.RIGHT

    def _step_in(self, step: Step, verdict: StepVerdict, finish: Finish) -> Change | None:
        """What becomes of a step that does not pass; None: it stays."""
        guard = self._guard
        self._done.append(
            Intervention(step=step.text, rule=verdict.rule, hint=verdict.hint, at=step.start, mark=verdict.mark)
        )
        if guard.on_violation == "report":
            note, spent = guard.note, len(self._done) > guard.interventions
            if note is None or spent or (finish and finish != "stop"):
                return None
            self._sound.append(step)
            return self._going_on(step.end, note, step, verdict)
        if guard.on_violation == "stop" or len(self._done) > guard.interventions or finish == "budget":
            self._refused = True
            return Change(keep=self._place_of(self._sound_end), stop=True)
        if guard.on_violation == "retry":
            self._notes.clear()
            self._begin("")
            self._place = 0
            return Change(keep=0)
        return self._going_on(self._sound_end, guard.note, step, verdict)

    def _going_on(self, end: int, note: Note | None, step: Step, verdict: StepVerdict) -> Change:
        """Cut the answer at `end`, tell what there is to tell, and begin anew behind it."""
        place = self._place_of(end)
        answer = self._answer[:end]
        self._notes = [(at, length) for at, length in self._notes if at < end]
        self._begin(answer)
        told = note.text.format(step=step.text, rule=verdict.rule, hint=verdict.hint) if note else ""
        told = told if answer else told.lstrip()
        if note is None or not told.strip():
            self._place = place
            return Change(keep=place)
        if note.stays:
            self._told_at.add(end + len(told) - len(told.lstrip()))
            self._place = place
        else:
            # The space behind a note is between two steps of the answer too.
            length = len(told.rstrip() if answer else told)
            self._notes.append((end, length))
            self._place = place + length
        return Change(keep=place, add=told)

    def _place_of(self, offset: int) -> int:
        """Where this offset of the answer is in what the model goes on from."""
        return offset + sum(length for at, length in self._notes if at < offset)

    def _visible(self, text: str) -> str:
        """The answer in what the model went on from."""
        pieces, before = [], 0
        for at, length in self._notes:
            start = at + sum(other for other_at, other in self._notes if other_at < at)
            pieces.append(text[before:start])
            before = start + length
        return "".join([*pieces, text[before:]])
