"""The ledger family: a running total kept through a handful of operations, in plain English.

    Start with 7. Add 5. Double it. What is the total?
    7 + 5 = 12. 12 * 2 = 24. The answer is 24.

Six primitives, totals from 0 to 99, every step checkable. Small enough for a word-level tokenizer, plain
enough for any model. Any pair of primitives can be held out, to be met only away from training (`shifts`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from msgspec import Struct

from counterform.errors import DataError, unknown_name
from counterform.metrics import Shift
from counterform.text.shifts import REVERSED, shifted, unseen, words_of
from counterform.types import Family, Mark, PlantedError, Problem, StepVerdict, Watch

MAX_TOTAL = 99
PRIMITIVES = ("add", "take", "double", "triple", "halve", "mirror")
TRAINED_LENGTHS = (3, 4, 5)
PATIENCE = 10_000
"""Draws in a row without a new problem before giving up; at length 15 one draw in 140 stays in range."""
SHORTER, LONGER, COMPOSED = 2, 3, 3
"""Levels of the shifts: so many lengths under and over those of training, and up to so many held-out pairs."""

_EQUATION = re.compile(r"(Wait, )?(-?\d{1,6}) ([-+*/]) (-?\d{1,6}) = (-?\d{1,6})\.?")
_ANSWER = re.compile(r"The answer is (-?\d{1,6})\.?")


class Operation(Struct, frozen=True, array_like=True):
    """One primitive applied to the running total."""

    name: str
    number: int = 0

    def sentence(self, *, unusual: bool = False) -> str:
        """How the problem asks for it; `unusual`: in words that no training problem has."""
        if unusual:
            return {
                "add": f"Increase it by {self.number}.",
                "take": f"Decrease it by {self.number}.",
                "double": "Multiply it by two.",
                "triple": "Multiply it by three.",
                "halve": "Divide it by two.",
                "mirror": f"Subtract it from {self.number}.",
            }[self.name]
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


class Numbers(Struct, frozen=True):
    """The numbers problems are made of."""

    starts: tuple[int, int]
    """From, and up to but not including."""
    operands: tuple[int, int]
    mirrors: tuple[int, ...]


NUMBERS = Numbers((0, 31), (1, 10), (20, 50, 90))
UNUSUAL_NUMBERS = Numbers((31, 50), (31, 50), (40, 60, 70, 80))
"""None of them stands in a training problem; totals stay within 0..99."""


class Ledger(Family):
    """Generator, worked solution and step verifier of the family.

    primitives: those that problems are made of. without: pairs of them, [first, next], that no generated problem has
    one right after the other. Raises ValueError for a primitive that there is not.
    """

    name = "ledger"
    bounded = True

    def __init__(self, primitives: Sequence[str] = PRIMITIVES, without: Sequence[Sequence[str]] = ()) -> None:
        for names, options in ((primitives, PRIMITIVES), *((pair, primitives) for pair in without)):
            for name in names:
                if name not in options:
                    raise ValueError(unknown_name("primitive", name, options))
        if not primitives or any(len(pair) != 2 for pair in without):
            raise ValueError("give at least one primitive, and pairs of two: without = [['add', 'double']]")
        self._primitives = tuple(dict.fromkeys(primitives))
        self._without = frozenset((first, after) for first, after in without)

    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = TRAINED_LENGTHS) -> list[Problem]:
        """`n` different problems whose numbers of operations are drawn evenly from `lengths`."""
        lengths = tuple(lengths)
        found = _distinct(n, partial(self._drawn, rng, lengths))
        if len(found) < n:
            raise DataError(
                f"found {len(found)} of the {n} different ledger problems asked for, of lengths {lengths}. "
                "Ask for fewer, or for other lengths: [problems] train, held_out, lengths."
            )
        return found

    def shifts(self, n: int, *, rng: np.random.Generator, trained: Sequence[Problem]) -> list[Problem]:
        """`n` problems a level, fewer where there are no more.

        length: shorter and longer; distance in operations. composition: problems with held-out pairs, and the control
        `composition reversed`, with their pairs the other way round and no held-out one; distance in pairs.
        vocabulary: numbers or words that no training problem has; distance in share of the prompt's words. To the
        world's tokenizer an unusual word is <unk>, so on the tiny model `words` measures missing words and no synonyms.
        """
        taken, known = {problem.id for problem in trained}, words_of(problem.prompt for problem in trained)
        lengths = sorted({len(facts(problem)[1]) for problem in trained})
        found = []
        for axis, level, distance, draw in self._levels(rng, lengths):
            for problem in _distinct(n, draw, taken):
                far = unseen(problem.prompt, known) if distance is None else distance
                found.append(shifted(problem, Shift(axis=axis, level=level, distance=far)))
        return found

    def _levels(
        self, rng: np.random.Generator, lengths: Sequence[int]
    ) -> Iterator[tuple[str, str, float | None, Callable[[], Problem | None]]]:
        """Axis, level, distance (None: measured by words) and one draw of each level."""
        low, high = min(lengths), max(lengths)
        for length in (*range(max(1, low - SHORTER), low), *range(high + 1, high + 1 + LONGER)):
            distance = length - low if length < low else length - high
            yield "length", f"{length}", distance, partial(self._drawn, rng, (length,))
        back = {(after, first) for first, after in self._without} - self._without
        for axis, pairs in (("composition", self._without), (REVERSED, back)):
            for count in range(1, COMPOSED + 1):
                long = [length for length in lengths if length > count]
                if pairs and long:
                    yield axis, f"{count}", count, partial(self._composed, rng, long, pairs, count)
        yield "vocabulary", "numbers", None, partial(self._drawn, rng, lengths, UNUSUAL_NUMBERS)
        yield "vocabulary", "words", None, partial(self._drawn, rng, lengths, unusual=True)

    def _drawn(
        self, rng: np.random.Generator, lengths: Sequence[int], numbers: Numbers = NUMBERS, *, unusual: bool = False
    ) -> Problem | None:
        """A problem without held-out pairs, or None where the draw was none."""
        start = int(rng.integers(*numbers.starts))
        operations = _operations(rng, rng.choice(self._primitives, size=int(rng.choice(lengths))), numbers)
        return None if _pairs(operations, self._without) else _problem(start, operations, unusual=unusual)

    def _composed(
        self, rng: np.random.Generator, lengths: Sequence[int], pairs: Collection[tuple[str, str]], count: int
    ) -> Problem | None:
        """A problem with exactly `count` of these pairs and no held-out one besides."""
        names = [str(name) for name in rng.choice(self._primitives, size=int(rng.choice(lengths)))]
        ordered = sorted(pairs)
        for _ in range(count):
            at = int(rng.integers(len(names) - 1))
            names[at : at + 2] = ordered[rng.integers(len(ordered))]
        operations = _operations(rng, names, NUMBERS)
        besides = _pairs(operations, self._without - frozenset(pairs))
        if besides or _pairs(operations, pairs) != count:
            return None
        return _problem(int(rng.integers(*NUMBERS.starts)), operations)

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
            steps = broken_steps(start, operations, at=at, kind=kind, off=off)
            planted.append(PlantedError(text=" ".join(steps), kind=kind, first_error=at))
        sound = solution_steps(start, operations)
        if len(operations) > 1:  # an answer without any step breaks none
            unfinished = " ".join([*sound[:-2], sound[-1]])
            planted.append(PlantedError(text=unfinished, kind="unfinished", first_error=len(sound) - 2))
        wrong = f"The answer is {int(problem.answer) + off}."
        planted.append(PlantedError(text=" ".join([*sound[:-1], wrong]), kind="answer", first_error=len(sound) - 1))
        return planted


class LedgerWatch(Watch):
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
            value = _value(left, sign, right)
            if value is not None and value != result:  # wrong by itself, wherever the attempt stands
                hint = f"{left} {sign} {right} = {value}."
                return StepVerdict(mark=Mark.WRONG, rule="arithmetic", hint=hint, mends=mends)
            if not self._resumes(left, right, ways):
                return StepVerdict(mark=Mark.UNKNOWN, rule="unread", mends=mends)
            done = len(self._totals) - 1
        self._unread = False
        if done == len(self._operations):
            return StepVerdict(mark=Mark.WRONG, rule="extra", hint=f"The answer is {self._totals[-1]}.", mends=mends)
        total, (expected, value) = self._totals[-1], self._next()
        self._totals.append(result)
        if expected in ways and result == value:
            return StepVerdict(mark=Mark.RIGHT, rule="arithmetic", mends=mends)
        rule = "arithmetic" if expected in ways else "operation" if total in (left, right) else "carry"
        return StepVerdict(mark=Mark.WRONG, rule=rule, hint=f"{expected} = {value}.", mends=mends)

    def _resumes(self, left: int, right: int, ways: Sequence[str]) -> bool:
        """Find the attempt again after steps that nobody could read: just one later operation has this equation."""
        done = len(self._totals) - 1
        places = [
            (later, total)
            for later in range(done + 1, len(self._operations))
            for total in dict.fromkeys((left, right))
            if self._operations[later].equation(total)[0] in ways
        ]
        if len(places) != 1:
            return False
        [(later, total)] = places
        self._totals += [total] * (later - done)
        return True

    def _grade_answer(self, answer: int) -> StepVerdict:
        if len(self._totals) == 1 and self._operations:
            return StepVerdict(mark=Mark.UNKNOWN, rule="no steps")
        done = len(self._totals) - 1
        if done < len(self._operations):
            if self._unread and answer in (self._carried(self._totals[-1], done), self._carried(self._start, 0)):
                return StepVerdict(mark=Mark.UNKNOWN, rule="unread")
            if self._unread:  # nothing that was not read leads there
                hint = f"The answer is {self._carried(self._totals[-1], done)}."
                return StepVerdict(mark=Mark.WRONG, rule="answer", hint=hint)
            expected, value = self._next()
            return StepVerdict(mark=Mark.WRONG, rule="unfinished", hint=f"{expected} = {value}.")
        if answer != self._totals[-1]:
            return StepVerdict(mark=Mark.WRONG, rule="answer", hint=f"The answer is {self._totals[-1]}.")
        return StepVerdict(mark=Mark.RIGHT, rule="answer")

    def _carried(self, total: int, done: int) -> int:
        """Where the operations that are left lead from this total."""
        for operation in self._operations[done:]:
            total = operation.equation(total)[1]
        return total

    def _next(self) -> tuple[str, int]:
        """The equation that is due, and its value."""
        return self._operations[len(self._totals) - 1].equation(self._totals[-1])


def _value(left: int, sign: str, right: int) -> int | None:
    """What two numbers make; half an odd number is rounded down, and None is none of the family's."""
    if sign == "/":
        return left // right if right else None
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


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


