"""Does it solve held-out problems? pass@1 strict and lenient, and pass@k."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from counterform.findings.stats import pass_at_k
from counterform.metrics import Metric
from counterform.models.sampling import answers_for
from counterform.probes.probe import HeldOut, Probe
from counterform.results import Baseline
from counterform.types import Mark, Model, Problem, Reading

STRICT, LENIENT = "pass@1", "pass@1 lenient"


class Accuracy(Probe):
    """Samples each held-out problem and reads the share of right answers.

    An answer nobody could read is UNKNOWN: it adds nothing to the share of right ones, and its own share stands
    beside it. A sample the model never gave (a failed call) is no sample, nor is one that nobody can grade, its problem having no key.
    """

    name = "accuracy"
    reads = ("samples", "temperature", "max_tokens", "problems", "k")
    needs = frozenset({"text"})

    @property
    def metrics(self) -> tuple[Metric, ...]:
        k = self.spec.k
        strict = "has the right answer in the form that was asked for."
        return (
            Metric(name=STRICT, title="Solving (pass@1)", meaning=f"One attempt {strict}", headline=False),
            Metric(
                name=LENIENT,
                title="Solving (pass@1 lenient)",
                meaning="One attempt has the right answer in any form.",
                headline=False,
            ),
            *self._of_k(f"At least one of {k} attempts {strict}"),
        )

    def _of_k(self, meaning: str) -> list[Metric]:
        k = self.spec.k
        return [Metric(name=f"pass@{k}", title=f"Solving (pass@{k})", meaning=meaning)] if k > 1 else []

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        problems = items.problems[: self.spec.problems]
        attempts = answers_for(self.bench, model, problems, arm=arm, seed=seed)
        keyed = {problem.id for problem in problems if problem.answer}
        heard: dict[str, list[tuple[Mark, Mark]]] = {problem.id: [] for problem in problems}
        for graded in self.bench.grade(attempts):
            gradable = graded.attempt.problem_id in keyed or graded.verdict.outcome is not Mark.UNKNOWN
            if graded.attempt.completion.finish != "error" and gradable:
                heard[graded.attempt.problem_id].append((graded.verdict.outcome, graded.verdict.lenient))
        metrics = {STRICT: (0, 1), LENIENT: (1, 1), f"pass@{self.spec.k}": (0, self.spec.k)}
        return [
            self._reading(problem, metric, [mark[column] for mark in marks], k, arm, seed)
            for problem, marks in heard.items()
            for metric, (column, k) in metrics.items()
        ]

    def _reading(self, problem: str, metric: str, marks: list[Mark], k: int, arm: str, seed: int) -> Reading:
        right = marks.count(Mark.RIGHT)
        return Reading(
            probe=self.name,
            metric=metric,
            arm=arm,
            seed=seed,
            item_id=problem,
            problem_id=problem,
            mark=commonest(marks),
            value=pass_at_k(len(marks), right, k) if len(marks) >= k else None,
        )

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """What an answer costs that knows only the answer space of the training problems: a guess, or the commonest."""
        known = Counter(problem.answer for problem in train if problem.answer)
        held_out = [problem for problem in items.problems if problem.answer]
        if not known or not held_out:
            return []
        guess = sum(problem.answer in known for problem in held_out) / len(held_out) / len(known)
        favourite = known.most_common(1)[0][0]
        majority = sum(problem.answer == favourite for problem in held_out) / len(held_out)
        return [
            line
            for metric in (STRICT, LENIENT)
            for line in (
                Baseline(probe=self.name, metric=metric, name="random", value=guess),
                Baseline(probe=self.name, metric=metric, name="majority", value=majority),
            )
        ]


def commonest(marks: Sequence[Mark]) -> Mark:
    """The mark of most samples; a tie goes to RIGHT before WRONG before UNKNOWN, which is for what nobody could read."""
    return max((Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN), key=marks.count) if marks else Mark.UNKNOWN
