"""Units, compared whole: "square feet" is not "square inches", km/h is not km/s, 18 cents are $0.18."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from counterform.verify import prose

Dimensions = tuple[tuple[str, int], ...]
"""Base units with their powers, sorted."""


class Unit(NamedTuple):
    """A unit as a multiple of base units."""

    factor: Fraction = Fraction(1)
    dimensions: Dimensions = ()
    known: bool = True
    """False: a noun that no table has ("eggs"); it equals itself alone."""
    shown: str = ""

    @property
    def is_money(self) -> bool:
        """Whether it is a currency."""
        return len(self.dimensions) == 1 and self.dimensions[0][0] in _MONEY

    @property
    def is_percent(self) -> bool:
        """Whether it is a percent sign, which has no dimension and yet changes the value."""
        return self.shown == "%"


NONE = Unit()
PERCENT = Unit(Fraction(1, 100), shown="%")
MAX_LENGTH = 80
"""Characters of a unit."""

_TABLE = """
metre m 1: m metre meter; cm centimetre centimeter = 1/100; mm millimetre millimeter = 1/1000; km kilometre kilometer = 1000; dm = 1/10;
 nm nanometre nanometer = 1/1000000000; um µm micrometre micrometer = 1/1000000; in inch = 254/10000; ft foot = 3048/10000; yd yard = 9144/10000; mi mile = 1609344/1000
gram g 1: g gram gramme; kg kilo kilogram = 1000; mg milligram = 1/1000; tonne = 1000000; lb pound-mass = 45359237/100000; oz ounce = 28349523125/1000000000
second s 1: s sec second; ms millisecond = 1/1000; min minute = 60; h hr hour = 3600; day = 86400; week = 604800
month month 1: month; yr year = 12; decade = 120; century = 1200
litre l 1: l litre liter; ml millilitre milliliter = 1/1000; cl = 1/100; gal gallon = 3785411784/1000000000; pint = 473176473/1000000000;
 quart = 946352946/1000000000
dollar $ 1: $ dollar usd buck; ¢ cent penny = 1/100; dime = 1/10; nickel = 1/20
euro € 1: € euro eur
pound £ 1: £ gbp; pence = 1/100
pound-or-mass pound 1: pound
yen ¥ 1: ¥ yen jpy
rupee ₹ 1: ₹ rupee inr rs
degree ° 1: ° degree deg
celsius °c 1: °c celsius
fahrenheit °f 1: °f fahrenheit
kelvin kelvin 1: kelvin
radian rad 1: rad radian
unit-of-force n 1: n newton; kn = 1000
joule j 1: j joule; kj = 1000
watt w 1: w watt; kw kilowatt = 1000
volt v 1: v volt
ampere a 1: a amp ampere
hertz hz 1: hz hertz; khz = 1000; mhz = 1000000
byte byte 1: byte; kb = 1000; mb = 1000000; gb = 1000000000
mole mol 1: mol mole
"""
_DERIVED = {
    "litre": (Fraction(1, 1000), {"metre": 3}),
    "hertz": (Fraction(1), {"second": -1}),
    "unit-of-force": (Fraction(1000), {"gram": 1, "metre": 1, "second": -2}),
    "joule": (Fraction(1000), {"gram": 1, "metre": 2, "second": -2}),
    "watt": (Fraction(1000), {"gram": 1, "metre": 2, "second": -3}),
}
_RELATED = (
    {"degree", "radian"},
    {"degree", "celsius", "fahrenheit", "kelvin"},
    {"month", "second"},
    {"pound-or-mass", "gram"},
    {"pound-or-mass", "pound"},
)
_MONEY = frozenset(("dollar", "euro", "pound", "yen", "rupee"))
_TIME_OF_DAY = re.compile(r"\b[ap]\.\s?m\b", re.IGNORECASE)
_PLURALS = {
    "feet": "foot",
    "inches": "inch",
    "pennies": "penny",
    "centuries": "century",
    "people": "person",
    "men": "man",
}
_COMPOUND = {
    "mph": "miles per hour", "kph": "km per hour", "kmh": "km per hour", "sqft": "square feet", "cc": "cubic cm",
    "mps": "m per s",
}  # fmt: skip
_OTHER_CASE = frozenset(
    (
        "MM",
        "Mm",
        "mM",
        "NM",
        "Nm",
        "nM",
        "MG",
        "Mg",
        "MS",
        "Ms",
        "mS",
        "ML",
        "Ml",
        "Mb",
        "Gb",
        "gB",
        "Kb",
        "mB",
        "dM",
        "Dm",
        "mHz",
    )
)
"""Letters of the table's abbreviations in a case that makes another unit of them: megabits, newton metres, siemens."""
_EXACT_CASE = {"°C": "celsius", "°F": "fahrenheit", "C": "celsius", "F": "fahrenheit", "K": "kelvin"}
_SUPERSCRIPT = str.maketrans("²³", "23")
_TOKEN = re.compile(
    r"\s*(?:(?P<per>/|\bper\b|\ban?\b(?=\s)|\beach\b)|(?P<times>\*|·)|(?P<power>\^\s?\{?(?P<exponent>-?\d)\}?)|(?P<super>[²³])"
    r"|(?P<squared>squared|cubed)\b|(?P<area>square|sq\.?|cubic|cu\.?)\s|(?P<word>°\s?[CF]\b|[^\W\d_][^\W\d_'’-]*\.?|[$€£¥₹¢°%]))",
    re.IGNORECASE,
)


def _tabled() -> dict[str, Unit]:
    found = {}
    for line in _TABLE.replace("\n ", " ").strip().splitlines():
        head, _, rest = line.partition(":")
        base = head.split()[0]
        for entry in rest.split(";"):
            names, _, factor = entry.partition("=")
            for name in names.split():
                found[name] = Unit(Fraction(factor.strip() or 1), ((base, 1),), shown=name)
    return found


