"""Stages 5 and 7: the same questions to the base, and to every checkpoint."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Self

import msgspec

from counterform.bench import Bench
from counterform.models.recorded import NOT_RECORDED
from counterform.models.sampling import derived_seed, question_of
from counterform.models.source import checkpoint_spec
from counterform.parts import made, part
from counterform.probes.probe import HeldOut, Probe
from counterform.stages.answering import Answering
from counterform.stages.probed import probed, probes_of
from counterform.stages.rounds import answers_of_rounds
from counterform.stages.unit import Unit
from counterform.stages.work import OpenLater, Work
from counterform.store import key_of
from counterform.study import BASE_ARM, LoadSpec
from counterform.types import Attempt, Completion, Graded, Model, Reading, is_transient

EXEMPLARS = 16
"""Training problems from which every exemplar of a few-shot prompt is drawn."""
WEIGHTS = "readings/internals/weights.json"
VALIDITY = "validity"
OF_TOKENS = {
    "traits": "traits: {arm} counts other tokens than the base, so its length and its rates per token are in another unit.",
    "internals": "internals: {arm} has other tokens than the base, or shows none, so there is no KL of it and no linear probe.",
}
"""Probes that count or compare tokens, and what is to be said of an arm that has others than the base."""


def base_units(work: Work) -> Iterator[Unit]:
    """Every probe on the base: read before anything is trained, since what it says may make the study void (sound.py)."""
    yield from _units(work, [who for who in probed(work) if who.name == BASE_ARM])


def probe_units(work: Work) -> Iterator[Unit]:
    """Every probe on every arm: the same held-out items for all, and one session for all of a model."""
    yield from _units(work, [who for who in probed(work) if who.name != BASE_ARM])
    if "internals" in work.study.probes and work.study.model.kind == "hf" and work.arms:
        yield WeightsUnit(work)


def _units(work: Work, asked: Sequence[Answering]) -> Iterator[Unit]:
    items = Items(work)
    for who in asked:
        for seed in who.seeds:
            if not who.failure(seed):
                with Session(work, items, who, seed) as session:
                    yield from (ProbeUnit(session, name) for name in probes_of(work, who))


class Items:
    """What every model is asked about, made when it is first needed."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @cached_property
    def all(self) -> HeldOut:
        """The held-out items, with exemplars where a probe shows them."""
        return _with_exemplars(self._work, held_out_items(self._work))


class Session:
    """One model that is probed: it is opened once, and what it answers and how that is graded is known to all probes."""

    def __init__(self, work: Work, items: Items, who: Answering, seed: int) -> None:
        self.work, self.items, self.who, self.seed = work, items, who, seed
        self.shown: list[Graded] = []
        """What the probe at work has had graded."""
        self._verdicts: dict[tuple[str, Completion], Graded] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if "model" in vars(self):
            self.model.close()

    @cached_property
    def model(self) -> Model:
        """The model, opened when it is first asked."""
        return self.who.open(self.seed)

    @cached_property
    def bench(self) -> Bench:
        """One for all probes of this model."""
        return self.work.bench(self._grade, self.who.spec(self.seed, self.work.study.probe))

    def remember(self, answered: Sequence[Graded]) -> None:
        """What this model answered to the first held-out problems before; the probes are given these answers."""
        spec, problems = self.work.study.probe, self.items.all.problems[: self.work.study.probe.problems]
        by_problem: dict[str, list[Completion]] = {problem.id: [] for problem in problems}
        for graded in answered:
            by_problem[graded.attempt.problem_id].append(graded.attempt.completion)
        question = question_of(
            self.model,
            [problem.prompt for problem in problems],
            n=spec.samples,
            seed=derived_seed("probe", self.who.name, self.seed),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
        )
        self.bench.answers[question] = list(by_problem.values())

    def count_lost(self, work: Work) -> None:
        """Record the calls that failed and may not fail again."""
        failed = {kind: n for kind, n in self.model.failures.items() if is_transient(kind)}
        work.lose(f"{kind} {n} {time.time_ns()}" for kind, n in failed.items())

    def _grade(self, attempts: Sequence[Attempt]) -> list[Graded]:
        items = self.items.all
        problems = {problem.id: problem for problem in (*items.problems, *items.shifted)}
        # One grader for all arms: a grade that came with an answer is used where there is no key to grade it by.
        without_key = [attempt for attempt in attempts if not problems[attempt.problem_id].answer]
        marked = {attempt.id: attempt for attempt in self.who.marked(self.seed, without_key)}
        attempts = [marked.get(attempt.id, attempt) for attempt in attempts]
        # By what is graded, not by its id: another probe may have asked the same problem in other words.
        new = {(a.problem_id, a.completion): a for a in attempts if (a.problem_id, a.completion) not in self._verdicts}
        self._verdicts |= dict(zip(new, self.work.grade(list(new.values()), problems), strict=True))
        found = [_as_of(attempt, self._verdicts[attempt.problem_id, attempt.completion]) for attempt in attempts]
        self.shown += [graded for graded in found if graded.attempt.completion.failure != NOT_RECORDED]
        return found


