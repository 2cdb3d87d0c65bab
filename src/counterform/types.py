"""The nouns of a study, and what those parts offer that every room uses.

A study takes *problems* and a *model*, samples *attempts*, gives each a *verdict*, compiles *cases* into
matched *arms*, trains each arm into a *checkpoint*, *reads* every checkpoint on the same held-out items and
turns the readings into *findings*. Everything here is frozen, so a noun can be hashed, compared and shared. The nouns
that come by the million are kept from the garbage collector (`gc=False`): they cannot stand in a cycle.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from msgspec import Struct

from counterform.errors import ModelError
from counterform.metrics import Measured, Shift

Objective = Literal[
    "sft", "grpo", "dpo", "kto", "orpo", "sdft", "sdpo"
]  # what an arm is trained for, each by a trainer of its own


class Mark(StrEnum):
    """A grade. Never a bool: a verifier that could not tell says UNKNOWN, which is not WRONG."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Problem(Struct, frozen=True, kw_only=True):
    """One question with its answer key."""

    id: str
    prompt: str
    """Plain user text; a model applies its own chat template."""
    answer: str
    family: str = "user"
    split: Literal["train", "held_out"] = "train"
    solution: str | None = None
    """The worked solution, ending in the answer; None where nobody wrote one."""
    facts: dict[str, Any] = {}
    """What the family's step verifier needs to know of this problem (JSON values only)."""
    shift: Shift | None = None
    """How it differs from training; None: as in training."""


class Completion(Struct, frozen=True, kw_only=True, gc=False):
    """What a model wrote after one prompt."""

    text: str
    tokens: int
    finish: Literal["stop", "length", "error"]
    """`error`: the model was never heard (a refused call, a time-out); such a row is UNKNOWN everywhere."""
    failure: str = ""
    """Why not: an HTTP status, `timeout`, `connection`, `context` (the prompt does not fit), `unreadable`."""

    @property
    def transient(self) -> bool:
        """Whether the same call may be heard the next time: no data yet, so it is asked again."""
        return self.finish == "error" and is_transient(self.failure)


def is_transient(failure: str) -> bool:
    """Whether a call that failed so says nothing about what was asked: a rate limit, a server's error, a time-out, a lost line."""
    return failure in ("408", "409", "429", "timeout", "connection", "broken") or bool(
        re.fullmatch("5[0-9][0-9]", failure)
    )


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """One completion for one problem, and who wrote it."""

    id: str
    problem_id: str
    model: str
    seed: int
    completion: Completion
    recorded: Mark = Mark.UNKNOWN
    """The grade that came with an attempt somebody else recorded."""


class StepVerdict(Struct, frozen=True, kw_only=True, gc=False):
    """The grade of one step of an attempt."""

    mark: Mark
    rule: str
    """The rule that was checked, or broken."""
    hint: str = ""
    """What would be right in place of a wrong step."""
    mends: bool = False
    """This step takes back the step before it ("Wait, ...")."""
    span: tuple[int, int] = (0, 0)
    """Where in the attempt's text the step stands, as character offsets."""


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """The grade of one attempt: its outcome twice (strict and lenient) and each of its steps."""

    attempt_id: str
    outcome: Mark
    """Strict: the answer is stated in a recognised form and is right."""
    lenient: Mark
    """Lenient: the last answer-like thing in the text is right."""
    steps: tuple[StepVerdict, ...] = ()
    verifier: str
    reason: str = ""
    """Why a mark is UNKNOWN."""

    @property
    def errors(self) -> Iterator[int]:
        """Indices of the wrong steps that no step right after them mends."""
        return (index for index, mended in self._wrong_steps() if not mended)

    @property
    def first_error(self) -> int | None:
        """Index of the first wrong step that stays so; None if there is none."""
        return next(self.errors, None)

    @property
    def mends(self) -> bool:
        """Whether a wrong step is taken back right after it, and put right."""
        return any(mended for _, mended in self._wrong_steps())

    def _wrong_steps(self) -> Iterator[tuple[int, bool]]:
        """Each wrong step, and whether it is mended."""
        for index, step in enumerate(self.steps):
            if step.mark is Mark.WRONG:
                tries = takewhile(lambda after: after.mends, self.steps[index + 1 :])
                yield index, any(after.mark is Mark.RIGHT for after in tries)

    @property
    def process(self) -> Mark:
        """WRONG: a step is wrong and stays so. RIGHT: every step was read and is sound. Else UNKNOWN."""
        if self.first_error is not None:
            return Mark.WRONG
        read = bool(self.steps) and all(step.mark is not Mark.UNKNOWN for step in self.steps)
        return Mark.RIGHT if read else Mark.UNKNOWN


