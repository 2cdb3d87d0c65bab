"""Units of measure: what one is worth in the smallest of its kind."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple


class Measure(NamedTuple):
    """A unit of measure."""

    dimension: str
    factor: Fraction
    """How many of the dimension's base unit it is."""


def _units(dimension: str, **factors: str) -> dict[str, Measure]:
    return {name: Measure(dimension, Fraction(factor)) for name, factor in factors.items()}


_MEASURES = (
    _units(
        "time",
        second="1",
        sec="1",
        minute="60",
        min="60",
        hour="3600",
        hr="3600",
        day="86400",
        week="604800",
        fortnight="1209600",
    )
    | _units("months", month="1", year="12", yr="12")
    | _units("length", inch="1", inche="1", foot="12", feet="12", ft="12", yard="36", yd="36", mile="63360", mi="63360")
    | _units("metric length", mm="1", millimeter="1", cm="10", centimeter="10", m="1000", meter="1000", metre="1000")
    | _units("metric length", km="1000000", kilometer="1000000", kilometre="1000000")
    | _units("metric mass", mg="1/1000", milligram="1/1000", g="1", gram="1", kg="1000", kilogram="1000", kilo="1000")
    | _units("mass", ounce="1", oz="1", pound="16", lb="16", ton="32000")
    | _units("volume", cup="1", pint="2", pt="2", quart="4", qt="4", gallon="16", gal="16")
    | _units("metric volume", ml="1", milliliter="1", millilitre="1", liter="1000", litre="1000", l="1000")
    | _units("money", cent="1", penny="1", pennie="1", nickel="5", dime="10", quarter="25", dollar="100", buck="100")
    | _units("angle", degree="1", revolution="360")
    | _units("count", dozen="12", pair="2", ten="10", one="1", score="20", gross="144")
)
GLUED = frozenset(
    (
        "kg",
        "mg",
        "lb",
        "lbs",
        "oz",
        "cm",
        "mm",
        "km",
        "ft",
        "in",
        "yd",
        "mi",
        "mph",
        "hr",
        "hrs",
        "min",
        "mins",
        "sec",
        "secs",
        "ml",
        "gb",
        "mb",
        "tb",
        "kb",
        "kwh",
        "cal",
        "kcal",
        "pts",
        "pcs",
        "km/h",
        "cc",
    )
)
"""Units that are written without a space after their number."""


def ratios_of(units: Collection[Measure]) -> frozenset[Fraction]:
    """How many of one unit another of its kind can be."""
    return frozenset(
        ratio
        for unit in units
        for other in _MEASURES.values()
        if other.dimension == unit.dimension and other.factor != unit.factor
        for ratio in (unit.factor / other.factor, other.factor / unit.factor)
    )


DOLLAR = _MEASURES["dollar"]
"""What a number with a dollar sign is in."""


@lru_cache(maxsize=4096)
def measure(words: str) -> Measure | None:
    """The unit that words begin with, in the singular or plural; None where it is none."""
    word = words.split(maxsplit=1)[0].casefold() if words else ""
    return _MEASURES.get(word) or _MEASURES.get(word.removesuffix("s"))
