"""How a reasoning trace in free text searches: which candidates it names, which it follows, and when it turns away.

A candidate is a case, option, value or approach that stands beside another one. The text is cut into steps (sentences and lines);
five kinds of cue open candidates:

    label      a step that begins "Case 2", "Option B", "(ii)", "For the second case", "First approach"
    value      steps that begin "If t = 6", "Try n = 3", "Suppose k < 0", of one letter with two values or more
    list       "the cases r = s and r != s", "either ... or ... cases": two at once, none of them followed yet
    other way  "Alternatively", "OR", "Another way", "We can also", "Instead, we": beside what the text did so far
    declined   "We could ... but", "Instead of adding": one that is named and left, and the one that is taken
    taken back "This is incorrect", "Let's re-evaluate", "However, we need to consider": what was done so far is left

A candidate is followed once the text works with it: the step itself concludes or computes, or the next step opens no other. Fewer than
two candidates are no strategy. docs/strategy.md says how well this agrees with a reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

MAX_TEXT, MAX_STEPS, MAX_STEP = 50_000, 1_000, 400
"""Characters of a text, steps of it, and characters of a step that are read."""

_BETWEEN = re.compile(r"(?<=[.!?])\s+|\n+")
_LEAD = re.compile(
    r"[\s*#>_•–\\-]*(?:\d{1,3}[.)])?[\s*#_]*(?:(?:now|next|then|finally|also|first|second|third|thus|so|and|in|for|under|take|consider|"
    r"suppose|assume|try|let's|let us|look|at|with|analy[sz]e|check|examine)\b[\s,]*){0,5}(?:(?:the|an?)\b\s*)?",
    re.IGNORECASE,
)
_NUMBER = r"one|two|three|four|five|[1-9]\d?|[a-h]|[ivx]{1,4}"
_KIND = r"case|option|approach|method|possibility|scenario|graph|choice|strategy|attempt|solution|way"
_LABEL = re.compile(rf"[*_]*(?:{_KIND})\s*[*_]*\(?({_NUMBER})\)?(?![\w'])", re.IGNORECASE)
_ORDINAL = re.compile(rf"(first|second|third|fourth|other)\s+(?:{_KIND})\b", re.IGNORECASE)
_LETTERED = re.compile(r"[\s*_-]*\(([a-h]|[ivx]{1,4})\)\s|[\s*_-]*([A-H])[.):]\s")
_VALUE = re.compile(
    r"(?:if|when|for|try|trying|suppose|assume|take|testing)\b[^=<>≤≥≠\\]{0,20}?[\s$(\\]*([a-z])[\s$)]*"
    r"((?:=|<|>|≤|≥|≠|\\n?eq?\b|\\[lg]eq?q?\b)\s{0,3}[-\w.\\{}/]{1,20})",
    re.IGNORECASE,
)
_OTHER_WAY = re.compile(
    r"(?:alternatively|or\s*$|(?:however,?\s*)?(?:let'?s|let us|we|you|one)?\s*(?:now\s+)?(?:consider|look|try|solve|view)?[^.]{0,40}\b(?:another|an alternative|a "
    r"different|a second)\s+(?:way|approach|method|perspective|angle|solution|possibility|option|interpretation)\b|on second thought|"
    r"(?:we|one|you) (?:can|could|may|might) also\b|instead,)",
    re.IGNORECASE,
)
_DECLINED = re.compile(
    r"(?:we|one|you) (?:can|could|might)\b[^.]{0,150}[,;]? but\b|instead of\b[^.]{0,120}\bwe\b|rather than\b[^.]{0,120}\bwe\b|.{0,120}\bbut "
    r"(?:one|another|an easier|a simpler|a better)\b[^.]{0,40}\b(?:way|approach|method)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"(?:wait\b|hmm\b|no,|oops\b)|.{0,80}\b(?:this|that|which) (?:is|was|seems) (?:incorrect|wrong|not (?:correct|right|possible))|.{0,60}\blet'?s "
    r"(?:re-?(?:evaluate|examine|consider|think|check|calculate|do)|start over|try again)|however,? (?:we|i) (?:need|have|must) to "
    r"(?:consider|check)\b|.{0,60}\b(?:that|this) (?:does not|doesn't|did not|didn't) (?:work|give)\b",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(r"(?:now,?\s+)?(?:suppose|assume)\b", re.IGNORECASE)
_TRIED = re.compile(r"(?:if|when|now,?|let'?s|next,?|we)\b[^.]{0,20}\b(?:try|tries|test)\s(?!to\b)", re.IGNORECASE)
_LISTED = re.compile(
    r"\b(?:cases|possibilities|scenarios|options|alternatives)\b[^.]{0,200}?\S\s(?:and|or|versus)\s|\b(?:either|both)\b[^.]{3,150}?\b(?:or|and)\b"
    r"[^.]{3,150}?\b(?:cases|separately|possibilities)\b",
    re.IGNORECASE,
)
_EITHER_OR = re.compile(r"\beither\b.{3,200}\bor\b", re.IGNORECASE)
_SAYS_CASES = re.compile(r"\b(?:cases|possibilities|scenarios)\b", re.IGNORECASE)
_COUNTING = re.compile(
    r"\b(?:in|the) (?:both|above|two|three|these|all) cases\b|\ball cases\b|\bfrom the (?:above )?cases\b",
    re.IGNORECASE,
)
_EITHER = re.compile(
    r"(?:thus|so|hence|then|therefore)?,?\s*either\b[^.]{2,80}\b(?:so|meaning|then|giving|and)\b[^.]{2,80}\bor\b",
    re.IGNORECASE,
)
_WORKS = re.compile(
    r"\b(?:then|so|thus|hence|gives?|giving|get|yields?|implies|means|meaning|leads?|because|since|which|is|are|we have)\b|[=≈]|\\(?:approx|implies|"
    r"Rightarrow)",
    re.IGNORECASE,
)
_NUMBERS = {
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "first": "1",
    "second": "2",
    "third": "3",
    "fourth": "4",
}


class Trace(Struct, frozen=True):
    """How one attempt searched, each a share from 0 to 1; None where the attempt had no occasion to show it."""

    breadth: float | None
    """On a map: of the openings at which both orders of search would open different places and it followed one of them, breadth first. In
    free text: 1 where two candidates or more are named before the first is followed, else 0."""
    candidates: float | None
    """Opened from the start before one of them was followed, of all that could be (a map) or that were named (free text)."""
    depth: float | None
    """How deep it was when it first turned away: of the map's greatest depth, or steps of the text out of all."""
    switches: float | None
    """Openings from another place than the one opened last, of all but the first; in free text, turns to another candidate a step."""
    revisits: float
    """Openings of a place that was open, of all; in free text, turns back to a candidate that had been left."""


