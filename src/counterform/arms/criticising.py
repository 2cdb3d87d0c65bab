"""What critique and its controls share: the attempts that are shown, the critic's criticisms, and their words."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import DataError
from counterform.text import wording
from counterform.types import Arm, Case, Criticism, Example, Graded, Mark

MOST_UNREADABLE = 0.30
"""Share of unreadable criticisms at which a critic is no use."""
LEAST_LOCATED = 0.5
"""Share of the critiques of wrong attempts that must say where or what is wrong: fewer, and most are the key and a verdict."""
_STEP_NUMBER = re.compile(r"\bstep\s+\d+", re.IGNORECASE)


class Criticised(NamedTuple):
    """One attempt that is shown, and what the critic has to say about it."""

    case: Case
    shown: Graded
    said: Criticism


class Criticising(Recipe):
    """Base of those arms: which attempts are shown, and what the critic says of them.

    share_wrong: of the attempts that are shown. A pool of one kind teaches a constant verdict: mostly right attempts that
    all is right, only wrong ones that all is wrong (seen in a prototype of this world). Half and half makes the verdict
    worth reading the attempt for. Wrong attempts are drawn first from cases in which one has a step that can be named; a
    larger share shows those of a smaller one and more. balanced: critiques that call the attempt right and those that call it
    wrong count alike in the loss, whatever their tokens. critic: a short name or module:object; critic_options: what it is
    called with. least_located: share of the critiques of wrong attempts that must locate an error (`located`). Raises
    ValueError for a share outside 0 to 1.
    """

    draws_as = "cft"
    """The arms that share it show the same attempts, for equal shares."""
    teaches_where: ClassVar[bool] = True
    """Its targets hold what the critic found; where that is a verdict alone, the arm is no such arm and is refused."""

    def __init__(
        self,
        *,
        share_wrong: float = 0.5,
        balanced: bool = False,
        critic: str = "steps",
        critic_options: Mapping[str, Any] | None = None,
        least_located: float = LEAST_LOCATED,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        self._balanced = balanced
        self._least_located = share_of("least_located", least_located)
        self._share_wrong = share_of("share_wrong", share_wrong)
        self._critic = self.bench.critic(critic, dict(critic_options or {}))
        self._told: list[str] = []
        if share_wrong != 0.5:
            self._told.append(f"{share_wrong:.0%} of the attempts are wrong")
        if balanced:
            self._told.append("the two verdicts count alike in the loss")
        if critic != "steps":
            self._told.append(f"the critic is {self._critic.name}")

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        shown = drawn(cases, self._share_wrong, rng)
        seed = int(rng.integers(2**31))
        chosen = self.criticised(cases, shown, rng)
        pairs = [(cases[at].problem, shown[at]) for at in chosen]
        said = self._critic(pairs, seed=seed)
        found = [Criticised(cases[at], shown[at], one) for at, one in zip(chosen, said, strict=True)]
        rows, dropped = readable(self.name, self._critic.name, found)
        reported = located(self.name, self._critic.name, rows, self._least_located) if self.teaches_where else []
        targets, done = self.targets(rows, rng)
        critiques = [
            Example(
                problem_id=row.case.problem.id,
                attempt_ids=self.attempts_of(row),
                prompt=wording.critique_prompt(row.case.problem.prompt, row.shown.step_texts),
                completion=target,
                kind=kind,
            )
            for row, target, kind in zip(rows, targets, self._kinds(targets), strict=True)
        ]
        told = "; ".join([self.differs_by, *done, *self._told, *dropped, *reported])
        return Arm(
            name=self.name,
            differs_by=told,
            examples=self.examples(cases, dict(zip(chosen, critiques, strict=True))),
            teacher_tokens=sum(found.tokens for found in said),
        )

    def attempts_of(self, row: Criticised) -> tuple[str, ...]:
        """The ids of the attempts that stand in a row's example."""
        return (row.shown.attempt.id,)

    def criticised(self, cases: Sequence[Case], shown: Sequence[Graded], rng: np.random.Generator) -> Sequence[int]:
        """The cases whose attempt is criticised, in order: all of them."""
        return range(len(cases))

    def examples(self, cases: Sequence[Case], critiques: Mapping[int, Example]) -> tuple[Example, ...]:
        """One example per case, of those that were criticised the critique."""
        return tuple(critiques[at] for at in range(len(cases)))

    @abstractmethod
    def targets(self, rows: Sequence[Criticised], rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """The target of every row, and what was done to them besides, in words."""

    def _kinds(self, targets: Sequence[str]) -> list[str]:
        """The kind of every example by the verdict that it teaches; raises DataError where there are not two to balance."""
        kinds = [wording.verdict_of(target).value if self._balanced else "" for target in targets]
        if self._balanced and set(kinds) != {Mark.RIGHT.value, Mark.WRONG.value}:
            raise DataError(
                f"arm {self.name!r}: balanced weighs right and wrong verdicts against each other, and its targets hold "
                f"{', '.join(sorted(set(kinds)))} alone. Take a share_wrong between 0 and 1, or leave `balanced` out."
            )
        return kinds


def readable(arm: str, critic: str, rows: list[Criticised]) -> tuple[list[Criticised], list[str]]:
    """The rows whose criticism could be read. The place of a dropped one is taken by the next readable one from the
    top, so that numbers stay matched; what was done is told. Raises DataError where too many are dropped.
    """
    sound = [row for row in rows if row.said.verdict is not Mark.UNKNOWN]
    dropped = len(rows) - len(sound)
    if not dropped:
        return rows, []
    reasons = Counter(row.said.why or "no reason given" for row in rows if row.said.verdict is Mark.UNKNOWN)
    why = "; ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    if dropped >= MOST_UNREADABLE * len(rows):
        raise DataError(
            f"arm {arm!r}: {dropped} of {len(rows)} critiques by {critic} are of no use ({why}). At "
            f"{MOST_UNREADABLE:.0%} an arm of the rest would be another experiment: choose another critic, for a model a "
            "stronger one, another temperature or more max_tokens (critic_options), or leave this arm out."
        )
    spare = iter(sound * (1 + dropped // len(sound)))
    filled = [next(spare) if row.said.verdict is Mark.UNKNOWN else row for row in rows]
    return filled, [f"{dropped} of {len(rows)} critiques were of no use ({why}), and others stand twice in their place"]


def located(arm: str, critic: str, rows: Sequence[Criticised], least: float) -> list[str]:
    """How many of the critiques that call an attempt wrong say where or what is wrong, and how many let out the right answer.

    A critique lets it out where the key stands in it as a word, and nowhere in what the model is shown. Raises DataError where
    fewer than a share of `least` locate an error: the key and a verdict are no critique.
    """
    wrong = [row for row in rows if row.said.verdict is Mark.WRONG]
    if not wrong:
        return []
    n_located = sum(bool(row.said.text) or row.said.first_error is not None for row in wrong)
    if n_located < least * len(wrong):
        raise DataError(
            f"arm {arm!r}: of {len(wrong)} critiques of wrong attempts by {critic}, {n_located} locate an error. The others say the key "
            f"and a verdict ({worded(next(row for row in wrong if row.said.first_error is None and not row.said.text))!r}), which is no "
            f'critique; at least {least:.0%} must locate one. Take the critic "reference" (it compares with worked solutions) or "model" '
            '(any model\'s words): options = { critic = "reference" }; a step verifier that reads these attempts ($.verify.steps); or '
            "leave this arm out. With options = { least_located = 0 } it is made all the same."
        )
    hidden = [row for row in wrong if not _stands_in(row.case.problem.answer, _shown_text(row))]
    leaks = sum(_stands_in(row.case.problem.answer, _STEP_NUMBER.sub("", worded(row))) for row in hidden)
    return [
        f"the critic locates an error in {n_located} of {len(wrong)} wrong attempts, and states the right answer in {leaks} of the "
        f"{len(hidden)} whose prompt does not hold it"
    ]


def _shown_text(row: Criticised) -> str:
    return "\n".join([row.case.problem.prompt, *row.shown.step_texts])


def _stands_in(answer: str, text: str) -> bool:
    """Whether an answer stands in a text as a word or a number of its own, whatever its case."""
    word = re.escape(answer.strip())
    return bool(word) and bool(re.search(rf"(?<![\w.,]){word}(?![\w]|[.,]\d)", text, re.IGNORECASE))


def drawn(cases: Sequence[Case], share_wrong: float, rng: np.random.Generator) -> list[Graded]:
    """Of each case the attempt that is shown."""
    nameless = np.array([case.wrong.verdict.first_error is None for case in cases])
    order = np.lexsort((rng.random(len(cases)), nameless))
    wrong = set(order[: int(share_wrong * len(cases) + 0.5)].tolist())
    return [case.wrong if index in wrong else case.right for index, case in enumerate(cases)]


def worded(row: Criticised) -> str:
    """A criticism in words."""
    said = row.said
    if said.text:
        return f"{said.text}\n{wording.verdict_sentence(right=said.verdict is Mark.RIGHT)}"
    if said.first_error is not None:
        return wording.critique_of_wrong_step(said.first_error, said.hint, said.right)
    if said.verdict is Mark.RIGHT:
        return wording.critique_of_sound_attempt(said.right)
    return wording.critique_of_wrong_answer(row.case.problem.answer)


def share_of(option: str, value: float) -> float:
    """The value, if it is a share. Raises ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{option} is a share, from 0 to 1; got {value!r}")
    return value
