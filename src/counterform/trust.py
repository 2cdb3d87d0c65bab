"""How far a model trusts an answer: alone, beside all other candidates, and by how often it gives it. Nothing is trained.

import counterform.trust
counterform.trust.score(model, question, answers)

P(True)             the model reads one answer and is asked to check it: the probability of "is right" against "is wrong"
                    (Kadavath et al. 2022, arXiv 2207.05221)
joint               all candidates with a justification of each in one prompt, the probability of each one's letter; every
                    candidate stands at several places and the probabilities are averaged (Li et al. 2024, arXiv
                    2403.09972, there in words). The last option is "a different answer", so that one candidate alone can be
                    doubted, and all of several.
verbalised          the same two questions with the confidence said in words, for a model without log-probabilities
self-consistency    the share of the given answers that say the same (Wang et al. 2022, arXiv 2203.11171)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from counterform.errors import DataError, ModelError
from counterform.text import wording
from counterform.text.answers import answer_of, bare
from counterform.types import Completion, Model

MOST_ORDERS = 4
"""Orders in which candidates are compared; up to as many candidates, each stands once at every place."""
REASON_TOKENS, SAID_TOKENS = 96, 16
"""New tokens of a justification, and of a confidence in words for each option."""
MOST_ANSWER = 4_000
"""Characters of an answer, and of a justification, that a prompt shows: the end, where the answer is stated."""


Same = Callable[[str, str], bool]
"""Whether two bare answers say the same."""


class Confidence(Struct, frozen=True, kw_only=True):
    """How far one candidate answer is trusted, 0 to 1; None where the model was not heard."""

    answer: str
    """The first given text that says it."""
    says: str
    """The bare answer, by which texts are held to say the same."""
    times: int
    """How many of the given answers say it."""
    alone: float | None
    joint: float | None
    consistency: float | None
    """None: only one answer was given."""


class Trust(Struct, frozen=True, kw_only=True):
    """How far a model trusts each of the candidate answers to one question, in the order in which they were given."""

    question: str
    candidates: tuple[Confidence, ...]
    from_logprobs: bool
    """False: the model shows no log-probabilities, and `alone` and `joint` are what it said in words."""
    notes: tuple[str, ...] = ()


class Comparison(Struct, frozen=True):
    """Candidates to be compared, with a justification of each; `marked`: of which it is said whose it is."""

    question: str
    candidates: tuple[tuple[str, str], ...]
    marked: int | None = None
    whose: str = ""


class Judge:
    """A model that is asked how far it trusts answers: by its log-probabilities, or in words where it shows none."""

    def __init__(self, model: Model, *, seed: int = 0) -> None:
        self._model, self._seed = model, seed
        try:
            # As an endpoint says only when it is asked.
            model.logprobs(wording.attempt_prompt("What is 1 + 1?", "2"), [wording.step_is(right=True)])
            self.from_logprobs = True
        except ModelError:
            self.from_logprobs = False

    def alone(self, asked: Sequence[tuple[str, str, str]]) -> list[float | None]:
        """The confidence in each (question, answer, whose) by itself. whose: one of wording.OWNERS."""
        if self.from_logprobs:
            ends = [wording.step_is(right=True), wording.step_is(right=False)]
            return [self._share(wording.attempt_prompt(q, _shown(a), whose), ends)[0] for q, a, whose in asked]
        prompts = [wording.confidence_prompt(q, _shown(a), whose) for q, a, whose in asked]
        said = self._say(prompts, SAID_TOKENS)
        return [None if one.finish == "error" else wording.said_confidence(one.text) for one in said]

    def reasons(self, asked: Sequence[tuple[str, str]]) -> list[str]:
        """A justification of each (question, answer) as if it were right; empty where the model was not heard."""
        prompts = [wording.reason_prompt(question, _shown(answer)) for question, answer in asked]
        return [_shown(said.text) for said in self._say(prompts, REASON_TOKENS)]

    def joint(self, asked: Sequence[Comparison]) -> list[list[float | None]]:
        """The confidence in each candidate of each comparison, averaged over orders."""
        orders = [self._orders(len(one.candidates)) for one in asked]
        jobs = [(one, order) for one, mine in zip(asked, orders, strict=True) for order in mine]
        prompts = [self._in_order(*job) for job in jobs]
        if self.from_logprobs:
            said = [
                self._share(prompt, [wording.answer_sentence(wording.option(at)) for at in range(len(order) + 1)])
                for prompt, (_, order) in zip(prompts, jobs, strict=True)
            ]
        else:
            most = max((len(order) for _, order in jobs), default=0) + 1
            answers = self._say(prompts, most * SAID_TOKENS)
            said = [
                wording.said_confidences("" if answer.finish == "error" else answer.text, len(order))
                for answer, (_, order) in zip(answers, jobs, strict=True)
            ]
        left = iter(zip(jobs, said, strict=True))
        return [
            _averaged([next(left) for _ in mine], len(one.candidates)) for one, mine in zip(asked, orders, strict=True)
        ]

    def _orders(self, n: int) -> list[list[int]]:
        """Rotations of one shuffle, evenly spaced."""
        shuffled = np.random.default_rng(self._seed).permutation(n).tolist()
        count = min(n, MOST_ORDERS)
        return [shuffled[at:] + shuffled[:at] for at in (number * n // count for number in range(count))]

    def _in_order(self, one: Comparison, order: Sequence[int]) -> str:
        shown = [(_shown(one.candidates[at][0]), one.candidates[at][1]) for at in order]
        marked = None if one.marked is None else order.index(one.marked)
        return wording.comparison_prompt(
            one.question, shown, marked=marked, whose=one.whose, say=not self.from_logprobs
        )

    def _say(self, prompts: Sequence[str], tokens: int) -> list[Completion]:
        rows = self._model.generate(prompts, n=1, seed=self._seed, temperature=0.0, max_tokens=tokens)
        return [answer for (answer,) in rows]

    def _share(self, prompt: str, ends: Sequence[str]) -> list[float | None]:
        """The probability of each ending, among these endings."""
        try:
            found = np.array(self._model.logprobs(prompt, ends))
        except ModelError:
            return [None] * len(ends)
        if not np.isfinite(found).all():
            return [None] * len(ends)
        odds = np.exp(found - found.max())
        return [float(share) for share in odds / odds.sum()]


def score(model: Model, question: str, answers: Sequence[str], *, seed: int = 0, same: Same = operator.eq) -> Trust:
    """How far `model` trusts each of the answers to a question. Answers that say the `same` are one candidate.

    Raises DataError for no answers, an empty one, or more candidates than letters.
    """
    if not answers or any(not answer.strip() for answer in answers):
        raise DataError(f"give at least one answer, and none of them empty; got {len(answers)}.")
    groups = candidates(answers, same)
    if len(groups) > wording.MOST_OPTIONS:
        raise DataError(
            f"{len(groups)} different answers; at most {wording.MOST_OPTIONS} can be compared. Give fewer, or state each "
            'answer alike ("The answer is 12.") so that equal ones are seen to be equal.'
        )
    judge = Judge(model, seed=seed)
    firsts = [answers[at[0]] for at in groups.values()]
    reasons = judge.reasons([(question, answer) for answer in firsts])
    joint = judge.joint([Comparison(question, tuple(zip(firsts, reasons, strict=True)))])[0]
    alone = judge.alone([(question, answer, "") for answer in firsts])
    notes = []
    if not judge.from_logprobs:
        notes.append(f"{model.name} shows no log-probabilities: confidence is what it said in words (verbalised).")
    if len(groups) == 1:
        notes.append('one candidate answer: the joint comparison is with "a different answer" alone.')
    return Trust(
        question=question,
        candidates=tuple(
            Confidence(
                answer=answers[at[0]],
                says=says,
                times=len(at),
                alone=alone[number],
                joint=joint[number],
                consistency=len(at) / len(answers) if len(answers) > 1 else None,
            )
            for number, (says, at) in enumerate(groups.items())
        ),
        from_logprobs=judge.from_logprobs,
        notes=tuple(notes),
    )


def candidates(answers: Sequence[str], same: Same = operator.eq) -> dict[str, list[int]]:
    """What the answers say, each with the places at which it is said, in order of first mention.

    same: whether two bare answers say the same; counterform.verify.answer.say_the_same sees that 1/2 is 0.5.
    """
    groups: dict[str, list[int]] = {}
    named: dict[str, str] = {}
    for at, answer in enumerate(answers):
        says = bare(answer)
        if says not in named:
            stated = answer_of(answer)
            alike = (first for first, places in groups.items() if same(answer_of(answers[places[0]]), stated))
            named[says] = next(alike, says) if stated else says
        groups.setdefault(named[says], []).append(at)
    return groups


def _averaged(
    said: Sequence[tuple[tuple[Comparison, list[int]], Sequence[float | None]]], n: int
) -> list[float | None]:
    """Of each candidate, the mean over the orders in which it was read."""
    read: list[list[float]] = [[] for _ in range(n)]
    for (_, order), values in said:
        for place, candidate in enumerate(order):
            value = values[place]
            if value is not None:
                read[candidate].append(value)
    return [math.fsum(values) / len(values) if values else None for values in read]


def _shown(text: str) -> str:
    return text.strip()[-MOST_ANSWER:]
