"""What does it still do besides being right? Doubt, check, take back, look for another way; entropy, length, mended errors.

After Kim et al. 2026 (arXiv 2603.24472): training on right answers whose writer had seen the solution took such markers
away, and accuracy out of distribution with them. What is read here are counts, one per answer; `findings/retention.py` makes rates of them and
compares them with the base model's, as they come and between answers of like length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from counterform.errors import ModelError
from counterform.findings.retention import MARKERS, MENDED, NATS, SEEN, TOKENS, find_traits
from counterform.metrics import Metric
from counterform.models.inside import trace
from counterform.models.sampling import answers_for
from counterform.probes import accuracy, shift
from counterform.probes.probe import Context, Found, HeldOut, Probe
from counterform.types import Attempt, Graded, Mark, Model, Reading

_KEPT = "Kept of the base model's: its section says how much."

_METRICS: tuple[tuple[str, str, Literal["count", "share", "nats"], float | None], ...] = (
    (MARKERS, "Markers: {condition}", "count", None),
    (TOKENS, "Tokens of an answer", "count", None),
    (MENDED, "Mended errors", "share", 1.0),
    (NATS, "Entropy of an answer's tokens", "nats", None),
    (SEEN, "Tokens whose entropy was read", "count", None),
)


class Traits(Probe):
    """Counts in the same samples that `accuracy` reads; an item is an answer.

    `markers`: those of the kind of the study's lexicon that is the condition. `tokens`: the answer's length. `mended`: 1 where a wrong
    step is taken back right after it and put right, by the step verifier; UNKNOWN where no step could be read.
    `entropy nats`: of each problem's first answer, the sum over its `entropy tokens` of the entropy of the distribution
    from which the token was drawn, before any temperature; UNKNOWN for a model whose insides cannot be seen.
    """

    name = "traits"
    reads = ("samples", "temperature", "max_tokens", "problems", "lexicon")
    needs = frozenset({"text"})
    section = "traits"
    metrics = tuple(
        Metric(name=name, title=title, meaning=_KEPT, unit=unit, better="neither", bounds=(0.0, most), headline=False)
        for name, title, unit, most in _METRICS
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        problems = items.problems[: self.spec.problems]
        graded = self.bench.grade(answers_for(self.bench, model, problems, arm=arm, seed=seed))
        counts = self.bench.lexicon.counts([g.attempt.completion.text for g in graded])
        prompts = {problem.id: problem.prompt for problem in problems}
        readings = []
        for row, g in enumerate(graded):
            values: dict[tuple[str, str], float | None] = {
                (MARKERS, kind): float(count) for kind, count in zip(self.bench.lexicon.kinds, counts[row], strict=True)
            }
            values |= {(TOKENS, ""): float(g.attempt.completion.tokens), (MENDED, ""): _mended(g)}
            sample = row % self.spec.samples
            if sample == 0:
                values |= dict(zip(((NATS, ""), (SEEN, "")), _entropy(model, prompts, g.attempt), strict=True))
            if g.attempt.completion.finish == "error":
                values = dict.fromkeys(values)
            readings += [
                Reading(
                    probe=self.name,
                    metric=metric,
                    condition=kind,
                    arm=arm,
                    seed=seed,
                    item_id=f"{g.attempt.problem_id}/{sample}",
                    problem_id=g.attempt.problem_id,
                    mark=Mark.UNKNOWN if value is None else Mark.RIGHT,
                    value=value,
                )
                for (metric, kind), value in values.items()
            ]
        return readings

    def find(self, readings: Sequence[Reading], context: Context) -> Found:
        """How much of each trait every arm has kept, beside what became of its right answers; no gain or loss of a share."""
        solved = [r for r in context.readings.get("accuracy", ()) if r.metric == accuracy.STRICT]
        away = context.readings.get("shift", ())
        right = [r for r in away if (r.metric, r.condition) == (shift.EXACT, shift.ANSWER) and r.shift]
        own, notes = find_traits(readings, self.declared, [*solved, *right], context.fixed)
        return Found(own=own, notes=notes)


def _mended(graded: Graded) -> float | None:
    steps: Sequence[object] = [step for step in graded.verdict.steps if step.mark is not Mark.UNKNOWN]
    return float(graded.verdict.mends) if steps else None


def _entropy(model: Model, prompts: dict[str, str], attempt: Attempt) -> tuple[float | None, float | None]:
    """Nats over all tokens of an answer, and how many tokens those are."""
    try:
        logprobs = trace(model, prompts[attempt.problem_id], attempt.completion.text).logprobs
    except ModelError:
        return None, None
    # A token that cannot be drawn has a log-probability of minus infinity, and adds nothing.
    return float(-(logprobs.exp() * logprobs).nan_to_num().sum()), float(len(logprobs))
