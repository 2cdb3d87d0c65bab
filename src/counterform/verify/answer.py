r"""Outcome verification: is the final answer of an attempt the right one?

Strict: the answer that the text states (text/answers.py). Lenient: where nothing is stated, the last thing in the text
that could be an answer to this key. Either is read as a value (reading.py) and compared with the key's (comparison.py):
RIGHT and WRONG are proven, and everything else is UNKNOWN with its reason. math-verify is asked only of what neither can
evaluate, a sum or an integral, and believed only where it says that both are equal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType

from counterform.text import answers
from counterform.types import Mark, OutcomeVerdict, OutcomeVerifier, Problem
from counterform.verify import frames, prose, reading
from counterform.verify.amounts import Grade
from counterform.verify.comparison import compare
from counterform.verify.labels import by_label
from counterform.verify.symbolic import SymbolicPool
from counterform.verify.values import Measure, Opaque

MAX_REASON = 200
"""Characters of a reason."""
_PLAIN = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_CONTINENTAL = re.compile(r"[$€£]?-?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?|-?\d+,(?!\d{3}\b)\d+")
_LAST_NUMBER = re.compile(
    r"(?:(?<![\w)\]}])[-−–])?[$€£¥]?(?:(?<=[$€£¥])-)?(?:\d[\d,_]*(?:\.\d+)?|\.\d+)(?:\s\d+/\d+|/\d+)?(?:[eE][+-]?\d+\b)?(?:\s?\\?%|\s?percent\b)?"
)
_SCALE_AFTER = re.compile(r"\s?([A-Za-z][A-Za-z ]{0,40})")
_FORMULA = re.compile(r"\$([^$\s](?:[^$]{0,500}[^$\s])?)\$|\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\]", re.DOTALL)


class Answers(OutcomeVerifier):
    """An outcome verifier. The processes of math-verify start with the first answer that needs them and end with `close`."""

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
        verdicts: list[OutcomeVerdict] = []
        asked: dict[tuple[str, str], list[int]] = {}
        for problem, text in pairs:
            try:
                verdict, opaque = _graded(problem, text)
            except Exception as error:  # no text may end a study
                verdict, opaque = _failed(error), None
            if opaque:
                asked.setdefault(opaque, []).append(len(verdicts))
            verdicts.append(verdict)
        for places, grade in zip(asked.values(), self._symbolic.check(list(asked)), strict=True):
            for at in places:
                verdicts[at] = _after_all(verdicts[at], grade)
        return verdicts


def grade_answer(key: str, answer: str, problem: Problem | None = None) -> Grade:
    """The grade of one bare answer: does it say what the key says? The problem settles units and the answer space."""
    if _PLAIN.fullmatch(key) and _PLAIN.fullmatch(answer):
        return (Mark.RIGHT if int(key) == int(answer) else Mark.WRONG), ""
    mine, theirs = frames.tidy(key), frames.tidy(answer)
    if not mine or not theirs:
        return Mark.UNKNOWN, f"the {'answer' if mine else 'answer key'} is empty"
    if mine == theirs:
        return Mark.RIGHT, ""
    space = problem.facts.get("space") if problem else None
    if isinstance(space, list) and space:
        return by_label(key, answer, [str(label) for label in space])
    mark, reason = compare(reading.read(key), reading.read(answer), problem.prompt if problem else "")
    if mark is Mark.UNKNOWN and frames.letters(mine) == frames.letters(theirs):
        return Mark.RIGHT, ""
    english = _in_english(mine), _in_english(theirs)
    if mark is Mark.WRONG and english != (mine, theirs):
        again, _ = compare(reading.read(english[0]), reading.read(english[1]))
        if again is Mark.RIGHT:
            return Mark.UNKNOWN, "the two are equal if a full stop parts thousands"
    if mark is Mark.WRONG and theirs.endswith("!") and grade_answer(key, theirs[:-1], problem)[0] is Mark.RIGHT:
        return Mark.UNKNOWN, "a factorial, or an exclamation mark"
    return mark, reason if mark is Mark.UNKNOWN else ""


def _in_english(number: str) -> str:
    """A number of the continent (1.234,5) as it is written in English; any other text as it is."""
    return number.replace(".", "").replace(",", ".") if _CONTINENTAL.fullmatch(number) else number


@lru_cache(maxsize=4096)
def say_the_same(one: str, other: str) -> bool:
    """Whether two bare answers are provably the same, in either direction."""
    return grade_answer(one, other)[0] is Mark.RIGHT or grade_answer(other, one)[0] is Mark.RIGHT


def last_answer(text: str, said: answers.Stated, key: str) -> str | None:
    """The last thing in the text that could be an answer to this key: its last number or formula, or its bare last line."""
    line = answers.bare_answer(text, said)
    wanted = reading.read(key)[0]
    if isinstance(wanted, Measure) and not reading.has_symbols(wanted):
        found = _last_number(answers.unstated_part(text, said), line)
        if found is not None:
            return found
    formulas = [next(group for group in one.groups() if group) for one in _FORMULA.finditer(line)]
    if formulas:
        return formulas[-1]
    given = reading.read(line) if line else ()
    if given and (type(given[0]) is type(wanted)) and not _is_prose(line, key):
        return line
    return None


def _is_prose(line: str, key: str) -> bool:
    """Whether a last line is a sentence rather than a bare answer."""
    return len(line.split()) > len(key.split()) + 2


def _last_number(text: str, line: str) -> str | None:
    last = None
    for last in _LAST_NUMBER.finditer(text):  # noqa: B007
        pass
    formulas = list(_FORMULA.finditer(line))
    if formulas and (last is None or text.rfind(formulas[-1][0]) + len(formulas[-1][0]) >= last.end()):
        return next(group for group in formulas[-1].groups() if group)
    if last is None:
        return None
    after = _SCALE_AFTER.match(text, last.end())
    if after and prose.changes_a_value(after[1]):
        return last[0] + after[0]
    return last[0]


def _graded(problem: Problem, text: str) -> tuple[OutcomeVerdict, tuple[str, str] | None]:
    """The verdict, and the pair that math-verify might settle."""
    said = answers.stated(text)
    if said.answers:
        grades = [grade_answer(problem.answer, answer, problem) for answer in said.answers]
        if len({mark for mark, _ in grades}) > 1:
            return OutcomeVerdict(Mark.UNKNOWN, Mark.UNKNOWN, said.reason), None
        mark, reason = grades[-1]
        return OutcomeVerdict(mark, mark, _short(reason)), _opaque(problem.answer, said.answers) if reason else None
    bare = last_answer(text, said, problem.answer)
    if bare is None:
        return OutcomeVerdict(Mark.UNKNOWN, Mark.UNKNOWN, said.reason), None
    mark, reason = grade_answer(problem.answer, bare, problem)
    return OutcomeVerdict(Mark.UNKNOWN, mark, _short(f"{said.reason}{reason and '; '}{reason}")), None


def _opaque(key: str, given: Sequence[str]) -> tuple[str, str] | None:
    """The pair of formulas that only math-verify can read, where both sides provably are formulas."""
    if len(given) != 1:
        return None
    sides = [reading.read(text) for text in (key, given[0])]
    formulas = all(len(side) == 1 and isinstance(side[0], Measure | Opaque) for side in sides)
    if not formulas or not any(isinstance(side[0], Opaque) for side in sides):
        return None
    return frames.tidy(key), frames.tidy(given[0])


def _after_all(verdict: OutcomeVerdict, grade: Grade) -> OutcomeVerdict:
    """What math-verify adds: that the two are equal. That it finds them different is no proof."""
    mark, reason = grade
    if mark is Mark.RIGHT:
        return OutcomeVerdict(mark, mark)
    return OutcomeVerdict(
        Mark.UNKNOWN, Mark.UNKNOWN, _short(reason or "math-verify does not see that the two are equal")
    )


def _failed(error: Exception) -> OutcomeVerdict:
    return OutcomeVerdict(Mark.UNKNOWN, Mark.UNKNOWN, _short(f"the verifier failed: {type(error).__name__}: {error}"))


def _short(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
