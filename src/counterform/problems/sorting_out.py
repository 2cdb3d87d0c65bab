"""The sorting-out family: many small classification tasks over lists of things and numbers.

    Count the red things. Say whether that is odd or even. Answer with one of: odd, even.
    Input: big red cat, small blue saw, big red pie.
    The number of red things is 2. 2 is even. The answer is even.

A prompt has the definition, solved demonstrations and the input. Some tasks are held out whole, so what is learnt of the
others must carry over. The tasks themselves are in `sorting_out_tasks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from random import Random

import numpy as np

from counterform.errors import DataError
from counterform.problems.sorting_out_tasks import (
    COLOURS,
    HELD_OUT,
    NOUNS,
    SIZES,
    TASKS,
    TOP_NUMBER,
    Items,
    Step,
    Task,
    defined,
    right_values,
)
from counterform.text import wording
from counterform.types import Family, Mark, PlantedError, Problem, StepVerdict, Watch

TRAINED_LENGTHS = (3, 4, 5)
DEMONSTRATIONS = 2
"""Of different answers, so that wrong labels can be made by changing them round."""
DEMONSTRATED_LENGTH = 3
TRIES = 200
"""Inputs drawn for one wanted answer before another task is taken: two equal numbers come once in 49."""
PATIENCE = 150
"""Draws in a row without a new problem before giving up."""
MAX_STEP = 200
"""Characters of the longest step that is read."""

_NOUNS = [noun for nouns in NOUNS.values() for noun in nouns]
_WAIT = re.compile(r"Wait, ", re.IGNORECASE)
_UNREAD = StepVerdict(mark=Mark.UNKNOWN, rule="unread")


class SortingOut(Family):
    """Generator, worked solutions and step verifier of the family."""

    name = "sorting-out"
    bounded = True

    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = TRAINED_LENGTHS) -> list[Problem]:
        """`n` different problems of `lengths` things or numbers, in turn of a training task and of a held-out one.

        Tasks are drawn evenly, and so are the answers within a task.
        """
        lengths = tuple(lengths)
        sides = [[task for task in TASKS.values() if (task.name in HELD_OUT) is held] for held in (False, True)]
        found: dict[str, Problem] = {}
        asked: set[tuple[str, str]] = set()
        misses = 0
        while len(found) < n:
            if misses == PATIENCE:
                raise DataError(
                    f"found {len(found)} of the {n} different sorting-out problems asked for, of lengths {lengths}. "
                    "Ask for fewer, or for other lengths: [problems] train, held_out, lengths."
                )
            side = sides[len(found) % 2]
            problem = _problem(side[int(rng.integers(len(side)))], int(rng.choice(lengths)), rng)
            misses += 1
            if problem is not None and (problem.facts["task"], problem.facts["input"]) not in asked:
                found[problem.id] = problem
                asked.add((problem.facts["task"], problem.facts["input"]))
                misses = 0
        return list(found.values())

    def start(self, problem: Problem) -> SortingOutWatch:
        """A step verifier for one attempt at `problem`."""
        return SortingOutWatch(problem)

    def plant_errors(self, problem: Problem, *, rng: np.random.Generator) -> list[PlantedError]:
        """The worked solution with one wrong value for each rule that it uses, and one step that starts from a value
        which the attempt does not have (`carry`). Errors are carried on.
        """
        task = TASKS[problem.facts["task"]]
        places: dict[str, list[int]] = {}
        for at, step in enumerate(task.steps):
            places.setdefault(step.rule, []).append(at)
            if step.shows_needs:
                places.setdefault("carry", []).append(at)
        planted = []
        for kind, where in places.items():
            at = int(rng.choice(where))
            steps = broken_steps(task, problem.facts["items"], rng, at=at, carry=kind == "carry")
            planted.append(PlantedError(text=" ".join(steps), kind=kind, first_error=at))
        return planted


class SortingOutWatch(Watch):
    """Follows what the attempt itself has said, so that one early error is not counted again at every later step.

    Each sentence is checked for truth, and each inference must start from the attempt's own values. A step that is
    left out is worked out from those values: leaving out is no error. A true remark that the task does not need is
    right; what follows from it for the task is not.
    """

    def __init__(self, problem: Problem) -> None:
        self._task = TASKS[problem.facts["task"]]
        self._items: Items = problem.facts["items"]
        self._stated: dict[int, str] = {}
        self._unread = False
        """A step was not read, so the attempt may have values that are not known here."""
        self._last: Step | None = None
        self._undone: tuple[Step, ...] = ()
        """The last step and all that it rests on: saying one of them anew takes the last step back."""

    def feed(self, step: str) -> StepVerdict:
        """Grade one sentence. RIGHT, WRONG with the rule broken and what would be right, or UNKNOWN."""
        text = step.strip()
        wait = _WAIT.match(text)
        said = text[wait.end() :] if wait else text
        read = self._read(said, bool(wait)) if len(said) <= MAX_STEP else None
        if read is None:
            self._unread, self._undone = True, ()
            return _UNREAD
        at, own, needed, value = read
        mends = bool(wait) and own in self._undone
        if at is None:
            self._undone = (own,)
            return _graded(own, self._items, needed, needed, value, mends=mends)
        verdict = self._grade(at, needed, value, mends)
        self._state(at, value)
        return verdict

    def _read(self, said: str, wait: bool) -> tuple[int | None, Step, tuple[str, ...], str] | None:
        """Which step the sentence is (None: a remark that the task does not need), what it starts from, its value."""
        ways = []
        for at, step in enumerate(self._task.steps):
            if match := _pattern(step, self._task).fullmatch(said):
                needed = self._needed(at)
                shown, value = _said(match)
                shown = shown if step.shows_needs else needed
                # Two steps can have one form ("A cat is an animal."): the one that is taken back, or due, comes first.
                rank = (not (wait and step in self._undone), shown != needed, at in self._stated)
                ways.append((rank, at, step, shown, value))
        if ways:
            return min(ways)[1:]
        for task in TASKS.values():
            for step in task.steps[:-1] if task.about == self._task.about else ():
                if match := _pattern(step, task).fullmatch(said):
                    return None, step, *_said(match)
        return None

    def _grade(self, at: int, needed: tuple[str, ...], value: str, mends: bool) -> StepVerdict:
        step, due = self._task.steps[at], self._needed(at)
        verdict = _graded(step, self._items, needed, due, value, mends=mends)
        known = all(index in self._stated for index in step.needs)
        # What was not read may have given the attempt another value to start from.
        carried = verdict.rule == "carry" or (step.rule == "answer" and value in step.options)
        # But nothing that was not read makes a false answer true.
        false = step.rule == "answer" and bool(self._stated) and value != right_values(self._task, self._items)[-1]
        carried = carried and not false
        if verdict.mark is Mark.WRONG and carried and self._unread and not known:
            return StepVerdict(mark=Mark.UNKNOWN, rule="unread", mends=mends)
        if verdict.mark is Mark.WRONG and step.rule == "answer" and value in step.options and not self._stated:
            return StepVerdict(mark=Mark.UNKNOWN, rule="no steps", mends=mends)
        return verdict

    def _state(self, at: int, value: str) -> None:
        """The attempt says this from here on; what it had inferred from an earlier value is open again."""
        steps = self._task.steps
        below, above = {at}, {at}
        for index in range(at + 1, len(steps)):
            below |= {index} if below & set(steps[index].needs) else set()
        for index in range(at, -1, -1):
            above |= set(steps[index].needs) if index in above else set()
        for index in below:
            self._stated.pop(index, None)
        self._stated[at] = value
        self._undone = tuple(steps[index] for index in sorted(above))

    def _needed(self, at: int) -> tuple[str, ...]:
        """The values that a step has to start from: as stated, or worked out from what is stated."""
        return tuple(self._value(index) for index in self._task.steps[at].needs)

    def _value(self, at: int) -> str:
        if at not in self._stated:
            return self._task.steps[at].value(self._items, self._needed(at))
        return self._stated[at]


def noisy_attempt(problem: Problem, rng: np.random.Generator, *, unnoticed: float, mended: float) -> list[str]:
    """The steps of an attempt: with a probability of `unnoticed` one error is carried on to the end, with one of
    `mended` one is taken back at once, else it is the worked solution.
    """
    task, items = TASKS[problem.facts["task"]], problem.facts["items"]
    draw = rng.random()
    if draw >= unnoticed + mended:
        return solution_steps(task, items)
    at = int(rng.integers(len(task.steps)))
    carry = task.steps[at].shows_needs and rng.random() < 0.5
    return broken_steps(task, items, rng, at=at, carry=carry, mended=draw >= unnoticed)


def solution_steps(task: Task, items: Items) -> list[str]:
    """The worked solution, a sentence a step."""
    return _told(task, right_values(task, items))


def broken_steps(
    task: Task, items: Items, rng: np.random.Generator, *, at: int, carry: bool = False, mended: bool = False
) -> list[str]:
    """The worked solution with one error at step `at`, carried on to the end or mended at once.

    The error is a wrong value or, with `carry`, a value that the step starts from and the attempt does not have.
    """
    step = task.steps[at]
    sound = right_values(task, items)
    needed = [sound[index] for index in step.needs]
    if carry:
        place = int(rng.integers(len(needed)))
        # Not a value of another step: "A dog is an animal." is no error where the other thing is a dog.
        strange = [word for word in task.steps[step.needs[place]].options if word not in sound]
        needed[place] = _other(needed[place], strange, rng)
        value = step.value(items, needed)
    else:
        value = _other(sound[at], step.options, rng)
    values = [*sound[:at], value]
    steps = [*_told(task, values)[:at], step.sentence(value, needed)]
    if mended:
        right = _told(task, sound)
        return [*steps, f"Wait, {right[at][0].lower()}{right[at][1:]}", *right[at + 1 :]]
    for later in task.steps[at + 1 :]:
        values.append(later.value(items, [values[index] for index in later.needs]))
    return [*steps, *_told(task, values)[at + 1 :]]


def _told(task: Task, values: Sequence[str]) -> list[str]:
    return [
        step.sentence(value, [values[index] for index in step.needs])
        for step, value in zip(task.steps, values, strict=False)
    ]


def _other(value: str, options: Sequence[str], rng: np.random.Generator) -> str:
    """Another value of the same sort: another word, or a number that is off by 1 to 3."""
    if options:
        return str(rng.choice([option for option in options if option != value]))
    off = int(rng.integers(1, 4))
    return str(int(value) - off if int(value) >= off and rng.random() < 0.5 else int(value) + off)


def _graded(
    step: Step, items: Items, needed: Sequence[str], due: Sequence[str], value: str, *, mends: bool
) -> StepVerdict:
    """RIGHT where the sentence is true and starts from what is due."""
    if value == step.value(items, needed) and tuple(needed) == tuple(due):
        return StepVerdict(mark=Mark.RIGHT, rule=step.rule, mends=mends)
    rule = "carry" if value == step.value(items, needed) else step.rule
    hint = step.sentence(step.value(items, due), due)
    return StepVerdict(mark=Mark.WRONG, rule=rule, hint=hint, mends=mends)


@lru_cache(maxsize=1024)
def _pattern(step: Step, task: Task) -> re.Pattern[str]:
    """Reads the step's sentence; its groups are `value` and, for what it starts from, `needed0` and `needed1`."""

    def hole(name: str, of: Step) -> str:
        # Any single word can be given as an answer, and one outside the answer space is wrong.
        word = "[a-z]+" if of.rule == "answer" else "|".join(map(re.escape, of.options)) or "[0-9]{1,6}"
        return f"(?P<{name}>{word})"

    form = re.escape(step.form.rstrip(".")).replace(r"\{value\}", hole("value", step))
    for place, index in enumerate(step.needs):
        form = form.replace(rf"\{{{place}\}}", hole(f"needed{place}", task.steps[index]))
    return re.compile(rf"{form}\.?", re.IGNORECASE | re.ASCII)


