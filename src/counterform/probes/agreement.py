"""Does what a model says of an attempt agree with the step verifier? Its verdict, each of its steps, each kind of error."""

from __future__ import annotations

from functools import partial

from counterform.metrics import Metric
from counterform.models.sampling import remembered
from counterform.probes.find_error import label
from counterform.probes.probe import HeldOut, Probe
from counterform.text.wording import claims_of, critique_prompt, named_error, verdict_of
from counterform.types import Completion, Graded, Mark, Model, Reading

VERDICT, STEPS, FIRST = "verdict", "steps", "first error"


class Agreement(Probe):
    """Reads the critiques that `find_error` asks for, of the same attempts, and compares all that they say.

    `verdict`: right or wrong, as the verifier has it. `steps`: of the steps that the critique or a full critique by the
    verifier calls right or wrong, the share on which both say the same; silence is no agreement. `first error`: of the
    attempts whose first wrong step breaks the rule that is the condition, those in which that very step is named. Half of the attempts
    have a wrong step, whatever the pool has: `verdict` and `steps` are of that mixture, where calling everything right is worth one half.
    """

    name = "agreement"
    reads = ("max_tokens", "attempts")
    metrics = (
        Metric(
            name=VERDICT,
            title="Critiques: verdict",
            meaning="Attempts that are called right or wrong as the step verifier has it.",
        ),
        Metric(
            name=STEPS,
            title="Critiques: steps",
            meaning="Of the steps that the critique, or a full one by the step verifier, calls right or wrong: those on which both agree.",
            headline=False,
        ),
        Metric(
            name=FIRST,
            title="First error found: {condition}",
            meaning="Attempts whose first wrong step breaks this rule, and it is named.",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        prompts = {problem.id: problem.prompt for problem in items.problems}
        asked = [critique_prompt(prompts[g.attempt.problem_id], g.step_texts) for g in items.attempts]
        answers = remembered(self.bench, model, asked, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
        return [
            reading
            for graded, (answer,) in zip(items.attempts, answers, strict=True)
            for reading in self._read(graded, answer, arm, seed)
        ]

    def _read(self, graded: Graded, answer: Completion, arm: str, seed: int) -> list[Reading]:
        true, due = label(graded), claims_due(graded)
        said, named, verdict = claims_of(answer.text), named_error(answer.text), verdict_of(answer.text)
        sound = Mark.RIGHT if true == -1 else Mark.WRONG
        reading = partial(self._reading, graded, answer, arm, seed)
        found = [reading(VERDICT, float(verdict is sound), unread=verdict is Mark.UNKNOWN)]
        if due:
            found.append(reading(STEPS, len(due & said) / len(due | said), unread=not said))
        if true != -1:
            rule = graded.verdict.steps[true].rule
            found.append(reading(FIRST, float(named == true), unread=named is None, rule=rule))
        return found

    def _reading(
        self,
        graded: Graded,
        answer: Completion,
        arm: str,
        seed: int,
        metric: str,
        value: float,
        *,
        unread: bool,
        rule: str = "",
    ) -> Reading:
        return Reading(
            probe=self.name,
            metric=metric,
            condition=rule,
            arm=arm,
            seed=seed,
            item_id=graded.attempt.id,
            problem_id=graded.attempt.problem_id,
            mark=Mark.UNKNOWN if unread else Mark.RIGHT if value == 1.0 else Mark.WRONG,
            value=None if answer.finish == "error" else value,
        )


def claims_due(graded: Graded) -> set[tuple[int, str]]:
    """What a full critique by the step verifier calls right or wrong: every step it read, up to the first wrong one."""
    first = graded.verdict.first_error
    right = {(at, "right") for at, step in enumerate(graded.verdict.steps[:first]) if step.mark is Mark.RIGHT}
    return right if first is None else right | {(first, "wrong")}
