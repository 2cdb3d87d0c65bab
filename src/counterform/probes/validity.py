"""What is a rationale worth as an example? Few-shot prompts whose exemplars are valid, invalid, shuffled, irrelevant or bare.

Schaeffer et al. 2023, "Invalid Logic, Equivalent Gains" (arXiv 2307.10573): prompting only, nothing is trained there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from msgspec.structs import replace

from counterform.metrics import Metric
from counterform.models.sampling import derived_seed
from counterform.probes.probe import HeldOut, Probe
from counterform.text.rationales import CONDITIONS
from counterform.text.wording import few_shot_prompt
from counterform.types import Attempt, Completion, Example, Mark, Model, Reading, Verdict

ANSWER, CLEAN, BY_WRONG_STEPS, LOST = "answer", "clean steps", "right by wrong steps", "answer lost"
VALID = "valid"
"""The condition that every other one is compared with."""
_READ = "of those that could be read, after {condition} exemplars."

_LAST_STEP = re.compile(r"(?<=[.!?])\s+|\n")


class Validity(Probe):
    """Solves held-out problems after k worked exemplars, in every condition with those of the same training problems.

    A condition is what kind of exemplars a prompt has. Greedy, once. Every held-out problem has exemplars of its own, the same for every model, so that no finding hangs on
    one lucky choice. `answer`: right answers, stated as asked. `clean steps` and `right by wrong steps`: shares of the
    attempts whose process could be read; as in `process`, an answer without its steps is no clean process.
    `answer lost`: what a condition costs within one model against `valid`, right after valid exemplars minus right
    after these, a problem (-1, 0 or 1): the source's claim that it is hardly anything is a level with an interval.
    """

    name = "validity"
    reads = ("max_tokens", "problems", "exemplars")
    metrics = (
        Metric(
            name=ANSWER,
            title="Few-shot answer, {condition} exemplars",
            meaning="Right answers after {condition} exemplars.",
            headline_condition=VALID,
        ),
        Metric(
            name=CLEAN,
            title="Few-shot clean steps, {condition} exemplars",
            meaning=f"Attempts whose steps are all right, {_READ}",
            headline=False,
        ),
        Metric(
            name=BY_WRONG_STEPS,
            title="Few-shot right by wrong steps, {condition} exemplars",
            meaning=f"Attempts that reach the right answer over a wrong step, {_READ}",
            better="low",
            headline=False,
        ),
        Metric(
            name=LOST,
            title="Few-shot answers lost, {condition} exemplars",
            meaning="Right answers after {against} exemplars that are not there after {condition} exemplars.",
            unit="difference",
            better="low",
            bounds=(-1.0, 1.0),
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        known = len(items.exemplars.get(VALID, ()))
        if known < self.spec.exemplars:
            return []
        readings: list[Reading] = []
        problems = items.problems[: self.spec.problems]
        drawn = {p.id: _draw(p.id, known, self.spec.exemplars) for p in problems}
        for condition in CONDITIONS:
            shown = {p.id: [items.exemplars[condition][at] for at in drawn[p.id]] for p in problems}
            prompts = [
                few_shot_prompt([(one.prompt, one.completion or "") for one in shown[p.id]], p.prompt) for p in problems
            ]
            rows = model.generate(prompts, n=1, seed=seed, temperature=0.0, max_tokens=self.spec.max_tokens)
            attempts = [
                Attempt(
                    id=f"{p.id}/{arm}-{seed}-{condition.replace(' ', '-')}/0",
                    problem_id=p.id,
                    model=f"{arm}-{seed}",
                    seed=seed,
                    completion=_ended(answer, shown[p.id]),
                )
                for p, (answer,) in zip(problems, rows, strict=True)
            ]
            for graded in self.bench.grade(attempts):
                heard = graded.attempt.completion.finish != "error"
                for metric in (ANSWER, CLEAN, BY_WRONG_STEPS):
                    mark, value = _read(metric, graded.verdict) if heard else (Mark.UNKNOWN, None)
                    readings.append(
                        Reading(
                            probe=self.name,
                            metric=metric,
                            condition=condition,
                            arm=arm,
                            seed=seed,
                            item_id=graded.attempt.problem_id,
                            problem_id=graded.attempt.problem_id,
                            mark=mark,
                            value=value,
                        )
                    )
        answers = [reading for reading in readings if reading.metric == ANSWER]
        valid = {reading.item_id: reading for reading in answers if reading.condition == VALID}
        return readings + [
            replace(reading, metric=LOST, against=VALID, mark=mark, value=value)
            for reading in answers
            if reading.condition != VALID
            for mark, value in [_lost(valid[reading.item_id], reading)]
        ]


def _draw(problem_id: str, known: int, k: int) -> list[int]:
    rng = np.random.default_rng(derived_seed("exemplars", problem_id))
    return [int(at) for at in rng.choice(known, size=k, replace=False)]


def _ended(answer: Completion, exemplars: Sequence[Example]) -> Completion:
    """The answer without what follows it: after a few-shot prompt a base model goes on with a next problem of its own."""
    endings = [_LAST_STEP.split((one.completion or "").strip())[-1].split()[:-1] for one in exemplars]
    alike = takewhile(lambda words: len(set(words)) == 1, zip(*endings, strict=False))
    form = " ".join(words[0] for words in alike)  # "The answer is"
    stated = answer.text.find(form) if form else -1
    end = answer.text.find("\n\n", stated)
    return answer if stated < 0 or end < 0 else replace(answer, text=answer.text[:end])


def _lost(valid: Reading, other: Reading) -> tuple[Mark, float | None]:
    """What the other condition costs at one problem; UNKNOWN where one of the two was not heard or read."""
    if valid.value is None or other.value is None:
        return Mark.UNKNOWN, None
    known = Mark.UNKNOWN not in (valid.mark, other.mark)
    lost = valid.value - other.value
    return (Mark.WRONG if lost > 0 else Mark.RIGHT) if known else Mark.UNKNOWN, lost


def _read(metric: str, verdict: Verdict) -> tuple[Mark, float | None]:
    """The mark and value of one metric."""
    if metric == ANSWER:
        return verdict.outcome, float(verdict.outcome is Mark.RIGHT)
    if verdict.process is Mark.UNKNOWN:
        return Mark.UNKNOWN, None
    if metric == CLEAN:
        return verdict.process, float(verdict.process is Mark.RIGHT)
    hit = verdict.process is Mark.WRONG and verdict.outcome is Mark.RIGHT
    return Mark.WRONG if hit else Mark.RIGHT, float(hit)