class Graded(Struct, frozen=True, kw_only=True, gc=False):
    """An attempt with its verdict."""

    attempt: Attempt
    verdict: Verdict

    @property
    def step_texts(self) -> list[str]:
        """The attempt's text cut into the steps that were graded."""
        text = self.attempt.completion.text
        return [text[start:end] for start, end in (step.span for step in self.verdict.steps)]


class Case(Struct, frozen=True, kw_only=True, gc=False):
    """One problem with one right and one wrong graded attempt: the unit on which arms are matched."""

    problem: Problem
    right: Graded
    wrong: Graded

    @property
    def one_text(self) -> bool:
        """Whether nothing but white space sets the right attempt apart from the wrong one."""
        return self.right.attempt.completion.text.split() == self.wrong.attempt.completion.text.split()


class Criticism(Struct, frozen=True, kw_only=True, gc=False):
    """What a critic has to say about one attempt; an arm puts it into words (`wording`)."""

    attempt_id: str
    verdict: Mark
    """Of the attempt. UNKNOWN: the critic could not be read, or cannot tell; no training data is made of it."""
    first_error: int | None = None
    """The first wrong step, from 0; None where no step is named."""
    hint: str = ""
    """What would be right in place of that step."""
    right: tuple[int, ...] = ()
    """Steps before it that were checked and are right."""
    text: str = ""
    """The critique in the critic's own words, without the verdict; empty: the fields above say all."""
    why: str = ""
    """Why the verdict is UNKNOWN."""
    transient: bool = False
    """The critic was not heard and may be the next time: no criticism yet, so it is asked again."""
    tokens: int = 0
    """Written by a model for this critique."""


class Example(Struct, frozen=True, kw_only=True, gc=False):
    """One row of training data."""

    problem_id: str
    attempt_ids: tuple[str, ...] = ()
    prompt: str
    completion: str | None
    """None where the trainer samples it (reinforcement learning)."""
    rejected: str | None = None
    """What the completion is preferred to; None where it stands alone."""
    kind: str = ""
    """Kinds of an arm's examples count alike in its loss, however many tokens each has; empty: a token counts as it comes."""


class Arm(Struct, frozen=True, kw_only=True):
    """One training set, compiled from the same cases as every other arm of its study."""

    name: str
    objective: Objective = "sft"
    differs_by: str
    """One line: what sets this arm apart from the others."""
    examples: tuple[Example, ...]
    options: dict[str, Any] = {}
    """What the trainer of its objective is told besides (JSON values only)."""
    teacher_tokens: int = 0
    """Written by another model to make these examples."""
    generated_tokens: int = 0
    """Sampled from a model to make these examples: the attempts that stand in them, each once, and what the recipe asked for."""


class Ledger(Struct, frozen=True, kw_only=True):
    """What one training run cost. What cannot be held equal between arms is counted here."""

    examples: int = 0
    loss_tokens: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    rollouts_kept: int = 0
    rollouts_dropped: int = 0
    teacher_tokens: int = 0
    optimizer_steps: int = 0
    idle_steps: int = 0
    """Steps that were no update."""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0


class Checkpoint(Struct, frozen=True, kw_only=True):
    """A trained arm: an ordinary Hugging Face directory and what it cost."""

    arm: str
    seed: int
    path: str
    ledger: Ledger
    own_options: dict[str, Any] = {}
    """Options of its trainer that this arm alone was trained with."""
    failure: str = ""
    """Why training stopped early (a loss that is not a number); such a checkpoint is not read."""


class Reading(Measured, frozen=True, kw_only=True, gc=False):
    """One number read off one model at one held-out item: all that findings ever see."""

    arm: str
    seed: int
    item_id: str
    problem_id: str
    """The cluster: items of one problem are not independent."""
    stratum: str = ""
    """A group of items that a metric averages apart (find_error: `erroneous`, `correct`)."""
    mark: Mark
    value: float | None
    """None: nothing was read here (a failed call); such a pair is dropped and counted."""


