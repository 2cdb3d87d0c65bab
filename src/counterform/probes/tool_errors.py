"""How often do its calls to a tool fail, in right answers and in all? What RoC selects by, and no outcome reward sees.

After rStar2-Agent (arXiv 2508.20722, section 2.2.3): under plain GRPO 10 to 15 % of the calls inside right answers kept failing.
"""

from __future__ import annotations

from counterform.metrics import Metric
from counterform.models.calc import failed_calls
from counterform.models.sampling import answers_for
from counterform.probes.probe import HeldOut, Probe
from counterform.types import Mark, Model, Reading

ALL, RIGHT = "failed calls", "failed calls in right answers"


class ToolErrors(Probe):
    """Reads the calls in the same samples that `accuracy` reads, of a model with `tool` in its `[model]` table.

    `failed calls`: the mean over a problem's answers of the share of an answer's calls that came back as an error, the
    tool's own failures too. `failed calls in right answers`: the same over right answers; a problem without one has no
    reading, so two models are compared at problems that both solved. An answer without a call has nothing to judge.
    """

    name = "tool_errors"
    reads = ("samples", "temperature", "max_tokens", "problems")
    needs = frozenset({"text"})
    metrics = (
        Metric(
            name=ALL,
            title="Failed calls",
            meaning="Of an answer's calls to the tool those that came back as an error.",
            better="low",
        ),
        Metric(
            name=RIGHT,
            title="Failed calls in right answers",
            meaning="The same of right answers alone. A comparison is over the problems that both sides solve.",
            better="low",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        problems = items.problems[: self.spec.problems]
        attempts = answers_for(self.bench, model, problems, arm=arm, seed=seed)
        shares: dict[str, dict[str, list[float]]] = {metric: {p.id: [] for p in problems} for metric in (ALL, RIGHT)}
        for graded in self.bench.grade(attempts):
            calls, failed = failed_calls(graded.attempt.completion.text)
            if calls:
                shares[ALL][graded.attempt.problem_id].append(failed / calls)
                if graded.verdict.outcome is Mark.RIGHT:
                    shares[RIGHT][graded.attempt.problem_id].append(failed / calls)
        return [
            Reading(
                probe=self.name,
                metric=metric,
                arm=arm,
                seed=seed,
                item_id=problem,
                problem_id=problem,
                mark=Mark.UNKNOWN if not found else Mark.WRONG if any(found) else Mark.RIGHT,
                value=sum(found) / len(found) if found else None,
            )
            for metric, by_problem in shares.items()
            for problem, found in by_problem.items()
        ]
