"""A plan in the terminal and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from counterform.findings.checks import Check
from counterform.findings.plan import Effect, LogPlan, Measure, Plan, Size
from counterform.text.numbers import amount, points, share
from counterform.text.plain import plain_line

LINES = 12
"""Of the answer to a pilot log."""
_SHARES = ("share", "difference", "ratio")


def as_json(found: Plan | LogPlan) -> str:
    """All of it. What is endless is null."""
    told = msgspec.to_builtins(found)
    if isinstance(found, Plan):
        told |= {"hours": found.hours, "void": bool(found.void)}
    return msgspec.json.encode(told).decode()


def lines(plan: Plan) -> list[str]:
    """The plan of a study."""
    return [plain_line(line) for line in _lines(plan)]


def _lines(plan: Plan) -> Iterator[str]:
    whole, seeds = _duration(sum(cost.seconds for cost in plan.costs)), _counted(plan.seeds, "seed")
    yield f"{plan.name}: {whole} on this machine, {plan.cases:,} cases, {seeds}"
    yield (
        f"(from {plan.problems} of its problems, {plan.attempts:,} attempts and a few steps of training, in {_duration(plan.seconds)})"
    )
    yield ""
    for cost in plan.costs:
        yield f"  {cost.part:<10} {_duration(cost.seconds):>10}" + (
            f"  {cost.tokens:>12,} tokens" if cost.tokens else ""
        )
    yield f"  {'disk':<10} {_megabytes(plan.disk_mb):>10}"
    yield f"  {'memory':<10} {_megabytes(plan.memory_mb):>10}  at the most, in one process"
    if plan.measures:
        yield ""
        yield from _effects(plan)
    yield ""
    yield from _checks(plan.checks)
    for note in plan.notes:
        yield f"! {note}"


def _effects(plan: Plan) -> Iterator[str]:
    low, high = plan.luck
    yield "Smallest true difference that would be found in four of five such studies, at the base's level, points of a share,"
    yield f"from little to much luck between training seeds (standard deviation {low:g} and {high:g} logits: docs/plan.md):"
    width = max(len(measure.words) for measure in plan.measures)
    yield f"  {'':<{width}}  {'base':>8}  {'problems':>8}  {'arm - base':>14}  {'arm - arm':>14}"
    for measure in plan.measures:
        contrast = _effect(measure.contrast, measure.unit) if measure.contrast else ""
        yield (
            f"  {measure.words:<{width}}  {_level(measure):>8}  {measure.problems:>8,}  {_effect(measure.gain, measure.unit):>14}  {contrast:>14}"
        )
    if plan.seeds == 1:
        yield "  With one seed luck is in no interval: what is found may be this one training's."
    first = plan.measures[0]
    if first.sizes:
        what = "arm - arm" if first.contrast else "arm - base"
        yield f"What else could be bought ({first.words}, {what}):"
        yield from (f"  {line}" for line in _sizes(first.sizes, first.unit in _SHARES, ("problems", "seed")))
    named = ", ".join(f"{a} - {b}" for a, b in plan.contrasts[:6])
    more = f" and {len(plan.contrasts) - 6} more" if len(plan.contrasts) > 6 else ""
    yield f"Contrasts: {named}{more}. Before training all arms stand where the base does, so each kind of contrast has one effect."


def _checks(found: Sequence[Check]) -> Iterator[str]:
    for check in found:
        if check.state != "sound":
            yield f"{'VOID' if check.state == 'void' else 'warning':<8} {check.message} (from {_threshold(check)} on). {check.fix}"
    sound = [check.message for check in found if check.state == "sound"]
    if sound:
        yield f"{'sound':<8} {'; '.join(sound)}"


def _threshold(check: Check) -> str:
    return f"{check.threshold:,.0f}" if check.name == "cases" else f"{100 * check.threshold:g} %"


def log_lines(plan: LogPlan) -> list[str]:
    """The answer to a pilot log, in at most 12 lines."""
    unscored = f"{share(plan.unscored)} unscored"
    if plan.reasons:
        reason, n = next(iter(plan.reasons.items()))
        unscored += f" (mostly: {reason}, {n:,})"
    level = _amount(plan.level, plan.share) + (
        f" and {_amount(plan.other_level, plan.share)}" if plan.other_level is not None else ""
    )
    task = f"{plan.task}: " if plan.task else ""
    out = [
        f"{task}{plan.metric} {level}, {unscored}; {plan.problems:,} items, {plan.samples:.3g} answers to each",
        f"{100 * plan.between:.0f} % of an answer's variance lies between items"
        + (" (assumed)" if plan.assumed else "")
        + ", the rest between answers to one",
        f"Two such arms: a true difference found in four of five, from little to much luck between runs ({plan.luck[0]:g} and {plan.luck[1]:g} logits)",
        *(f"  {line}" for line in _sizes(plan.sizes, plan.share, ("items", "run"))),
    ]
    out += [f"! {note}" for note in plan.notes][: LINES - len(out)]
    return [plain_line(line) for line in out]


def _sizes(sizes: Sequence[Size], of_shares: bool, words: tuple[str, str]) -> Iterator[str]:
    for size in sizes:
        runs = _counted(size.seeds, words[1])
        unseen = "  (luck not covered)" if size.seeds == 1 else ""
        found = _effect(size.effect, "share" if of_shares else "count") + " points" * of_shares
        yield f"{size.problems:>8,} {words[0]} x {size.samples:<4.3g} {runs:>8}  {found:>19}{unseen}"


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'s' if n > 1 else ''}"


def _level(measure: Measure) -> str:
    return _amount(measure.level, measure.unit in _SHARES)


def _amount(value: float, of_shares: bool) -> str:
    return share(value) if of_shares else amount(value, signed=False)


def _effect(found: Effect, unit: str) -> str:
    shown = [
        points(each, signed=False) if unit in _SHARES else amount(each, signed=False)
        for each in (found.low, found.high)
    ]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _megabytes(size: float) -> str:
    return f"{size:,.0f} MB" if size < 10_000 else f"{size / 1024:,.1f} GB"