class ProbeUnit(Unit):
    """One probe on one model."""

    def __init__(self, session: Session, probe: str) -> None:
        who, seed = session.who, session.seed
        away = ("shifted",) if "shifted" in part("probe", probe).reads else ()
        needs = ("problems", "audit", "verify/", *who.needs(seed), *away)
        super().__init__(f"probe/{who.name}/{seed}/{probe}", needs=needs, together=f"probe/{who.name}/{seed}")
        self._session, self._probe = session, probe

    def key(self, work: Work) -> str:
        who, seed = self._session.who, self._session.seed
        return work.keys.reading(self._probe, who.key(seed), who.name, seed)

    def make(self, work: Work) -> list[str]:
        session = self._session
        arm, seed = session.who.name, session.seed
        session.shown.clear()
        written = session.model.tokens
        items = session.items.all
        if answered := answers_of_rounds(work, arm, seed):
            session.remember(answered)
        reader: Probe = made("probe", self._probe, {}, "$.probes", bench=session.bench)
        readings = reader.checked(reader(session.model, items, arm=arm, seed=derived_seed("probe", arm, seed)))
        readings = [msgspec.structs.replace(reading, seed=seed) for reading in readings]
        names = [f"readings/{reader.name}/{arm}-{seed}.parquet"]
        work.files.write_rows(names[0], readings, Reading)
        if session.shown:
            names.append(f"readings/attempts/{reader.name}/{arm}-{seed}.parquet")
            work.files.write_rows(names[1], list(dict.fromkeys(session.shown)), Graded)
        work.making.facts |= {"arm": arm, "seed": seed, "readings": names[0], "attempts": names[1:]}
        work.making.facts |= {"parameters": session.model.parameters}
        if self._probe == VALIDITY and (arm, seed) == (BASE_ARM, work.study.seeds[0]):
            work.count("training problems whose solutions make exemplars of validity", len(items.exemplars["valid"]))
        if work.study.base and self._probe in OF_TOKENS and session.who.has_other_tokens(session.model):
            work.making.notes.append(OF_TOKENS[self._probe].format(arm=arm))
        # Of the model as a whole: a probe that reads what another has heard also reads what it has not.
        work.making.notes += session.model.notes
        work.making.tokens = session.model.tokens - written
        session.count_lost(work)
        return names


class WeightsUnit(Unit):
    """How far every checkpoint moved from the base: no reading, since it is of no item."""

    def __init__(self, work: Work) -> None:
        self._trained = [(arm, seed) for arm in work.arms for seed in work.study.seeds]
        super().__init__("weights", needs=[f"train/{arm}/{seed}" for arm, seed in self._trained])

    def key(self, work: Work) -> str:
        return key_of(work.keys.base, [(arm, seed, work.checkpoint_key(arm, seed)) for arm, seed in self._trained])

    def make(self, work: Work) -> list[str]:
        from counterform.models.lora import whole
        from counterform.probes.internals import weight_changes

        base = msgspec.structs.replace(
            work.study.model, load=LoadSpec()
        )  # what an adapter adds is added to whole weights
        checkpoints = [work.checkpoint(arm, seed) for arm, seed in self._trained]
        sound = {(c.arm, c.seed): checkpoint_spec(base, work.files / c.path) for c in checkpoints if not c.failure}
        if not sound:
            return []
        with contextlib.ExitStack() as stack:
            folders = {whose: stack.enter_context(whole(spec, dtype="float32")) for whose, spec in sound.items()}
            work.files.write_json(WEIGHTS, weight_changes(base, folders))
        return [WEIGHTS]


def held_out_items(work: Work) -> HeldOut:
    """What every model is asked about; the base opens for a probe that compares with it."""
    from counterform.probes.find_error import choose_attempts

    problems = tuple(work.problems("held_out"))
    pool = work.graded("problem_id", {problem.id for problem in problems})
    attempts = choose_attempts(pool, n=work.study.probe.attempts)
    if not attempts and "find_error" in work.study.probes and work.keys.splits:
        work.say("probe     find_error has no held-out attempts with a label: no step verifier could read them")

    @contextlib.contextmanager
    def open_base() -> Iterator[Model]:
        with OpenLater(work.study.model) as base:
            yield base()

    beside = open_base if work.study.base else None
    return HeldOut(problems=problems, attempts=attempts, shifted=work.shifted(), open_base=beside)


def _as_of(attempt: Attempt, graded: Graded) -> Graded:
    """The verdict that an equal text got, as this attempt's own."""
    if graded.attempt is attempt:
        return graded
    return Graded(attempt=attempt, verdict=msgspec.structs.replace(graded.verdict, attempt_id=attempt.id))


def _with_exemplars(work: Work, items: HeldOut) -> HeldOut:
    if VALIDITY not in work.study.probes:
        return items
    import numpy as np

    from counterform.text.rationales import exemplars

    rng, n = np.random.default_rng(derived_seed("exemplars")), EXEMPLARS * work.study.probe.exemplars
    found = exemplars(work.problems("train"), work.grade_training, rng, n=n)
    if len(found["valid"]) < work.study.probe.exemplars:
        work.say("probe     validity is not read: too few worked solutions that the step verifier can read")
    return msgspec.structs.replace(items, exemplars=found)
