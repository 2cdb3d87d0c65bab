"""How does it search? Breadth first or depth first, read off the trace, with the answer asked in three formats.

After Lee et al. 2025 (arXiv 2505.10185), who had a model name the strategy of a text. On maps (the family `route`) an attempt says which
place it opens from where, so that nothing is left to a judge. Any other text is read by `counterform.text.search`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.findings.effects import find_strategies
from counterform.metrics import Metric
from counterform.models.sampling import answers_for, derived_seed
from counterform.probes.probe import Context, Found, HeldOut, Probe
from counterform.problems.route import IN_FREE_FORM, as_multiple_choice
from counterform.problems.route_map import Map, Search, Step, read_step
from counterform.text.search import Trace, search_of
from counterform.types import Attempt, Mark, Model, Problem, Reading

NEUTRAL, AS_ASKED = "no format", "as asked"
FORMATS = ("free form", "multiple choice", NEUTRAL)
"""The third asks for no form of answer, as no arm was taught."""
BREADTH, CANDIDATES, DEPTH, SWITCHES, REVISITS = (
    "breadth first",
    "candidates before the first is followed",
    "depth at first switch",
    "switches",
    "revisits",
)
_MEANINGS = {
    BREADTH: (
        "Openings in the order of a breadth-first search, where a depth-first one would open another place; of texts, those that name "
        "two candidates or more before they follow one"
    ),
    CANDIDATES: "Opened from the start before one of them is followed, of all that could be, or are named",
    DEPTH: "How deep it stands when it first turns away: of the map's greatest depth, or steps of all",
    SWITCHES: "Openings from another place than the one opened last; of texts, steps that turn to another candidate",
    REVISITS: "Openings of a place that was open; of texts, turns back to a candidate that was left",
}
MOST_STEPS = 200
"""Sentences of an attempt that are read."""

_BETWEEN = re.compile(r"(?<=\.)\s+|\n")


class Strategy(Probe):
    """Samples held-out problems and follows what each attempt opens: maps in three formats, or other problems as they are asked.

    A reading is a problem's mean over its samples. A sample without one opening that could be read shows no strategy; a problem of
    which every sample is such is UNKNOWN. The condition is the format that was asked for; no metric is better high or low.
    """

    name = "strategy"
    reads = ("samples", "temperature", "max_tokens", "problems")
    needs = frozenset({"text"})
    section = "strategy"
    metrics = tuple(
        Metric(
            name=name,
            title=f"{name[0].upper()}{name[1:]}, {{condition}}",
            meaning=f"{meaning}. Neither high nor low is better.",
            better="neither",
            headline=False,
        )
        for name, meaning in _MEANINGS.items()
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        maps = [p for p in items.problems if "roads" in p.facts and "options" not in p.facts]
        problems = (maps or list(items.problems))[: self.spec.problems]
        if not problems:
            raise DataError(f"probe {self.name!r} needs held-out problems, and there are none. Leave this probe out.")
        readings: list[Reading] = []
        for format_ in FORMATS if maps else (AS_ASKED,):
            attempts = answers_for(
                self.bench, model, [_posed(problem, format_) for problem in problems], arm=arm, seed=seed
            )
            for at, problem in enumerate(problems):
                own = attempts[at * self.spec.samples : (at + 1) * self.spec.samples]
                readings += self._readings(problem, list(_traces(problem, own)), format_, arm, seed)
        return readings

    def find(self, readings: Sequence[Reading], context: Context) -> Found:
        """Effect sizes of every contrast, and the curve between two arms, beside the general comparison."""
        own, notes = find_strategies(
            [*readings, *context.between],
            self.declared,
            contrasts=context.contrasts,
            shows=context.shows,
            doses=context.doses,
            fixed=context.fixed,
        )
        return Found(readings=readings, own=own, notes=notes)

    def _readings(
        self, problem: Problem, traces: Sequence[Trace], format_: str, arm: str, seed: int
    ) -> Iterator[Reading]:
        for metric, field in zip(_MEANINGS, Trace.__struct_fields__, strict=True):
            shown = [value for found in traces if (value := getattr(found, field)) is not None]
            yield Reading(
                probe=self.name,
                metric=metric,
                condition=format_,
                arm=arm,
                seed=seed,
                item_id=problem.id,
                problem_id=problem.id,
                mark=Mark.RIGHT if traces else Mark.UNKNOWN,
                value=fmean(shown) if shown else None,
            )


def _traces(problem: Problem, attempts: Sequence[Attempt]) -> Iterator[Trace]:
    """How each attempt that was heard searched, where it shows that at all."""
    for text in (a.completion.text for a in attempts if a.completion.finish != "error"):
        if "roads" in problem.facts:
            found = trace_of(Map(problem.facts), text)
        else:
            search = search_of(text)
            found = search.trace if search else None
        if found is not None:
            yield found


def trace_of(on: Map, text: str) -> Trace | None:
    """How an attempt at a map searched; None where no opening of a place on the map could be read."""
    openings = _openings(on, text)
    if not openings:
        return None
    now, last = Search(on), on.start
    depths = {on.start: 0}
    breadth: list[bool] = []
    switched: list[int] = []
    switches = revisits = 0
    for number, (place, opened) in enumerate(openings):
        waiting = [known for known in now.came_from if now.unopened(known)]
        if waiting and waiting[0] != waiting[-1] and place in (waiting[0], waiting[-1]):
            breadth.append(place == waiting[0])
        if number and place != last:
            switches += 1
            switched.append(depths.get(last, 0))
        revisits += opened in now.came_from
        now.take(Step("open", (place, opened)))
        depths.setdefault(opened, depths.get(place, 0) + 1)
        last = opened
    deepest = max(len(on.way(place)) - 1 for place in on.roads)
    return Trace(
        breadth=fmean(breadth) if breadth else None,
        candidates=_candidates(on, openings),
        depth=min(switched[0] / deepest, 1.0) if switched else None,
        switches=switches / (len(openings) - 1) if len(openings) > 1 else None,
        revisits=revisits / len(openings),
    )


def _openings(on: Map, text: str) -> list[tuple[str, str]]:
    """Which place was opened from which, in order, without those that the next step takes back ("Wait, ...")."""
    found: list[Step] = []
    for sentence in _BETWEEN.split(text)[:MOST_STEPS]:
        step = read_step(sentence.strip()[:MOST_STEPS])
        if step is None or (step.kind == "open" and not set(step.places) <= on.roads.keys()):
            continue
        if step.mends and found:
            found.pop()
        found.append(step)
    return [(step.places[0], step.places[1]) for step in found if step.kind == "open"]


def _candidates(on: Map, openings: Sequence[tuple[str, str]]) -> float | None:
    choices = on.roads[on.start]
    if len(choices) < 2:
        return None
    opened: set[str] = set()
    for place, other in openings:
        if place != on.start:
            break
        opened.add(other)
    return len(opened & set(choices)) / len(choices)


def _posed(problem: Problem, format_: str) -> Problem:
    """The same problem, asked for its answer in another format."""
    if format_ == FORMATS[1]:
        return as_multiple_choice(problem, np.random.default_rng(derived_seed("strategy", problem.id)))
    if format_ == NEUTRAL:
        return replace(problem, prompt=problem.prompt.replace(IN_FREE_FORM, "").strip())
    return problem