def _said(match: re.Match[str]) -> tuple[tuple[str, ...], str]:
    """What a sentence starts from, and its value."""
    groups = match.groupdict()
    return tuple(_plain(groups[name]) for name in ("needed0", "needed1") if name in groups), _plain(groups["value"])


def _plain(word: str) -> str:
    return str(int(word)) if word.isdecimal() else word.lower()


def _problem(task: Task, length: int, rng: np.random.Generator) -> Problem | None:
    """A problem of the task, or None where no input of this length has the answer that was drawn."""
    first, *others = (str(word) for word in rng.permutation(task.space))
    items = _input(task, length, first, rng)
    if items is None:
        return None
    demonstrations = []
    for answer in rng.permutation([first, others[0]]):
        shown = _input(task, DEMONSTRATED_LENGTH, str(answer), rng)
        if shown is None or shown == items:
            return None
        demonstrations.append([_shown(shown), str(answer)])
    simplified = wording.space_sentence(task.space)
    facts = {
        "task": task.name,
        "instruction": f"{task.asks} {simplified}",
        "simplified": simplified,
        "space": list(task.space),
        "demonstrations": demonstrations,
        "input": _shown(items),
        "items": items,
    }
    prompt = wording.compose(facts)
    return Problem(
        id=f"sorting-out-{blake2b(prompt.encode(), digest_size=6).hexdigest()}",
        prompt=prompt,
        answer=first,
        family="sorting-out",
        split="held_out" if task.name in HELD_OUT else "train",
        solution=" ".join(solution_steps(task, items)),
        facts=facts,
    )


def _input(task: Task, length: int, answer: str, rng: np.random.Generator) -> Items | None:
    """An input of the task with this answer, or None where none was drawn."""
    draw = Random(int(rng.integers(2**32)))  # many times faster than numpy, one draw at a time
    for _ in range(TRIES):
        items: Items
        if task.about == "numbers":
            items = [draw.randint(1, TOP_NUMBER) for _ in range(length)]
        else:
            items = [[draw.choice(SIZES), draw.choice(COLOURS), draw.choice(_NOUNS)] for _ in range(length)]
        if right_values(task, items)[-1] == answer and defined(task, items):
            return items
    return None


def _shown(items: Items) -> str:
    return (
        ", ".join(
            item if isinstance(item, str) else str(item) if isinstance(item, int) else " ".join(item) for item in items
        )
        + "."
    )
