"""Controls for what a rationale is worth: its validity, its order or its topic is taken away, and the answer kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.errors import ControlError
from counterform.text.rationales import REWRITES, Rewritten
from counterform.types import Arm, Case, Example


class _Rationale(Recipe):
    """Problem -> its worked solution rewritten, and proven by the study's own verifiers."""

    name: str
    differs_by: str
    condition: str

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        rewritten = REWRITES[self.condition]([case.problem for case in cases], self.bench.grade, rng)
        self._require(cases, rewritten)
        examples = tuple(
            Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=one.text)
            for case, one in zip(cases, rewritten, strict=True)
        )
        return Arm(name=self.name, differs_by=self.differs_by + _reservations(rewritten), examples=examples)

    def _require(self, cases: Sequence[Case], rewritten: Sequence[Rewritten]) -> None:
        failed = [(case.problem.id, one.why) for case, one in zip(cases, rewritten, strict=True) if not one.text]
        if failed:
            reasons = "; ".join(f"{n} {why}" for why, n in Counter(why for _, why in failed).most_common())
            raise ControlError(
                f"arm {self.name!r}: {len(failed)} of {len(cases)} worked solutions cannot be made {self.condition} and "
                f"proven so ({reasons}; first: {failed[0][0]!r}). Name a step verifier that reads them ($.verify.steps), "
                "leave these problems out, or leave this arm out."
            )


class InvalidRationale(_Rationale):
    """Every intermediate result is wrong, the final answer right. Keeps the shape of a rationale, takes its validity away."""

    name = "invalid_rationale"
    differs_by = "the target is the worked solution with every intermediate result wrong and the answer right"
    condition = "invalid"


class ShuffledRationale(_Rationale):
    """The steps stand in another order, the answer last. Keeps every step, takes their order away."""

    name = "shuffled_rationale"
    differs_by = "the target is the worked solution with its steps in another order, the answer last"
    condition = "shuffled"


class IrrelevantRationale(_Rationale):
    """Another problem's rationale, then the own right answer. Keeps a sound rationale, takes its topic away."""

    name = "irrelevant_rationale"
    differs_by = "the target is another problem's rationale, and then the own right answer"
    condition = "irrelevant"


def _reservations(rewritten: Sequence[Rewritten]) -> str:
    """What the proof does not cover, in numbers."""
    sound, unread = sum(one.sound for one in rewritten), sum(one.unread for one in rewritten)
    told = f"; in {sound} of {len(rewritten)} the step verifier finds no wrong step" if sound else ""
    return told + (f"; {unread} steps could not be read and are not proven" if unread else "")
