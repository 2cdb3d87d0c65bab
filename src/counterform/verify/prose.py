"""Words around a value: which of them change it, which say nothing of it, and which are numbers themselves."""

from __future__ import annotations

import re
from fractions import Fraction


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SCALES: dict[str, Fraction] = {
    name: Fraction(value)
    for names, value in (
        ("hundred hundreds", 100),
        ("thousand thousands", 1_000),
        ("million millions mn mln", 10**6),
        ("billion billions bn", 10**9),
        ("trillion trillions tn", 10**12),
        ("dozen dozens", 12),
        ("gross", 144),
        ("lakh lakhs lac lacs", 10**5),
        ("crore crores", 10**7),
    )
    for name in names.split()
}
"""What a word right after a number multiplies it by."""

_CHANGES = _set(
    # scales and parts that are no plain factor here
    "score scores myriad myriads grand quadrillion quadrillions quintillion k m b pair pairs couple couples half halves third"
    " thirds fourth fourths quarter quarters fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths"
    " eleventh elevenths twelfth twelfths thirteenth fifteenth sixteenth sixteenths twentieth twentieths hundredth hundredths"
    " thousandth thousandths millionth millionths percentage permille ppm"
    # operations
    " times fold twofold threefold twice thrice double triple quadruple squared cubed square cube power root factorial plus"
    " minus negative positive divided multiplied product sum difference quotient modulo mod inverse reciprocal opposite"
    " absolute log ln sqrt pi tau infinity"
    # comparisons and bounds
    " more less fewer greater larger smaller bigger older younger taller shorter longer higher lower faster slower heavier"
    " lighter earlier later than over under above below beyond within between from up down least most minimum maximum extra"
    " additional another other short away off behind ahead almost nearly about around approximately approx roughly circa"
    " some few several many every ago since before after past until till through plural odd"
    " like unlike near close pct bps pp ppb basis wrong incorrect false invalid mistaken"
    # choice, denial, rank
    " or and nor not no none never neither either both but except unless without instead versus vs if to out of"
    " am pm bc ad bce ce tens mil mille o o'clock noon midnight north south east west zero"
    # a sign in words
    " loss losses lost lose loses losing debt debts owe owes owed deficit shortfall decrease decreases decreased decline"
    " declined drop drops dropped fall falls fell fallen reduction reduced"
    # days of a calendar
    " january february march april may june july august september october november december jan feb mar apr jun jul aug"
    " sep sept oct nov dec"
    # other numbers
    " two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    " twenty thirty forty fifty sixty seventy eighty ninety one"
)
_HARMLESS_BEFORE = _set(
    "is are was be equals equal to exactly just simply only precisely a an the total of sum altogether overall"
    " there she he it they we you i has have had will would earns earned makes made spent spends pays paid costs"
    " cost needs need gets got sold sells value number amount answer result price length area volume probability"
    " distance remainder perimeter circumference radius diameter slope speed velocity pace rate weight height width depth"
    " mass size age time duration balance profit gain increase rise growth score average mean median temperature capacity"
    " population salary income revenue savings wage fee tax tip bill payment angle measure count quantity"
    " comes come amounts adds sums evaluates simplifies reduces works rounds rounded going stays remains same"
    " final so thus therefore hence in all his her their its which that this"
)
_LEADS = _set("of to by in on at with near for from as into like unlike page row line column equation chapter section")
"""Words that tie a number to what stands before it."""
_SCALE_ENDING = re.compile(r"(?:illion|illiard|fold|tieth|teenth|dredth|sandth|llionth)s?$")
_FILLER = re.compile(
    r"\s*,?\s*\b(?:in total|in all|in the end|altogether|all together|overall|exactly|respectively|left over|left|remaining|total|now)\b\.?$",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Z][\w'’]*(?: [A-Z][\w'’]*){0,2}")
_WORD = re.compile(r"[^\W\d_][^\W\d_'’]*", re.UNICODE)
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(_ONES.split())}
_SMALL |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_LARGE = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
MAX_NUMBER_WORDS = 12
MAX_AFTER, MAX_BEFORE = 6, 6
"""Words that may stand after, and before, a number that is the answer."""


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [word.casefold() for word in _WORD.findall(text)]


