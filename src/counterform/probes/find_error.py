"""Can it find the first wrong step of an attempt? ProcessBench's question (arXiv 2412.06559)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterform.findings.stats import metric_of
from counterform.metrics import Metric
from counterform.models.sampling import derived_seed, remembered
from counterform.probes.probe import HeldOut, Probe
from counterform.results import Baseline
from counterform.text import wording
from counterform.types import Graded, Mark, Model, Problem, Reading

F1, ERRONEOUS, CORRECT = "F1", "erroneous", "correct"


class FindError(Probe):
    """Shows a held-out attempt, asks for its first wrong step, and compares with the step verifier's label.

    F1 is the harmonic mean of the accuracies on erroneous attempts (the exact step) and on correct ones (none).
    Greedy, once. A critique that cannot be read finds nothing, and is marked UNKNOWN.
    """

    name = "find_error"
    reads = ("max_tokens", "attempts")
    metrics = (
        Metric(
            name=F1,
            title="Finding errors (F1)",
            meaning="Harmonic mean of the two shares below, as in ProcessBench: naming errors counts only with leaving sound work alone.",
        ),
        Metric(
            name=ERRONEOUS,
            title="Finding errors: erroneous",
            meaning="Attempts with an error in which the first wrong step is named.",
            headline=False,
        ),
        Metric(
            name=CORRECT,
            title="Finding errors: sound",
            meaning="Sound attempts that are called right.",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        prompts = {problem.id: problem.prompt for problem in items.problems}
        asked = [wording.critique_prompt(prompts[g.attempt.problem_id], g.step_texts) for g in items.attempts]
        answers = remembered(self.bench, model, asked, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
        readings = []
        for graded, (answer,) in zip(items.attempts, answers, strict=True):
            named = wording.named_error(answer.text)
            found = named == label(graded)
            mark = Mark.UNKNOWN if named is None else Mark.RIGHT if found else Mark.WRONG
            stratum = CORRECT if label(graded) == -1 else ERRONEOUS
            for metric, group in ((F1, stratum), (stratum, "")):
                readings.append(
                    Reading(
                        probe=self.name,
                        metric=metric,
                        arm=arm,
                        seed=seed,
                        item_id=graded.attempt.id,
                        problem_id=graded.attempt.problem_id,
                        stratum=group,
                        mark=mark,
                        value=None if answer.finish == "error" else float(found),
                    )
                )
        return readings

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """A guess among the steps and "none", and the answer that is given most often: that all is right."""
        if not items.attempts:
            return []
        guess = {ERRONEOUS: [0.0], CORRECT: [0.0]}
        for graded in items.attempts:
            kind = CORRECT if label(graded) == -1 else ERRONEOUS
            guess[kind].append(1 / (1 + len(graded.verdict.steps)))
        sums = np.array([sum(guess[ERRONEOUS]), sum(guess[CORRECT])])
        counts = np.array([len(guess[ERRONEOUS]) - 1.0, len(guess[CORRECT]) - 1.0])
        return [
            Baseline(probe=self.name, metric=F1, name="random", value=float(metric_of(sums, counts))),
            Baseline(probe=self.name, metric=F1, name="majority", value=0.0),
        ]


def label(graded: Graded) -> int:
    """The first wrong step by the step verifier, -1 for a sound attempt."""
    first = graded.verdict.first_error
    return -1 if first is None else first


def choose_attempts(pool: Sequence[Graded], *, n: int) -> tuple[Graded, ...]:
    """At most `n` attempts, half with a located error and half right without one; one of a kind a problem.

    An attempt that is wrong though no step can be shown wrong has no label, and is not asked about.
    """
    rng = np.random.default_rng(derived_seed("find_error"))
    shuffled = [pool[index] for index in rng.permutation(len(pool))]
    erroneous: dict[str, Graded] = {}
    correct: dict[str, Graded] = {}
    for graded in shuffled:
        if graded.verdict.first_error is not None:
            erroneous.setdefault(graded.attempt.problem_id, graded)
        elif graded.verdict.outcome is Mark.RIGHT and graded.verdict.steps:
            correct.setdefault(graded.attempt.problem_id, graded)
    half = min(n // 2, len(erroneous), len(correct))
    return (*list(erroneous.values())[:half], *list(correct.values())[:half])
