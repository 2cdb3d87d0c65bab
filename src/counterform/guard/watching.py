"""One growing answer under a guard: what is read, what passes, what is cut, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from counterform.models.growing import Change, Finish, Reader
from counterform.text.steps import Splitter, Step
from counterform.types import Completion, Mark, Model, Problem, StepVerdict, Watch

if TYPE_CHECKING:
    from counterform.guard.guard import Guard

ENDS = ".!?。！？\n\r>\"')]”’」』）*_"
"""Characters behind which a step of counterform.text.steps may end."""
NOT_STARTED = "the verifier did not start"
"""The rule that an answer breaks of which no step can be verified."""

_GLUED = StepVerdict(mark=Mark.WRONG, rule="a step that was verified must not be written on")


class Note(Struct, frozen=True):
    """What the model is told in place of a refused step: `{step}`, `{rule}` and `{hint}` are filled in.

    End it with a space or a new line, unless the model writes one before its next word.
    """

    text: str
    stays: bool = False
    """The note is a step of the answer, and verified like any other; else the model alone sees it."""


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
    untold: int = 0
    """Notes that were not told, since the model has no words for them."""


class Watching(Reader):
    """One growing answer under a guard.

    Two texts are told apart: what the model goes on from, with the notes that it alone sees, and the answer without
    them, whose steps are verified. Offsets are of the answer unless they are called places.
    """

    ends = ENDS

    def __init__(self, guard: Guard, problem: Problem, model: Model | None = None) -> None:
        self._guard, self._problem, self._model = guard, problem, model
        self._unstarted = ""
        """Why the verifier did not start: nothing passes then, since not knowing how to look is no leave."""
        self._untold = 0
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
        self._watch = self._start()
        if self._unstarted:
            self._failures += 1
            unread = Intervention(step="", rule=NOT_STARTED, hint=self._unstarted, at=0, mark=Mark.UNKNOWN)
            self._done.append(unread)
            self._refused = guard.on_violation != "report"

    @property
    def refused(self) -> bool:
        """The answer cannot be finished, whatever the model writes."""
        return self._refused

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
            untold=self._untold,
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
                begun = begun or self._start()
                if begun is not None:
                    self._watch, verdict = self._guard.in_time(lambda: _fed(begun, sound, step))
                    return verdict
                self._broken = self._unstarted
            except Exception as error:  # anybody's verifier, fed hostile text
                self._broken = f"{type(error).__name__}: {error}"[:200]
        self._failures += 1
        return StepVerdict(
            mark=Mark.UNKNOWN, rule=NOT_STARTED if self._unstarted else "verifier failed", hint=self._broken
        )

    def _start(self) -> Watch | None:
        """A new watch of the verifier; None, and nothing passes any more, where it does not start."""
        try:
            watch = self._guard.in_time(lambda: self._guard.verifier.start(self._problem))
            if not isinstance(watch, Watch):
                raise TypeError(f"a verifier starts a Watch, not {type(watch).__name__}")
            return watch
        except Exception as error:  # anybody's verifier
            known = (
                "" if self._problem.facts else " Give `around` the problem of this prompt, if the verifier needs it."
            )
            self._unstarted = f"{type(error).__name__}: {error}."[:200] + known
            return None

    def _passes(self, verdict: StepVerdict) -> bool:
        if verdict.mark is Mark.UNKNOWN and self._guard.on_unknown == "pass" and not self._unstarted:
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
        if told and self._model is not None and self._model.unread_words(told):
            self._untold += 1
            told = ""
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


def _fed(watch: Watch, sound: Sequence[Step], step: str) -> tuple[Watch, StepVerdict]:
    for before in sound:
        watch.feed(before.text)
    verdict = watch.feed(step)
    if not isinstance(verdict, StepVerdict):
        raise TypeError(f"a verifier says a StepVerdict, not {type(verdict).__name__}")
    return watch, verdict
