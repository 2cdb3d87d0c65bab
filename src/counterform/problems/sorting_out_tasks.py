"""The tasks of the sorting-out family: what each asks, its answer space, and its worked solution as checkable steps.

Tasks share their inputs, their answer spaces and their steps, so that only the definition or the demonstrations tell
which task an input belongs to: "odd" may be of the red things or of the tools. A task that is held out is a new
combination of parts that the others use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

SIZES = ("big", "small")
COLOURS = ("red", "blue", "green", "yellow")
NOUNS = {
    "animal": ("cat", "dog", "horse", "bird"),
    "tool": ("hammer", "saw", "drill", "rake"),
    "food": ("cake", "pear", "pie", "bun"),
}
KIND_OF = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
WITH_ARTICLE = {"animal": "an animal", "tool": "a tool", "food": "a food"}
TOP_NUMBER = 49
"""Numbers of an input run from 1 to this, so that the sum of two has two digits."""
MIDDLE = 25
MANY = 2

MORE, LESS, EQUAL = "more than", "less than", "the same as"

Items = Sequence[Any]
"""The input: things as (size, colour, noun), or whole numbers."""
Attribute = Literal["size", "colour", "kind"]
Where = Literal["first", "last", "biggest"]
ATTRIBUTES: tuple[Attribute, ...] = ("size", "colour", "kind")
PLACES: tuple[Where, ...] = ("first", "last", "biggest")
"""A thing can be the first or the last; a number also the biggest."""


class Step(NamedTuple):
    """One sentence of a worked solution, with a hole for its own value and numbered holes for values it starts from."""

    rule: str
    form: str
    """`{value}` is the step's own value, `{0}` and `{1}` those of the steps that it needs."""
    value: Callable[[Items, Sequence[str]], str]
    """The right value for this input, from the values of the needed steps."""
    options: tuple[str, ...] = ()
    """The words that can stand as its value; empty: a whole number."""
    needs: tuple[int, ...] = ()
    """Which earlier steps of the task it starts from."""

    @property
    def shows_needs(self) -> bool:
        """Whether the sentence says what it starts from."""
        return "{0}" in self.form

    def sentence(self, value: str, needed: Sequence[str] = ()) -> str:
        """The step in words."""
        return self.form.format(*needed, value=value)


class Task(NamedTuple):
    """One classification task."""

    name: str
    asks: str
    """The definition, without the sentence that states the answer space."""
    space: tuple[str, ...]
    steps: tuple[Step, ...]
    """The last one states the answer."""
    about: Literal["things", "numbers"] = "things"


def right_values(task: Task, items: Items) -> list[str]:
    """The right value of every step of a task at an input; the last one is the answer."""
    values: list[str] = []
    for step in task.steps:
        values.append(step.value(items, [values[index] for index in step.needs]))
    return values


def defined(task: Task, items: Items) -> bool:
    """Whether the task has an answer at this input: a first animal must be there to be found."""
    return all(
        value != "0" for step, value in zip(task.steps, right_values(task, items), strict=True) if step.rule == "place"
    )


# Steps.


def _holds(thing: Sequence[str], words: str) -> bool:
    """Whether every word of "red tool" is true of a thing; a kind may be in the plural."""
    size, colour, noun = thing
    known = {size, colour, KIND_OF[noun], f"{KIND_OF[noun]}s", "things"}
    return all(word in known for word in words.split())


def _count(words: str) -> Step:
    return Step(
        "count", f"The number of {words} is {{value}}.", lambda items, _: str(sum(_holds(i, words) for i in items))
    )


def _count_numbers(parity: str) -> Step:
    odd = parity == "odd"
    return Step(
        "count", f"The number of {parity} numbers is {{value}}.", lambda items, _: str(sum(i % 2 == odd for i in items))
    )


def _look(where: Where, attribute: Attribute) -> Step:
    at = 0 if where == "first" else -1
    column = {"size": 0, "colour": 1, "kind": 2}[attribute]
    options = {"size": SIZES, "colour": COLOURS, "kind": tuple(KIND_OF)}[attribute]
    article = "a " if attribute == "kind" else ""
    return Step("look", f"The {where} thing is {article}{{value}}.", lambda items, _: items[at][column], options)


