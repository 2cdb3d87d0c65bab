"""The same problems in another format of answer, multiple choice or free form, and of another domain in the same format.

Lee et al. 2025, "The CoT Encyclopedia" (arXiv 2505.10185): training on multiple choice made models search breadth first and on
free form depth first, more than the domain did. There with GRPO; here with it, or by imitating the worked solution, which is the same in
both formats but for the sentence that states the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import DataError, unknown_name
from counterform.problems.route import IN_FREE_FORM, WITH_A_LETTER, near_misses
from counterform.problems.route_map import Map, in_words
from counterform.text.answers import answer_of, bare
from counterform.text.wording import answer_sentence, option
from counterform.types import Arm, Case, Example, Objective, Problem

ANSWERS = ("multiple choice", "free form")
OBJECTIVES = ("sft", "grpo")
MOST_CHOICES = 4
LONGEST_CHOICE = 200
"""Characters of a wrong answer that can stand as an option."""

_INTEGER = re.compile(r"-?\d{1,15}")


class Choices(Struct, frozen=True):
    """The options of one problem, and at which place the right one stands."""

    options: tuple[str, ...]
    right: int


class Format(Recipe):
    """Problem -> worked solution in the format that `answers` names; with the objective `grpo`, problem -> what the model samples.

    Distractors: the answers of the problem's own wrong attempts first, then near misses (on a map three wrong ways; of a whole number
    other numbers near it), then answers to other problems of the family. Every place holds the right option equally often. A problem with
    fewer than two different options leaves all arms. The reward of GRPO is 1 for the right letter, or for the right answer in free form.

    domain: of problems of several families, the one that this arm is shown, its cases over again in order until there are as many
    examples as cases: so arms of two domains have equal numbers of examples and differ in the problems. Empty: all cases, once.
    """

    name = "format"
    leaves_out = True

    def __init__(
        self,
        *,
        answers: str = "multiple choice",
        objective: str = "sft",
        domain: str = "",
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        for what, value, options in (("answers", answers, ANSWERS), ("objective", objective, OBJECTIVES)):
            if value not in options:
                raise ValueError(unknown_name(what, value, options))
        self._choose = answers == ANSWERS[0]
        self.objective: Objective = "grpo" if objective == "grpo" else "sft"
        self._shows = {"format": answers, "domain": domain, "objective": objective}
        target = "sampled by the arm itself" if objective == "grpo" else "the target is the worked solution"
        self.differs_by = f"{target}, and the format is {answers}" + (f"; problems of {domain} alone" if domain else "")

    @property
    def shows(self) -> Mapping[str, str]:
        """Its format, domain and objective."""
        return self._shows

    def usable(self, cases: Sequence[Case]) -> list[bool]:
        """Whether each case has a wrong answer to choose from."""
        return [not self._choose or choices is not None for choices in all_choices(cases, np.random.default_rng(0))]

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        shown = self._of_domain(cases)
        bare = [case.problem.id for case in shown if not case.problem.solution]
        if bare and self.objective == "sft":
            raise DataError(
                f"arm {self.name!r} needs a worked solution for every problem; {len(bare)} of {len(shown)} have none "
                f'(first: {bare[0]!r}). Name the column ($.problems.solution), give options = {{ objective = "grpo" }}, or leave '
                "this arm out."
            )
        chosen = all_choices(shown, rng) if self._choose else [None] * len(shown)
        examples, right = [], []
        for case, choices in zip(shown, chosen, strict=True):
            prompt, solution = case.problem.prompt, case.problem.solution or ""
            if self._choose:
                if choices is None:
                    raise DataError(
                        f"arm {self.name!r}: problem {case.problem.id!r} has fewer than two different options. Give more "
                        'cases, whose answers can stand in, or options = { answers = "free form" }.'
                    )
                prompt, solution = asked(case.problem, choices), _by_letter(case.problem, choices)
                right.append(option(choices.right))
            target = solution if self.objective == "sft" else None
            examples.append(Example(problem_id=case.problem.id, prompt=prompt, completion=target))
        options: dict[str, Any] = {"answers": right} if self.objective == "grpo" else {}
        return Arm(
            name=self.name,
            objective=self.objective,
            differs_by=self.differs_by,
            examples=tuple(examples),
            options=options,
        )

    def _of_domain(self, cases: Sequence[Case]) -> Sequence[Case]:
        domain = self.shows["domain"]
        own = [case for case in cases if domain in ("", case.problem.family)]
        if not own:
            families = sorted({case.problem.family for case in cases})
            raise DataError(f"arm {self.name!r}: no case is of the domain {domain!r}. Of these there are: {families}.")
        return [own[at % len(own)] for at in range(len(cases))]


def all_choices(cases: Sequence[Case], rng: np.random.Generator) -> list[Choices | None]:
    """The options of every case; None where there are fewer than two. Of each number of options, places are even."""
    answers: dict[str, list[str]] = {}
    said: dict[str, list[str]] = {}
    for case in cases:
        answers.setdefault(case.problem.family, []).append(case.problem.answer)
        said.setdefault(case.problem.id, []).append(answer_of(case.wrong.attempt.completion.text))
    others = {family: list(dict.fromkeys(own)) for family, own in answers.items()}
    wrong = [
        list(_distractors(case.problem, said[case.problem.id], others[case.problem.family], rng))[: MOST_CHOICES - 1]
        for case in cases
    ]
    places: dict[int, list[int]] = {}
    found: list[Choices | None] = []
    for case, misses in zip(cases, wrong, strict=True):
        if not misses:
            found.append(None)
            continue
        size = len(misses) + 1
        if not places.get(size):
            places[size] = [int(place) for place in rng.permutation(size)]
        right = places[size].pop()
        options = [misses[int(at)] for at in rng.permutation(len(misses))]
        options.insert(right, case.problem.answer)
        found.append(Choices(tuple(options), right))
    return found


def asked(problem: Problem, choices: Choices) -> str:
    """The problem's prompt with its options, as the route family words it."""
    listed = " ".join(f"{option(at)}: {text}." for at, text in enumerate(choices.options))
    if IN_FREE_FORM in problem.prompt:
        return problem.prompt.replace(IN_FREE_FORM, f"{listed} {WITH_A_LETTER}", 1)
    return f"{problem.prompt} {listed} {WITH_A_LETTER}"


