"""A step verifier that is wrong at a known rate: how good must a verifier be for a guard to be worth it?"""

from __future__ import annotations

import re
from collections import defaultdict
from hashlib import blake2b
from itertools import count

from msgspec.structs import replace

from counterform.specs import VerifierErrors
from counterform.types import Mark, Problem, StepVerdict, StepVerifier, Watch

_LAST_NUMBER = re.compile(r"\d{1,9}(?=\D*\Z)")


class Fallible(StepVerifier):
    """Another step verifier, wrong at a known rate in what it can read; what it cannot read stays UNKNOWN.

    At a share `false_alarms` of the places of an attempt (a problem and the steps so far) it takes another step for the right one:
    it refuses the right step, with a wrong hint, and passes that one. A share `misses` of wrong steps it passes. Equal texts get equal
    verdicts, as from rules; `fresh`: errors are drawn anew at each look, as from a judge that is sampled, and equal calls in equal
    order get equal verdicts.
    """

    def __init__(self, verifier: StepVerifier, errors: VerifierErrors, seed: int = 0) -> None:
        self.bounded = verifier.bounded
        self._verifier, self._errors, self._seed = verifier, errors, seed
        self._looks: defaultdict[str, count[int]] = defaultdict(count)

    @property
    def name(self) -> str:
        """The verifier's own, and at what rate it is wrong."""
        return f"{self._verifier.name}, made wrong ({self._errors.words})"

    def start(self, problem: Problem) -> Watch:
        """A watch over one attempt at this problem."""
        look = next(self._looks[problem.id]) if self._errors.fresh else 0
        return _FallibleWatch(self._verifier.start(problem), self._errors, f"{self._seed}\0{look}\0{problem.id}")


class _FallibleWatch(Watch):
    def __init__(self, watch: Watch, errors: VerifierErrors, place: str) -> None:
        self._watch, self._errors, self._place = watch, errors, place

    def feed(self, step: str) -> StepVerdict:
        verdict, place = self._watch.feed(step), self._place
        step = step.strip()
        self._place = blake2b(f"{place}\0{step}".encode(errors="replace")).hexdigest()
        if verdict.mark is Mark.UNKNOWN:
            return verdict
        sound = step if verdict.mark is Mark.RIGHT else verdict.hint
        believed = another(sound) if _drawn(place) < self._errors.false_alarms else sound
        if verdict.mark is Mark.RIGHT and believed != sound:
            return replace(verdict, mark=Mark.WRONG, hint=believed)
        if verdict.mark is Mark.WRONG:
            passes = step == believed or _drawn(f"{place}\0{step}\0miss") < self._errors.misses
            return replace(verdict, mark=Mark.RIGHT, hint="") if passes else replace(verdict, hint=believed)
        return verdict


def another(step: str) -> str:
    """The step with its last number one higher; empty, which is no hint, where it has none."""
    return _LAST_NUMBER.sub(lambda number: str(int(number[0]) + 1), step) if _LAST_NUMBER.search(step) else ""


def _drawn(of: str) -> float:
    """A number from 0 up to 1, the same for the same text."""
    return int.from_bytes(blake2b(of.encode(errors="replace"), digest_size=7).digest()) / 2**56
