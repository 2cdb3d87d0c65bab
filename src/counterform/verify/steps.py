"""Process verification: an attempt cut into steps, each step graded, and the verdict on the whole attempt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from counterform.text.steps import split_steps
from counterform.types import Attempt, Mark, OutcomeVerifier, Problem, StepVerdict, StepVerifier, Verdict, Watch
from counterform.verify.equations import claims
from counterform.verify.exact import decimal

UNREAD = StepVerdict(mark=Mark.UNKNOWN, rule="unread")
_SOUND = StepVerdict(mark=Mark.RIGHT, rule="arithmetic")
_MENDED = replace(_SOUND, mends=True)


def grade_steps(verifier: StepVerifier, problem: Problem, text: str) -> tuple[StepVerdict, ...]:
    """Every step of a finished attempt graded. From where the verifier fails on, all steps are UNKNOWN."""
    graded: list[StepVerdict] = []
    spans = split_steps(text)
    try:
        watch = verifier.start(problem)
        for start, end in spans:
            graded.append(replace(watch.feed(text[start:end]), span=(start, end)))
    except Exception as error:  # anybody's verifier, fed hostile text
        failed = StepVerdict(mark=Mark.UNKNOWN, rule="verifier failed", hint=f"{type(error).__name__}: {error}"[:200])
        graded += [replace(failed, span=span) for span in spans[len(graded) :]]
    return tuple(graded)


def grade(
    attempts: Sequence[Attempt],
    problems: Mapping[str, Problem],
    *,
    outcome: OutcomeVerifier,
    steps: StepVerifier,
) -> list[Verdict]:
    """The verdict on every attempt, in order; `problems` by id.

    A grade that came with an attempt is its outcome; `lenient` is always our own reading.
    """
    heard = [attempt for attempt in attempts if attempt.completion.finish != "error"]
    readings = iter(outcome([(problems[attempt.problem_id], attempt.completion.text) for attempt in heard]))
    verdicts = []
    for attempt in attempts:
        if attempt.completion.finish == "error":
            verdicts.append(_silence(attempt, steps))
            continue
        reading = next(readings)
        recorded = attempt.recorded is not Mark.UNKNOWN
        verdicts.append(
            Verdict(
                attempt_id=attempt.id,
                outcome=attempt.recorded if recorded else reading.strict,
                lenient=reading.lenient,
                steps=grade_steps(steps, problems[attempt.problem_id], attempt.completion.text),
                verifier=f"{'recorded' if recorded else 'answer'} + {steps.name}",
                reason=reading.reason,
            )
        )
    return verdicts


def _silence(attempt: Attempt, steps: StepVerifier) -> Verdict:
    return Verdict(
        attempt_id=attempt.id,
        outcome=Mark.UNKNOWN,
        lenient=Mark.UNKNOWN,
        verifier=f"answer + {steps.name}",
        reason="the model was not heard",
    )


class Arithmetic(StepVerifier):
    """A step verifier for any text: the equations that can be read in it must hold."""

    name = "arithmetic"
    bounded = True

    def start(self, problem: Problem) -> ArithmeticWatch:
        """A step verifier for one attempt; what the problem asks plays no part."""
        return ArithmeticWatch()


class ArithmeticWatch(Watch):
    """Remembers the last wrong left-hand side: the step that works it out again, and rightly, mends it."""

    def __init__(self) -> None:
        self._wrong = ""

    def feed(self, step: str) -> StepVerdict:
        """Grade one step: WRONG with the right value as hint, RIGHT if something was read, else UNKNOWN."""
        wrong, self._wrong = self._wrong, ""
        verdict = UNREAD
        for claim in claims(step):
            if claim.mark is Mark.WRONG:
                self._wrong = claim.left
                return StepVerdict(mark=Mark.WRONG, rule="arithmetic", hint=f"{claim.left} = {decimal(claim.value)}.")
            if claim.mark is Mark.RIGHT:
                verdict = _SOUND
        if wrong and verdict is _SOUND and re.search(rf"(?<![\d.]){re.escape(_bare(wrong))}=", _bare(step)):
            return _MENDED
        return verdict


def _bare(equation: str) -> str:
    return equation.replace(" ", "").replace("$", "")
