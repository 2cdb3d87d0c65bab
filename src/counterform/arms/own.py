"""Learning from what the model writes itself, without any right answer: all of it, or what is wrong of it.

Controls for everything that is taught by right answers. Unverified own samples alone are reported to help (arXiv 2604.01193), and so are
traces with wrong answers (arXiv 2504.01738); what an arm gains beyond these is what right answers add.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from counterform.arms.imitation import imitated
from counterform.arms.recipe import Recipe
from counterform.errors import DataError
from counterform.types import Arm, Attempt, Case, Completion, Example, Mark

MOST_UNHEARD = 0.30
"""Share of calls without an answer at which an arm of the rest would be another experiment."""


class OwnWrong(Recipe):
    """Problem -> the wrong attempt of the pool. Keeps the model's own way of answering, and takes the right answer away."""

    name = "own_wrong"
    differs_by = "the target is an attempt that was graded wrong"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        examples = tuple(imitated(case.problem, case.wrong) for case in cases)
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)


class OwnSamples(Recipe):
    """Problem -> what the sampled model answers when it is asked once more: right, wrong or neither, as it comes.

    The cases were chosen for having a right and a wrong attempt; these answers were not, and how they are graded is told.
    """

    name = "own_samples"
    differs_by = "the target is an own answer, sampled anew and not filtered"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        asked = self._asked(cases)
        heard = [completion for completion in asked if completion.text.strip()]
        unheard = len(asked) - len(heard)
        if unheard >= MOST_UNHEARD * len(asked):
            raise DataError(
                f"arm {self.name!r}: {unheard} of {len(asked)} calls of the sampled model gave no answer. At {MOST_UNHEARD:.0%} an arm of "
                "the rest would be another experiment: mend the model ($.attempts.model), or leave this arm out."
            )
        spare = iter([one for one in zip(cases, asked, strict=True) if one[1].text.strip()])
        rows = [row if row[1].text.strip() else next(spare) for row in zip(cases, asked, strict=True)]
        examples = tuple(
            Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=completion.text)
            for case, completion in rows
        )
        told = [self.differs_by, self._graded(rows)]
        if unheard:
            told.append(f"{unheard} calls gave no answer, and others stand twice in their place")
        return Arm(
            name=self.name,
            differs_by="; ".join(told),
            examples=examples,
            generated_tokens=sum(completion.tokens for completion in heard),
        )

    def _asked(self, cases: Sequence[Case]) -> list[Completion]:
        """An answer to each case; cases of one problem get different ones."""
        prompts = [case.problem.prompt for case in cases]
        answers = self.bench.ask(prompts, n=max(Counter(prompts).values()))
        taken: Counter[str] = Counter()
        chosen = []
        for prompt, row in zip(prompts, answers, strict=True):
            chosen.append(row[taken[prompt]])
            taken[prompt] += 1
        return chosen

    def _graded(self, rows: Sequence[tuple[Case, Completion]]) -> str:
        attempts = [
            Attempt(
                id=f"{case.problem.id}/own/{at}", problem_id=case.problem.id, model="own", seed=0, completion=completion
            )
            for at, (case, completion) in enumerate(rows)
        ]
        marks = Counter(graded.verdict.outcome for graded in self.bench.grade(attempts))
        cut = sum(completion.finish == "length" for _, completion in rows)
        counts = ", ".join(f"{marks[mark]} {mark.value}" for mark in Mark)
        return f"of {len(rows)}, {counts}" + (f"; {cut} were cut at max_tokens" if cut else "")
