r"""Outcome verification: is the final answer of an attempt the right one?

Strict: the answer is stated ("The answer is 18", `#### 18`, `\boxed{18}`, "Answer: 18", or at a line's start "A: 18"; the
last statement counts). Lenient: where nothing is stated, the last thing in the text that could be an answer. A number
is compared exactly; words are compared as words; everything else is asked of math-verify in a process of its own.

What math-verify 0.9 gets wrong, and what is done about it: `1,3,5` equals `5,3,1` (UNKNOWN here: a key does not say
whether order matters); `4` equals `4\sqrt(2)` (mended before it is asked); `1/2004!` equals `1/2006!` (UNKNOWN when both
values are tiny). Left as they are: `(1,3)` as a key is an open interval and never equals the pair, `x = 5` equals `5`,
words inside a formula are symbols multiplied, and decimals are compared to six places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from types import TracebackType
from typing import NamedTuple

from counterform.types import Mark, OutcomeVerdict, OutcomeVerifier, Problem
from counterform.verify.symbolic import Grade, SymbolicPool

MAX_TAIL = 20_000
"""Characters of an attempt that are looked at, from its end."""
MAX_ANSWER = 1_000
"""Characters of an answer or key that is compared; a longer one is UNKNOWN unless it is the key, letter by letter."""

MAX_STATEMENTS = 20
"""Statements tried from the end, where the last ones are empty or broken off."""

_IS = r"(?: is\b| would be\b|\*{0,2}:)"
# Every alternative starts with a literal, and case is written out: that keeps the search several times faster.
_STATEMENT = re.compile(rf"####(?!#)|\\boxed ?(?={{)|answer{_IS}|Answer{_IS}|ANSWER{_IS}|A(?<=^A):", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?:(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bSt)[.?]|(?<!\d)!)[*\"')\]]{0,3}(?=\s|$)|\n")

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(rf"([-−–+]?)\s?\\?[$£€]?\s?([-−–]?)({_DIGITS})(?:\s?/\s?(\d+))?\s?(\\?%)?")
_NUMBER_IN_TEXT = re.compile(rf"(?:(?<![\w)\]}}])[-−–])?[$£€]?(?:(?<=[$£€])[-−–])?(?:{_DIGITS})(?:/\d+)?\\?%?")
_RELATION = re.compile(r"[<>≤≥≠!:,]|\\(?:n?eq?|[lg]eq?|not)\b")
_MAX_DIGITS = 1_000
_UNIT = re.compile(r"\s?([^\W\d_]{2,})(?:['’/ -][^\W\d_]+)*")
"""Words that may follow a number ("18 dollars per day"), the first not a single letter (`5x` is algebra)."""
_HEDGE = re.compile(
    r"(?<!\\)\b(?:or|and|not|either|million|billion|thousand|hundred|dozen|half|pi|sqrt)\b", re.IGNORECASE
)
_PROSE = re.compile(r"(?<![\\^\W\d_])\b[^\W\d_]{2,}")
_FORMULA = re.compile(r"\$([^$\s](?:[^$]{0,500}[^$\s])?)\$|\\\((.{1,500}?)\\\)")
_WRAPPED = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf|textit) ?\{([^{}]*)\}")
_NO_MEANING = re.compile(r"\^\{?\\circ\}?|°|\\[!,; ]")
_MATHEMATICAL = re.compile(r"[\d\\^_=<>+*/|∞π√]|(?<![^\W\d_])-|-(?![^\W\d_])")
_SQRT_OF = re.compile(r"\\sqrt ?\(([^()]*)\)")
_EDGES = " \t\r\n$*_`\"'“”"


class Answers(OutcomeVerifier):
    """An outcome verifier. Its processes start with the first answer that needs them and end with `close`."""

    def __init__(self, seconds: float, workers: int = 2) -> None:
        self._symbolic = SymbolicPool(seconds, workers)

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        self._symbolic.close()

    def __call__(self, pairs: Sequence[tuple[Problem, str]]) -> list[OutcomeVerdict]:
        """Grade each text against its problem's answer, in order."""
        readings = [_read(problem.answer, text) for problem, text in pairs]
        grades: dict[tuple[str, str], Grade] = {}
        symbolic: dict[tuple[str, str], None] = {}
        for key, _, found in readings:
            if found is not None and (key, found) not in grades:
                grade = _compare(key, found)
                if grade is None:
                    symbolic[key, found] = None
                else:
                    grades[key, found] = grade
        asked = [(_for_math_verify(key), _for_math_verify(found)) for key, found in symbolic]
        grades.update(zip(symbolic, self._symbolic.check(asked), strict=True))
        return [_verdict(reading, grades) for reading in readings]