def _look_number(where: Where) -> Step:
    def value(items: Items, _: Sequence[str]) -> str:
        return str({"first": items[0], "last": items[-1], "biggest": max(items)}[where])

    return Step("look", f"The {where} number is {{value}}.", value)


def _kind(of: int) -> Step:
    options = tuple(WITH_ARTICLE.values())
    return Step("kind", "A {0} is {value}.", lambda _, needed: WITH_ARTICLE[KIND_OF[needed[0]]], options, (of,))


def _place(kind: str) -> Step:
    def value(items: Items, _: Sequence[str]) -> str:
        return str(next((at for at, item in enumerate(items, 1) if _holds(item, kind)), 0))

    return Step("place", f"The first {kind} is thing {{value}}.", value)


def _parity(of: int) -> Step:
    return Step(
        "parity", "{0} is {value}.", lambda _, needed: ("even", "odd")[int(needed[0]) % 2], ("odd", "even"), (of,)
    )


def _sum(left: int, right: int) -> Step:
    return Step(
        "sum", "{0} + {1} = {value}.", lambda _, needed: str(int(needed[0]) + int(needed[1])), (), (left, right)
    )


def _compare(left: int, right: int) -> Step:
    options = (MORE, LESS, EQUAL)
    return Step(
        "compare",
        "{0} is {value} {1}.",
        lambda _, needed: _order(int(needed[0]), int(needed[1])),
        options,
        (left, right),
    )


def _compare_with(left: int, number: int) -> Step:
    options = (MORE, LESS, EQUAL)
    return Step(
        "compare", f"{{0}} is {{value}} {number}.", lambda _, needed: _order(int(needed[0]), number), options, (left,)
    )


def _order(left: int, right: int) -> str:
    return MORE if left > right else LESS if left < right else EQUAL


def _answer(space: tuple[str, ...], needs: tuple[int, ...], value: Callable[[Sequence[str]], str]) -> Step:
    return Step("answer", "The answer is {value}.", lambda _, needed: value(needed), space, needs)


# Tasks.


def _odd_or_even(words: str) -> Task:
    space = ("odd", "even")
    steps = (_count(words), _parity(0), _answer(space, (1,), lambda v: v[0]))
    return Task(f"parity of {words}", f"Count the {words}. Say whether that is odd or even.", space, steps)


def _many_or_few(words: str) -> Task:
    space = ("many", "few")
    steps = (_count(words), _compare_with(0, MANY), _answer(space, (1,), lambda v: "many" if v[0] == MORE else "few"))
    asks = f"Count the {words}. More than {MANY} is many, {MANY} or less is few."
    return Task(f"amount of {words}", asks, space, steps)


def _which_is_more(first: str, second: str) -> Task:
    names = (first.split()[0], second.split()[0])
    space = (*names, "same")
    steps = (
        _count(first),
        _count(second),
        _compare(0, 1),
        _answer(space, (2,), lambda v: {MORE: names[0], LESS: names[1], EQUAL: "same"}[v[0]]),
    )
    asks = f"Are there more {first} or more {second}?"
    return Task(f"more {first} or {second}", asks, space, steps)


def _is_there(words: str) -> Task:
    space = ("yes", "no")
    plural = f"{words}s"
    steps = (_count(plural), _compare_with(0, 0), _answer(space, (1,), lambda v: "no" if v[0] == EQUAL else "yes"))
    return Task(f"any {words}", f"Is there a {words}?", space, steps)


def _say(where: Where, attribute: Attribute) -> Task:
    look = _look(where, attribute)
    space = tuple(WITH_ARTICLE) if attribute == "kind" else look.options
    steps: tuple[Step, ...] = (look, _answer(space, (0,), lambda v: v[0]))
    if attribute == "kind":
        steps = (look, _kind(0), _answer(space, (1,), lambda v: v[0].split()[1]))
    return Task(f"{attribute} of the {where} thing", f"Say the {attribute} of the {where} thing.", space, steps)


