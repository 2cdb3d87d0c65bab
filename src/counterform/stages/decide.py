"""Before the probes: read the arms of the declared contrasts in rounds, and train and read no more once all are decided.

A round is a batch of held-out problems for every seed that was trained, or one seed more of these arms. What a round buys follows from what was read
alone, so the same command goes the same way again after any interruption. The rest of the study is then the study with the seeds and problems that
were bought; its probes take the answers of the rounds as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.findings.decide import FEWEST, Design, Outcome, Purchase, look, outcome, purchase
from counterform.findings.seed_variance import Floats
from counterform.models.sampling import derived_seed
from counterform.parts import made
from counterform.probes.accuracy import STRICT
from counterform.probes.probe import HeldOut, Probe
from counterform.results import decode
from counterform.stages.probe import Items, Session
from counterform.stages.probed import probed
from counterform.stages.rounds import round_files
from counterform.stages.train import train_units
from counterform.stages.unit import Unit, do
from counterform.stages.work import Work
from counterform.store import key_of
from counterform.study import BASE_ARM
from counterform.types import Graded, Reading

ACCURACY = "accuracy"
DECISION = "decision"
FILE = "decision.json"


class Stopped(Struct, frozen=True, kw_only=True):
    """How one contrast stopped."""

    arm: str
    versus: str
    outcome: Outcome
    value: float
    low: float
    high: float
    """The difference and its repeated confidence interval, in the metric's unit; NaN where an arm was not trained."""
    looks: int
    problems: int
    seeds: int


class Decision(Struct, frozen=True, kw_only=True):
    """How the rounds ended."""

    contrasts: tuple[Stopped, ...]
    problems: int
    seeds: int
    most_problems: int
    most_seeds: int
    tokens: int
    """Trained on and generated for these arms."""
    most_tokens: int
    """What all problems and seeds would have taken, from what each has taken here."""


class BatchUnit(Unit):
    """The answers of one model to one batch of held-out problems."""

    def __init__(self, session: Session, first: int, last: int) -> None:
        who, seed = session.who, session.seed
        super().__init__(f"decide/{who.name}/{seed}/{first}", needs=("problems", "audit", *who.needs(seed)))
        self._session, self._first, self._last = session, first, last

    def key(self, work: Work) -> str:
        who, seed = self._session.who, self._session.seed
        return key_of(work.keys.reading(ACCURACY, who.key(seed), who.name, seed), self._first, self._last)

    def make(self, work: Work) -> list[str]:
        session = self._session
        arm, seed = session.who.name, session.seed
        session.shown.clear()
        problems = tuple(work.problems("held_out")[self._first : self._last])
        reader: Probe = made("probe", ACCURACY, {}, "$.probes", bench=session.bench)
        luck = derived_seed("decide", arm, seed, self._first)
        readings = reader.checked(reader(session.model, HeldOut(problems=problems, attempts=()), arm=arm, seed=luck))
        readings = [replace(reading, seed=seed) for reading in readings]
        names = round_files(arm, seed, self._first)
        work.files.write_rows(names[0], readings, Reading)
        work.files.write_rows(names[1], list(dict.fromkeys(session.shown)), Graded)
        session.count_lost(work)
        return names


class DecisionUnit(Unit):
    """What the rounds came to."""

    def __init__(self, decision: Decision, batches: Sequence[str]) -> None:
        super().__init__(DECISION, needs=("decide/",))
        self._decision, self._batches = decision, batches

    def key(self, work: Work) -> str:
        return key_of(msgspec.to_builtins(self._decision), self._batches)

    def make(self, work: Work) -> list[str]:
        work.files.write_json(FILE, self._decision)
        return [FILE]


def decided(work: Work) -> Work:
    """Go through the rounds of a study with [decide]: the work on the study as far as it was bought."""
    rounds = _Rounds(work)
    decision = rounds.decision()
    do(work, DecisionUnit(decision, rounds.keys))
    for line in _sentences(decision):
        work.say(f"decide    {line}")
    study = work.study
    probe = replace(study.probe, problems=decision.problems)
    bought = Work(replace(study, seeds=study.seeds[: decision.seeds], probe=probe), work.files, work.say)
    bought.done = work.done
    return bought


