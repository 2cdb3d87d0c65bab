"""Does a wrong draft in the context drag the answer down, even where it is called wrong? (Contextual Drag, arXiv 2602.04288.)"""

from __future__ import annotations

from collections.abc import Sequence

from counterform.metrics import Metric
from counterform.probes.find_error import label
from counterform.probes.probe import HeldOut, Probe
from counterform.text import wording
from counterform.types import Attempt, Graded, Mark, Model, Reading

RIGHT, DRAG = "right", "drag"
ABSENT, PRESENT, LABELLED, IRRELEVANT = "absent", "present", "labelled", "irrelevant"
CONDITIONS = (ABSENT, PRESENT, LABELLED, IRRELEVANT)


class Drafts(Probe):
    """Asks a problem alone, behind a wrong attempt at it, behind the same that is called wrong, and behind one at another problem.

    The attempts are those of `find_error` that have a wrong step. `irrelevant`: the next of them stands before the problem, with its own
    problem, and is called wrong as in `labelled`: what a draft costs by its mere presence. Greedy, once; `drag` is the difference to the
    problem alone, item by item.
    """

    name = "drafts"
    reads = ("max_tokens", "attempts")
    metrics = (
        Metric(
            name=RIGHT,
            title="Right with a wrong draft: {condition}",
            meaning="Right answers where a wrong draft in the context is {condition}.",
            headline=False,
        ),
        Metric(
            name=DRAG,
            title="Drag of a wrong draft: {condition}",
            meaning="Right answers with a wrong draft ({condition}) less those without.",
            unit="difference",
            bounds=(-1.0, 1.0),
            headline_condition=LABELLED,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        wrong = [graded for graded in items.attempts if label(graded) != -1]
        prompts = {problem.id: problem.prompt for problem in items.problems}
        own = [prompts[graded.attempt.problem_id] for graded in wrong]
        asked = [(condition, at) for condition in CONDITIONS for at in range(len(wrong))]
        marks = dict(zip(asked, self._marks(model, own, wrong, asked, arm, seed), strict=True))
        readings = []
        for condition, at in asked:
            with_it, alone = marks[condition, at], marks[ABSENT, at]
            readings.append(_reading(wrong[at], arm, seed, RIGHT, condition, with_it, _value(with_it)))
            if condition != ABSENT:
                value, before = _value(with_it), _value(alone)
                drag = None if value is None or before is None else value - before
                mark = Mark.UNKNOWN if Mark.UNKNOWN in (with_it, alone) else with_it
                readings.append(_reading(wrong[at], arm, seed, DRAG, condition, mark, drag))
        return readings

    def _marks(
        self,
        model: Model,
        own: Sequence[str],
        wrong: Sequence[Graded],
        asked: Sequence[tuple[str, int]],
        arm: str,
        seed: int,
    ) -> list[Mark | None]:
        """The marks of the answers; None where the model was not heard."""
        shown = [_prompt(own, wrong, at, condition) for condition, at in asked]
        answers = model.generate(shown, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
        attempts = [
            Attempt(
                id=f"{wrong[at].attempt.problem_id}/{arm}-{seed}-{condition}/{at}",
                problem_id=wrong[at].attempt.problem_id,
                model=arm,
                seed=seed,
                completion=answer,
            )
            for (condition, at), (answer,) in zip(asked, answers, strict=True)
        ]
        return [
            None if graded.attempt.completion.finish == "error" else graded.verdict.outcome
            for graded in self.bench.grade(attempts)
        ]


def _prompt(own: Sequence[str], wrong: Sequence[Graded], at: int, condition: str) -> str:
    if condition == ABSENT:
        return own[at]
    drafted = (at + 1) % len(own) if condition == IRRELEVANT else at
    said = "" if condition == PRESENT else wording.verdict_sentence(right=False)
    text = " ".join(step.strip() for step in wrong[drafted].step_texts)
    return wording.few_shot_prompt([(own[drafted], f"{text} {said}".strip())], own[at])


def _value(mark: Mark | None) -> float | None:
    return None if mark is None else float(mark is Mark.RIGHT)


def _reading(
    graded: Graded, arm: str, seed: int, metric: str, condition: str, mark: Mark | None, value: float | None
) -> Reading:
    return Reading(
        probe=Drafts.name,
        metric=metric,
        condition=condition,
        arm=arm,
        seed=seed,
        item_id=graded.attempt.id,
        problem_id=graded.attempt.problem_id,
        mark=mark or Mark.UNKNOWN,
        value=value,
    )