def _same(attribute: Attribute) -> Task:
    space = ("same", "different")
    looks = (_look("first", attribute), _look("last", attribute))
    kinds = (_kind(0), _kind(1)) if attribute == "kind" else ()
    needs = (2, 3) if kinds else (0, 1)
    steps = (*looks, *kinds, _answer(space, needs, lambda v: "same" if v[0] == v[1] else "different"))
    asks = f"Are the first thing and the last thing of the same {attribute}?"
    return Task(f"same {attribute}", asks, space, steps)


def _which_comes_first(one: str, other: str) -> Task:
    space = (one, other)
    steps = (_place(one), _place(other), _compare(0, 1), _answer(space, (2,), lambda v: one if v[0] == LESS else other))
    asks = f"Which kind comes first, {one} or {other}?"
    return Task(f"{one} or {other} first", asks, space, steps)


def _number_parity(where: Where) -> Task:
    space = ("odd", "even")
    steps = (_look_number(where), _parity(0), _answer(space, (1,), lambda v: v[0]))
    asks = f"Say whether the {where} number is odd or even."
    return Task(f"parity of the {where} number", asks, space, steps, "numbers")


def _high_or_low(where: Where) -> Task:
    space = ("high", "low")
    steps = (
        _look_number(where),
        _compare_with(0, MIDDLE),
        _answer(space, (1,), lambda v: "high" if v[0] == MORE else "low"),
    )
    asks = f"Look at the {where} number. More than {MIDDLE} is high, {MIDDLE} or less is low."
    return Task(f"height of the {where} number", asks, space, steps, "numbers")


def _many_numbers(parity: str) -> Task:
    space = ("many", "few")
    steps = (
        _count_numbers(parity),
        _compare_with(0, MANY),
        _answer(space, (1,), lambda v: "many" if v[0] == MORE else "few"),
    )
    asks = f"Count the {parity} numbers. More than {MANY} is many, {MANY} or less is few."
    return Task(f"amount of {parity} numbers", asks, space, steps, "numbers")


def _up_or_down() -> Task:
    space = ("up", "down", "flat")
    steps = (
        _look_number("first"),
        _look_number("last"),
        _compare(0, 1),
        _answer(space, (2,), lambda v: {LESS: "up", MORE: "down", EQUAL: "flat"}[v[0]]),
    )
    asks = "Do the numbers go up or down from the first to the last?"
    return Task("up or down", asks, space, steps, "numbers")


def _sum_parity() -> Task:
    space = ("odd", "even")
    steps = (
        _look_number("first"),
        _look_number("last"),
        _sum(0, 1),
        _parity(2),
        _answer(space, (3,), lambda v: v[0]),
    )
    asks = "Add the first number and the last number. Say whether that is odd or even."
    return Task("parity of the sum", asks, space, steps, "numbers")


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        *map(
            _odd_or_even,
            ("red things", "blue things", "green things", "big things", "small things", "animals", "tools"),
        ),
        *map(_many_or_few, ("red things", "yellow things", "big things", "animals", "foods")),
        _which_is_more("red things", "blue things"),
        _which_is_more("green things", "yellow things"),
        _which_is_more("big things", "small things"),
        _which_is_more("animals", "tools"),
        _which_is_more("tools", "foods"),
        *map(_is_there, ("red tool", "blue animal", "big food", "small tool")),
        *(_say(where, attribute) for where in PLACES[:2] for attribute in ATTRIBUTES),
        *(_same(attribute) for attribute in ATTRIBUTES),
        _which_comes_first("animal", "tool"),
        _which_comes_first("food", "animal"),
        _which_comes_first("tool", "food"),
        *(_number_parity(where) for where in PLACES),
        *(_high_or_low(where) for where in PLACES),
        *map(_many_numbers, ("even", "odd")),
        _up_or_down(),
        _sum_parity(),
    )
}

HELD_OUT = frozenset(
    {
        "parity of blue things",
        "parity of tools",
        "amount of foods",
        "more tools or foods",
        "any small tool",
        "colour of the last thing",
        "same size",
        "tool or food first",
        "parity of the biggest number",
        "height of the last number",
    }
)
"""Tasks whole kept from training. Each is made of parts that training tasks have: the counted words, the decision."""
