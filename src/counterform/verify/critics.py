"""Critics that need no model: what the step verifier found, and the difference to the worked solution."""

from __future__ import annotations

import re
from collections.abc import Sequence

from counterform.text.steps import split_steps
from counterform.types import Critic, Criticism, Graded, Mark, Problem

_NUMBER = re.compile(r"\d{1,12}(?:,\d{3}){0,4}(?:\.\d{1,12})?")
_EDGES = " \t\r\n.,;:!?\"'`*$()[]{}"


class Steps(Critic):
    """The first wrong step by the step verifier, with what would be right, and the steps before it that it read.

    It does not claim more than was checked. A wrong step is named even where the answer is right; a step that nobody
    could read is passed over, and so is one that the next step mends; and where the answer is wrong and no step can be
    shown wrong, it names none.
    """

    name = "the step verifier"

    def __call__(self, shown: Sequence[tuple[Problem, Graded]], *, seed: int) -> list[Criticism]:
        return [self._of(graded) for _, graded in shown]

    def _of(self, graded: Graded) -> Criticism:
        verdict = graded.verdict
        steps, first_error = verdict.steps, verdict.first_error
        sound = verdict.outcome if first_error is None else Mark.WRONG
        return Criticism(
            attempt_id=graded.attempt.id,
            verdict=sound,
            first_error=first_error,
            hint="" if first_error is None else steps[first_error].hint,
            # Where the answer is wrong and no step is, one of those called right may be what went wrong.
            right=()
            if first_error is None and sound is Mark.WRONG
            else tuple([index for index, step in enumerate(steps[:first_error]) if step.mark is Mark.RIGHT]),
            why="neither the answer nor a step could be graded" if sound is Mark.UNKNOWN else "",
        )


class Reference(Critic):
    """The difference to the worked solution: the first step of a wrong attempt that the solution does not go on with.

    Steps are alike that have the same number after "=", or else the same words; steps of the solution may be skipped.
    Whether an attempt is right is its outcome's mark. A good way that the solution does not take looks like an error
    here, as does another wording: it is the fallback where no step verifier can read the attempts, and its name says so.
    """

    name = "the worked solution, to which steps are compared and not verified"

    def __call__(self, shown: Sequence[tuple[Problem, Graded]], *, seed: int) -> list[Criticism]:
        return [self._of(problem, graded) for problem, graded in shown]

    def _of(self, problem: Problem, graded: Graded) -> Criticism:
        sound, solution = graded.verdict.outcome, problem.solution or ""
        if sound is Mark.UNKNOWN or not solution:
            why = "the answer could not be graded" if solution else "the problem has no worked solution"
            return Criticism(attempt_id=graded.attempt.id, verdict=Mark.UNKNOWN, why=why)
        reference = [solution[start:end] for start, end in split_steps(solution)]
        gists, due = [_gist(step) for step in reference], 0
        steps = graded.step_texts
        agrees: list[int] = []
        for index, step in enumerate(steps):
            gist = _gist(step)
            if gist in gists[due:]:
                agrees.append(index)
                due = gists.index(gist, due) + 1
            elif sound is Mark.WRONG:
                break
        if sound is Mark.RIGHT:
            return Criticism(attempt_id=graded.attempt.id, verdict=sound, right=tuple(agrees))
        departs = agrees[-1] + 1 if agrees else 0
        named = departs if departs < len(steps) else None
        return Criticism(
            attempt_id=graded.attempt.id,
            verdict=sound,
            first_error=named,
            hint=reference[due] if named is not None and due < len(reference) else "",
            right=tuple(agrees) if named is not None else (),
        )


def _gist(step: str) -> str:
    """What a step comes to."""
    _, equals, result = step.rpartition("=")
    number = _NUMBER.search(result) if equals else None
    if number:
        plain = number[0].replace(",", "")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return " ".join(step.casefold().split()).strip(_EDGES)
