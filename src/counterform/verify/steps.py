"""Process verification: an attempt cut into steps, each step graded, and the verdict on the whole attempt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from counterform.errors import ModelError
from counterform.text.steps import split_steps
from counterform.types import (
    Attempt,
    Mark,
    OutcomeVerdict,
    OutcomeVerifier,
    Problem,
    StepVerdict,
    StepVerifier,
    Verdict,
    Watch,
)
from counterform.verify.context import defined_here, defined_signs
from counterform.verify.equations import Left, claims, read
from counterform.verify.exact import Number

UNREAD = StepVerdict(mark=Mark.UNKNOWN, rule="unread")
_SOUND = StepVerdict(mark=Mark.RIGHT, rule="arithmetic")
_MENDED = replace(_SOUND, mends=True)
_SIGN_OF_TIMES = re.compile(r"\\(?:times|cdot)(?![a-zA-Z])|[×·⋅∗]")


_POINTS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.]?\d)")


def grade_steps(verifier: StepVerifier, problem: Problem, text: str) -> tuple[StepVerdict, ...]:
    """Every step of a finished attempt graded. From where the verifier fails on, all steps are UNKNOWN.

    Raises ModelError where the verifier asks a model that cannot be reached.
    """
    graded: list[StepVerdict] = []
    spans = split_steps(text)
    try:
        watch = verifier.start(problem)
        for start, end in spans:
            graded.append(replace(watch.feed(text[start:end]), span=(start, end)))
    except ModelError:
        raise  # an endpoint out of quota is no data: all of this is done again once it answers
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

    A grade that came with an attempt is its outcome; `lenient` is our own reading, unless the problem has no key to read it by.
    """
    heard = [(problems[a.problem_id], a.completion.text) for a in attempts if a.completion.finish != "error"]
    readings = iter(outcome([(problem, text) for problem, text in heard if problem.answer]))
    verdicts = []
    for attempt in attempts:
        if attempt.completion.finish == "error":
            verdicts.append(_silence(attempt, steps))
            continue
        reading = next(readings) if problems[attempt.problem_id].answer else _without_key(attempt)
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


def _without_key(attempt: Attempt) -> OutcomeVerdict:
    why = "the problem has no key" if attempt.recorded is Mark.UNKNOWN else ""
    return OutcomeVerdict(Mark.UNKNOWN, attempt.recorded, why)


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
        """A step verifier for one attempt; of the problem only the signs that it gives a meaning of its own play a part."""
        return ArithmeticWatch(defined_signs(problem.prompt))


class ArithmeticWatch(Watch):
    """Remembers what letters are said to be worth, and the last wrong left-hand side: the step that works it out again,
    and rightly, mends it.
    """

    def __init__(self, defined: frozenset[str] = frozenset()) -> None:
        self._defined = defined
        self._known: dict[str, Number] = {}
        self._last: Left | None = None
        self._wrong = ""

    def feed(self, step: str) -> StepVerdict:
        """Grade one step: WRONG with the right value as hint, RIGHT if something was read, else UNKNOWN."""
        wrong, self._wrong = self._wrong, ""
        self._defined |= defined_here(step)
        found, self._last = read(step, self._known, self._defined, self._last)
        verdict = UNREAD
        # One that does not hold as it was read may yet be meant otherwise: nothing is said of a step with such a one.
        doubtful = any(claim.mark is Mark.UNKNOWN and claim.left for claim in found)
        for claim in found:
            if claim.mark is Mark.WRONG:
                if _holds_with_points_between_thousands(step):
                    return UNREAD
                self._wrong = claim.left
                return StepVerdict(mark=Mark.WRONG, rule="arithmetic", hint=claim.hint[:400])
            if claim.mark is Mark.RIGHT and not doubtful:
                verdict = _SOUND
        if wrong and verdict is _SOUND and re.search(rf"(?<![\d.]){re.escape(_bare(wrong))}=", _bare(step)):
            return _MENDED
        return verdict


def _holds_with_points_between_thousands(step: str) -> bool:
    """Whether a step is right as it is written on the continent: 1.500 + 500 = 2.000."""
    english = _POINTS.sub(lambda number: number[0].replace(".", ""), step)
    marks = {claim.mark for claim in claims(english)} if english != step else set()
    return Mark.RIGHT in marks and Mark.WRONG not in marks


def _bare(equation: str) -> str:
    return _SIGN_OF_TIMES.sub("*", equation.replace(" ", "").replace("$", ""))
