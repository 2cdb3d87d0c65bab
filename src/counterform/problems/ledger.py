"""The ledger family: a running total kept through a handful of operations, in plain English.

    Start with 7. Add 5. Double it. What is the total?
    7 + 5 = 12. 12 * 2 = 24. The answer is 24.

Six primitives, totals from 0 to 99, every step checkable. Small enough for a word-level tokenizer, plain
enough for any model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from msgspec import Struct

from counterform.errors import DataError
from counterform.types import Mark, PlantedError, Problem, StepVerdict

MAX_TOTAL = 99
PRIMITIVES = ("add", "take", "double", "triple", "halve", "mirror")
TRAINED_LENGTHS = (3, 4, 5)
PATIENCE = 10_000
"""Draws in a row without a new problem before giving up; at length 15 one draw in 140 stays in range."""

_EQUATION = re.compile(r"(Wait, )?(-?\d{1,6}) ([-+*/]) (-?\d{1,6}) = (-?\d{1,6})\.?")
_ANSWER = re.compile(r"The answer is (-?\d{1,6})\.?")


class Operation(Struct, frozen=True, array_like=True):
    """One primitive applied to the running total."""

    name: str
    number: int = 0

    def sentence(self) -> str:
        """How the problem asks for it."""
        return {
            "add": f"Add {self.number}.",
            "take": f"Take away {self.number}.",
            "double": "Double it.",
            "triple": "Triple it.",
            "halve": "Halve it.",
            "mirror": f"Take it away from {self.number}.",
        }[self.name]

    def equation(self, total: int) -> tuple[str, int]:
        """The left-hand side at this total, and its value. Halving an odd total (an earlier error) rounds down."""
        match self.name:
            case "add":
                return f"{total} + {self.number}", total + self.number
            case "take":
                return f"{total} - {self.number}", total - self.number
            case "double":
                return f"{total} * 2", total * 2
            case "triple":
                return f"{total} * 3", total * 3
            case "halve":
                return f"{total} / 2", total // 2
            case _:
                return f"{self.number} - {total}", self.number - total


class Ledger:
    """Generator, worked solution and step verifier of the family."""

    name = "ledger"

    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = TRAINED_LENGTHS) -> list[Problem]:
        """`n` different problems whose numbers of operations are drawn evenly from `lengths`."""
        lengths = tuple(lengths)
        found: dict[str, Problem] = {}
        misses = 0
        while len(found) < n:
            if misses == PATIENCE:
                raise DataError(
                    f"found {len(found)} of the {n} different ledger problems asked for, of lengths {lengths}. "
                    "Ask for fewer, or for other lengths: [problems] train, held_out, lengths."
                )
            problem = _problem(int(rng.integers(0, 31)), _operations(rng, int(rng.choice(lengths))))
            misses += 1
            if problem is not None and problem.id not in found:
                found[problem.id] = problem
                misses = 0
        return list(found.values())

    def start(self, problem: Problem) -> LedgerWatch:
        """A step verifier for one attempt at `problem`."""
        return LedgerWatch(problem)

    def plant_errors(self, problem: Problem, *, rng: np.random.Generator) -> list[PlantedError]:
        """The worked solution with one wrong result, one wrong operation, one wrong carry, one lost step, one
        wrong answer. Errors are carried on, as a person would carry them.
        """
        start, operations = facts(problem)
        at = int(rng.integers(len(operations)))
        off = int(rng.integers(1, 4))
        planted = []
        for kind in ("arithmetic", "operation", "carry"):
            if kind == "carry" and at == 0:
                continue
            steps = spoilt_steps(start, operations, at=at, kind=kind, off=off)
            planted.append(PlantedError(text=" ".join(steps), kind=kind, first_error=at))
        sound = solution_steps(start, operations)
        planted.append(
            PlantedError(text=" ".join([*sound[:-2], sound[-1]]), kind="unfinished", first_error=len(sound) - 2)
        )
        wrong = f"The answer is {int(problem.answer) + off}."
        planted.append(PlantedError(text=" ".join([*sound[:-1], wrong]), kind="answer", first_error=len(sound) - 1))
        return planted


class LedgerWatch:
    """Follows the attempt's own running total, so that one early error is not counted again at every later step."""

    def __init__(self, problem: Problem) -> None:
        self._start, self._operations = facts(problem)
        self._totals = [self._start]
        self._answered = False
        self._unread = False
        """A step was not read, so the attempt may stand elsewhere than at the last total."""

    def feed(self, step: str) -> StepVerdict:
        """Grade one sentence. RIGHT, WRONG with the rule broken and what would be right, or UNKNOWN."""
        step = step.strip()
        if answer := _ANSWER.fullmatch(step):
            self._answered = True
            return self._grade_answer(int(answer.group(1)))
        if equation := _EQUATION.fullmatch(step):
            wait, left, sign, right, result = equation.groups()
            mends = bool(wait) and (self._answered or len(self._totals) > 1)
            too_soon = self._answered and len(self._totals) <= len(self._operations)
            if mends and not too_soon:  # what an answer given too soon takes back is the answer alone
                self._totals.pop()
            self._answered = False
            return self._grade_equation(int(left), sign, int(right), int(result), mends)
        self._unread = True
        return StepVerdict(mark=Mark.UNKNOWN, rule="unread")

    def _grade_equation(self, left: int, sign: str, right: int, result: int, mends: bool) -> StepVerdict:
        done = len(self._totals) - 1
        ways = [f"{left} {sign} {right}"] + [f"{right} {sign} {left}"] * (sign in "+*")
        if self._unread and (done == len(self._operations) or self._next()[0] not in ways):
            return StepVerdict(mark=Mark.UNKNOWN, rule="unread", mends=mends)
        self._unread = False
        if done == len(self._operations):
            return StepVerdict(mark=Mark.WRONG, rule="extra", hint=f"The answer is {self._totals[-1]}.", mends=mends)
        total, (expected, value) = self._totals[-1], self._next()
        self._totals.append(result)
        if expected in ways and result == value:
            return StepVerdict(mark=Mark.RIGHT, rule="arithmetic", mends=mends)
        rule = "arithmetic" if expected in ways else "operation" if total in (left, right) else "carry"
        return StepVerdict(mark=Mark.WRONG, rule=rule, hint=f"{expected} = {value}.", mends=mends)

    def _grade_answer(self, answer: int) -> StepVerdict:
        if len(self._totals) - 1 < len(self._operations):
            if self._unread:
                return StepVerdict(mark=Mark.UNKNOWN, rule="unread")
            expected, value = self._next()
            return StepVerdict(mark=Mark.WRONG, rule="unfinished", hint=f"{expected} = {value}.")
        if answer != self._totals[-1]:
            return StepVerdict(mark=Mark.WRONG, rule="answer", hint=f"The answer is {self._totals[-1]}.")
        return StepVerdict(mark=Mark.RIGHT, rule="answer")

    def _next(self) -> tuple[str, int]:
        """The equation that is due, and its value."""
        return self._operations[len(self._totals) - 1].equation(self._totals[-1])


