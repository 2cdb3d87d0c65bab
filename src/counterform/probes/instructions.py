"""Does it do what an instruction asks? The label of held-out inputs, with the definition and demonstrations whole.

Kung and Peng 2023 (arXiv 2305.11383): most of what instruction tuning gains can be the form, an answer of the answer space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from counterform.errors import DataError
from counterform.metrics import Metric
from counterform.probes.probe import HeldOut, Probe
from counterform.results import Baseline
from counterform.text.wording import named_label
from counterform.types import Completion, Mark, Model, Problem, Reading

EXACT, IN_SPACE, GIVEN, BEYOND = "exact match", "in space", "exact match in space", "beyond form"


class Instructions(Probe):
    """Asks every held-out problem that has an answer space once, greedily, and reads the label that is stated.

    exact match: the label is right; an answer outside the space is wrong.
    in space: the answer is one of the space, right or wrong.
    exact match in space: exact match where the answer is in the space; no value (UNKNOWN) where it is not. A model's
        level is over its own answers in the space; a comparison is over the items that both models answer in the space
        with every seed, since it is paired. Those are fewer items, and not a chance choice of them.
    beyond form: exact match, with an answer outside the space worth a guess in it (1 / size of the space). Every item
        counts for every model, and a gain of form alone is none: use this for comparisons.

    Items are clustered by problem: the intervals cover the choice of inputs, and not that of tasks.
    """

    name = "instructions"
    reads = ("max_tokens", "problems")
    needs = frozenset({"text"})
    metrics = (
        Metric(
            name=EXACT,
            title="Instructions: exact match",
            meaning="Held-out tasks, definition and demonstrations whole: the stated label is right.",
        ),
        Metric(
            name=IN_SPACE,
            title="Instructions: in space",
            meaning="The stated answer is one of the answer space, right or wrong.",
            headline=False,
        ),
        Metric(
            name=GIVEN,
            title="Instructions: exact match in space",
            meaning="Of answers in the space, those that are right. A comparison is over the items that both sides answer in the space.",
            headline=False,
        ),
        Metric(
            name=BEYOND,
            title="Instructions: beyond form",
            meaning="Exact match, with an answer outside the space worth a guess in it: a gain of form alone is none.",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        problems = _with_space(items.problems)[: self.spec.problems]
        if not problems:
            raise DataError(
                f"probe {self.name!r} needs held-out problems with an instruction and an answer space, and there are none. "
                'Name the column ([problems] instruction), use the family "sorting-out", or leave this probe out.'
            )
        prompts = [problem.prompt for problem in problems]
        answers = model.generate(prompts, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
        return [
            Reading(
                probe=self.name,
                metric=metric,
                arm=arm,
                seed=seed,
                item_id=problem.id,
                problem_id=problem.id,
                mark=mark,
                value=value,
            )
            for problem, (answer,) in zip(problems, answers, strict=True)
            for metric, (mark, value) in _read(problem, answer).items()
        ]

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """A guess in each item's answer space, and the commonest answer of each held-out task.

        Nobody knows the latter beforehand: it is the most that one answer a task can reach.
        """
        problems = _with_space(items.problems)
        if not problems:
            return []
        guess = sum(1 / len(problem.facts["space"]) for problem in problems) / len(problems)
        answers: dict[str, Counter[str]] = {}
        for problem in problems:
            answers.setdefault(problem.facts["task"], Counter())[problem.answer] += 1
        majority = sum(max(counts.values()) for counts in answers.values()) / len(problems)
        return [
            line
            for metric in (EXACT, GIVEN, BEYOND)
            for line in (
                Baseline(probe=self.name, metric=metric, name="random", value=guess),
                Baseline(probe=self.name, metric=metric, name="majority", value=majority),
            )
        ]


def _with_space(problems: Sequence[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.facts.get("space")]


def _read(problem: Problem, answer: Completion) -> dict[str, tuple[Mark, float | None]]:
    """Mark and value of every metric."""
    if answer.finish == "error":
        return dict.fromkeys((EXACT, IN_SPACE, GIVEN, BEYOND), (Mark.UNKNOWN, None))
    space = problem.facts["space"]
    label = named_label(answer.text, space)
    exact = (Mark.RIGHT, 1.0) if label == problem.answer else (Mark.WRONG, 0.0)
    if label is None:
        form: tuple[Mark, float | None] = (Mark.WRONG, 0.0)
        return {EXACT: exact, IN_SPACE: form, GIVEN: (Mark.UNKNOWN, None), BEYOND: (Mark.UNKNOWN, 1 / len(space))}
    return {EXACT: exact, IN_SPACE: (Mark.RIGHT, 1.0), GIVEN: exact, BEYOND: exact}
