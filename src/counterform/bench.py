"""What a part may use of the study that it works in: graders, the sampled model, critics, markers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from counterform import parts
from counterform.errors import StudyError
from counterform.study import ProbeSpec, VerifySpec
from counterform.text.lexicon import Lexicon, load_lexicon
from counterform.types import Ask, Attempt, Completion, Critic, Grade, Graded, Problem, StepVerifier


def _no_grade(attempts: Sequence[Attempt]) -> list[Graded]:
    raise StudyError("this part grades attempts, and stands outside a study: give it Bench(grade=...).")


def _no_ask(prompts: Sequence[str], *, n: int) -> list[list[Completion]]:
    raise StudyError("this part asks a model, and stands outside a study: give it Bench(ask=...).")


class Grading(Struct, frozen=True, kw_only=True):
    """What `Bench.grade` is made of, as data: a process that is launched to train makes its own graders of it (train/launched.py)."""

    problems: tuple[Problem, ...]
    """Those of training."""
    family: str
    """Of the problems; empty: the user's."""
    options: dict[str, Any]
    """Of the family."""
    verify: VerifySpec


def _no_grading() -> Grading:
    raise StudyError(
        "this part is launched with graders of its own, and stands outside a study: give it Bench(grading=...)."
    )


class Bench(Struct, frozen=True, kw_only=True):
    """What a part may use. Outside a study every field has a default; a grader or a model that is then asked for is a StudyError."""

    spec: ProbeSpec = ProbeSpec()
    """The study's [probe] table."""
    grade: Grade = _no_grade
    grading: Callable[[], Grading] = _no_grading
    ask: Ask = _no_ask
    critic: Callable[[str, dict[str, Any]], Critic] = parts.critic
    """The critic of a name, with its options."""
    lexicon: Lexicon = msgspec.field(default_factory=load_lexicon)
    """The study's markers of doubt and checking."""
    steps: StepVerifier | None = None
    """The study's step verifier."""
    answers: dict[str, list[list[Completion]]] = {}
    """What the model that is being probed has answered, by question: several probes look at the same samples."""
