"""Nested sums worked out part by part, as BIG-Bench's `multistep_arithmetic` is solved.

Problem   ((5 + 2 * 1) - (3 - -2)) =
Attempt   This equation can be written as "A - B", where A = (5 + 2 * 1) and B = (3 - -2). / Let's calculate
          A = (5 + 2 * 1) = (5 + 2) = 7. / Let's calculate B = (3 - -2) = 5. / Then, the final equation is
          A - B = 7 - 5 = 2. So the answer is 2
"""

from __future__ import annotations

import re
from itertools import pairwise

from counterform.types import Problem, StepVerdict, StepVerifier
from counterform.verify.claims import Claim, Claims, kept, unread, wrong
from counterform.verify.exact import Number, Unreadable, decimal, evaluate

_E = r"[-+*/()\d. A-Z]+?"
"""An expression: numbers, signs, parentheses, and letters that stand for parts."""
_CHAIN = r"[-+*/()\d. A-Z=]+?"
"""Expressions with equals signs between."""
_LETTER = re.compile("[A-Z]")
_DEFINED = re.compile(rf"([A-Z]) = ({_E})(?=,? and |, |\.$|\.?$)")


class MultistepArithmetic(StepVerifier):
    """A step verifier for attempts that name the parts of a sum and work them out one by one."""

    name = "bb-arithmetic"
    bounded = True

    def start(self, problem: Problem) -> ArithmeticWatch:
        """A step verifier for one attempt; the sum is the prompt up to its equals sign."""
        return ArithmeticWatch(problem.prompt.rpartition("Q:")[2].partition("=")[0])


class ArithmeticWatch(Claims):
    """Grades one attempt by its own values of the parts."""

    def __init__(self, asked: str) -> None:
        self._asked, self._plan = asked, ""
        self._parts: dict[str, Number] = {}
        """What each part is worth as it was defined."""
        self._found: dict[str, Number] = {}
        """What the attempt found each part to be worth."""
        self._last: Number | None = None
        end = r"(?:\.(?!\d)|$)"
        super().__init__(
            {
                rf'This equation can be written as "({_E})",? where (.{{1,600}}?){end}': self._rewrite,
                rf"Let's calculate ([A-Z]) = ({_CHAIN}){end}": self._part,
                rf"Then, the final equation is ({_E}) = ({_CHAIN}){end}": self._whole,
                rf"So the answer is ({_E}){end}": self._answer,
            },
            matter=r"\d",
        )

    def _rewrite(self, said: Claim) -> StepVerdict:
        self._plan = said[1]
        try:
            self._parts = {letter: _value(part, {}) for letter, part in _DEFINED.findall(said[2])}
            asked = _value(self._asked, {})
            # Of two expressions of different shape one seldom has the value of the other by chance.
            right = not set(re.findall("[A-Z]", said[1])) - set(self._parts) and _value(said[1], self._parts) == asked
        except Unreadable:
            return unread()
        return kept("rewriting") if right else wrong("rewriting", f"{self._asked.strip()} is worth {decimal(asked)}.")

    def _part(self, said: Claim) -> StepVerdict:
        letter, chain = said[1], said[2].split("=")
        due = self._parts.get(letter)
        try:
            values = [_value(side, self._found) for side in chain]
        except Unreadable:
            return unread()
        self._found[letter] = values[-1]
        verdict = _holds(values if due is None else [due, *values], [letter, *chain][due is None :], "part")
        links = zip(pairwise(values), pairwise(chain), strict=True)
        if any(one != other and not _LETTER.search("".join(sides)) for (one, other), sides in links):
            return self.wrong_alone(verdict.rule, verdict.hint)
        return verdict

    def _whole(self, said: Claim) -> StepVerdict:
        chain = [said[1], *said[2].split("=")]
        known = self._parts | self._found
        try:
            values = [_value(side, known) for side in chain]
            due = _value(self._plan, known) if self._plan else values[0]
        except Unreadable:
            return unread()
        self._last = values[-1]
        return _holds([due, *values], [self._plan, *chain], "final equation")

    def _answer(self, said: Claim) -> StepVerdict:
        try:
            value = _value(said[1], {})
        except Unreadable:
            return unread()
        if self._last is None:
            return unread("no final equation")
        return kept("answer") if value == self._last else wrong("answer", f"So the answer is {decimal(self._last)}")


def _holds(values: list[Number], sides: list[str], rule: str) -> StepVerdict:
    """Whether all sides of a chain of equations have one value."""
    for left, value, right in zip(sides, values, values[1:], strict=False):
        if value != right:
            return wrong(rule, f"{left.strip()} = {decimal(value)}.")
    return kept(rule)


def _value(expression: str, letters: dict[str, Number]) -> Number:
    """What an expression is worth; parentheses that were forgotten at its end are added. Raises Unreadable."""
    tokens = re.findall(r"\d+(?:\.\d+)?|[-+*/()A-Z]", expression)
    missing = tokens.count("(") - tokens.count(")")
    tokens = tokens + [")"] * missing if missing > 0 else tokens[: len(tokens) + missing]
    kinds, plain = "", list[str]()
    for token in tokens:
        if token.isalpha():
            if token not in letters:
                raise Unreadable
            value = letters[token]
            if not isinstance(value, int):
                raise Unreadable
            kinds, plain = (
                kinds + ("(-n)" if value < 0 else "(n)"),
                [*plain, *f"({'-' * (value < 0)}", str(abs(value)), ")"],
            )
        else:
            kinds, plain = kinds + ("n" if token[0].isdigit() else token), [*plain, token]
    return evaluate(kinds, plain)
