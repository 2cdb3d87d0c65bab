"""Worked solutions rewritten: a rationale without its validity, its order or its topic, and the answer kept.

After Schaeffer et al. 2023, "Invalid Logic, Equivalent Gains" (arXiv 2307.10573), and Wang et al. 2023 (arXiv
2212.10001), who edited exemplars by hand. Here the study's own verifiers cut and check the text, with no knowledge of the
family, and the same rewriting makes training data (`arms/rationales.py`) and few-shot exemplars (`probes/validity.py`).
The last step of a worked solution states the answer and is never touched; the steps before it are the rationale.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from counterform.errors import ControlError
from counterform.types import Attempt, Completion, Example, Grade, Graded, Mark, Problem

DRAWS = 40
"""How often what failed its proof is drawn anew."""
ORDERS = 8
"""Orders drawn in search of one in which the step verifier finds a wrong step."""

_NUMBER = r"\d{1,12}(?:,\d{3}){0,4}(?:\.\d{1,12})?"
_ANY_NUMBER = re.compile(rf"(?<![\w.,]){_NUMBER}(?!\d)")
_RESULT = re.compile(rf"=\s{{0,3}}[$£€]?-?({_NUMBER})(?!\d)(?!\s{{0,3}}[-+*/^x×÷(])(?:>>\s?[$£€]?-?({_NUMBER})(?!\d))?")
"""A number that follows "=" and starts no other computation; with a calculator mark, the one printed after it too."""
_LAST_WORD = re.compile(r"([^\W\d_]+)\W{0,8}$")


class Rewritten(NamedTuple):
    """A worked solution rewritten."""

    text: str
    """Empty where it could not be made."""
    why: str = ""
    """Why it could not be made."""
    sound: bool = False
    """The step verifier finds no wrong step in it, though its steps stand in another order."""
    unread: int = 0
    """Steps of the worked solution's rationale that the step verifier could not read."""


def invalid(problems: Sequence[Problem], grade: Grade, rng: np.random.Generator) -> list[Rewritten]:
    """Every result that the step verifier read is wrong by its own account; the answer stays right.

    The result of a step is the number after "=", else its last number, else its last word. A number keeps its number of
    digits, a word becomes one that ends another step, and later steps go on from the wrong number, so that the chain
    hangs together as before. A step nobody can read only carries such numbers on.
    """
    solutions, reasons = _worked(problems, grade)
    endings = {word[1] for g in solutions.values() for at in _read(g) if (word := _LAST_WORD.search(g.step_texts[at]))}
    drafts = {at: _Draft(graded, sorted(endings), rng) for at, graded in solutions.items()}
    made: dict[int, Rewritten] = {}
    for _ in range(DRAWS):
        texts = {at: draft.text() for at, draft in drafts.items() if at not in made}
        for at, graded in _graded(problems, texts, grade).items():
            failed = _not_wrong(solutions[at], graded)
            if failed:
                drafts[at].redraw(failed)
            else:
                made[at] = Rewritten(texts[at], unread=_unread(solutions[at]))
    return _all(problems, made, reasons, "has a result that no draw makes wrong by the step verifier")


def shuffled(problems: Sequence[Problem], grade: Grade, rng: np.random.Generator) -> list[Rewritten]:
    """The steps in another order, the answer last; never the order of the worked solution.

    An order in which the step verifier finds a wrong step is looked for. A verifier that takes each step by itself finds
    none, and steps need not depend on each other: the text is then marked `sound`.
    """
    solutions, reasons = _worked(problems, grade)
    for at in [at for at, graded in solutions.items() if len(set(graded.step_texts[:-1])) < 2]:
        del solutions[at]
        reasons[at] = "has one step alone, which has no order"
    made: dict[int, Rewritten] = {}
    for _ in range(ORDERS):
        waiting = {at: graded for at, graded in solutions.items() if at not in made or made[at].sound}
        texts = {at: _joined(graded, _reordered(graded.step_texts[:-1], rng)) for at, graded in waiting.items()}
        for at, graded in _graded(problems, texts, grade).items():
            if _answers_alike(solutions[at], graded):
                sound = all(step.mark is not Mark.WRONG for step in graded.verdict.steps[:-1])
                made[at] = Rewritten(texts[at], sound=sound, unread=_unread(solutions[at]))
    return _all(problems, made, reasons, "no longer ends in its answer once its steps are reordered")


def irrelevant(problems: Sequence[Problem], grade: Grade, rng: np.random.Generator) -> list[Rewritten]:
    """The rationale of another problem with another answer, and then this problem's own answer.

    Proven: the other solution does not answer this problem, nor is it, with the own answer at its end, a sound attempt.
    Raises ControlError where one answer is too common to be exchanged for others.
    """
    solutions, reasons = _worked(problems, grade)
    made: dict[int, Rewritten] = {}
    for draw in range(DRAWS):
        if len(made) == len(solutions):
            break
        givers = other_answers([problems[at].answer for at in solutions], rng, anew=draw > 0)
        others = dict(zip(solutions, [solutions[list(solutions)[giver]] for giver in givers], strict=True))
        waiting = [at for at in solutions if at not in made]
        texts = {at: _joined(others[at], others[at].step_texts[:-1], solutions[at].step_texts[-1]) for at in waiting}
        whole = _graded(problems, {at: others[at].attempt.completion.text for at in waiting}, grade)
        for at, graded in _graded(problems, texts, grade).items():
            foreign = whole[at].verdict.lenient is not Mark.RIGHT and graded.verdict.process is not Mark.RIGHT
            if foreign and _answers_alike(solutions[at], graded):
                made[at] = Rewritten(texts[at], unread=_unread(solutions[at]))
    return _all(problems, made, reasons, "finds no other rationale that does not fit it as well")


