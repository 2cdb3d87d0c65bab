"""Does what a model says of an attempt agree with the step verifier? Its verdict, each of its steps, each kind of error."""

from __future__ import annotations

from functools import partial

from counterform.probes.find_error import label
from counterform.study import ProbeSpec
from counterform.text.wording import claims_of, critique_prompt, named_error, verdict_of
from counterform.types import Completion, Grade, Graded, HeldOut, Mark, Model, Reading


class Agreement:
    """Reads the critiques that `find_error` asks for, of the same attempts, and compares all that they say.

    `verdict`: right or wrong, as the verifier has it. `steps`: of the steps that the critique or a full critique by the
    verifier calls right or wrong, the share on which both say the same; silence is no agreement. `first error, RULE`: of the
    attempts whose first wrong step breaks this rule, those in which that very step is named. Half of the attempts have a wrong
    step, whatever the pool has: `verdict` and `steps` are of that mixture, where calling everything right is worth one half.
    """

    name = "agreement"

    def __init__(self, spec: ProbeSpec, grade: Grade) -> None:
        self.spec = spec

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        prompts = {problem.id: problem.prompt for problem in items.problems}
        asked = [critique_prompt(prompts[g.attempt.problem_id], g.step_texts) for g in items.attempts]
        answers = model.generate(asked, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
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
        found = [reading("verdict", float(verdict is sound), unread=verdict is Mark.UNKNOWN)]
        if due:
            found.append(reading("steps", len(due & said) / len(due | said), unread=not said))
        if true != -1:
            rule = graded.verdict.steps[true].rule
            found.append(reading(f"first error, {rule}", float(named == true), unread=named is None))
        return found

    def _reading(
        self, graded: Graded, answer: Completion, arm: str, seed: int, metric: str, value: float, *, unread: bool
    ) -> Reading:
        return Reading(
            probe=self.name,
            metric=metric,
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
