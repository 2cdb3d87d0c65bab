"""From which rate of errors of its verifier on a guard does harm, by way of guarding. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct
from msgspec.structs import replace

from counterform.findings.gains import levels
from counterform.findings.table import BASE_ALONE, Fixed, tables
from counterform.metrics import Key, Metrics
from counterform.results import Level
from counterform.specs import VerifierErrors
from counterform.types import Reading

NONE, GAIN = "none", "gain"
"""The condition without a guard, and the metric of a paired difference in right answers."""
REMOVED, LEFT, REPLACED, CORRECTED = "removed", "left in context", "replaced", "corrected"
DRAFTS = (REMOVED, LEFT, REPLACED, CORRECTED)
"""What becomes of a refused draft."""


class Way(Struct, frozen=True):
    """One way of guarding: what becomes of a refused draft, and how its verifier errs."""

    draft: str
    errors: VerifierErrors

    @property
    def words(self) -> str:
        """The condition of its readings."""
        return f"{self.draft}; {self.errors.words}"


class Guarded(Struct, frozen=True, kw_only=True):
    """One model guarded in one way, within one budget. Intervals are not corrected for the number of ways."""

    arm: str
    budget: str
    way: Way | None
    """None: without a guard."""
    figures: Mapping[str, Level]
    """By metric: right and accepted, violated, refused, tokens."""
    over_none: Level | None = None
    """More right answers than without a guard, paired by problem."""
    over_removed: Level | None = None
    """More than where the draft is removed, the verifier being the same."""


class Harm(Struct, frozen=True, kw_only=True):
    """Of one way of guarding, what right answers come to as its verifier errs more."""

    arm: str
    budget: str
    draft: str
    errors: str
    """Of what kind: `false alarms`, `misses`, both, drawn anew or not."""
    helps_up_to: float | None
    """The highest rate read at which, and up to which, the interval of the gain over none lies above 0."""
    hurts_from: float | None
    """The lowest rate read at which the interval lies below 0."""


class WrongVerifiers(Struct, frozen=True, kw_only=True):
    """What came of guarding with verifiers that are wrong at known rates."""

    guarded: tuple[Guarded, ...]
    harm: tuple[Harm, ...]


def find_harm(
    readings: Sequence[Reading], metrics: Metrics, ways: Sequence[Way], *, fixed: Fixed = BASE_ALONE
) -> WrongVerifiers:
    """Every way beside none with its intervals, and from where on it hurts. readings: of the probe `wrong_guard`."""
    every = tables(readings, metrics, fixed=fixed)
    budgets = dict.fromkeys(table.of.budget for table in every if table.of.budget)
    asked = [(table, arm) for table in every for arm in table.values]
    arms = dict.fromkeys(arm for _, arm in asked)
    found = {
        (arm, table.of.key): one for (table, arm), one in zip(asked, levels(asked), strict=True) if one is not None
    }
    guarded = [_guarded(found.items(), arm, budget, way) for arm in arms for budget in budgets for way in (None, *ways)]
    return WrongVerifiers(guarded=tuple(guarded), harm=tuple(_harms(guarded)))


def _guarded(found: Iterable[tuple[tuple[str, Key], Level]], arm: str, budget: str, way: Way | None) -> Guarded:
    condition = way.words if way else NONE
    removed = replace(way, draft=REMOVED).words if way else ""
    own = [
        one for (whose, _), one in found if whose == arm and one.condition == condition and one.budget in ("", budget)
    ]
    over = {one.against: one for one in own if one.metric == GAIN}
    return Guarded(
        arm=arm,
        budget=budget,
        way=way,
        figures={one.metric: one for one in own if one.metric != GAIN},
        over_none=over.get(NONE),
        over_removed=over.get(removed),
    )


def _harms(guarded: Sequence[Guarded]) -> Iterator[Harm]:
    """For each model, budget, way and kind of errors: the verifier that is never wrong, and then the rates from low to high."""
    ways = [one.way for one in guarded if one.way]
    of = {(one.arm, one.budget, one.way): one.over_none for one in guarded}
    for arm, budget in dict.fromkeys((one.arm, one.budget) for one in guarded):
        for draft, kind in dict.fromkeys((way.draft, way.errors.kind) for way in ways if way.errors.kind):
            rates = sorted(
                {(way.errors.rate, way) for way in ways if way.draft == draft and way.errors.kind in ("", kind)},
                key=lambda pair: pair[0],
            )
            read = [(rate, gain) for rate, way in rates if (gain := of[arm, budget, way])]
            yield Harm(
                arm=arm,
                budget=budget,
                draft=draft,
                errors=kind,
                helps_up_to=max((rate for rate, _ in takewhile(lambda pair: pair[1].low > 0, read)), default=None),
                hurts_from=min((rate for rate, gain in read if gain.high < 0), default=None),
            )