def answer_only(problem: Problem) -> str:
    """The final answer without any step."""
    return f"The answer is {problem.answer}."


REWRITES: Mapping[str, Callable[[Sequence[Problem], Grade, np.random.Generator], list[Rewritten]]] = {
    "invalid": invalid,
    "shuffled": shuffled,
    "irrelevant": irrelevant,
}
CONDITIONS = ("valid", *REWRITES, "answer only")


def exemplars(
    problems: Sequence[Problem], grade: Grade, rng: np.random.Generator, *, n: int
) -> dict[str, tuple[Example, ...]]:
    """Few-shot exemplars by condition, of the same problems in one order: at most `n` that there are in all conditions."""
    tried = [problems[index] for index in rng.permutation(len(problems))[: 2 * n]]
    pairs = zip(invalid(tried, grade, rng), shuffled(tried, grade, rng), strict=True)
    usable = [problem for problem, pair in zip(tried, pairs, strict=True) if all(one.text for one in pair)][:n]
    # An answer of more than half of the problems could not be exchanged for others.
    commonest, many = Counter(problem.answer for problem in usable).most_common(1)[0] if usable else ("", 0)
    same = [problem for problem in usable if problem.answer == commonest]
    excess = {problem.id for problem in same[len(usable) - many :]}
    chosen = [problem for problem in usable if problem.id not in excess]
    rows = {"valid": [problem.solution or "" for problem in chosen]}
    rows |= {name: [one.text for one in rewrite(chosen, grade, rng)] for name, rewrite in REWRITES.items()}
    rows["answer only"] = [answer_only(problem) for problem in chosen]
    whole = [at for at in range(len(chosen)) if all(texts[at] for texts in rows.values())]
    return {
        name: tuple(Example(problem_id=chosen[at].id, prompt=chosen[at].prompt, completion=texts[at]) for at in whole)
        for name, texts in rows.items()
    }


def other_answers(answers: Sequence[str], rng: np.random.Generator, *, anew: bool = False) -> list[int]:
    """A permutation that gives every row another row, with another answer.

    Sorted by answer and turned by the size of the largest group, no row can meet its own answer; a group of more
    than half of all rows makes that impossible. Raises ControlError then. anew: turned by chance, by no less and not so far
    that a group meets itself again; where all answers differ, the rows would be the same in every draw.
    """
    order = sorted(rng.permutation(len(answers)), key=lambda index: answers[index])
    largest = max(Counter(answers).values(), default=0)
    if 2 * largest > len(answers):
        raise ControlError(
            f"{largest} of {len(answers)} cases share one answer, so their targets cannot all be exchanged for those of "
            "another answer. Use problems with more varied answers, or leave this arm out."
        )
    turn = int(rng.integers(largest, len(answers) - largest, endpoint=True)) if anew else largest
    givers = [0] * len(answers)
    for place, index in enumerate(order):
        givers[index] = int(order[(place + turn) % len(order)])
    return givers


class _Draft:
    """One rationale on its way to being invalid: what was drawn for the results of each of its steps."""

    def __init__(self, solution: Graded, endings: Sequence[str], rng: np.random.Generator) -> None:
        self._solution, self._endings, self._rng = solution, endings, rng
        self._steps = solution.step_texts
        self._drawn: dict[int, dict[str, str]] = {}
        self.redraw(_read(solution))

    def redraw(self, steps: Sequence[int]) -> None:
        """Draw the results of these steps anew."""
        for index in steps:
            results = {_plain(self._steps[index][start:end]) for start, end in _results(self._steps[index])}
            self._drawn[index] = {result: self._another(result) for result in sorted(results)}

    def text(self) -> str:
        """The whole solution with the results that were drawn, carried on to the steps that follow."""
        carried: dict[str, str] = {}
        steps = []
        for index, step in enumerate(self._steps[:-1]):
            drawn = self._drawn.get(index, {})
            places = {span: drawn for span in _results(step) if drawn}
            for number in _ANY_NUMBER.finditer(step):
                places.setdefault(number.span(), carried)
            steps.append(_replaced(step, places))
            carried |= drawn
        return _joined(self._solution, steps)

    def _another(self, result: str) -> str:
        """A number with as many digits, or another word that ends a step."""
        if not result[0].isdecimal():
            words = [word for word in self._endings if word != result]
            return str(self._rng.choice(words)) if words else result
        drawn = result
        while drawn == result:
            drawn = "".join(str(self._rng.integers(10)) if sign.isdecimal() else sign for sign in result)
            if drawn[0] == "0" and drawn[1:2].isdecimal():
                drawn = f"{self._rng.integers(1, 10)}{drawn[1:]}"
        return drawn