class _Reading(NamedTuple):
    key: str
    stated: bool
    found: str | None


def answer_key(text: str) -> str:
    """The bare answer in a key that may be a whole solution, as GSM8K's are ("... #### 18")."""
    stated = stated_answer(text)
    return text.strip() if stated is None else stated


def stated_answer(text: str) -> str | None:
    """The last answer that the text states in a recognised form; None if there is none."""
    text = text[-MAX_TAIL:]
    for head in list(_STATEMENT.finditer(text))[: -MAX_STATEMENTS - 1 : -1]:
        stated = _boxed(text, head.end()) if text[head.start()] == "\\" else _sentence(text, head.end())
        if stated:
            return stated
    return None


def last_answer(text: str, key: str) -> str | None:
    """The last thing in the text that could be an answer to this key: its last number, formula or line."""
    text = text[-MAX_TAIL:]
    if _quantity(key) is not None:
        numbers = _NUMBER_IN_TEXT.findall(text)
        return numbers[-1] if numbers else None
    line = text.rstrip().rpartition("\n")[2]
    if _folded(_tidy(line)) == _folded(_tidy(key)):
        return line
    if _MATHEMATICAL.search(key):
        formulas = [a or b for a, b in _FORMULA.findall(line)]
        return formulas[-1] if formulas else None
    return None


class _Quantity(NamedTuple):
    value: Fraction
    percent: bool
    unit: str = ""

    def equals(self, other: _Quantity) -> bool:
        """Whether both are the same number; 50% is 50, and 0.5 too."""
        if self.value == other.value:
            return True
        mine, theirs = (number.value if number.percent else number.value * 100 for number in (self, other))
        return self.percent != other.percent and mine == theirs


def _boxed(text: str, start: int) -> str:
    """What stands in the braces that open at `start`; empty if they do not close."""
    depth = 0
    for index in range(start, min(len(text), start + MAX_ANSWER)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[start + 1 : index].strip()
    return ""


def _sentence(text: str, start: int) -> str:
    """The rest of the sentence, or the first line below if there is none."""
    start += len(text[start:]) - len(text[start:].lstrip(" \t\r\n*:"))
    end = _SENTENCE_END.search(text, start)
    return text[start : end.start() if end else None].strip(" \t\r*")


def _tidy(text: str) -> str:
    """Without the marks of layout that say nothing about the value."""
    if "\\" in text or "°" in text:
        text = _NO_MEANING.sub("", _WRAPPED.sub(r"\1", _WRAPPED.sub(r"\1", text)))
    return text.strip(_EDGES).rstrip(".,;: ").rstrip(_EDGES)


def _folded(text: str) -> str:
    return "".join(text.casefold().split())


def _compare(key: str, answer: str) -> Grade | None:
    """The grade of one answer; None where math-verify must be asked."""
    key, answer = _tidy(_formula(key)), _tidy(_formula(answer))
    if not key or not answer:
        return Mark.UNKNOWN, f"the {'answer' if key else 'answer key'} is empty"
    if _folded(key) == _folded(answer):
        return Mark.RIGHT, ""
    if max(len(key), len(answer)) > MAX_ANSWER:
        return Mark.UNKNOWN, f"an answer of more than {MAX_ANSWER} characters is not compared"
    wanted = _quantity(key)
    if wanted is None and not _MATHEMATICAL.search(key):
        return _compare_words(key, answer)
    given = _quantity(answer) if wanted else None
    if wanted and given:
        if wanted.unit and given.unit and wanted.unit != given.unit:
            return Mark.UNKNOWN, f"{answer!r} and the key {key!r} have different units"
        return Mark.RIGHT if wanted.equals(given) else Mark.WRONG, ""
    doubt = _doubt(key, answer)
    return (Mark.UNKNOWN, doubt) if doubt else None


def _quantity(text: str) -> _Quantity | None:
    """A plain number, perhaps with a sign, a currency, a unit, a name ("x = 18") or words around one formula."""
    text = _tidy(_formula(text))
    if "=" in text:
        name, _, text = text.partition("=")
        if _RELATION.search(name) or "=" in text:
            return None
        text = text.lstrip(_EDGES)
    number = _NUMBER.match(text)
    if not number:
        return None
    sign, inner_sign, digits, below, percent = number.groups()
    unit = ""
    if number.end() < len(text):
        words = _UNIT.fullmatch(text, number.end())
        if not words or _HEDGE.search(text):
            return None
        unit = words.group(1).casefold().removesuffix("s")
    whole, _, decimals = digits.replace(",", "").partition(".")
    if len(whole) + len(decimals) + len(below or "") > _MAX_DIGITS or (below and not int(below)):
        return None
    value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals) * int(below or 1))
    return _Quantity(-value if (sign in "-−–" and sign) or inner_sign else value, bool(percent), unit)


