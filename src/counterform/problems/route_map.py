"""What the route family searches: a map, the steps of an attempt on it, and where an attempt stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

Way = tuple[str, ...]

_NAME = r"[A-Z][a-z]{1,15}"
_OPENING = re.compile(rf"(Wait, )?({_NAME})(?:-| to )({_NAME})\.?")
_DEAD_END = re.compile(rf"(Wait, )?({_NAME}) is a dead end\.?")
_ANSWER = re.compile(rf"(?:(Wait, t)|T)he answer is ([A-D]|{_NAME}(?: via {_NAME}){{0,20}} to {_NAME})\.?")


class Step(NamedTuple):
    """One step: a place opened from another, a dead end, or an answer (a way, or the letter of an option)."""

    kind: Literal["open", "dead end", "answer"]
    places: Way
    mends: bool = False

    def sentence(self) -> str:
        """The step in words."""
        if self.kind == "open":
            words = f"{road(self.places)}."
        elif self.kind == "dead end":
            words = f"{self.places[0]} is a dead end."
        else:
            words = f"{'t' if self.mends else 'T'}he answer is {in_words(self.places)}."
        return f"Wait, {words}" if self.mends else words


def read_step(text: str) -> Step | None:
    """The step that a sentence takes; None if it is none, or not in words that are understood."""
    if opening := _OPENING.fullmatch(text):
        return Step("open", (opening[2], opening[3]), bool(opening[1]))
    if dead_end := _DEAD_END.fullmatch(text):
        return Step("dead end", (dead_end[2],), bool(dead_end[1]))
    if answer := _ANSWER.fullmatch(text):
        return Step("answer", tuple(re.split(" via | to ", answer[2])), bool(answer[1]))
    return None


def road(ends: Sequence[str]) -> str:
    """A road as problems and steps name it, "Ash-Bay". A space inside would cost the tiny base its ability to look one up."""
    return "-".join(ends)


def in_words(way: Way) -> str:
    """A way as answers state it: "Ash via Bay to Cliff"; the letter of an option stands for itself."""
    return f"{' via '.join(way[:-1])} to {way[-1]}" if len(way) > 1 else way[0]


class Map:
    """A problem's roads, both ways and in the order of the prompt, its ends, and how its worked solution searches."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.start: str = facts["start"]
        self.goal: str = facts["goal"]
        self.depth_first: bool = facts["order"] == "depth"
        self.options: dict[str, Way] = {letter: tuple(way) for letter, way in facts.get("options", {}).items()}
        self.roads: dict[str, list[str]] = {}
        for one, other in facts["roads"]:
            self.roads.setdefault(one, []).append(other)
            self.roads.setdefault(other, []).append(one)

    def way(self, to: str) -> Way:
        """The one simple way from the start to a place; empty if there is none."""
        ways: dict[str, Way] = {self.start: (self.start,)}
        waiting = [self.start]
        for place in waiting:
            for after in self.roads.get(place, ()):
                if after not in ways:
                    ways[after] = (*ways[place], after)
                    waiting.append(after)
        return ways.get(to, ())


class Search:
    """Where one attempt stands: what it has opened, over which roads, and what it has called a dead end."""

    def __init__(self, on: Map) -> None:
        self.map = on
        self.came_from: dict[str, str | None] = {on.start: None}
        """Every opened place, in order; None where the attempt did not say how it got there."""
        self.taken: set[tuple[str, str]] = set()
        self.dead: set[str] = set()
        self.perhaps: set[str] = set()
        """Places of which it is not known whether they are open."""

    def copy(self) -> Search:
        """The same standing, to go on from apart."""
        twin = Search.__new__(Search)
        twin.map, twin.came_from = self.map, self.came_from.copy()
        twin.taken, twin.dead, twin.perhaps = self.taken.copy(), self.dead.copy(), self.perhaps.copy()
        return twin

    def take(self, step: Step) -> None:
        """Go on by a step, sound or not. A place that is used unopened counts as reached by its way on the map."""
        if step.kind == "dead end":
            self.dead.add(step.places[0])
        elif step.kind == "open":
            place, opened = step.places[0], step.places[1]
            if place not in self.came_from:
                way = self.map.way(place) or (self.map.start, place)
                self.taken.update(pairwise(way))
                self.perhaps.update(way)
                self.came_from[place] = None
            self.came_from.setdefault(opened, place)
            self.taken.add((place, opened))
            self.perhaps -= {self.map.start, opened}

    def unopened(self, place: str) -> list[str]:
        """The places joined to a place that are yet to be opened, in the order of the prompt."""
        return [after for after in self.map.roads.get(place, ()) if after not in self.came_from]

    def way(self, to: str) -> Way:
        """The way on which the attempt itself came to an opened place, without loops."""
        back: list[str] = [to]
        while (before := self.came_from[back[-1]]) is not None:
            back.append(before)
        way: list[str] = []
        for place in (*(self.map.way(back[-1]) or (self.map.start,)), *back[::-1]):
            if place in way:
                del way[way.index(place) + 1 :]
            else:
                way.append(place)
        return tuple(way)

    def next_step(self) -> Step | None:
        """The step that is due in the map's order of search; None where every place is called a dead end, or where
        no option is the way that was found.
        """
        if self.map.goal in self.came_from:
            return self._answer()
        opened = reversed(self.came_from) if self.map.depth_first else iter(self.came_from)
        for place in opened:
            if place in self.dead:
                continue
            if fresh := self.unopened(place):
                return Step("open", (place, fresh[0]))
            if len(self.map.roads.get(place, ())) == 1 and place != self.map.start:
                return Step("dead end", (place,))
        return None

    def _answer(self) -> Step | None:
        way = self.way(self.map.goal)
        if not self.map.options:
            return Step("answer", way)
        return next((Step("answer", (letter,)) for letter, option in self.map.options.items() if option == way), None)
