"""The route family: find the one way through a small map with dead ends, in plain English.

    Roads: Ash-Bay, Bay-Cliff, Ash-Dale, Dale-Elm. Which way leads from Ash to Elm?
    Ash-Bay. Bay-Cliff. Cliff is a dead end. Ash-Dale. Dale-Elm. The answer is Ash via Dale to Elm.

An attempt opens places one by one, so it shows in which order they were opened: depth first (above) or breadth
first. Both are sound, and every map is such that they differ. A map is a tree: one simple way leads to the goal.
The answer closes with "to", so that a way which stops short or goes on is no beginning of the right one, and
outcome verification calls it wrong. The same map can be asked as multiple choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.problems.route_map import Map, Search, Step, Way, in_words, read_step, road
from counterform.types import Family, Mark, PlantedError, Problem, StepVerdict, Watch

# fmt: off
PLACES = (
    "Ash", "Bay", "Bridge", "Church", "Cliff", "Dale", "Elm", "Farm", "Fort", "Gate", "Glen", "Hill", "Isle",
    "Jetty", "Kiln", "Lake", "Mill", "Nook", "Oak", "Pond", "Quay", "Ridge", "Shore", "Tower", "Vale", "Wood",
)
# fmt: on
LENGTHS = range(2, 11)
"""Places on the way, both ends counted."""
TRAINED_LENGTHS = (3, 4, 5)
FEWEST_PLACES, MOST_PLACES = 6, 12
LETTERS = "ABCD"
IN_FREE_FORM, WITH_A_LETTER = "Answer in the form: A via B via C to D.", "Answer with a letter."
"""How the two formats end their question."""
ERRORS = {"road": 0.35, "answer": 0.2, "dead end": 0.15, "unfinished": 0.15, "again": 0.075, "unopened": 0.075}
"""Kinds of errors with their shares in noisy attempts: most of those that are carried on spoil the answer too."""

Order = Literal["breadth", "depth"]

_WORD = re.compile(r"[A-Za-z]+")


class Route(Family):
    """Generator, worked solution and step verifier of the family."""

    name = "route"
    bounded = True

    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = TRAINED_LENGTHS) -> list[Problem]:
        """`n` different problems whose ways have a number of places drawn evenly from `lengths`; half of the worked
        solutions search breadth first, half depth first. Names alone make more than 10**8 problems of every length.
        """
        lengths = tuple(lengths)
        if not lengths or any(length not in LENGTHS for length in lengths):
            raise DataError(
                f"no route problems of the lengths {lengths}: a way has {LENGTHS[0]} to {LENGTHS[-1]} places, both "
                "ends counted. Ask for such lengths: [problems] lengths."
            )
        found: dict[str, Problem] = {}
        while len(found) < n:
            problem = _problem(rng, int(rng.choice(lengths)))
            if problem is not None:
                found.setdefault(problem.id, problem)
        return list(found.values())

    def start(self, problem: Problem) -> RouteWatch:
        """A step verifier for one attempt at `problem`, free form or multiple choice."""
        return RouteWatch(problem)

    def plant_errors(self, problem: Problem, *, rng: np.random.Generator) -> list[PlantedError]:
        """The worked solution with one error of each of the kinds in ERRORS, carried on as a person would."""
        planted = []
        for kind in ERRORS:
            steps, at = broken_steps(problem, rng, kind=kind)
            planted.append(PlantedError(text=" ".join(steps), kind=kind, first_error=at))
        return planted


class RouteWatch(Watch):
    """Follows what the attempt itself has opened, so that one early error is not counted again at every later step."""

    def __init__(self, problem: Problem) -> None:
        self._map = Map(problem.facts)
        self._now = Search(self._map)
        self._before: Search | None = None
        """Where the attempt stood before its last step, which "Wait, ..." takes back."""

    def feed(self, step: str) -> StepVerdict:
        """Grade one sentence. RIGHT, WRONG with the rule broken and what would be right, or UNKNOWN."""
        read = read_step(step.strip())
        if read is None or not self._is_of_this_problem(read):
            self._before = self._now.copy()
            self._doubt(step)
            return StepVerdict(mark=Mark.UNKNOWN, rule="unread")
        mends = read.mends and self._before is not None
        if mends and self._before is not None:
            self._now = self._before.copy()
        else:
            self._before = self._now.copy()
        grade = {"open": self._grade_opening, "dead end": self._grade_dead_end, "answer": self._grade_answer}[read.kind]
        mark, rule = grade(read)
        hint = self._hint(read) if mark is Mark.WRONG else ""
        if rule != "again":
            self._now.take(read)
        return StepVerdict(mark=mark, rule=rule, hint=hint, mends=mends)

    def _is_of_this_problem(self, read: Step) -> bool:
        if read.kind == "answer":
            options = self._map.options
            return read.places[0] in options if options else len(read.places) > 1
        return all(place in self._map.roads or place in PLACES for place in read.places)

    def _doubt(self, text: str) -> None:
        """A step was not read: it may have opened the places it names, or taken back the last ones."""
        now, words = self._now, {word.capitalize() for word in _WORD.findall(text)}
        named = words & self._map.roads.keys()
        if "Wait" in words:
            named.add(next(reversed(now.came_from)))
        else:
            named -= now.came_from.keys()
        now.perhaps |= named - {self._map.start}

    def _grade_opening(self, read: Step) -> tuple[Mark, str]:
        now, (place, opened) = self._now, read.places
        if opened not in self._map.roads.get(place, ()):
            return Mark.WRONG, "road"
        if place not in now.came_from:
            return Mark.UNKNOWN if place in now.perhaps else Mark.WRONG, "unopened"
        if opened in now.came_from and opened not in now.perhaps:
            return Mark.WRONG, "again"
        return Mark.RIGHT, "road"

    def _grade_dead_end(self, read: Step) -> tuple[Mark, str]:
        now, [place] = self._now, read.places
        if place == self._map.goal:
            return Mark.WRONG, "dead end"
        if place not in now.came_from:
            return Mark.UNKNOWN if place in now.perhaps else Mark.WRONG, "unopened"
        if place in now.dead:
            return Mark.WRONG, "again"
        if fresh := now.unopened(place):
            return Mark.UNKNOWN if now.perhaps.issuperset(fresh) else Mark.WRONG, "dead end"
        return Mark.RIGHT, "dead end"

    def _grade_answer(self, read: Step) -> tuple[Mark, str]:
        now, goal = self._now, self._map.goal
        if len(now.came_from) == 1 and not now.perhaps:
            return Mark.UNKNOWN, "no steps"
        if goal not in now.came_from:
            return Mark.UNKNOWN if goal in now.perhaps else Mark.WRONG, "unfinished"
        ways = self._map.options
        mark = self._mark_of_way(ways[read.places[0]] if ways else read.places)
        if mark is Mark.WRONG and ways and not any(self._mark_of_way(way) is Mark.RIGHT for way in ways.values()):
            mark = Mark.UNKNOWN  # After an error, no option may be the way that was found.
        return mark, "answer"

    def _mark_of_way(self, way: Way) -> Mark:
        now = self._now
        if (way[0], way[-1]) != (self._map.start, self._map.goal) or len(set(way)) < len(way):
            return Mark.WRONG
        untaken = [pair for pair in pairwise(way) if pair not in now.taken]
        if all(b in self._map.roads.get(a, ()) and now.perhaps.intersection((a, b)) for a, b in untaken):
            return Mark.UNKNOWN if untaken else Mark.RIGHT
        return Mark.WRONG

    def _hint(self, read: Step) -> str:
        """A right step: from the same place where one is to be opened from there, else the one that is due."""
        now, place = self._now, read.places[0]
        if self._map.goal not in now.came_from and place in now.came_from and (fresh := now.unopened(place)):
            return Step("open", (place, fresh[0])).sentence()
        due = now.next_step()
        if due is None:  # places were called dead ends that are none
            now = now.copy()
            now.dead = {place for place in now.dead if not now.unopened(place)}
            due = now.next_step()
        return due.sentence() if due else ""


def solution_steps(problem: Problem, order: Order | None = None) -> list[str]:
    """The worked solution, a sentence a step, in an order of search (left out: the problem's own)."""
    return [step.sentence() for step in _solution(problem.facts | ({"order": order} if order else {}))]


def broken_steps(
    problem: Problem, rng: np.random.Generator, *, kind: str, mended: bool = False
) -> tuple[list[str], int]:
    """The worked solution with one error of a kind, carried on to the end or mended at once, and the error's index.

    `road`: a place is opened where no road leads. `again`: a place is opened twice. `unopened`: a place is opened
    from one that is not open. `dead end`: a place is called one that leads on, or is the goal. `unfinished`: an
    answer before the goal is open. `answer`: a wrong way, or another option.
    """
    on = Map(problem.facts)
    now, sound = Search(on), _rest(Search(on), rng)
    errors: list[tuple[int, Search, list[Step]]] = []
    for index, step in enumerate(sound):
        if possible := _errors(kind, now, step, rng):
            errors.append((index, now.copy(), possible))
        now.take(step)
    at, now, possible = errors[int(rng.integers(len(errors)))]
    error = possible[int(rng.integers(len(possible)))]
    if mended:
        rest = [sound[at]._replace(mends=True), *sound[at + 1 :]]
    else:
        now.take(error)
        rest = _rest(now, rng) if error.kind != "answer" else []
    return [step.sentence() for step in (*sound[:at], error, *rest)], at


def noisy_attempt(problem: Problem, rng: np.random.Generator, *, unnoticed: float, mended: float) -> list[str]:
    """The steps of an attempt with honest noise.

    With probability `unnoticed` one error carried on to the end, with probability `mended` one that the next step
    takes back ("Wait, ..."), else the worked solution.
    """
    draw = rng.random()
    if draw >= unnoticed + mended:
        return solution_steps(problem)
    kind = str(rng.choice(list(ERRORS), p=list(ERRORS.values())))
    return broken_steps(problem, rng, kind=kind, mended=draw >= unnoticed)[0]


def as_multiple_choice(problem: Problem, rng: np.random.Generator) -> Problem:
    """The same map and question with four options: the right way and three near misses, in random order."""
    on = Map(problem.facts)
    ways = [on.way(on.goal), *near_misses(on, rng)]
    options = dict(zip(LETTERS, (ways[int(index)] for index in rng.permutation(len(ways))), strict=True))
    listed = " ".join(f"{letter}: {in_words(way)}." for letter, way in options.items())
    facts = problem.facts | {"options": {letter: list(way) for letter, way in options.items()}}
    asked = _stated(f"{_question(facts)} {listed} {WITH_A_LETTER}", facts)
    return replace(asked, split=problem.split)


def near_misses(on: Map, rng: np.random.Generator) -> list[Way]:
    """Three wrong ways: through a dead end to the goal, over sound roads to another place, over a missing road."""
    right = on.way(on.goal)
    ways = {place: on.way(place) for place in on.roads}
    dead_ends = [
        way for place, way in ways.items() if len(on.roads[place]) == 1 and on.goal not in way and len(way) > 1
    ]
    elsewhere = [way for way in ways.values() if len(way) > 1 and way[-1] != on.goal]
    astray = (*dead_ends[int(rng.integers(len(dead_ends)))], on.goal)
    last = len(right) - 1
    missing = [right[:i] + right[i + 1 :] for i in range(1, last)]
    missing += [
        (*right[:i], place, *right[min(i + 1, last) :])
        for i in range(1, last + 1)
        for place in on.roads
        if place not in right
    ]
    missing = [way for way in missing if way != astray]
    return [astray, elsewhere[int(rng.integers(len(elsewhere)))], missing[int(rng.integers(len(missing)))]]


def _solution(facts: dict[str, Any]) -> list[Step]:
    return _rest(Search(Map(facts)), np.random.default_rng(0))  # without an error nothing is left to chance


def _errors(kind: str, now: Search, due: Step, rng: np.random.Generator) -> list[Step]:
    """The errors of a kind that can stand in place of the step that is due."""
    on, opened = now.map, now.came_from
    if kind == "again":
        return [Step("open", pair) for pair in sorted(now.taken)]
    if kind == "dead end":
        called = [place for place in opened if place != on.start and now.unopened(place)]
        return [Step("dead end", (place,)) for place in ([on.goal] if on.goal in opened else called)]
    if kind == "answer" and due.kind == "answer":
        others = [(letter,) for letter in on.options if (letter,) != due.places]
        return [Step("answer", places) for places in others or near_misses(on, rng)]
    if kind == "unfinished" and on.goal not in opened and len(opened) > 1:
        return [_guess(now, rng)]
    if kind == "road" and due.kind == "open":
        place = due.places[0]
        far = [other for other in on.roads if other not in (place, *opened, *on.roads[place])]
        ahead = [other for other in far if other in on.way(on.goal)]  # these spoil the answer
        return [Step("open", (place, other)) for other in ahead or far]
    if kind == "unopened" and due.kind == "open":
        return [Step("open", (a, b)) for a in on.roads if a not in opened for b in now.unopened(a) if a in on.way(b)]
    return []


def _rest(now: Search, rng: np.random.Generator) -> list[Step]:
    """The rest of an attempt, from where it stands: the search goes on. After an error it may have to end in a guess."""
    steps: list[Step] = []
    while not steps or steps[-1].kind != "answer":
        step = now.next_step() or _guess(now, rng)
        now.take(step)
        steps.append(step)
    return steps


def _guess(now: Search, rng: np.random.Generator) -> Step:
    """An answer without a search that led to it: some option, or straight from the last opened place to the goal."""
    if now.map.options:
        return Step("answer", (LETTERS[int(rng.integers(len(LETTERS)))],))
    return Step("answer", (*now.way(next(reversed(now.came_from))), now.map.goal))


def _problem(rng: np.random.Generator, length: int) -> Problem | None:
    """A problem; None where both orders of search would open the same places."""
    size = int(rng.integers(max(FEWEST_PLACES, length + 2), min(MOST_PLACES, length + 5) + 1))
    places = [str(place) for place in rng.permutation(PLACES)[:size]]
    way, off = places[:length], places[length:]
    roads = [list(pair) for pair in pairwise(way)]
    inner = way[:-1]
    for place in off:
        roads.append([inner[int(rng.integers(len(inner)))], place])
        inner.append(place)
    facts: dict[str, Any] = {
        "roads": [roads[int(index)] for index in rng.permutation(len(roads))],
        "start": way[0],
        "goal": way[-1],
        "order": "depth" if rng.random() < 0.5 else "breadth",
    }
    openings = [
        [step for step in _solution(facts | {"order": order}) if step.kind == "open"] for order in ("breadth", "depth")
    ]
    if openings[0] == openings[1]:
        return None
    return _stated(f"{_question(facts)} {IN_FREE_FORM}", facts)


def _question(facts: dict[str, Any]) -> str:
    # Each road is listed from its end nearer the start, so that the list reads the same if roads are taken as one-way.
    roads = ", ".join(road(ends) for ends in facts["roads"])
    return f"Roads: {roads}. Which way leads from {facts['start']} to {facts['goal']}?"


def _stated(prompt: str, facts: dict[str, Any]) -> Problem:
    steps = _solution(facts)
    return Problem(
        id=f"route-{blake2b(prompt.encode(), digest_size=6).hexdigest()}",
        prompt=prompt,
        answer=in_words(steps[-1].places),
        family="route",
        solution=" ".join(step.sentence() for step in steps),
        facts=facts,
    )
