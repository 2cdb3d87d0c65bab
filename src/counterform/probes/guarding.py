"""The same answers, guarded in several ways: what the probes that ask this share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any, ClassVar

from msgspec import Struct

from counterform.findings.stats import pass_hat_k
from counterform.findings.wrong_guard import GAIN, NONE
from counterform.guard import RULE, Guard, Guarded, Note
from counterform.guard.guard import Check, OnViolation
from counterform.metrics import Measured, Metric
from counterform.models.growing import Writer
from counterform.probes.probe import HeldOut, Probe
from counterform.types import Attempt, Graded, Mark, Model, Problem, Reading, StepVerifier

GROUP = 32
"""Problems that are answered, and timed, together."""

PASS, VIOLATED, REFUSED, TOKENS, SECONDS, HINTED = (
    "pass^1",
    "violated",
    "refused",
    "tokens",
    "seconds",
    "steps told",
)


def _metric(name: str, meaning: str, under: str = "{condition}, {budget}", **more: Any) -> Metric:
    return Metric(name=name, title=f"Guard: {name} ({under})", meaning=meaning, headline=False, **more)


_COST: dict[str, Any] = {"unit": "ratio", "better": "low", "bounds": (0.0, 100.0)}
_METRICS = (
    _metric(
        VIOLATED, "Accepted answers with a step that is wrong and stays so, of all that were asked for.", better="low"
    ),
    _metric(REFUSED, "Answers that no wrong step could be kept out of within the budget.", better="low"),
    _metric(
        GAIN,
        "The paired difference in right answers, two ways of guarding the same model.",
        "{condition} over {against}, {budget}",
        unit="difference",
        bounds=(-1.0, 1.0),
    ),
    _metric(
        TOKENS,
        "Tokens sampled, those thrown away too, as a share of those without a guard.",
        "{condition}",
        **_COST,
    ),
    _metric(SECONDS, "Time, as a share of that without a guard.", "{condition}", **_COST),
    _metric(
        HINTED,
        "Steps of an answer that are the guard's own hint and not the model's.",
        "{condition}",
        better="neither",
    ),
)


class _Answer(Struct):
    """One guarded answer and how it was graded, if it was heard."""

    guarded: Guarded
    right: bool = False
    violated: bool = False

    @property
    def heard(self) -> bool:
        return self.guarded.completion.finish != "error"


class Guarding(Probe):
    """Answers held-out problems in several ways, with the study's own step verifier as the guard.

    Each answer is accepted once no step that the guard calls wrong is left in it. `equal tokens`: if it was within [probe] tokens,
    those thrown away too; `equal calls`: within [probe] calls. Else it is refused, which is no right answer. Right and `violated` are by
    the study's own verifiers. pass^k: all of k answers are right. `tokens` and `seconds` are shares of none's.
    """

    reads: ClassVar[tuple[str, ...]] = (
        "samples",
        "temperature",
        "max_tokens",
        "problems",
        "k",
        "calls",
        "tokens",
        "rule_note",
    )
    needs = frozenset({"growing"})

    @abstractmethod
    def guards(self, verifier: StepVerifier, problems: Sequence[Problem]) -> dict[str, Guard]:
        """The ways by name, in the order in which they are asked and shown; the first is `NONE`."""

    @property
    @abstractmethod
    def gains(self) -> Sequence[tuple[str, str]]:
        """Pairs of ways [a, b] of which the paired difference in right answers is read: a - b."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        right = "Right answers that were accepted, of all that were asked for."
        of_all = "All of k answers are right and accepted."
        named = [*dict.fromkeys([(PASS, right), (f"pass^{self.spec.k}", of_all if self.spec.k > 1 else right)])]
        return (*(_metric(name, meaning) for name, meaning in named), *_METRICS)

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        if self.bench.steps is None:
            return []
        problems = items.problems[: self.spec.problems]
        readings: list[Reading] = []
        guards = self.guards(self.bench.steps, problems)
        told = [name for name, one in guards.items() if one.note and one.note.stays and one.on_violation != "report"]
        for at in range(0, len(problems), GROUP):
            group = problems[at : at + GROUP]
            answers: dict[str, list[list[_Answer]]] = {}
            seconds: dict[str, float] = {}
            for condition, guard in guards.items():
                started = time.perf_counter()
                asked = self._ask(guard, model, group, seed + at)
                seconds[condition] = time.perf_counter() - started
                answers[condition] = self._graded(asked, group, condition, arm, seed)
            for index, problem in enumerate(group):
                mine = {condition: [a for a in rows[index] if a.heard] for condition, rows in answers.items()}
                values = [*self._values(mine, answers[NONE]), *(self._told(name, mine[name]) for name in told)]
                readings += [self._reading(problem, one, value, arm, seed) for one, value in values]
            for condition, rows in answers.items():
                share = seconds[condition] / seconds[NONE] if any(a.heard for row in rows for a in row) else None
                # Of the group, in the name of its first problem: the others were not timed apart.
                readings.append(self._reading(group[0], self._of(SECONDS, condition), share, arm, seed))
        return readings

    def guard(
        self, verifier: StepVerifier, how: OnViolation, note: Note | None = None, check: Check = "each step"
    ) -> Guard:
        """One run serves both budgets: an answer that either would accept is finished before this one ends."""
        most = self.spec.calls * self.spec.max_tokens
        return Guard(verifier, how, note=note, check=check, interventions=most, tokens=max(self.spec.tokens, most))

    @property
    def rule_note(self) -> Note:
        """How the model is told of a step that was refused."""
        return Note(self.spec.rule_note) if self.spec.rule_note else RULE

    def _ask(self, guard: Guard, model: Model, problems: Sequence[Problem], seed: int) -> list[list[Guarded]]:
        if not isinstance(model, Writer):  # as good as never heard: nobody can read along
            return [[] for _ in problems]
        return guard.around(model, problems).answer(
            [problem.prompt for problem in problems],
            n=self.spec.samples,
            seed=seed,
            temperature=self.spec.temperature,
            max_tokens=self.spec.max_tokens,
        )

    def _graded(
        self, rows: Sequence[Sequence[Guarded]], problems: Sequence[Problem], condition: str, arm: str, seed: int
    ) -> list[list[_Answer]]:
        who = f"{arm}-{seed}-{condition.replace(' ', '-')}"
        given = [
            Attempt(
                id=f"{problem.id}/{who}/{sample}",
                problem_id=problem.id,
                model=who,
                seed=seed,
                completion=guarded.completion,
            )
            for problem, row in zip(problems, rows, strict=True)
            for sample, guarded in enumerate(row)
            if not guarded.refused
        ]
        verdicts: dict[str, Graded] = {graded.attempt.id: graded for graded in self.bench.grade(given)}

        def answer(problem: Problem, sample: int, guarded: Guarded) -> _Answer:
            graded = verdicts.get(f"{problem.id}/{who}/{sample}")
            if graded is None:
                return _Answer(guarded)
            return _Answer(guarded, graded.verdict.outcome is Mark.RIGHT, graded.verdict.process is Mark.WRONG)

        return [
            [answer(problem, sample, guarded) for sample, guarded in enumerate(row)]
            for problem, row in zip(problems, rows, strict=True)
        ]

    def _of(self, metric: str, condition: str, budget: str = "", against: str = "") -> Measured:
        return Measured(probe=self.name, metric=metric, condition=condition, budget=budget, against=against)

    def _values(
        self, mine: dict[str, list[_Answer]], none: Sequence[Sequence[_Answer]]
    ) -> list[tuple[Measured, float | None]]:
        """Every number of one problem."""
        found: list[tuple[Measured, float | None]] = []
        usual = [a.guarded.completion.tokens for row in none for a in row if a.heard]
        budgets: dict[str, Callable[[_Answer], bool]] = {
            "equal tokens": lambda a: a.guarded.completion.tokens <= self.spec.tokens,
            "equal calls": lambda a: a.guarded.calls <= self.spec.calls,
        }
        for budget, within in budgets.items():
            rights: dict[str, float | None] = {}
            for condition, answers in mine.items():
                accepted = [not a.guarded.refused and within(a) for a in answers]
                right = sum(a.right for a, ok in zip(answers, accepted, strict=True) if ok)
                violated = sum(a.violated for a, ok in zip(answers, accepted, strict=True) if ok)
                n, k = len(answers), self.spec.k
                rights[condition] = right / n if n else None
                shares = {
                    PASS: rights[condition],
                    f"pass^{k}": pass_hat_k(n, right, k) if n >= k else None,
                    VIOLATED: violated / n if n else None,
                    REFUSED: 1 - sum(accepted) / n if n else None,
                }
                found += [(self._of(metric, condition, budget), share) for metric, share in shares.items()]
            for a, b in self.gains:
                more, less = rights.get(a), rights.get(b)
                gain = None if more is None or less is None else more - less
                found.append((self._of(GAIN, a, budget, against=b), gain))
        for condition, answers in mine.items():
            spent = [min(a.guarded.completion.tokens, self.spec.tokens) for a in answers]
            share = fmean(spent) / fmean(usual) if spent and usual and sum(usual) else None
            found.append((self._of(TOKENS, condition), share))
        return found

    def _told(self, condition: str, answers: Sequence[_Answer]) -> tuple[Measured, float | None]:
        """How much of one problem's answers the guard wrote."""
        shares = [a.guarded.told_steps / a.guarded.steps for a in answers if a.guarded.steps]
        return self._of(HINTED, condition), fmean(shares) if shares else None

    def _reading(self, problem: Problem, of: Measured, value: float | None, arm: str, seed: int) -> Reading:
        lower = of.metric in (VIOLATED, REFUSED)
        mark = Mark.UNKNOWN if value is None else Mark.RIGHT if (value > 0) != lower else Mark.WRONG
        return Reading(
            probe=of.probe,
            metric=of.metric,
            condition=of.condition,
            against=of.against,
            budget=of.budget,
            arm=arm,
            seed=seed,
            item_id=problem.id,
            problem_id=problem.id,
            mark=mark,
            value=value,
        )
