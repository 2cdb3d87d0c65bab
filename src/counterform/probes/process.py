"""How does it get there? Right or wrong answer against clean or violated process."""

from __future__ import annotations

from counterform.metrics import Metric
from counterform.models.sampling import answers_for
from counterform.probes.probe import HeldOut, Probe
from counterform.types import Graded, Mark, Model, Reading

VIOLATED, BY_WRONG_STEPS = "violated", "right by wrong steps"


class Process(Probe):
    """Grades the steps of the same samples that `accuracy` reads.

    `violated`: the share of attempts with a wrong step that is not mended, of those in which a step could be read.
    `right by wrong steps`: the share that is violated and still ends in the right answer, which outcome scoring
    cannot see. Where other steps could not be read both are lower bounds: leaving such attempts out, unless a step is
    wrong, would count the wrong ones alone. An attempt without any step that could be read is UNKNOWN and in neither.
    """

    name = "process"
    reads = ("samples", "temperature", "max_tokens", "problems")
    needs = frozenset({"text"})
    metrics = (
        Metric(
            name=VIOLATED,
            title="Wrong steps",
            meaning="Attempts with a step that is wrong and stays so, of those in which a step could be read.",
            better="low",
        ),
        Metric(
            name=BY_WRONG_STEPS,
            title="Right by wrong steps",
            meaning="Attempts that reach the right answer over a wrong step.",
            better="low",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        attempts = answers_for(self.bench, model, items.problems[: self.spec.problems], arm=arm, seed=seed)
        of_problem: dict[str, list[Graded]] = {problem.id: [] for problem in items.problems[: self.spec.problems]}
        for graded in self.bench.grade(attempts):
            of_problem[graded.attempt.problem_id].append(graded)
        return [
            self._reading(problem, metric, rows, arm, seed)
            for problem, rows in of_problem.items()
            for metric in (VIOLATED, BY_WRONG_STEPS)
        ]

    def _reading(self, problem: str, metric: str, rows: list[Graded], arm: str, seed: int) -> Reading:
        read = [g.verdict for g in rows if any(step.mark is not Mark.UNKNOWN for step in g.verdict.steps)]
        hit = [
            verdict.process is Mark.WRONG and (metric == VIOLATED or verdict.outcome is Mark.RIGHT) for verdict in read
        ]
        mark = Mark.UNKNOWN if not read else Mark.WRONG if any(hit) else Mark.RIGHT
        return Reading(
            probe=self.name,
            metric=metric,
            arm=arm,
            seed=seed,
            item_id=problem,
            problem_id=problem,
            mark=mark,
            value=sum(hit) / len(read) if read else None,
        )