def changes_a_value(text: str) -> bool:
    """Whether a word of the text could make the number beside it another one."""
    return any(map(_changes, words(text)))


def _changes(word: str) -> bool:
    singular = word.removesuffix("es") if word == "sixes" else word.removesuffix("s")  # three fives
    return word in _CHANGES or singular in _SMALL or word in SCALES or bool(_SCALE_ENDING.search(word))


def is_name(text: str) -> bool:
    """Whether words before a number are a name that it is a part of: "Apollo 11", "Windows 7"."""
    return bool(_NAME.fullmatch(text)) and _HARMLESS_BEFORE.isdisjoint(words(text))


def harmless_before(text: str) -> bool:
    """Whether words before a number ("she has", "a total of") leave it what it is."""
    found = words(text)
    if _LEADS.intersection(found) and not _HARMLESS_BEFORE.issuperset(found):
        return False  # "the cosine of 8", "divisible by 8", "on page 8": what is made of the number is another one
    # A preposition that a list of changes must have ("3 out of 4") says nothing where it leads up to a number.
    doubtful = [word for word in found if word not in _HARMLESS_BEFORE]
    return len(found) <= MAX_BEFORE and not any(map(_changes, doubtful))


def without_filler(text: str) -> str:
    """Without the words at its end that say nothing of the value ("in total", "altogether")."""
    for _ in range(3):
        shorter = _FILLER.sub("", text)
        if shorter == text or not shorter.strip():
            break
        text = shorter
    return text


def in_digits(text: str) -> str:
    """The text with a number at its start in digits that has an "and" within: "one hundred and five apples" is no list."""
    found = text.split()
    if "and" not in found[:MAX_NUMBER_WORDS]:
        return text
    at = found.index("and")
    if not at or found[at - 1].casefold() not in _LARGE:
        return text  # "twenty and one" may be two numbers
    ends = range(min(len(found), MAX_NUMBER_WORDS), at + 1, -1)
    values = ((end, number_in_words(" ".join(found[:end]))) for end in ends if found[end - 1] != "and")
    end, value = next(((end, value) for end, value in values if value is not None), (0, None))
    goes_on = bool(found[end:]) and found[end].casefold() in (*_SMALL, *_LARGE)  # "one hundred and two hundred"
    return text if value is None or goes_on else " ".join([str(value), *found[end:]])


def number_in_words(text: str) -> int | None:
    """The whole number that the words spell ("forty-two", "three hundred and five"); None if they spell none."""
    found = [word for word in text.casefold().replace("-", " ").split() if word != "and"]
    if not found or len(found) > MAX_NUMBER_WORDS or any(w not in _SMALL and w not in _LARGE for w in found):
        return None
    total, group, last = 0, 0, 1_000
    for word in found:
        if word in _SMALL:
            value = _SMALL[word]
            if (last < 20) or (last < 100 and value >= 10):
                return None
            group += value
            last = value or 1
        elif _LARGE[word] == 100:
            if not 0 < group < 100:
                return None
            group *= 100
            last = 100
        else:
            if not group:
                return None
            total += group * _LARGE[word]
            group, last = 0, 1_000
    return total + group


def leading_number(text: str) -> tuple[Fraction, str] | None:
    """The number in words at the start of a text, scale words worked in, and what follows it ("two dozen eggs")."""
    found = text.split()
    if found and found[0].casefold() in ("a", "an") and len(found) > 1 and found[1].casefold() in SCALES:
        found[0] = "one"
    for length in range(min(len(found), MAX_NUMBER_WORDS), 0, -1):
        value = number_in_words(" ".join(found[:length]))
        if value is not None:
            rest = found[length:]
            scale = SCALES.get(rest[0].casefold()) if rest else None
            return (value * scale, " ".join(rest[1:])) if scale else (Fraction(value), " ".join(rest))
    return None
