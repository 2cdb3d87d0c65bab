"""Of stage 6: which learning rate of a sweep stands for its arm, by problems that no arm was trained on and no finding is about."""

from __future__ import annotations

from collections.abc import Iterator

from counterform.errors import StudyError
from counterform.models.sampling import derived_seed
from counterform.results import Rate, Sweep
from counterform.stages.probed import Trained
from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.store import key_of
from counterform.types import Attempt, Example, Mark, Problem

LEAST_PROBLEMS = 20
"""Fewer choose a rate by chance."""


def validation_units(work: Work) -> Iterator[Unit]:
    """Right answers in validation, of every arm at every rate that is swept."""
    for names in _swept(work).values():
        yield from (
            ValidationUnit(name, seed) for name in names for seed in work.study.seeds if not work.failure(name, seed)
        )


def validation_problems(work: Work) -> list[Problem]:
    """Training problems of which no case was made, as many as are solved held out. Raises StudyError where they are too few."""
    used = {example.problem_id for example in work.files.read_rows(f"arms/{work.arms[0]}.parquet", Example)}
    found = [problem for problem in work.problems("train") if problem.id not in used]
    if len(found) < LEAST_PROBLEMS:
        raise StudyError(
            f"$.train.sweep.choose: a rate is chosen by training problems of which no case was made, and there are {len(found)}; at least "
            f"{LEAST_PROBLEMS} are needed. Raise $.problems.train ({work.study.problems.train}), or lower $.match.cases."
        )
    return found[: work.study.probe.problems]


class ValidationUnit(Unit):
    """The answers of one training to those problems, and how many are right."""

    def __init__(self, arm: str, seed: int) -> None:
        needs = ("problems", "audit", "verify/", f"train/{arm}/{seed}")
        super().__init__(f"validation/{arm}/{seed}", needs=needs)
        self._arm, self._seed = arm, seed

    def key(self, work: Work) -> str:
        spec = work.study.probe
        asked = (spec.samples, spec.temperature, spec.max_tokens, spec.problems)
        return key_of(work.checkpoint_key(self._arm, self._seed), work.keys.problems, work.keys.verifiers, asked)

    def make(self, work: Work) -> list[str]:
        spec, problems = work.study.probe, validation_problems(work)
        model = Trained(work, self._arm).open(self._seed)
        try:
            rows = model.generate(
                [problem.prompt for problem in problems],
                n=spec.samples,
                seed=derived_seed("validation", self._arm, self._seed),
                temperature=spec.temperature,
                max_tokens=spec.max_tokens,
            )
            work.making.tokens = model.tokens
        finally:
            model.close()
        attempts = [
            Attempt(
                id=f"{problem.id}/validation/{at}",
                problem_id=problem.id,
                model=self._arm,
                seed=self._seed,
                completion=one,
            )
            for problem, row in zip(problems, rows, strict=True)
            for at, one in enumerate(row)
        ]
        marks = [graded.verdict.outcome for graded in work.grade(attempts, {p.id: p for p in problems})]
        right, unknown = (sum(mark is which for mark in marks) / len(marks) for which in (Mark.RIGHT, Mark.UNKNOWN))
        work.making.facts |= {"right": right, "unknown": unknown, "problems": len(problems)}
        return []


def sweeps(work: Work) -> tuple[Sweep, ...]:
    """What became of every arm that was swept."""
    rates = {spec.name: spec.train["learning_rate"] for spec in work.study.trained if "learning_rate" in spec.train}
    return tuple(
        Sweep(arm=arm, rates=tuple(_rate(work, name, rates[name]) for name in names))
        for arm, names in _swept(work).items()
    )


def _swept(work: Work) -> dict[str, list[str]]:
    """The names of the rates of each arm, without those of an arm that was refused."""
    several = {arm: [one.name for one in of] for arm, of in work.study.variants.items() if len(of) > 1}
    return {arm: names for arm, names in several.items() if set(names) <= set(work.arms)}


def _rate(work: Work, name: str, learning_rate: float) -> Rate:
    seeds = work.study.seeds
    if any(work.failure(name, seed) for seed in seeds):
        return Rate(name=name, learning_rate=learning_rate, right=None, unknown=0.0, n_problems=0)
    right, unknown, problems = (
        [work.files.fact(f"validation/{name}/{seed}", fact) for seed in seeds]
        for fact in ("right", "unknown", "problems")
    )
    return Rate(
        name=name,
        learning_rate=learning_rate,
        right=sum(right) / len(seeds),
        unknown=sum(unknown) / len(seeds),
        n_problems=problems[0],
    )


def stands_for(found: tuple[Sweep, ...], pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of arms, with the chosen rate in the place of an arm that was swept; a pair of which none could be read is left out."""
    chosen = {sweep.arm: sweep.chosen for sweep in found}
    named = [(chosen.get(a, a), chosen.get(b, b)) for a, b in pairs]
    return tuple((a, b) for a, b in named if a and b)
