"""What a recipe of an arm offers: cases in, one example per case out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from counterform.bench import Bench
from counterform.types import Arm, Case, Objective


class Recipe(ABC):
    """Turns cases into training data: one example per case, in case order.

    bench: what of the study it may use. A recipe with options takes them as keywords beside it, and raises ValueError for one that
    cannot be.
    """

    differs_by: str
    """One line: what sets this arm apart from the others."""
    objective: Objective = "sft"
    draws_as: ClassVar[str] = ""
    """Recipes that share it draw alike, so that a control shows the attempts of what it controls; empty: its name in the study file."""
    leaves_out: ClassVar[bool] = False
    """`usable` may say no: one arm's cases then depend on all arms."""
    uses_lexicon: ClassVar[bool] = False

    def __init__(self, *, bench: Bench | None = None) -> None:
        self.bench = bench or Bench()

    @property
    @abstractmethod
    def name(self) -> str:
        """Of the arm, outside a study; a class attribute will do."""

    @property
    def lacks(self) -> str:
        """What this arm needs and this machine does not have, in words; such an arm is refused, and the others go on."""
        return ""

    @property
    def shows(self) -> Mapping[str, str]:
        """What two arms may differ in, for the effect sizes of the probe `strategy`: format, domain, objective."""
        return {}

    def usable(self, cases: Sequence[Case]) -> list[bool]:
        """Of each case, whether this arm has something for it; one that it has nothing for leaves all arms."""
        return [True] * len(cases)

    @abstractmethod
    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        """The arm. Raises ControlError or DataError where it cannot be made of these cases."""
