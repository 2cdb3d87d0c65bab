"""What the `shift` probe found, as curves: where every model stands at growing distance from training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean

from msgspec import Struct

from counterform.report.labels import AxisLabel, axis_label, points, points_interval, share, share_interval
from counterform.report.tables import Table
from counterform.results import Finding, Level, Results
from counterform.study import BASE_ARM
from counterform.text.shifts import AT, axis_and_level, metric_at, reading_and_shift
from counterform.types import Problem

ANSWER, WHOLE = "exact match, answer", "edit distance, whole"
HOME = "home"
_BESIDE = ("exact match, reasoning", "exact match, whole", "edit distance, answer", "edit distance, reasoning", WHOLE)


class Stop(Struct, frozen=True, kw_only=True):
    """One level of an axis; the first of each axis is home, at distance 0."""

    shift: str
    name: str
    distance: float


class Axis(Struct, frozen=True, kw_only=True):
    """One way to leave home, its levels in order of their distance, and every model's readings there."""

    label: AxisLabel
    stops: tuple[Stop, ...]
    arms: tuple[str, ...]
    levels: Mapping[tuple[str, str], Level]
    """By metric and arm."""
    guesses: Mapping[str, tuple[float, ...]]
    """Right answers without any ability, a number a stop, by the baseline's name."""

    def at(self, reading: str, arm: str) -> list[Level | None]:
        """One model's reading at every stop; None where it was not read."""
        return [self.levels.get((metric_at(reading, stop.shift), arm)) for stop in self.stops]


def axes(results: Results, problems: Iterable[Problem]) -> list[Axis]:
    """Every axis that was read, in the order of the readings."""
    levels = {(level.metric, level.arm): level for level in results.levels if level.probe == "shift"}
    arms = tuple(dict.fromkeys(arm for _, arm in levels))
    away: dict[str, list[Problem]] = {}
    for problem in problems:
        away.setdefault(problem.shift, []).append(problem)
    found: dict[str, list[Stop]] = {}
    for shift in dict.fromkeys(reading_and_shift(metric)[1] for metric, _ in levels):
        if shift and away.get(shift):
            axis, name = axis_and_level(shift)
            stop = Stop(shift=shift, name=name, distance=fmean(problem.distance for problem in away[shift]))
            found.setdefault(axis, []).append(stop)
    values = {(line.metric, line.name): line.value for line in results.baselines if line.probe == "shift"}
    made = []
    for axis, levels_of in found.items():
        stops = sorted([Stop(shift="", name=HOME, distance=0.0), *levels_of], key=lambda stop: stop.distance)
        guesses = {
            name: tuple(values.get((metric_at(ANSWER, stop.shift), name), math.nan) for stop in stops)
            for name in ("random", "majority")
        }
        users = all(problem.family == "user" for stop in levels_of for problem in away[stop.shift])
        label = axis_label(axis, users=users)
        made.append(Axis(label=label, stops=tuple(stops), arms=arms, levels=levels, guesses=guesses))
    return made


def summary(axis: Axis, reading: str) -> str:
    """The figure in words, for those who cannot see it."""
    lines = []
    for arm in axis.arms:
        read = zip(axis.stops, axis.at(reading, arm), strict=True)
        lines.append(f"{arm}: " + ", ".join(f"{stop.name} {share(level.estimate)}" for stop, level in read if level))
    return "; ".join(lines)


def counted(findings: Iterable[Finding]) -> str:
    """How often an arm's right answers differ from the untrained model's away from home, in a sentence."""
    away = [f for f in findings if f.probe == "shift" and f.versus == BASE_ARM and f.metric.startswith(ANSWER + AT)]
    better, worse = (sum(f.verdict == verdict for f in away) for verdict in ("supported", "refuted"))
    return (
        f"Of {len(away)} comparisons of an arm's right answers with the untrained model's, {better} came out better, "
        f"{worse} worse and {len(away) - better - worse} undecided."
    )


def shift_table(axes: Iterable[Axis], findings: Iterable[Finding]) -> Table:
    """One row a level and model, grouped by axis: right answers against the untrained model, and the other readings."""
    gains = {(f.metric, f.arm): f for f in findings if f.probe == "shift" and f.versus == BASE_ARM}
    rows = []
    for axis in axes:
        for stop in axis.stops:
            for arm in axis.arms:
                level = axis.levels.get((metric_at(ANSWER, stop.shift), arm))
                if level is None:
                    continue
                gain = gains.get((level.metric, arm))
                beside = [axis.levels.get((metric_at(reading, stop.shift), arm)) for reading in _BESIDE]
                rows.append(
                    (
                        axis.label.title,
                        stop.name,
                        arm,
                        axis.label.distance(stop.distance),
                        share(level.estimate),
                        share_interval(level.low, level.high),
                        f"{points(gain.estimate)} {points_interval(gain.low, gain.high)}" if gain else "",
                        gain.verdict if gain else "",
                        points(gain.mde, signed=False) if gain else "",
                        *(share(other.estimate) if other else "–" for other in beside),
                        str(level.n_items),
                        share(level.unknown),
                    )
                )
    headings = ("Axis", "Level", "Model", "Distance", "Right", "95 % interval", "Over untrained", "Verdict", "MDE")
    texts = ("Reasoning exact", "Whole exact", "Answer edits", "Reasoning edits", "Whole edits")
    return Table((*headings, *texts, "Items", "Unknown"), tuple(rows), n_text=3, grouped=True)