_UNITS = _tabled()
DEGREE = _UNITS["°"]
CURRENCY = "$€£¥₹¢"


@lru_cache(maxsize=4096)
def read_unit(text: str) -> Unit | None:
    """The unit that the text names, whole; None if it is none, or words of which one could change the value."""
    text = prose.without_filler(text.strip()).strip(" .,;:")
    if not text:
        return NONE
    if len(text) > MAX_LENGTH or _TIME_OF_DAY.search(text):
        return None
    if text.casefold().rstrip("s") in ("%", "percent", "per cent", "percentage point"):
        return PERCENT
    text = " ".join(_COMPOUND.get(word.casefold().rstrip("."), word) for word in text.split())
    return _read(text)


def _read(text: str) -> Unit | None:
    factor, powers, known = Fraction(1), dict[str, int](), True
    sign, area, at, last = 1, 1, 0, ("", 0, Fraction(1))
    nouns = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            return None
        at = token.end()
        if token["per"]:
            if not powers:
                return None
            sign = -1
        elif token["times"]:
            continue
        elif token["area"]:
            area = 2 if token["area"].casefold().startswith("sq") else 3
        elif token["word"]:
            unit = _word(token["word"].rstrip("."))
            if unit is None:
                return None
            nouns += not unit.known
            known &= unit.known
            for base, power in unit.dimensions:
                powers[base] = powers.get(base, 0) + sign * area * power
            factor *= unit.factor ** (sign * area)
            last = (unit.dimensions[0][0], sign, unit.factor) if unit.dimensions else ("", 0, Fraction(1))
            area = 1
            # After "per" one word is divided by, and what follows it goes on with the noun.
            sign = 1 if nouns else sign
        else:
            power = int(token["exponent"]) if token["power"] else _power(token)
            base, direction, own = last
            if not base or not 1 <= power <= 9:
                return None
            powers[base] = powers.get(base, 0) + direction * (power - 1)
            factor *= own ** (direction * (power - 1))
    if nouns > prose.MAX_AFTER:
        return None
    dimensions = tuple(sorted((base, power) for base, power in powers.items() if power))
    return Unit(factor, dimensions, known, text)


def _power(token: re.Match[str]) -> int:
    if token["super"]:
        return int(token["super"].translate(_SUPERSCRIPT))
    return 2 if token["squared"].casefold() == "squared" else 3


def _word(word: str) -> Unit | None:
    """One word's unit: of the table, or a noun of its own; None for a word that could change the value."""
    compact = word.replace(" ", "")
    if compact in _EXACT_CASE:
        return _UNITS[_EXACT_CASE[compact]]
    if compact in _OTHER_CASE:
        return None
    folded = compact.casefold()
    for name in (folded, _PLURALS.get(folded, folded), folded.removesuffix("s"), folded.removesuffix("es")):
        if name in _UNITS and not (len(name) == 1 and compact != name and name not in "lvajwn"):
            return _UNITS[name]
    if prose.changes_a_value(word) or len(word) < 2 or (word.isupper() and len(word) < 4):
        return None
    own = folded if compact[1:].islower() or compact.isupper() else compact  # mPa is not MPa
    return Unit(Fraction(1), ((stem(own), 1),), known=False, shown=word)


def stem(noun: str) -> str:
    """A noun without the ending of its plural."""
    noun = _PLURALS.get(noun, noun)
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") and len(noun) > 3 else noun


def is_known(text: str) -> bool:
    """Whether the text is a unit of the table, and nothing else."""
    unit = read_unit(text)
    return unit is not None and unit.known and bool(unit.shown)


@lru_cache(maxsize=1024)
def mentioned(text: str) -> frozenset[str]:
    """The names of the table's units, singular, that a text mentions (a percent sign too)."""
    found = set()
    for word in re.findall(r"[^\W\d_]+|[$€£¥₹¢%°]", text[:20_000]):
        folded = word.casefold()
        if folded in ("%", "percent", "percentage"):
            found.add("%")
        unit = _word(word) if len(word) > 1 or word in CURRENCY + "°" else None
        if unit is not None and unit.known:
            found.add(unit.shown)
    return frozenset(found)


def same_dimension(unit: Unit, names: frozenset[str]) -> list[Unit]:
    """Of the named units, those that measure what `unit` measures."""
    return [_UNITS[name] for name in names if name in _UNITS and _UNITS[name].dimensions == unit.dimensions]


def in_base_units(unit: Unit) -> Unit:
    """The same unit with litres, newtons, joules, watts and hertz in metres, grams and seconds."""
    factor, powers = unit.factor, dict[str, int]()
    for base, power in unit.dimensions:
        own, parts = _DERIVED.get(base, (Fraction(1), {base: 1}))
        factor *= own**power
        for part, times in parts.items():
            powers[part] = powers.get(part, 0) + power * times
    dimensions = tuple(sorted((base, power) for base, power in powers.items() if power))
    return unit._replace(factor=factor, dimensions=dimensions)


def related(one: Unit, other: Unit) -> bool:
    """Whether two units of the table measure the same in a way that no factor says: degrees of heat, months in days."""
    return any(
        {base for base, _ in one.dimensions} & group and {base for base, _ in other.dimensions} & group
        for group in _RELATED
    )


def factors(unit: Unit) -> list[Fraction]:
    """The factors of all units that measure what this one does."""
    if len(unit.dimensions) != 1:
        return []
    base, power = unit.dimensions[0]
    return [other.factor**power for other in _UNITS.values() if other.dimensions == ((base, 1),)]
