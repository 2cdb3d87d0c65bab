r"""Numbers and formulas with what follows them: a unit, a currency, a percent sign, a scale word, a remark."""

from __future__ import annotations

import re
from fractions import Fraction

from counterform.types import Mark
from counterform.verify import prose
from counterform.verify.evaluation import same
from counterform.verify.exact import Unreadable
from counterform.verify.formulas import MAX_LENGTH, Number, read_formula, read_number
from counterform.verify.notation import without_layout
from counterform.verify.units import CURRENCY, NONE, PERCENT, Unit, is_known, read_unit
from counterform.verify.values import Measure, Opaque, Unread, Value

Values = tuple[Value, ...]
"""The readings of one text; none where it is nothing of the kind."""

_DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?:,\d{2})*,\d{3}(?![\d,])|\d{1,3}(?:_\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
)
_NUMBER = re.compile(
    rf"(?P<sign>[-+]|negative |minus )?\s?(?P<currency>\\?\$|[{CURRENCY}])?\s?(?P<inner>-)?"
    rf"(?:(?P<whole>\d+)\s(?:and\s)?(?P<above>\d+)/(?P<below>[1-9]\d*)(?![\d/.])"
    rf"|(?P<digits>{_DIGITS})\.?(?:(?P<e>[eE][+-]?\d{{1,4}}(?![\w.]))|\s?(?:\\times|\\cdot|[x*])\s?10\s?(?:\^|\*\*)\s?\{{?(?P<ten>[-+]?\d{{1,4}})\}}?(?!\d))?"
    r"(?:\s?/\s?(?P<denominator>[1-9]\d*)(?![\d/]))?)"
)
_AND_A_PART = re.compile(r"\s+and\s+(?:a|one)[\s-]+(half|third|quarter)\b", re.IGNORECASE)
_PARTS = {"half": Fraction(1, 2), "third": Fraction(1, 3), "quarter": Fraction(1, 4)}
_REPEATING = re.compile(
    r"(-?)\s?(\d{0,20})\.(\d{0,20})(?:\((\d{1,20})\)|\\(?:overline|bar|dot)\s?(?:\{(\d{1,20})\}|(\d)))"
)
_ERA = re.compile(r"\s*(?:B\.?C\.?(?:E\.?)?|A\.?D\.?|C\.?E\.?)")
_CODE_OF_MONEY = re.compile(r"\b[A-Z]{2,4}\b")
_ABBREVIATED = {"k": 1_000, "K": 1_000, "M": 10**6, "B": 10**9}
TEXT = re.compile(r"\\(?:text|mbox|textrm|textbf|textit|mathrm|operatorname|textnormal)\s?\{([^{}]*)\}")
_CALCULUS = re.compile(r"\\(?:sum|prod|int|iint|oint|lim)(?![a-z])")
_OF_AN_ANGLE = re.compile(r"\\?(?<![a-z])(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_NUMERAL = re.compile(r"\s*(\d+)\s*_\s*\{?\s*\d+\s*\}?\s*")
_LETTERED = re.compile(
    r"\(?((?=[0-9A-F]*[A-F])[0-9A-F]{2,50}|(?=[0-9a-f]*[a-f])[0-9][0-9a-f]{1,50})\)?\s?_\s?\{?\s?(1[1-9]|2\d|3[0-6])\s?\}?"
    r"|0([xob])([0-9a-fA-F]{1,50})",
    re.IGNORECASE,
)
_KNOWN_COMMANDS = re.compile(r"\\[A-Za-z]+|[A-Za-z0-9\s+\-*/^_(){}\[\]|!,=.&:;']|\\[,;:! {}]")
_UNIT_WORDS = re.compile(r"(?<=[\d)}])\s{1,3}([A-Za-z][A-Za-z/ ^2-3-]{2,60})\Z")


def number(text: str) -> Values:
    """A plain number, with the unit that follows it and words that say nothing."""
    if lettered := _in_a_large_base(text):
        return lettered
    match = _NUMBER.match(text)
    if not match or "\\frac" in text:
        return ()
    if repeating := _REPEATING.fullmatch(text):
        return (Measure(Number(_repeated(*repeating.groups())), NONE),)
    value, rest = _value_of(match), text[match.end() :]
    if value is None:
        return ()
    currency = read_unit((match["currency"] or "").removeprefix("\\")) or NONE
    if rest.strip() in ("", "."):
        return (Measure(Number(value), currency),)
    if _ERA.fullmatch(rest):
        return (Unread("a year of an era"),)
    if short := _abbreviated(text, match, value, currency):
        return short
    if rest[0].isalpha() and (match["e"] or not is_known(rest)):
        return ()
    if half := _AND_A_PART.match(rest):
        value += _PARTS[half[1].casefold()] if value >= 0 else -_PARTS[half[1].casefold()]
        rest = rest[half.end() :]
    scaled, after = _scaled(value, rest)
    unit = _unit_after(after)
    if unit is None:
        return _remarked(text, match, value, currency)
    if currency.dimensions and unit.shown and unit.dimensions[:1] != currency.dimensions:
        if not unit.known or unit.is_percent:
            return (Unread("a currency and another unit"),)
        return ()
    found = Measure(Number(scaled), unit if unit.shown else currency)
    # One letter is a unit, or a symbol: 5 m.
    if re.fullmatch(r"\s?[A-Za-z](?:[/^].*)?", after) and not currency.dimensions:
        return (found, *algebra(text))
    return (found,)


def _repeated(sign: str, whole: str, digits: str, *repeating: str | None) -> Fraction:
    """A decimal with digits that repeat without end: 0.1(6)."""
    again = "".join(part or "" for part in repeating)
    value = Fraction(int(whole + digits or "0")) + Fraction(int(again), 10 ** len(again) - 1)
    shift: int = 10 ** len(digits)
    return -value / shift if sign else value / shift


def _value_of(match: re.Match[str]) -> Fraction | None:
    try:
        if match["whole"]:
            above, below = int(match["above"]), int(match["below"])
            if above >= below:
                return None
            value = int(match["whole"]) + Fraction(above, below)
        else:
            digits = match["digits"].replace(",", "").replace("_", "")
            value = read_number(digits + (match["e"] or "") + (f"e{match['ten']}" if match["ten"] else ""))
            if match["denominator"]:
                if len(match["denominator"]) > MAX_LENGTH:
                    return None
                value /= int(match["denominator"])
    except Unreadable:
        return None
    if match["sign"] and match["inner"]:
        return None
    return -value if (match["sign"] or "").strip() in ("-", "negative", "minus") or match["inner"] else value


def _abbreviated(text: str, match: re.Match[str], value: Fraction, currency: Unit) -> Values:
    """3M and 5k: thousands and millions, or a symbol."""
    scale = _ABBREVIATED.get(text[match.end() :].strip())
    if scale is None:
        return ()
    if text[match.end() :] == " K" and not currency.shown:
        return (Measure(Number(value), read_unit("K") or NONE), Measure(Number(value * scale), NONE))
    return (Measure(Number(value * scale), currency), *(() if currency.shown else algebra(text)))


def _scaled(value: Fraction, rest: str) -> tuple[Fraction, str]:
    """The number with the scale word after it worked in: 3 million, 2 dozen."""
    for _ in range(2):
        word = re.match(r"[\s-]*([A-Za-z]+)\b\.?", rest)
        scale = prose.SCALES.get(word[1].casefold()) if word else None
        if word is None or scale is None:
            break
        value, rest = value * scale, rest[word.end() :]
    return value, re.sub(r"^\s+of\s+", " ", rest)


def _unit_after(rest: str) -> Unit | None:
    rest = TEXT.sub(r" \1 ", rest)
    if re.search(r"[\\$]", rest.replace(r"\%", "").replace(r"^\circ", "").replace(r"^{\circ}", "")):
        return None
    rest = re.sub(r"\s*\^\s?\{?\\circ\}?", "°", rest).replace("\\", "")
    rest = re.sub(r"\s+([\^²³])", r"\1", rest)
    return read_unit(rest)


def _remarked(text: str, match: re.Match[str], value: Fraction, currency: Unit) -> Values:
    """A number before a remark in brackets, which must restate it or say nothing: "42 (40 + 2)"."""
    remark = re.fullmatch(r"\s+\(([^()]{1,200})\)", text[match.end() :])
    if not remark:
        return ()
    found = Measure(Number(value), currency)
    inner = remark[1]
    if (
        not re.search(r"[\d\\]", inner)
        and not prose.changes_a_value(inner)
        and len(prose.words(inner)[0:1] or "")
        and len(inner) > 2
    ):
        return (found,)
    try:
        again = read_formula(inner)
    except Unreadable:
        return (Unread("a remark stands in brackets"),)
    return (found,) if same(found.amount, again)[0] is Mark.RIGHT else (Unread("a remark stands in brackets"),)


def measure(text: str) -> Values:
    """A formula with the unit after it, or a number after words that say nothing."""
    if in_words := prose.leading_number(text):
        unit = read_unit(in_words[1])
        return (Measure(Number(in_words[0]), unit),) if unit is not None else ()
    percent = re.fullmatch(r"(.*?)\s*\\?%", text, re.DOTALL)
    degrees = re.fullmatch(r"(.*?)\s*\^\s?\{?\\circ\}?\s?([CF]?)", text, re.DOTALL)
    if percent:
        return _with_unit(percent[1], PERCENT)
    if degrees and _OF_AN_ANGLE.search(text):
        return algebra(text)
    if degrees:
        return _with_unit(degrees[1], read_unit(f"°{degrees[2]}"))
    if (first := TEXT.search(text)) and (in_text := _unit_after(without_layout(text[first.start() :]))):
        before_it = re.sub(r"(?:\\[,;:! ]|~|\s)+\Z", "", text[: first.start()][-MAX_LENGTH:])
        if found := _with_unit(before_it, in_text):
            return found
    words = _UNIT_WORDS.search(text)
    amount = text[: words.start()] if words and first is None else ""
    if words and re.search(r"[\d\\]", amount) and (found := _with_unit(amount, read_unit(words[1]))):
        return found
    before = re.match(r"([A-Za-z][A-Za-z' ]{1,60}?)\s(?=[-+]?[$€£¥]?\\?\$?[\d.])", text)
    if before and (money := read_unit(before[1])) and money.is_money:
        return _with_unit(text[before.end() :], money)
    if before and _CODE_OF_MONEY.search(before[1]):
        return (Unread("letters before a number may be a currency"),)
    if before and prose.is_name(before[1]):
        return (Unread("a name with a number"),)
    if before and prose.harmless_before(before[1]) and not re.search(r"\d", before[1]):
        return number(text[before.end() :])
    dollars = re.fullmatch(r"\\?\$\s?(.+)", text)
    return (
        _with_unit(dollars[1], read_unit("$")) if dollars and "\\$" not in dollars[1] and "$" not in dollars[1] else ()
    )


def _with_unit(text: str, unit: Unit | None) -> Values:
    found = number(text) or algebra(text)
    if unit is None or len(found) != 1 or not isinstance(found[0], Measure) or found[0].unit.shown:
        return ()
    return (found[0]._replace(unit=unit),)


def algebra(text: str) -> Values:
    """A formula and nothing else; Opaque where math-verify alone might read it."""
    try:
        found = read_formula(text)
    except Unreadable as error:
        return (Unread(f"no formula: {error}"),) if re.search(r"[\d\\^=+*/|<>]", TEXT.sub("", text)) else ()
    numeral = _NUMERAL.fullmatch(without_layout(text))
    return (Measure(found, NONE, numeral[1] if numeral else ""),)


def _in_a_large_base(text: str) -> Values:
    """A numeral with letters among its digits: 1F_{16}, AF_{16}, 0x1f."""
    found = _LETTERED.fullmatch(without_layout(TEXT.sub(r"\1", text)))
    if not found:
        return ()
    digits, base = (found[1], int(found[2])) if found[1] else (found[4], {"x": 16, "o": 8, "b": 2}[found[3].lower()])
    try:
        return (Measure(Number(Fraction(int(digits, base))), NONE, digits),)
    except ValueError:
        return (Unread("no numeral of that base"),)


def read_opaque(text: str) -> Opaque | None:
    """A sum, product, integral or limit, which is a formula to the last sign; None where the text is none."""
    return Opaque(text) if _CALCULUS.search(text) and not _KNOWN_COMMANDS.sub("", text) else None