def decision_notes(work: Work) -> list[str]:
    """How the study stopped, for whoever reads its findings; nothing of a study that does not decide."""
    if not work.study.decide.contrasts:
        return []
    return list(_sentences(decode((work.files / FILE).read_bytes(), Decision)))


class _Rounds:
    """The state of the rounds: how many problems and seeds were bought, and how each contrast stopped."""

    def __init__(self, work: Work) -> None:
        self._work, self._items = work, Items(work)
        study = work.study
        self._who = {who.name: who for who in probed(work) if who.name in study.decide.arms}
        """The arms of the contrasts, but those that were refused."""
        self._batch = study.decide.batch
        self._most = min(study.probe.problems, len(work.problems("held_out")))
        self._problems = min(self._batch * ceil(FEWEST / self._batch), self._most)
        self._seeds = min(2, len(study.seeds))
        self._looks = 0
        self._stopped: dict[tuple[str, str], Stopped] = {}
        self.keys: list[str] = []

    def decision(self) -> Decision:
        """Read and buy until every contrast has stopped."""
        contrasts = self._work.study.decide.contrasts
        while True:
            self._read()
            self._looks += 1
            wishes = [self._look(contrast) for contrast in contrasts if contrast not in self._stopped]
            if len(self._stopped) == len(contrasts):
                break
            self._buy(next(wish for wish in wishes if wish is not Purchase.NOTHING))
        tokens, most = self._tokens()
        return Decision(
            contrasts=tuple(self._stopped[contrast] for contrast in contrasts),
            problems=self._problems,
            seeds=self._seeds,
            most_problems=self._most,
            most_seeds=len(self._work.study.seeds),
            tokens=round(tokens),
            most_tokens=round(most),
        )

    def _read(self) -> None:
        """Train and read what was bought and is not there yet."""
        work, bought = self._work, self._work.study.seeds[: self._seeds]
        training = {unit.name: unit for unit in train_units(work)}
        for arm, seed in ((arm, seed) for arm in self._who for seed in bought):
            if arm != BASE_ARM:
                do(work, training[f"train/{arm}/{seed}"])
            if arm != BASE_ARM and work.failure(arm, seed):
                continue
            with Session(work, self._items, self._who[arm], seed) as session:
                for first in range(0, self._problems, self._batch):
                    unit = BatchUnit(session, first, min(first + self._batch, self._most))
                    do(work, unit)
                    if unit.key(work) not in self.keys:
                        self.keys.append(unit.key(work))

    def _look(self, contrast: tuple[str, str]) -> Purchase:
        design, lucky = self._design(), tuple(arm != BASE_ARM for arm in contrast)
        failed = [arm for arm, trained in zip(contrast, lucky, strict=True) if trained and self._failed(arm)]
        tables = None if failed else self._tables(contrast)
        if tables is None or len(tables[0]) < 2:
            if failed or self._problems == self._most:
                self._stop(contrast, Outcome.EXHAUSTED, np.nan, np.nan, np.nan)
            return Purchase.ITEMS
        found = look(*tables, design, lucky=lucky)
        became = outcome(found, self._problems, self._seeds, design)
        if became is not Outcome.OPEN:
            low, high = found.interval(design.alpha)
            self._stop(contrast, became, float(found.value), float(low), float(high))
        return purchase(found, self._problems, self._seeds, design)

    def _stop(self, contrast: tuple[str, str], became: Outcome, value: float, low: float, high: float) -> None:
        self._stopped[contrast] = Stopped(
            arm=contrast[0],
            versus=contrast[1],
            outcome=became,
            value=value,
            low=max(low, -1.0),
            high=min(high, 1.0),
            looks=self._looks,
            problems=self._problems,
            seeds=self._seeds,
        )

    def _buy(self, wish: Purchase) -> None:
        if wish is Purchase.SEED:
            self._seeds += 1
        else:
            self._problems = min(self._problems + self._batch, self._most)

    def _design(self) -> Design:
        spec = self._work.study.decide
        trained, read = self._trained(), self._generated()
        arms = [arm for arm in self._who if arm != BASE_ARM]
        a_training = sum(trained.values()) / max(len(arms) * self._seeds, 1)
        an_item = sum(read.values()) / max(len(read) * self._problems, 1)
        return Design(
            items=self._most,
            seeds=len(self._work.study.seeds),
            margin=spec.margin,
            alpha=spec.alpha / len(spec.contrasts),
            training=a_training / max(an_item, 1.0),
        )

    def _failed(self, arm: str) -> bool:
        seeds = self._work.study.seeds[: self._seeds]
        return arm not in self._who or any(self._work.failure(arm, seed) for seed in seeds)

    def _tables(self, contrast: tuple[str, str]) -> tuple[Floats, Floats]:
        """(problems, seeds) of both arms; problems at which one was not heard are left out."""
        found = [self._values(arm) for arm in contrast]
        kept = ~np.isnan(found[0] + found[1]).any(axis=1)
        return found[0][kept], found[1][kept]

    def _values(self, arm: str) -> Floats:
        return np.array(
            [
                [
                    np.nan if reading.value is None else reading.value
                    for reading in self._rows(arm, seed, 0, Reading)
                    if reading.metric == STRICT
                ]
                for seed in self._work.study.seeds[: self._seeds]
            ]
        ).T

    def _rows(self, arm: str, seed: int, at: int, kind: Any) -> Iterator[Any]:
        for first in range(0, self._problems, self._batch):
            yield from self._work.files.read_rows(round_files(arm, seed, first)[at], kind)

    def _trained(self) -> dict[tuple[str, int], int]:
        """Tokens of each training: read with a loss or without, and generated."""
        work = self._work
        seeds = work.study.seeds[: self._seeds]
        ledgers = {
            (arm, seed): work.checkpoint(arm, seed).ledger for arm in self._who for seed in seeds if arm != BASE_ARM
        }
        return {
            key: each.loss_tokens + each.prompt_tokens + each.generated_tokens + each.teacher_tokens
            for key, each in ledgers.items()
        }

    def _generated(self) -> dict[tuple[str, int], int]:
        """Tokens that each model wrote."""
        work, seeds = self._work, self._work.study.seeds[: self._seeds]
        models = [(arm, seed) for arm in self._who for seed in seeds if arm == BASE_ARM or not work.failure(arm, seed)]
        return {
            model: sum(graded.attempt.completion.tokens for graded in self._rows(*model, 1, Graded)) for model in models
        }

    def _tokens(self) -> tuple[float, float]:
        trained, generated = sum(self._trained().values()), sum(self._generated().values())
        more_seeds = len(self._work.study.seeds) / self._seeds
        return trained + generated, more_seeds * (trained + generated * self._most / self._problems)