class TextSearch(Struct, frozen=True, kw_only=True):
    """How one text searches, in counts."""

    named: int
    """Candidates, two or more."""
    before: int
    """Those named before the first is followed."""
    depth: int | None
    """Steps from there to the first switch; None where there is none."""
    switches: int
    """Turns of the work from one candidate to another."""
    revisits: int
    """Those of them to a candidate that had been left."""
    steps: int

    @property
    def order(self) -> str:
        """breadth: two or more were named before the first was followed."""
        return "breadth" if self.before > 1 else "depth"

    @property
    def trace(self) -> Trace:
        """The same as shares."""
        return Trace(
            breadth=float(self.before > 1),
            candidates=self.before / self.named,
            depth=None if self.depth is None else self.depth / self.steps,
            switches=self.switches / max(self.steps - 1, 1),
            revisits=self.revisits / (self.switches + 1),
        )


def search_of(text: str) -> TextSearch | None:
    """How a text searches; None where it names fewer than two candidates, and so shows no strategy."""
    steps = [step for step in _BETWEEN.split(text[:MAX_TEXT]) if _letters(step) > 1][:MAX_STEPS]
    cues = [_cue(step[:MAX_STEP]) for step in steps]
    # "either A or B" whose next step says that these are cases.
    for at in range(len(steps) - 1):
        if not cues[at][0] and _EITHER_OR.search(steps[at][:MAX_STEP]) and _SAYS_CASES.search(steps[at + 1][:MAX_STEP]):
            cues[at] = ("list", "", False)
    values: dict[str, set[str]] = {}
    for kind, key, _ in cues:
        if kind == "value":
            values.setdefault(key.split()[0], set()).add(key)
    walk = _Walk()
    for at, (kind, key, works) in enumerate(cues):
        if kind == "value" and len(values[key.split()[0]]) < 2:
            kind = ""
        more = at + 1 < len(cues)
        goes_on = more and not cues[at + 1][0]
        # What only announces another way is followed in what comes after it.
        announces = kind in ("other way", "taken back") and more
        walk.step(at, kind, key, works=goes_on or (works and not announces))
    return walk.search(len(steps))


