"""What does a guard add, and what of it is the hint's information? The same answers, guarded in several ways.

After "interwhen" (arXiv 2602.11202): steering at run time by a verifier. There the hint's information and the guard are one
condition; here they are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from counterform.findings.wrong_guard import NONE
from counterform.guard import HINT_AS_STEP, Guard, Note
from counterform.probes.guarding import Guarding
from counterform.types import Problem, StepVerifier

GAINS = (
    ("check and retry", NONE),
    ("stop and retry", "check and retry"),
    ("cut back", "check and retry"),
    ("cut back", "stop and retry"),
    ("rule told", "cut back"),
    ("hint told", "cut back"),
    ("hint alone", NONE),
    ("hint told", "hint alone"),
)
"""Pairs of conditions [a, b] of which the paired difference in right answers is read: a - b."""


class GuardProbe(Guarding):
    """Answers held-out problems in seven ways, with the study's own step verifier as the guard.

    none: nothing is stopped. check and retry: a finished answer with a wrong step is thrown away and asked for again;
    stop and retry: at its first wrong step; cut back: only the wrong step is thrown away. rule told, hint told: and
    something is said in its place; the hint is the verifier's own right step. hint alone: nothing is stopped, the hint
    follows the wrong step: the hint's information without the guard.
    """

    name = "guard"
    section = "guard"
    gains = GAINS

    def guards(self, verifier: StepVerifier, problems: Sequence[Problem]) -> dict[str, Guard]:
        """The seven ways."""
        return {
            NONE: self.guard(verifier, "report"),
            "check and retry": self.guard(verifier, "retry", check="the end"),
            "stop and retry": self.guard(verifier, "retry"),
            "cut back": self.guard(verifier, "cut back"),
            "rule told": self.guard(verifier, "cut back", self.rule_note),
            "hint told": self.guard(verifier, "cut back", HINT_AS_STEP),
            "hint alone": self.guard(verifier, "report", Note(" Wait, {hint}", stays=True)),
        }
