"""What an arm lost and gained besides right answers, so that readings of different kinds can be compared. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct

from counterform.report.labels import label_of
from counterform.report.outline import Outline
from counterform.report.sections.traits import label as trait_label
from counterform.results import Finding, Results, Retention
from counterform.study import BASE_ARM
from counterform.text.numbers import difference, difference_interval, share, share_interval

MOSTLY_UNREAD = 0.5
"""Share of an arm's readings that nobody could grade, from which on a loss in the rest may be no loss."""


class Change(Struct, frozen=True, kw_only=True):
    """One reading of an arm beside the base model's."""

    what: str
    """Finding errors (F1); Turning back."""
    figures: str
    """With its interval."""
    left: float
    """What is left of the base model's, at most."""
    is_loss: bool
    """On the side of a loss, as far as the estimate says."""
    verdict: str
    """Clear or not: `worse`, `better`, `undecided`; a trait that fell is worse."""
    probe: str


def moved(results: Results, f: Finding) -> str:
    """A difference with its interval, in the metric's unit."""
    metric = results.metric(f)
    return f"{difference(metric, f.estimate)} {difference_interval(metric, f.low, f.high)}"


def besides(results: Results, o: Outline, arm: str, versus: str = BASE_ARM) -> list[Finding]:
    """What the first screen looks at besides right answers: the headlines of every probe in distribution that are good or bad."""
    home = {(f.probe, f.metric) for f in (*o.gained.values(), *o.contrasts)}
    found = []
    for f in results.findings:
        metric = results.metric(f)
        asked = metric.headline and metric.better != "neither" and metric.headline_condition in ("", f.condition)
        if (f.arm, f.versus) == (arm, versus) and (f.probe, f.metric) not in home and f.shift is None and asked:
            found.append(f)
    return found


def changes(results: Results, findings: Sequence[Finding], retained: Sequence[Retention]) -> list[Change]:
    """Of one arm, every reading of which something could be lost."""
    return [*_of_findings(results, findings), *_of_traits(retained)]


def clearest_loss(found: Sequence[Change]) -> Change | None:
    """Of the clear losses the one of which least is left at best; where none is clear, the nearest to one."""
    losses = [change for change in found if change.is_loss]
    clear = [change for change in losses if change.verdict == "worse"]
    return min(clear or losses, key=lambda change: change.left, default=None)


def _of_findings(results: Results, findings: Sequence[Finding]) -> Iterator[Change]:
    """What is left of what the base had above the worst end of the metric; nothing where there is no such end, or the base has none.

    An arm most of whose readings nobody could grade has lost nothing that was seen.
    """
    unread = {(level.key, level.arm) for level in results.levels if level.unknown > MOSTLY_UNREAD}
    for f in findings:
        metric = results.metric(f)
        lower = metric.better == "low"
        worst = metric.most if lower else metric.least
        had = abs(worst - f.baseline)
        if not math.isfinite(had) or had == 0 or math.isnan(f.estimate) or (f.key, f.arm) in unread:
            continue
        yield Change(
            what=f"{label_of(results, f).title}{', lower is better' if lower else ''}",
            figures=moved(results, f),
            left=(had - f.low if lower else had + f.high) / had,
            is_loss=(f.estimate > 0) == lower and f.estimate != 0,
            verdict=f.verdict,
            probe=f.probe,
        )


def _of_traits(retained: Sequence[Retention]) -> Iterator[Change]:
    """Length is no thing to lose; a trait that the base model does not show cannot be lost."""
    for row in retained:
        if row.trait == "length" or row.kept is None or row.low is None or row.high is None:
            continue
        yield Change(
            what=trait_label(row.trait).title,
            figures=f"{share(row.kept)} left {share_interval(row.low, row.high)}",
            left=row.high,
            is_loss=row.kept < 1,
            verdict="worse" if row.verdict == "fell" else "undecided",
            probe="traits",
        )