class _Walk:
    """Follows the cues of one text."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self.unclaimed = 0  # listed, and not yet taken up by a label
        self.current = ""
        self.left: set[str] = set()
        self.before = self.switches = self.revisits = self.worked = self.started = 0
        self.depth: int | None = None

    def step(self, at: int, kind: str, key: str, *, works: bool) -> None:
        if kind == "list":
            self._list(2)
        elif kind == "declined":
            if not self.named:
                self._list(2)
            self._follow(at, self._name(f"at {at}"))
        elif kind in ("other way", "taken back", "tried"):
            self._begin()
            if works or not self.before:
                self._open(at, f"at {at}", works=works)
        elif kind == "either":
            self._list(0)
            self._follow(at, self._name(f"either {at}"))
            self._follow(at, self._name(f"or {at}"))
        elif kind:
            self._open(at, key, works=works)
        elif self.named and not self.current:
            self._follow(at, self.named[-1])
        else:
            self.worked += works
            self.started = self.started or at

    def search(self, steps: int) -> TextSearch | None:
        named = len(self.named) + self.unclaimed
        if named < 2:
            return None
        return TextSearch(
            named=named,
            before=self.before or named,
            depth=self.depth,
            switches=self.switches,
            revisits=self.revisits,
            steps=steps,
        )

    def _begin(self) -> None:
        """Where no candidate was named, what the text did so far is one."""
        if not self.named and not self.unclaimed:
            first = self._name("so far")
            if self.worked:
                self._follow(0, first)

    def _open(self, at: int, key: str, *, works: bool) -> None:
        name = self._name(key)
        if works:
            self._follow(at, name)

    def _name(self, key: str) -> str:
        if key not in self.named:
            self.unclaimed = max(self.unclaimed - 1, 0)
            self.named.append(key)
        return key

    def _list(self, size: int) -> None:
        self.unclaimed = max(self.unclaimed, size)

    def _follow(self, at: int, name: str) -> None:
        if not self.current:
            self.before, self.started = len(self.named) + self.unclaimed, at
        elif name != self.current:
            self.switches += 1
            self.revisits += name in self.left
            self.left.add(self.current)
            if self.depth is None:
                self.depth = max(at - self.started, 1)
        self.current = name


def _cue(step: str) -> tuple[str, str, bool]:
    """The kind of cue a step begins with ("" for none), the candidate's key, and whether the step works with it."""
    lead = _LEAD.match(step)
    at = lead.end() if lead else 0
    for kind, key, end in _cues(step, at):
        rest = step[end:]
        return kind, key, bool(_WORKS.search(rest)) and len(rest.split()) > 4
    return "", "", bool(_WORKS.search(step))


def _cues(step: str, at: int) -> Iterator[tuple[str, str, int]]:
    if found := _LABEL.match(step, at):
        number = found[1].lower()
        yield "label", _NUMBERS.get(number, number), found.end()
    if found := _ORDINAL.match(step, at):
        yield "label", _NUMBERS.get(found[1].lower(), "other"), found.end()
    if found := _LETTERED.match(step):
        yield "label", (found[1] or found[2]).lower(), found.end()
    bare = step.lstrip(" *#_-")
    for kind, pattern in (
        ("declined", _DECLINED),
        ("other way", _OTHER_WAY),
        ("taken back", _TAKEN_BACK),
        ("either", _EITHER),
        ("value", _VALUE),
        ("tried", _TRIED),
    ):
        if found := pattern.match(bare):
            key = f"{found[1].lower()} {found[2]}" if kind == "value" else ""
            yield kind, key, len(step) - len(bare) + found.end()
    if found := _SUPPOSED.match(bare):
        yield "value", f"suppose {bare[found.end() :][:60]}", len(step) - len(bare) + found.end()
    if (found := _LISTED.search(step)) and not _COUNTING.search(step):
        yield "list", "", len(step)


def _letters(step: str) -> int:
    return sum(sign.isalnum() for sign in step[:MAX_STEP])