def _formula(text: str) -> str:
    """The one formula of a sentence that says nothing more of the value; the text itself if there is no such formula."""
    if "$" not in text and "\\(" not in text:
        return text
    formulas = list(_FORMULA.finditer(text))
    if len(formulas) != 1:
        return text
    start, end = formulas[0].span()
    around = text[:start] + text[end:]
    return text if _HEDGE.search(around) or re.search(r"\d", around) else formulas[0][1] or formulas[0][2]


def _compare_words(key: str, answer: str) -> Grade:
    wanted, given = (" ".join(text.casefold().strip("()[]{}").split()) for text in (key, answer))
    if wanted == given:
        return Mark.RIGHT, ""
    label = re.match(r"\(?([A-Z])(?:[).:,]|$)", answer)
    if len(wanted) == 1 and label:
        return Mark.RIGHT if label.group(1).casefold() == wanted else Mark.WRONG, ""
    if re.match(rf"{re.escape(wanted)}\b", given) or re.match(rf"{re.escape(given)}\b", wanted):
        return Mark.UNKNOWN, f"{answer!r} is not {key!r} alone"
    return Mark.WRONG, ""


def _doubt(key: str, answer: str) -> str:
    """Why math-verify's opinion on this pair would mean nothing; empty if it would."""
    if _HEDGE.search(answer) and not _HEDGE.search(key):
        return f"{answer!r} may name more than one value"
    if _PROSE.search(answer) and not _PROSE.search(key):
        return f"{answer!r} cannot be read as a formula"
    if ("!" in key) != ("!" in answer):
        return f"{answer!r} has a factorial or an exclamation mark"
    items, key_items = ([_folded(item) for item in text.split(",")] for text in (answer, key))
    if items != key_items and sorted(items) == sorted(key_items):
        return f"{answer!r} has the values of the key {key!r} in another order"
    return ""


def _for_math_verify(text: str) -> str:
    return _SQRT_OF.sub(r"\\sqrt{\1}", _tidy(_formula(text))).replace("$", "")


def _read(key: str, text: str) -> _Reading:
    key, stated = answer_key(key), stated_answer(text)
    return _Reading(key, stated is not None, last_answer(text, key) if stated is None else stated)


def _verdict(reading: _Reading, grades: dict[tuple[str, str], Grade]) -> OutcomeVerdict:
    if reading.found is None:
        return OutcomeVerdict(Mark.UNKNOWN, Mark.UNKNOWN, "no answer was found")
    mark, reason = grades[reading.key, reading.found]
    if reading.stated:
        return OutcomeVerdict(mark, mark, reason)
    return OutcomeVerdict(Mark.UNKNOWN, mark, f"no answer is stated{reason and '; '}{reason}")