def _results(step: str) -> list[tuple[int, int]]:
    """Where the results of a step stand."""
    found = [found.span(group) for found in _RESULT.finditer(step) for group in (1, 2) if found[group]]
    if found:
        return found
    numbers = list(_ANY_NUMBER.finditer(step))
    if numbers:
        return [numbers[-1].span()]
    word = _LAST_WORD.search(step)
    return [word.span(1)] if word else []


def _plain(result: str) -> str:
    """A number without its commas, so that 1,200 and 1200 become the same other number."""
    return result.replace(",", "")


def _replaced(step: str, places: Mapping[tuple[int, int], Mapping[str, str]]) -> str:
    """The step with another text at each of these places, where there is one for what stands there."""
    written, at = "", 0
    for (start, end), news in sorted(places.items(), key=lambda place: place[0]):
        old = step[start:end]
        new = news.get(_plain(old), old)
        if "," in old and new != old:
            digits = iter(new)
            new = "".join("," if sign == "," else next(digits) for sign in old)
        written += step[at:start] + new
        at = end
    return written + step[at:]


def _reordered(steps: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The steps, of which at least two differ, in another order."""
    while True:
        order = [steps[index] for index in rng.permutation(len(steps))]
        if order != list(steps):
            return order


def _joined(like: Graded, rationale: Sequence[str], answer: str = "") -> str:
    """A rationale and an answer (empty: that of `like`) with the space between steps that `like` has."""
    text, spans = like.attempt.completion.text, [step.span for step in like.verdict.steps]
    gaps = [text[before[1] : after[0]] for before, after in zip([(0, 0), *spans], spans, strict=False)]
    steps = [*rationale, answer or like.step_texts[-1]]
    return "".join(gap + step for gap, step in zip(gaps, steps, strict=True)) + text[spans[-1][1] :]


def _worked(problems: Sequence[Problem], grade: Grade) -> tuple[dict[int, Graded], dict[int, str]]:
    """The worked solutions that are step-verified, and why the others are not, by the problem's place."""
    texts = {at: problem.solution for at, problem in enumerate(problems) if problem.solution}
    graded = _graded(problems, texts, grade)
    reasons = {at: _why_useless(solution) for at, solution in graded.items()}
    usable = {at: solution for at, solution in graded.items() if not reasons[at]}
    return usable, {at: reasons.get(at, "has no worked solution") for at in range(len(problems)) if at not in usable}


def _why_useless(solution: Graded) -> str:
    """Why a worked solution is no step-verified rationale; empty if it is one."""
    rationale = solution.verdict.steps[:-1]
    if not rationale:
        return "has no step before its answer"
    if solution.verdict.lenient is not Mark.RIGHT:
        return "does not end in its right answer, as far as it could be read"
    if any(step.mark is Mark.WRONG for step in rationale):
        return "has a step that the step verifier calls wrong"
    return "" if _read(solution) else "has no step that the step verifier could read"


def _read(solution: Graded) -> list[int]:
    """Steps of the rationale that the verifier read and found right."""
    return [index for index, step in enumerate(solution.verdict.steps[:-1]) if step.mark is Mark.RIGHT]


def _unread(solution: Graded) -> int:
    return len(solution.verdict.steps) - 1 - len(_read(solution))


def _not_wrong(solution: Graded, rewritten: Graded) -> list[int]:
    """The steps to draw anew: those that are not wrong and should be. Empty: the rationale is proven invalid."""
    marks = [step.mark for step in rewritten.verdict.steps]
    if len(marks) != len(solution.verdict.steps) or not _answers_alike(solution, rewritten):
        return _read(solution)
    failed = [index for index in _read(solution) if marks[index] is not Mark.WRONG]
    return failed or (_read(solution) if Mark.RIGHT in marks[:-1] else [])


def _answers_alike(solution: Graded, rewritten: Graded) -> bool:
    """Whether a rewritten solution still ends in the right answer, stated as it was."""
    return rewritten.verdict.lenient is Mark.RIGHT and rewritten.verdict.outcome is solution.verdict.outcome


def _graded(problems: Sequence[Problem], texts: Mapping[int, str], grade: Grade) -> dict[int, Graded]:
    """Texts, by the place of their problem, graded as if they were attempts."""
    attempts = [
        Attempt(
            id=f"{problems[at].id}/rewritten/{at}",
            problem_id=problems[at].id,
            model="rewritten",
            seed=0,
            completion=Completion(text=text, tokens=0, finish="stop"),
        )
        for at, text in texts.items()
    ]
    return dict(zip(texts, grade(attempts) if attempts else [], strict=True))


def _all(
    problems: Sequence[Problem], made: Mapping[int, Rewritten], reasons: Mapping[int, str], otherwise: str
) -> list[Rewritten]:
    """In the order of the problems: what was made, or why it could not be."""
    return [made.get(at, Rewritten("", reasons.get(at, otherwise))) for at in range(len(problems))]
