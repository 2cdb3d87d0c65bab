"""Who holds what after a row of swaps, as BIG-Bench's `tracking_shuffled_objects` are solved.

    Problem   Alice, Bob, and Claire are playing a game. At the start ... Alice has a red ball, ... First, Alice and Bob
              swap balls. ... At the end of the game, Bob has the / Options: / (A) red ball. ...
    Attempt   At the start: Alice: red, Bob: blue, Claire: green. / Alice and Bob swap balls: Alice: blue, Bob: red,
              Claire: green. / ... / At the end of the game, Bob has the red ball. So the answer is (A)

Names may be cut to initials and things to a telling part ("Gatsby"); who is not named in a step is taken to hold what he
then should.
"""

from __future__ import annotations

import re

from counterform.types import Problem, StepVerdict, StepVerifier
from counterform.verify.claims import Claim, Claims, kept, unread, wrong

_HOLDS = r"(?:has|gets|is playing|is dancing with|is holding)"
_FILLERS = frozenset(("the", "a", "an", "of", "ball", "present", "book", "gift"))


class Tracking(StepVerifier):
    """A step verifier for attempts that write down who holds what after each swap."""

    name = "bb-tracking"
    bounded = True

    def start(self, problem: Problem) -> TrackingWatch:
        """A step verifier for one attempt. A prompt that is no such puzzle leaves every step unread."""
        story, _, options = problem.prompt.partition("Options:")
        names = re.findall(r"[A-Z]\w+", story.partition(" are ")[0])[:26]
        who = "|".join(map(re.escape, names)) or "(?!)"
        opening = story.partition("At the start")[2].partition("\n")[0]
        things = dict(
            re.findall(rf"\b({who}) {_HOLDS} (?:an? )?([^,]*?)(?=,? (?:and )?(?:{who}) {_HOLDS}|,|\.$)", opening)
        )
        swaps = re.findall(rf"\b({who}) and ({who}) (?:swap|switch|trade)", story)
        asked = re.findall(rf"\b({who}) {_HOLDS}", story)
        choices = dict(re.findall(r"\(([A-Z])\) (.*?)\.?(?=\n|$)", options))
        return TrackingWatch(things, swaps, asked[-1] if asked else "", choices)


class TrackingWatch(Claims):
    """Grades one attempt by its own record of who holds what."""

    def __init__(
        self, things: dict[str, str], swaps: list[tuple[str, str]], asked: str, choices: dict[str, str]
    ) -> None:
        self._names, self._all = list(things), list(things.values())
        self._now, self._swaps, self._at = dict(things), swaps, 0
        self._asked, self._choices = asked, choices
        self._fresh = True
        who = "|".join(map(re.escape, (*self._names, *(name[0] for name in self._names)))) or "(?!)"
        holding = rf"(?:{who}): [^,.:]{{1,60}}?(?:, |(?=\.|$| So the answer))"
        super().__init__(
            {
                rf"(?:At the start: )?((?:{holding}){{1,26}})\.?(?=\s|$)": self._holdings,
                rf"({who})(?: and | )({who})(?: (?:swap|switch|trade)(?: (?:balls|books|positions|partners|gifts|their gifts))?)?"
                rf":? ((?:{holding}){{1,26}})\.?(?=\s|$)": self._swap,
                rf"({who}) and ({who}) (?:swap|switch|trade)(?: (?:balls|books|positions|partners|their gifts))?[,.]": self._swap,
                rf"At the end(?: of the \w+)?, ({who}) {_HOLDS} (?:the |an? )?([^.]{{1,60}})\.": self._end,
                r"So the answer is \(([A-Z])\)\.?": self._answer,
            },
            matter=rf"(?:{who}):",
        )

    def _holdings(self, said: Claim) -> StepVerdict:
        """A row of holdings: the start, or what the next swap leaves."""
        first, self._fresh = self._fresh, False
        if first or said[0].lstrip().startswith("At the start"):
            return self._compare(said[1], dict(self._now), "start")
        return self._swapped(None, said[1])

    def _swap(self, said: Claim) -> StepVerdict:
        self._fresh = False
        named = frozenset(self._name(said[group]) for group in (1, 2))
        return self._swapped(named, said[3] if said.re.groups == 3 else "")

    def _swapped(self, named: frozenset[str] | None, holdings: str) -> StepVerdict:
        if self._at == len(self._swaps):
            return wrong("swap", self._outcome)
        one, other = self._swaps[self._at]
        self._at += 1
        due = self._now | {one: self._now[other], other: self._now[one]}
        if named is not None and named != {one, other}:
            self._compare(holdings, due, "swap")
            return wrong("swap", f"{one} and {other} swap: {_shown(due)}.")
        return self._compare(holdings, due, "holds")

    def _compare(self, holdings: str, due: dict[str, str], rule: str) -> StepVerdict:
        """Whether the things named are those due; the attempt's own are kept."""
        claimed = {}
        for name, thing in re.findall(r"(\w+): ([^,.:]*)", holdings):
            claimed[self._name(name)] = self._thing(thing)
        self._now = due | {name: thing for name, thing in claimed.items() if thing}
        if any(thing and thing != due[name] for name, thing in claimed.items()):
            return wrong(rule, f"{_shown(due)}.")
        return kept(rule) if all(claimed.values()) else unread("no such thing")

    def _end(self, said: Claim) -> StepVerdict:
        if self._at < len(self._swaps):
            one, other = self._swaps[self._at]
            return wrong("end", f"{one} and {other} swap.")
        name, thing = self._name(said[1]), self._thing(said[2])
        if not thing:
            return unread("no such thing")
        return kept("end") if self._now[name] == thing else wrong("end", f"{name} has {self._now[name]}.")

    def _answer(self, said: Claim) -> StepVerdict:
        if self._at < len(self._swaps):
            return wrong("answer", "There are swaps left.")
        right = self._choices.get(said[1], "") == self._now.get(self._asked)
        return kept("answer") if right else wrong("answer", self._outcome)

    @property
    def _outcome(self) -> str:
        due = self._now.get(self._asked, "")
        letter = next((letter for letter, thing in self._choices.items() if thing == due), "?")
        return f"{self._asked} has {due}. So the answer is ({letter})"

    def _name(self, said: str) -> str:
        return next(name for name in self._names if said in (name, name[0]))

    def _thing(self, said: str) -> str:
        """The thing meant: the one that has all words said, if there is just one."""
        words = _words(said)
        meant = {thing for thing in self._all if words and words <= _words(thing)}
        exact = {thing for thing in meant if words == _words(thing)}
        return next(iter(exact or meant)) if len(exact or meant) == 1 else ""


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", text.lower())) - _FILLERS


def _shown(holdings: dict[str, str]) -> str:
    return ", ".join(f"{name}: {thing}" for name, thing in holdings.items())
