"""Which arms of a study are treatments and which are controls, in what a gain is a gain, and in which order they stand. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

from counterform.metrics import Measured
from counterform.results import Finding, Level, Results
from counterform.study import BASE_ARM

HOME = (("accuracy", "pass@1"), ("instructions", "exact match"))
"""What a gain is a gain in: the first of these that was read."""


class Outline(Struct, frozen=True, kw_only=True):
    """The arms of a study in the order in which a report shows them."""

    treatments: tuple[str, ...]
    """The highest gain first."""
    controls: tuple[str, ...]
    """Arms that a form share names as its control, and none as the arm whose gain it divides; the highest gain first."""
    gained: Mapping[str, Finding]
    """By arm, right answers in distribution against the base model."""
    contrasts: tuple[Finding, ...]
    """Arm against arm in right answers, as the study declares them."""


def outline(results: Results, others: Iterable[str] = ()) -> Outline:
    """The arms of these results. others: arms of which something else is known."""
    against_base = [f for f in results.findings if f.versus == BASE_ARM]
    home = next((home for home in HOME if any((f.probe, f.metric) == home for f in results.findings)), None)
    at_home = [f for f in results.findings if (f.probe, f.metric) == home]
    gained = {f.arm: f for f in at_home if f.versus == BASE_ARM}
    full = {share.full for share in results.form_shares}
    controls = {share.control for share in results.form_shares} - full
    arms = sorted(dict.fromkeys([*(f.arm for f in against_base), *others]), key=lambda arm: _height(gained.get(arm)))
    return Outline(
        treatments=tuple(arm for arm in arms if arm not in controls),
        controls=tuple(arm for arm in arms if arm in controls),
        gained=gained,
        contrasts=tuple(f for f in at_home if f.versus != BASE_ARM),
    )


def level_at(results: Results, measured: Measured, arm: str) -> Level | None:
    """Where an arm stands in what was measured; None where it was not read."""
    return next((level for level in results.levels if (level.key, level.arm) == (measured.key, arm)), None)


def of_k(results: Results, gain: Finding) -> Finding | None:
    """The same arm's pass@k beside its pass@1: the headline of the probe that reads both; None where it was not read."""
    return next(
        (
            f
            for f in results.findings
            if f.probe == gain.probe == "accuracy"
            and (f.arm, f.versus) == (gain.arm, gain.versus)
            and f.key[2:] == gain.key[2:]
            and results.metric(f).headline
        ),
        None,
    )


def _height(gain: Finding | None) -> tuple[bool, float]:
    unread = gain is None or math.isnan(gain.estimate)
    return unread, 0.0 if gain is None or unread else -gain.estimate
