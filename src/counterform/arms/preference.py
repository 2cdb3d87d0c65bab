"""Arms that learn from pairs: a case's right attempt against its wrong one, both the sampled model's own.

Every example holds both. How they are told apart is the objective's business: by their difference (DPO, IPO, ORPO), or each against
what the reference model thinks of it (KTO).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec.structs import replace

from counterform.arms.experimental import Experimental
from counterform.arms.imitation import imitated
from counterform.arms.recipe import Recipe
from counterform.errors import DataError
from counterform.types import Arm, Case, Example, Objective


class Dpo(Recipe):
    """Right attempt over wrong attempt, by the log-ratio to the reference model (Rafailov et al. 2023, arXiv 2305.18290)."""

    name = "dpo"
    objective: Objective = "dpo"
    differs_by = "a right attempt is preferred to a wrong one"
    options: ClassVar[dict[str, Any]] = {}
    """Of the trainer's config: what makes this arm what it is."""

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        examples = tuple(_pair(case) for case in cases)
        same = sum(case.one_text for case in cases)
        if same == len(examples):
            raise DataError(
                f"arm {self.name!r}: in all {same} cases right and wrong attempt are the same text, so there is nothing to prefer. Look at "
                "the grades ($.attempts.responses, `counterform audit`), or leave this arm out."
            )
        told = f"; in {same} of {len(examples)} pairs both are the same text and nothing is learnt" if same else ""
        return Arm(
            name=self.name,
            objective=self.objective,
            differs_by=f"{self.differs_by}; its loss tokens are those of both{told}",
            examples=examples,
            options=dict(self.options),
        )


class Ipo(Dpo):
    """DPO with a squared loss, which stops at a margin instead of widening it for ever (Azar et al. 2024, arXiv 2310.12036)."""

    name = "ipo"
    differs_by = "as dpo, with a squared loss on the margin"
    options: ClassVar[dict[str, Any]] = {"loss_type": "ipo"}


class Kto(Dpo):
    """Right attempts alone and wrong attempts alone, not in pairs (Ethayarajh et al. 2024, arXiv 2402.01306)."""

    name = "kto"
    objective: Objective = "kto"
    differs_by = "right attempts are desirable and wrong ones undesirable, each on its own"


class Orpo(Experimental, Dpo):
    """Imitation of the right attempt and the odds ratio to the wrong one, without a reference model (Hong et al. 2024, arXiv 2403.07691)."""

    name = "orpo"
    objective: Objective = "orpo"
    differs_by = "a right attempt is imitated (with its prompt, whose tokens are not counted) and preferred to a wrong one, without a reference model"


def _pair(case: Case) -> Example:
    example = imitated(case.problem, case.right)
    return replace(
        example,
        attempt_ids=(case.right.attempt.id, case.wrong.attempt.id),
        rejected=case.wrong.attempt.completion.text,
    )