def _by_letter(problem: Problem, choices: Choices) -> str:
    """The worked solution that states the option's letter in place of the answer."""
    solution, stated = (problem.solution or "").strip(), answer_sentence(problem.answer)
    work = solution.removesuffix(stated).rstrip()
    return f"{work} {answer_sentence(option(choices.right))}".strip()


def _distractors(
    problem: Problem, said: Sequence[str], answers: Sequence[str], rng: np.random.Generator
) -> Iterator[str]:
    """Different wrong answers, the most telling first. said: by the model's wrong attempts; answers: to problems of the family."""
    taken = {bare(problem.answer)}
    for text in _candidates(problem, said, answers, rng):
        shown = " ".join(text.split()).rstrip(".")
        if 0 < len(shown) <= LONGEST_CHOICE and bare(shown) not in taken:
            taken.add(bare(shown))
            yield shown


def _candidates(
    problem: Problem, said: Sequence[str], answers: Sequence[str], rng: np.random.Generator
) -> Iterator[str]:
    yield from said
    if "roads" in problem.facts:
        yield from (in_words(way) for way in near_misses(Map(problem.facts), rng))
    elif _INTEGER.fullmatch(problem.answer.strip()):
        value = int(problem.answer)
        near = [value + step for step in (-10, -2, -1, 1, 2, 10)]
        yield from (str(near[int(at)]) for at in rng.permutation(len(near)) if near[int(at)] >= 0 or value < 0)
    start = int(rng.integers(len(answers)))
    yield from (answers[(start + at) % len(answers)] for at in range(len(answers)))
