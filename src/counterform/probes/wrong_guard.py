"""Where does guarding start to hurt? The guard with a verifier that is wrong at known rates, and the refused draft left, removed or replaced.

After Contextual Drag (arXiv 2602.04288): a wrong draft in the context pulls what is written next, even where it is called wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from msgspec.structs import replace

from counterform.findings.wrong_guard import DRAFTS, GAIN, LEFT, NONE, REMOVED, REPLACED, Way, find_harm
from counterform.guard import HINT_AS_STEP, Guard, Note
from counterform.probes.guarding import PASS, REFUSED, TOKENS, VIOLATED, Guarding
from counterform.probes.probe import Context, Found
from counterform.specs import VerifierErrors
from counterform.text.steps import split_steps
from counterform.types import Problem, Reading, StepVerdict, StepVerifier, Watch
from counterform.verify.fallible import Fallible


class WrongGuard(Guarding):
    """Answers held-out problems without a guard and, for each verifier, in four ways of cutting back.

    removed: the refused step is thrown away. left in context: the model alone still sees it, and that it was refused. replaced: the same
    note with a step of another problem in its place: what is the context's length and form. corrected: the verifier's hint
    is written as the step. The verifiers: the study's own, and the same made wrong at the rates of [probe] wrong_verifiers. Gains are over
    none, and of left and replaced over removed; what is `violated` is by the verifier that is not wrong.
    """

    name = "wrong_guard"
    reads = (*Guarding.reads, "wrong_verifiers")
    section = "wrong_guard"

    @property
    def ways(self) -> list[Way]:
        """Every way of guarding with every verifier, the study's own first."""
        verifiers = dict.fromkeys((VerifierErrors(), *self.spec.wrong_verifiers))
        return [Way(draft, errors) for errors, draft in product(verifiers, DRAFTS)]

    @property
    def gains(self) -> list[tuple[str, str]]:
        """Each over none; with each verifier, the draft left or replaced over the draft removed."""
        over_removed = [
            (way.words, replace(way, draft=REMOVED).words) for way in self.ways if way.draft in (LEFT, REPLACED)
        ]
        return [*((way.words, NONE) for way in self.ways), *over_removed]

    def guards(self, verifier: StepVerifier, problems: Sequence[Problem]) -> dict[str, Guard]:
        """None, and every way."""
        note = self.rule_note
        notes = {REMOVED: None, LEFT: note, REPLACED: Note(note.text.replace("{step}", "{hint}"))}
        elsewhere = _first_steps(problems)

        def guard(way: Way) -> Guard:
            used: StepVerifier = Fallible(verifier, way.errors) if way.errors.kind else verifier
            if way.draft == REPLACED:
                used = _Elsewhere(used, elsewhere)
            return self.guard(used, "cut back", notes.get(way.draft, HINT_AS_STEP))

        return {NONE: self.guard(verifier, "report"), **{way.words: guard(way) for way in self.ways}}

    def find(self, readings: Sequence[Reading], context: Context) -> Found:
        """Each way beside none, and the rate from which guarding hurts; no arm is compared with another by it."""
        shown = (PASS, f"pass^{self.spec.k}", VIOLATED, REFUSED, TOKENS, GAIN)
        kept = [reading for reading in readings if reading.metric in shown]
        return Found(own=find_harm(kept, self.declared, self.ways, fixed=context.fixed))


class _Elsewhere(StepVerifier):
    """A verifier whose hint is a step of another problem."""

    def __init__(self, verifier: StepVerifier, steps: dict[str, str]) -> None:
        self.bounded = verifier.bounded
        self._verifier, self._steps = verifier, steps

    @property
    def name(self) -> str:
        return f"{self._verifier.name}, with steps of other problems as hints"

    def start(self, problem: Problem) -> Watch:
        return _ElsewhereWatch(self._verifier.start(problem), self._steps.get(problem.id, ""))


class _ElsewhereWatch(Watch):
    def __init__(self, watch: Watch, hint: str) -> None:
        self._watch, self._hint = watch, hint

    def feed(self, step: str) -> StepVerdict:
        return replace(self._watch.feed(step), hint=self._hint)


def _first_steps(problems: Sequence[Problem]) -> dict[str, str]:
    """By problem, the first step of the worked solution of another, half of them away."""
    others = [*problems[len(problems) // 2 :], *problems[: len(problems) // 2]]
    return {
        problem.id: other.solution[slice(*spans[0])].strip()
        for problem, other in zip(problems, others, strict=True)
        if other.solution and (spans := split_steps(other.solution))
    }