_WORDS = {
    Outcome.BETTER: "is better",
    Outcome.WORSE: "is worse",
    Outcome.EQUIVALENT: "is equivalent within the margin",
    Outcome.FUTILE: "stays undecided, and the rest of the study would hardly decide it",
    Outcome.EXHAUSTED: "stays undecided, and all that was declared was read",
}


def _sentences(decision: Decision) -> Iterator[str]:
    for one in decision.contrasts:
        value, low, high = (f"{100 * each:+.1f}" for each in (one.value, one.low, one.high))
        if np.isnan(one.value):
            yield f"{one.arm} against {one.versus} stays undecided: an arm was refused or not trained with every seed, or nothing was heard"
            continue
        yield (
            f"{one.arm} against {one.versus} {_WORDS[one.outcome]}: {value} points [{low}, {high}] in {STRICT} at look {one.looks}, "
            f"with {one.problems} problems and {one.seeds} seeds; the interval allows for all looks"
        )
    share = decision.tokens / decision.most_tokens if decision.most_tokens else 1.0
    yield (
        f"stopped with {decision.problems} of {decision.most_problems} problems and {decision.seeds} of {decision.most_seeds} seeds, at "
        f"{100 * share:.0f} % of the tokens that the whole study takes for these arms. What stands in the tables was read up to "
        "there, and its 95 % intervals are those of one look: the interval above is the one to quote"
    )