def broken_steps(
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


def noisy_attempt(problem: Problem, rng: np.random.Generator, *, unnoticed: float, mended: float) -> list[str]:
    """The steps of an attempt with honest noise: with probability `unnoticed` one error carried on to the end, with
    probability `mended` one that the next step takes back ("Wait, ..."), else the worked solution.
    """
    start, operations = facts(problem)
    draw = rng.random()
    if draw >= unnoticed + mended:
        return solution_steps(start, operations)
    at = int(rng.integers(len(operations)))
    kinds = ["arithmetic", "operation", "carry"] if at else ["arithmetic", "operation"]
    kind, off = str(rng.choice(kinds)), int(rng.integers(1, 4))
    return broken_steps(start, operations, at=at, kind=kind, off=off, mended=draw >= unnoticed)


def _distinct(n: int, draw: Callable[[], Problem | None], taken: Collection[str] = ()) -> list[Problem]:
    """`n` different problems of which none is taken; fewer when PATIENCE draws in a row bring no new one."""
    found: dict[str, Problem] = {}
    misses = 0
    while len(found) < n and misses < PATIENCE:
        problem = draw()
        misses += 1
        if problem is not None and problem.id not in found and problem.id not in taken:
            found[problem.id] = problem
            misses = 0
    return list(found.values())


def _pairs(operations: Sequence[Operation], pairs: Collection[tuple[str, str]]) -> int:
    """How many neighbours are among these pairs."""
    return sum((first.name, after.name) in pairs for first, after in pairwise(operations))


def _operations(rng: np.random.Generator, names: Iterable[str], numbers: Numbers) -> list[Operation]:
    operations = []
    for name in names:
        drawn = {"add": int(rng.integers(*numbers.operands)), "take": int(rng.integers(*numbers.operands))}
        number = int(rng.choice(numbers.mirrors)) if name == "mirror" else drawn.get(str(name), 0)
        operations.append(Operation(str(name), number))
    return operations


def _problem(start: int, operations: list[Operation], *, unusual: bool = False) -> Problem | None:
    """The problem, or None where its total would leave 0..99 or halve an odd number."""
    total = start
    for operation in operations:
        if operation.name == "halve" and total % 2:
            return None
        total = operation.equation(total)[1]
        if not 0 <= total <= MAX_TOTAL:
            return None
    asked = " ".join(operation.sentence(unusual=unusual) for operation in operations)
    prompt = (
        f"Begin at {start}. {asked} Which number comes out?"
        if unusual
        else f"Start with {start}. {asked} What is the total?"
    )
    return Problem(
        id=f"ledger-{blake2b(prompt.encode(), digest_size=6).hexdigest()}",
        prompt=prompt,
        answer=str(total),
        family="ledger",
        solution=" ".join(solution_steps(start, operations)),
        facts={"start": start, "operations": [[o.name, o.number] for o in operations]},
    )