class Model(ABC):
    """Anything that answers a prompt. What only some can do besides: models/growing.py (Writer), models/inside.py (Inspectable)."""

    name: str
    tokens: int = 0  # written since it was opened, as far as it counts them
    parameters: int = 0  # numbers in its weights; 0 where nobody can say

    @classmethod
    def open(cls, spec: Any) -> Self:
        """The model that a study's `[model]` table names (study.py: ModelSpec). Raises ModelError."""
        raise ModelError(f"{cls.__name__} cannot be opened from a study file: it has no method `open`.")

    @abstractmethod
    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """`n` completions for each prompt, in prompt order; temperature 0 is greedy."""

    def completions(
        self,
        prompts: Sequence[str],
        *,
        n: int,
        seed: int,
        temperature: float,
        max_tokens: int,
        known: Container[tuple[int, int]] = (),
    ) -> Iterator[tuple[int, int, Completion]]:
        """The completions of `generate`, with their prompt's and their own index, as they come; those `known` may be left out.

        Whoever keeps them on the way loses little to an interruption, and gets the same ones after it.
        """
        rows = self.generate(prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens)
        for index, row in enumerate(rows):
            yield from ((index, sample, completion) for sample, completion in enumerate(row))

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """The summed log-probability (nats) of each continuation after the prompt. Raises ModelError where it shows none."""
        raise ModelError(f"{self.name!r} shows no log-probabilities.")

    def bare(self) -> Model:
        """The same model that is put each prompt as it stands, without a chat template. Raises ModelError where it always has one."""
        raise ModelError(f"{self.name!r} puts every prompt into a chat template.")

    def unread_words(self, text: str) -> str:
        """The words of a text that the model cannot read, its vocabulary lacking them; empty where it can, or nobody can say."""
        return ""

    @property
    def failures(self) -> Mapping[str, int]:
        """Calls that failed, by reason."""
        return {}

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of its answers must know of how they came about."""
        return ()

    def close(self) -> None:
        """Give back what it holds; nothing is asked of it afterwards."""
        return None


class Watch(ABC):
    """A step verifier at work on one attempt, fed step by step as the text grows."""

    @abstractmethod
    def feed(self, step: str) -> StepVerdict:
        """Grade the next step. Never raises, whatever the text."""


class StepVerifier(ABC):
    """Process verification. One verifier, three uses: it labels finished attempts, reads a process, and guards growing text."""

    bounded: bool = False
    """Promises what testing.check_verifier checks: whatever the text, a call is back in bounded time. A guard asks such a one at
    once, and any other in a thread that it can leave behind."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As verdicts and the audit name it; a class attribute will do."""

    @abstractmethod
    def start(self, problem: Problem) -> Watch:
        """A watch over one attempt at this problem."""


class PlantedError(Struct, frozen=True, kw_only=True):
    """An attempt that is known to go wrong, for grading the graders."""

    text: str
    kind: str
    first_error: int


class Family(StepVerifier):
    """A source of problems that knows how to check each step of their solutions."""

    @abstractmethod
    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = ()) -> list[Problem]:
        """`n` different problems with worked solutions. A family that holds out whole tasks marks their `split`."""

    @abstractmethod
    def plant_errors(self, problem: Problem, *, rng: np.random.Generator) -> list[PlantedError]:
        """The worked solution with an error planted once in every kind of way that the step verifier must catch."""

    def shifts(self, n: int, *, rng: np.random.Generator, trained: Sequence[Problem]) -> list[Problem]:
        """`n` problems at each level of each axis the family has (fewer where there are no more), none of `trained`."""
        return []


class OutcomeVerdict(Struct, frozen=True):
    """Both readings of one final answer."""

    strict: Mark
    lenient: Mark
    reason: str = ""


class OutcomeVerifier(ABC):
    """Grades many final answers at once, so that slow checks can run side by side."""

    @abstractmethod
    def __call__(self, pairs: Sequence[tuple[Problem, str]]) -> list[OutcomeVerdict]:
        """Both readings of every (problem, text)."""


class Critic(ABC):
    """Says what is wrong with attempts."""

    name: str
    """As an arm's description names it; a model's says which, and at what temperature."""
    keeps: ClassVar[bool] = False
    """It costs, and is asked only once about an attempt: what it said is kept in the run directory."""

    @abstractmethod
    def __call__(self, shown: Sequence[tuple[Problem, Graded]], *, seed: int) -> list[Criticism]:
        """A criticism of every attempt, in order. A hostile attempt is no exception: what cannot be told is UNKNOWN."""


class Grade(Protocol):
    """Grades attempts at the study's problems, with the study's verifiers."""

    def __call__(self, attempts: Sequence[Attempt]) -> list[Graded]: ...


class Ask(Protocol):
    """Asks the sampled model prompts of a recipe's own: the same answers for the same prompt."""

    def __call__(self, prompts: Sequence[str], *, n: int) -> list[list[Completion]]: ...
