"""What stands in a ledger: the declaration in its first line, a look at a candidate in every other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from counterform.errors import StudyError
from counterform.findings.ruling import Buy, Ruling
from counterform.findings.spending import level

_FORM = re.compile(r"(?P<metric>.+?)\s*:\s+(?P<margin>\d+(?:\.\d+)?)\s*(?P<points>pts?|points?|%)?", re.DOTALL)
FORM = '"METRIC: 2pt" (two points of a share), or "METRIC: 0.5" in the metric\'s own unit'


class Asked(Struct, frozen=True, kw_only=True):
    """A metric and its margin as a user writes them."""

    metric: str
    margin: float
    points: bool


def parse(text: str) -> Asked:
    """Read what is to be compared. Raises StudyError with the forms that there are."""
    found = _FORM.fullmatch(text.strip())
    if not found or not float(found["margin"]):
        raise StudyError(
            f"--declare {text!r} cannot be read. Write it as {FORM}: the metric, and the smallest difference that matters."
        )
    points = bool(found["points"])
    return Asked(metric=found["metric"], margin=float(found["margin"]) / (100 if points else 1), points=points)


class Contrast(Struct, frozen=True, kw_only=True):
    """One metric of one task, candidate against base."""

    task: str
    metric: str
    margin: float
    share: bool
    up: bool
    """Whether higher is better."""

    def __str__(self) -> str:
        return f"{self.task} {self.metric}" if self.task else self.metric


class Declared(Struct, frozen=True, kw_only=True, tag="declared"):
    """What is fixed before the first candidate is seen."""

    contrasts: tuple[Contrast, ...]
    base: str
    """Its log, as a path from the ledger's folder."""
    base_digest: str
    """Of its values in the contrasts."""
    held_out: str
    """Hash of the items: names, contents and samples."""
    items: int
    runs: int
    """Of the base; where it has several, a candidate needs two at the least."""
    alpha: float
    candidates: int
    """Looks that alpha is split over; 0: a series without an end."""
    when: str

    def level(self, look: int) -> float:
        """What look number `look` may spend on each contrast."""
        return level(look, self.alpha, self.candidates) / len(self.contrasts)

    def left(self, looks: int) -> float:
        """What of alpha is not spent after so many looks."""
        return self.alpha - sum(level(look, self.alpha, self.candidates) for look in range(1, looks + 1))


class Verdict(Struct, frozen=True, kw_only=True):
    """All that is released of one contrast."""

    task: str
    metric: str
    ruling: Ruling
    buy: Buy
    more: int


class Look(Struct, frozen=True, kw_only=True, tag="look"):
    """A candidate that was compared with the base."""

    number: int
    candidate: str
    """Hash of its values in the contrasts: a candidate with the same ones is the same."""
    log: str
    level: float
    """What was spent on each contrast."""
    verdicts: tuple[Verdict, ...]
    when: str


Entry = Declared | Look


class Released(Struct, frozen=True, kw_only=True):
    """What a user is told of a candidate."""

    look: Look
    spent: bool
    """False where the same candidate had been seen before."""
    alpha_left: float
    receipt: str
    """Hash of the ledger's last line. Kept elsewhere, it proves later that no line before it was changed."""
    notes: Sequence[str] = ()

    @property
    def code(self) -> int:
        """0: better in every contrast; 1: worse in one; 3: neither."""
        rulings = {verdict.ruling for verdict in self.look.verdicts}
        if Ruling.WORSE in rulings:
            return 1
        return 0 if rulings == {Ruling.BETTER} else 3
