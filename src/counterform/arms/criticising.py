"""What critique and its controls share: the attempts that are shown, the critic's criticisms, and their words."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import DataError
from counterform.text import wording
from counterform.types import Arm, Case, Criticism, Example, Graded, Mark

MOST_UNREADABLE = 0.30
"""Share of unreadable criticisms at which a critic is no use."""


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
    called with. Raises ValueError for a share outside 0 to 1.
    """

    draws_as = "cft"
    """The arms that share it show the same attempts, for equal shares."""

    def __init__(
        self,
        *,
        share_wrong: float = 0.5,
        balanced: bool = False,
        critic: str = "steps",
        critic_options: Mapping[str, Any] | None = None,
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        self._balanced = balanced
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
        pairs = [(case.problem, graded) for case, graded in zip(cases, shown, strict=True)]
        said = self._critic(pairs, seed=int(rng.integers(2**31)))
        rows, dropped = self._readable([Criticised(*row) for row in zip(cases, shown, said, strict=True)])
        targets, done = self.targets(rows, rng)
        examples = tuple(
            Example(
                problem_id=row.case.problem.id,
                attempt_ids=(row.shown.attempt.id,),
                prompt=wording.critique_prompt(row.case.problem.prompt, row.shown.step_texts),
                completion=target,
                kind=kind,
            )
            for row, target, kind in zip(rows, targets, self._kinds(targets), strict=True)
        )
        told = "; ".join([self.differs_by, *done, *self._told, *dropped])
        return Arm(
            name=self.name, differs_by=told, examples=examples, teacher_tokens=sum(found.tokens for found in said)
        )

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

    def _readable(self, rows: list[Criticised]) -> tuple[list[Criticised], list[str]]:
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
                f"arm {self.name!r}: {dropped} of {len(rows)} critiques by {self._critic.name} are of no use ({why}). At "
                f"{MOST_UNREADABLE:.0%} an arm of the rest would be another experiment: choose another critic, for a model a "
                "stronger one, another temperature or more max_tokens (critic_options), or leave this arm out."
            )
        spare = iter(sound * (1 + dropped // len(sound)))
        filled = [next(spare) if row.said.verdict is Mark.UNKNOWN else row for row in rows]
        return filled, [
            f"{dropped} of {len(rows)} critiques were of no use ({why}), and others stand twice in their place"
        ]


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
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{option} is a share, from 0 to 1; got {value}")
    return value
