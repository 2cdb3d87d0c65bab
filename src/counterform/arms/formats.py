"""The same problems and worked solutions in another format of answer: multiple choice or free form.

Lee et al. 2025, "The CoT Encyclopedia" (arXiv 2505.10185): training on multiple choice made models search breadth first and on
free form depth first, more than the domain did. There with reinforcement learning; here the worked solution is imitated, which is
the same in both formats but for the sentence that states the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from counterform.errors import DataError, unknown_name
from counterform.problems.route import IN_FREE_FORM, WITH_A_LETTER, near_misses
from counterform.problems.route_map import Map, in_words
from counterform.types import Arm, Case, Example, Problem
from counterform.wording import answer_sentence, option, said_answer, stated_text

ANSWERS = ("multiple choice", "free form")
MOST_CHOICES = 4
LONGEST_CHOICE = 200
"""Characters of a wrong answer that can stand as an option."""

_INTEGER = re.compile(r"-?\d{1,15}")


class Choices(Struct, frozen=True):
    """The options of one problem, and at which place the right one stands."""

    options: tuple[str, ...]
    right: int


class Format:
    """Problem -> worked solution, in the format that `answers` names.

    Distractors: the answer of the case's own wrong attempt first, then near misses (on a map three wrong ways; of a whole number
    other numbers near it), then answers to other cases. Every place holds the right option equally often. A problem with fewer
    than two different options leaves all arms.
    """

    name = "format"

    def __init__(self, answers: str = "multiple choice") -> None:
        if answers not in ANSWERS:
            raise ValueError(unknown_name("answers", answers, ANSWERS))
        self._choose = answers == ANSWERS[0]
        self.differs_by = f"the target is the worked solution, and the format is {answers}"

    def usable(self, cases: Sequence[Case]) -> list[bool]:
        """Whether each case has a wrong answer to choose from."""
        return [not self._choose or choices is not None for choices in all_choices(cases, np.random.default_rng(0))]

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        bare = [case.problem.id for case in cases if not case.problem.solution]
        if bare:
            raise DataError(
                f"arm {self.name!r} needs a worked solution for every problem; {len(bare)} of {len(cases)} have none "
                f"(first: {bare[0]!r}). Name the column ($.problems.solution), or leave this arm out."
            )
        chosen = all_choices(cases, rng) if self._choose else [None] * len(cases)
        examples = []
        for case, choices in zip(cases, chosen, strict=True):
            prompt, solution = case.problem.prompt, case.problem.solution or ""
            if self._choose:
                if choices is None:
                    raise DataError(
                        f"arm {self.name!r}: problem {case.problem.id!r} has fewer than two different options. Give more "
                        'cases, whose answers can stand in, or options = { answers = "free form" }.'
                    )
                prompt, solution = asked(case.problem, choices), _by_letter(case.problem, choices)
            examples.append(Example(problem_id=case.problem.id, prompt=prompt, completion=solution))
        return Arm(name=self.name, differs_by=self.differs_by, examples=tuple(examples))


def all_choices(cases: Sequence[Case], rng: np.random.Generator) -> list[Choices | None]:
    """The options of every case; None where there are fewer than two. Of each number of options, places are even."""
    answers = list(dict.fromkeys(case.problem.answer for case in cases))
    wrong = [list(_distractors(case, answers, rng))[: MOST_CHOICES - 1] for case in cases]
    places: dict[int, list[int]] = {}
    found: list[Choices | None] = []
    for case, others in zip(cases, wrong, strict=True):
        if not others:
            found.append(None)
            continue
        size = len(others) + 1
        if not places.get(size):
            places[size] = [int(place) for place in rng.permutation(size)]
        right = places[size].pop()
        options = [others[int(at)] for at in rng.permutation(len(others))]
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


def _distractors(case: Case, answers: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Different wrong answers, the most telling first."""
    taken = {said_answer(case.problem.answer)}
    for text in _candidates(case, answers, rng):
        shown = " ".join(text.split()).rstrip(".")
        if 0 < len(shown) <= LONGEST_CHOICE and said_answer(shown) not in taken:
            taken.add(said_answer(shown))
            yield shown


def _candidates(case: Case, answers: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    yield stated_text(case.wrong.attempt.completion.text)
    problem = case.problem
    if "roads" in problem.facts:
        yield from (in_words(way) for way in near_misses(Map(problem.facts), rng))
    elif _INTEGER.fullmatch(problem.answer.strip()):
        value = int(problem.answer)
        near = [value + step for step in (-10, -2, -1, 1, 2, 10)]
        yield from (str(near[int(at)]) for at in rng.permutation(len(near)) if near[int(at)] >= 0 or value < 0)
    start = int(rng.integers(len(answers)))
    yield from (answers[(start + at) % len(answers)] for at in range(len(answers)))