def facts(problem: Problem) -> tuple[int, list[Operation]]:
    """The start and the operations of a ledger problem."""
    return problem.facts["start"], [Operation(name, number) for name, number in problem.facts["operations"]]


def solution_steps(start: int, operations: list[Operation]) -> list[str]:
    """The worked solution, a sentence a step."""
    steps, total = [], start
    for operation in operations:
        left, value = operation.equation(total)
        steps.append(f"{left} = {value}.")
        total = value
    return [*steps, f"The answer is {total}."]


def spoilt_steps(
    start: int, operations: list[Operation], *, at: int, kind: str, off: int, mended: bool = False
) -> list[str]:
    """The worked solution with one error of a kind at one step, carried on to the end or mended at once.

    `arithmetic`: the result is `off` too high or, at the top of the range, too low. `operation`: the sign is
    another. `carry`: the step starts from a total that is not the one before it (not at the first step).
    """
    steps, total = [], start
    for index, operation in enumerate(operations):
        left, value = operation.equation(total)
        sound, total_if_sound = f"{left} = {value}.", value
        if index == at:
            if kind == "arithmetic":
                value = value + off if value + off <= MAX_TOTAL else value - off
            elif kind == "operation":
                other = "take" if operation.name == "add" else "add"
                number = operation.number or off
                # 2 + 2 in place of 2 * 2 would be no error.
                clash = Operation(other, number).equation(total)[1] == value
                left, value = Operation(other, number + clash).equation(total)
            else:
                left, value = operation.equation(total + off)
        steps.append(f"{left} = {value}.")
        total = value
        if index == at and mended:
            steps.append(f"Wait, {sound}")
            total = total_if_sound
    return [*steps, f"The answer is {total}."]


def _operations(rng: np.random.Generator, n: int) -> list[Operation]:
    operations = []
    for name in rng.choice(PRIMITIVES, size=n):
        number = {"add": int(rng.integers(1, 10)), "take": int(rng.integers(1, 10))}.get(str(name), 0)
        operations.append(Operation(str(name), int(rng.choice([20, 50, 90])) if name == "mirror" else number))
    return operations


def _problem(start: int, operations: list[Operation]) -> Problem | None:
    """The problem, or None where its total would leave 0..99 or halve an odd number."""
    total = start
    for operation in operations:
        if operation.name == "halve" and total % 2:
            return None
        total = operation.equation(total)[1]
        if not 0 <= total <= MAX_TOTAL:
            return None
    asked = " ".join(operation.sentence() for operation in operations)
    prompt = f"Start with {start}. {asked} What is the total?"
    return Problem(
        id=f"ledger-{blake2b(prompt.encode(), digest_size=6).hexdigest()}",
        prompt=prompt,
        answer=str(total),
        family="ledger",
        solution=" ".join(solution_steps(start, operations)),
        facts={"start": start, "operations": [[o.name, o.number] for o in operations]},
    )
