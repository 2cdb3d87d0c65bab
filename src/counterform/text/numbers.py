"""How a number is written: one place, so that a finding, a claim and every part of a report write it alike."""

from __future__ import annotations

import math

from counterform.metrics import Metric

_OF_SHARES = frozenset({"share", "difference", "ratio"})
_UNITS = {"nats": " nats", "seconds": " s", "count": ""}


def points(value: float, *, signed: bool = True) -> str:
    """A difference of shares in percentage points, one decimal: `+12.3`, `−0.4`, `0.0`."""
    if not math.isfinite(value):
        return "–"
    return _written(f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}")


def percent(value: float, low: float, high: float) -> str:
    """A share with its interval in whole per cent: `62 % [50, 75]`."""
    at, lowest, highest = (_written(f"{100 * one:.0f}") for one in (value, low, high))
    return f"{at} % [{lowest}, {highest}]"


def amount(value: float, *, signed: bool = True) -> str:
    """A number in a unit of its own with three significant digits: `+12.3`, `−0.0543`, `0`."""
    if not math.isfinite(value):
        return "–"
    return _written(f"{value:+.3g}" if signed else f"{value:.3g}")


def is_share(metric: Metric) -> bool:
    """Whether its levels are written in per cent, and its differences in percentage points."""
    return metric.unit in _OF_SHARES


def difference(metric: Metric, value: float, *, signed: bool = True) -> str:
    """A difference of two levels without its unit."""
    return points(value, signed=signed) if is_share(metric) else amount(value, signed=signed)


def moved(metric: Metric, estimate: float, low: float, high: float) -> str:
    """A difference with its interval and unit: `+3.1 points [+1.0, +5.2]`, `−12 nats [−15, −9]`."""
    unit = " points" if is_share(metric) else _UNITS[metric.unit]
    return f"{difference(metric, estimate)}{unit} [{difference(metric, low)}, {difference(metric, high)}]"


def at_least(metric: Metric, value: float) -> str:
    """A size with its unit, as of a minimum detectable effect: `2.1 points`, `0.3 nats`."""
    return f"{difference(metric, value, signed=False)}{' points' if is_share(metric) else _UNITS[metric.unit]}"


def level(metric: Metric, value: float) -> str:
    """Where something stands, with its unit: `44.2 %`, `3.1 nats`, `212`."""
    if is_share(metric):
        return share(value)
    return f"{amount(value, signed=False)}{_UNITS[metric.unit]}" if math.isfinite(value) else "–"


def level_read(metric: Metric, value: float, unknown: float) -> str:
    """A level with the share of its readings that nobody could grade, where there is one: `44.2 % (3.0 % unknown)`."""
    return f"{level(metric, value)}{_unknown(unknown)}"


def share_read(value: float, unknown: float) -> str:
    """The same of a share."""
    return f"{share(value)}{_unknown(unknown)}"


def _unknown(part: float) -> str:
    return f" ({share(part)} unknown)" if part else ""


def level_interval(metric: Metric, low: float, high: float) -> str:
    """An interval of a level without its unit: `[41.0, 47.5]`."""
    return f"[{difference(metric, low, signed=False)}, {difference(metric, high, signed=False)}]"


def difference_interval(metric: Metric, low: float, high: float) -> str:
    """An interval of a difference without its unit: `[+8.1, +16.4]`."""
    return f"[{difference(metric, low)}, {difference(metric, high)}]"


def points_interval(low: float, high: float) -> str:
    """An interval of a difference: `[+8.1, +16.4]`."""
    return f"[{points(low)}, {points(high)}]"


def share(value: float) -> str:
    """A level in per cent: `44.2 %`."""
    return f"{_written(f'{100 * value:.1f}')}\u00a0%" if math.isfinite(value) else "–"


def share_interval(low: float, high: float) -> str:
    """An interval of a level: `[41.0, 47.5]`."""
    return f"[{points(low, signed=False)}, {points(high, signed=False)}]"


def nats(value: float) -> str:
    """A KL in nats with three significant digits: `0.0543`, `0`."""
    return amount(value, signed=False)


def number(value: float) -> str:
    """A count with thousands separators; a measure keeps one decimal."""
    if not math.isfinite(value):
        return "–"
    return _written(f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}")


def probability(value: float) -> str:
    """A p-value with three decimals: `0.012`, `<0.001`."""
    if not math.isfinite(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _written(text: str) -> str:
    """With a minus sign; what rounds to nothing has none, nor a plus."""
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")
