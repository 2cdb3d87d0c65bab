"""The stages of a study, in order. A newcomer reads this first.

    problems -> attempts -> verdicts -> arms -> checkpoints -> readings -> findings -> report

Each stage reads files, writes files, and is skipped when the hash of everything it was made from still stands.
"""

from __future__ import annotations

import contextlib
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from counterform import calibration
from counterform.blindness import blindness, sentence
from counterform.effects import SHARES, dose_name, find_strategies
from counterform.errors import ControlError, DataError, RunDirError, StudyError, TrainingDiverged
from counterform.findings import find, find_inside
from counterform.retention import find_traits
from counterform.sampling import Remembering, derived_seed, sample_attempts
from counterform.store import RunDir, key_of, open_run, rows_of
from counterform.study import BASE_ARM, ArmSpec, ModelSpec, Study, made, part, to_toml
from counterform.types import (
    Arm,
    ArmRecipe,
    Attempt,
    AuditRow,
    Baseline,
    Case,
    Checkpoint,
    Example,
    Graded,
    HeldOut,
    Inside,
    Ledger,
    Mark,
    Model,
    Problem,
    Reading,
    Results,
    SelfTrust,
    Strategies,
    Traits,
    Verdict,
    WeightChanges,
)
from counterform.work import Say, Work, dtype_read, machine, versions

STAGES = ("problems", "sample", "verify", "arms", "train", "probe", "find", "report")

PROBLEMS_A_PART = 250
"""Problems whose attempts appear together; what a kill -9 can cost."""

EXEMPLARS = 16
"""Training problems from which every exemplar of a few-shot prompt is drawn."""
WEIGHTS = "readings/internals/weights.json"


class Run(Struct, frozen=True):
    """A finished study, read from its files."""

    path: Path

    @property
    def results(self) -> Results:
        """Everything that was found."""
        return msgspec.json.decode((self.path / "findings.json").read_bytes(), type=Results)

    @property
    def findings(self) -> pa.Table:
        """The findings as an Arrow table, a row a comparison."""
        return pa.Table.from_pylist([msgspec.to_builtins(finding) for finding in self.results.findings])

    @property
    def readings(self) -> pa.Table:
        """All readings as one Arrow table."""
        run = RunDir(self.path)
        names = sorted(p for p in (self.path / "readings").glob("*/*.parquet") if p.parent.name != "attempts")
        return pa.concat_tables([run.read_table(str(path.relative_to(self.path))) for path in names])


def run(study: Study, out: str | Path | None = None, *, until: str = "report", say: Say = lambda line: None) -> Run:
    """Run a study into `out` (default: runs/NAME), up to and including the stage `until`.

    What is already there and still stands is not done again, so the same command goes on after any interruption.
    """
    stages: dict[str, Callable[[Work], None]] = {
        "problems": make_problems,
        "sample": sample,
        "verify": verify,
        "arms": compile_arms,
        "train": train,
        "probe": probe,
        "find": find_results,
        "report": write_report,
    }
    with open_run(Path(out or Path("runs") / study.name)) as files:
        work = Work(study, files, say)
        files.write_text("study.toml", to_toml(study))
        files.note("versions", versions())
        files.note("machine", machine())
        for name in STAGES[: STAGES.index(until) + 1]:
            started = time.monotonic()
            stages[name](work)
            say(f"{name:<9} {time.monotonic() - started:6.1f} s")
        return Run(files.path)


def make_problems(work: Work) -> None:
    """Problems from a family or from the user's file, split so that no arm ever sees a held-out one."""
    if not work.files.is_done("problems", work.problems_key):
        _make_problems(work)
        work.files.done("problems", work.problems_key)
    # A step of its own, so that a study that asks for one probe more keeps its attempts and arms.
    if "shift" in work.study.probes and not work.files.is_done("shifted", work.shifted_key):
        _make_shifted(work)
        work.files.done("shifted", work.shifted_key)


def _make_problems(work: Work) -> None:
    from counterform.problems.source import generated, read

    spec = work.study.problems
    split = generated(work.family, spec) if work.family else read(work.study.file(spec.file), spec)
    if work.family is None:
        work.count("broken problem rows", len(split.broken))
    for line, reason in split.broken[:3]:
        work.say(f"problems: line {line} is left out: {reason}")
    for note in split.notes:
        work.say(f"problems: {note}")
    work.files.note("notes on problems", list(split.notes))
    work.files.done("shifted", "")  # what stood beside the old problems is gone with them
    work.files.write_rows("problems.parquet", [*split.train, *split.held_out], Problem)


def _make_shifted(work: Work) -> None:
    import numpy as np

    from counterform.problems.source import Split, away_from

    spec = work.study.problems
    split = Split(train=work.problems("train"), held_out=work.problems("held_out"))
    files = [work.study.file(name) for name in (spec.file, spec.shift_file) if name]
    rng, n = np.random.default_rng(derived_seed("shifted")), work.study.probe.shifted
    found, unused = away_from(split, spec, family=work.family, files=files, n=n, rng=rng)
    if spec.shift_file:
        work.count("rows of the shift file that are broken or no shift", unused)
    work.files.write_rows("problems.parquet", [*split.train, *split.held_out, *found], Problem)


def sample(work: Work) -> None:
    """Attempts at every problem: recorded ones from the user's file, or sampled in parts that appear whole."""
    if work.files.is_done("sample", work.attempts_key):
        return
    problems = work.problems("train", "held_out")
    if not work.files.is_done("sampling", work.attempts_key):
        work.files.clear("attempts")
        work.files.done("sampling", work.attempts_key)
    if work.study.attempts.file:
        work.files.write_rows("attempts/part-00000.parquet", _recorded(work, problems), Attempt)
    else:
        _sample_parts(work, problems)
    work.files.done("sample", work.attempts_key)


def _recorded(work: Work, problems: list[Problem]) -> list[Attempt]:
    from counterform.problems.readers import read_attempts

    spec = work.study.attempts
    read = read_attempts(
        work.study.file(spec.file),
        problems,
        problem=spec.problem,
        responses=spec.responses,
        template=work.study.problems.template,
    )
    work.count("recorded attempts that belong to no chosen problem, or are broken", len(read.broken))
    return read.attempts


def _sample_parts(work: Work, problems: list[Problem]) -> None:
    spec = work.study.attempts
    starts = range(0, len(problems), PROBLEMS_A_PART)
    missing = [at for at in starts if not (work.files / _part("attempts", at)).exists()]
    if not missing:
        return
    model = part("model", work.sampled.kind).open(work.sampled)
    for at in missing:
        work.say(f"sample    problems {at + 1} to {min(at + PROBLEMS_A_PART, len(problems))} of {len(problems)}")
        attempts = sample_attempts(
            model,
            problems[at : at + PROBLEMS_A_PART],
            who="base" if work.study.attempts.model is None else model.name.replace("/", "_"),
            n=spec.samples,
            seed=derived_seed("pool", at),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
        )
        work.files.write_rows(_part("attempts", at), attempts, Attempt)
    failures = getattr(model, "failures", None)
    if failures:
        work.count("model calls that failed", sum(failures.values()))
    model.close()


def verify(work: Work) -> None:
    """Audit the verifiers, then grade every attempt."""
    if work.files.is_done("verify", work.verdicts_key):
        return
    problems = {p.id: p for p in work.problems("train", "held_out")}
    work.files.clear("verdicts")
    parts = sorted((work.files / "attempts").glob("part-*.parquet"))
    pool: list[Attempt] = []
    unknown = 0
    for path in parts:
        attempts = work.files.read_rows(f"attempts/{path.name}", Attempt)
        graded = work.grade(attempts, problems)
        unknown += sum(g.verdict.outcome is Mark.UNKNOWN for g in graded)
        pool += attempts if work.study.attempts.file else []
        work.files.write_table(f"verdicts/{path.name}", _verdict_table(graded))
    _audit(work, list(problems.values()), pool)
    work.count("pool attempts whose outcome is UNKNOWN", unknown)
    work.files.done("verify", work.verdicts_key)


def audit(study: Study) -> list[AuditRow]:
    """Grade the graders of a study, without a run directory."""
    from counterform.problems.readers import read_attempts, read_problems
    from counterform.problems.source import columns
    from counterform.verify.audit import audit_family, audit_user

    outcome = part("outcome verifier", "answer")(study.verify.seconds)
    steps = part("step verifier", study.verify.steps or study.problems.family or "arithmetic")()
    if study.problems.family:
        family = made("family", study.problems.family, study.problems.options, "$.problems.options")
        return audit_family(family, outcome, steps)
    spec = study.problems
    problems = read_problems(study.file(spec.file), **columns(spec)).problems
    attempts = []
    if study.attempts.file:
        read = read_attempts(
            study.file(study.attempts.file),
            problems,
            problem=study.attempts.problem,
            responses=study.attempts.responses,
            template=spec.template,
        )
        attempts = read.attempts
    return audit_user(problems, attempts, outcome, steps)


def _audit(work: Work, problems: list[Problem], pool: list[Attempt]) -> None:
    from counterform.verify.audit import audit_family, audit_user, require

    if work.family is not None:
        rows = audit_family(work.family, work.outcome, work.steps)
    else:
        rows = audit_user(problems, pool, work.outcome, work.steps)
    work.files.note("audit", [msgspec.to_builtins(row) for row in rows])
    require(rows)


def compile_arms(work: Work) -> None:
    """Cases, and from them every arm with its match card."""
    if all(work.files.is_done(f"arm/{name}", work.arm_keys[name]) for name in work.arms):
        return
    # Millions of new objects and not one cycle: the collector would look through all of them again and again.
    gc.disable()
    try:
        _compile_arms(work)
    finally:
        gc.enable()


def _compile_arms(work: Work) -> None:
    from counterform.arms.cases import choose_pairs, make_cases, match, match_card

    verdicts = work.files.read_table("verdicts", ["attempt_id", "problem_id", "outcome", "located"])
    train_problems = {p.id: p for p in work.problems("train")}
    verdicts = verdicts.filter(pc.is_in(verdicts["problem_id"], pa.array(train_problems)))
    matched = work.study.match
    pairs, counts = choose_pairs(verdicts, cases=matched.cases, pairs=matched.pairs, seed=0)
    chosen = {*pairs["right"].to_pylist(), *pairs["wrong"].to_pylist()}
    cases = make_cases(pairs, train_problems, {g.attempt.id: g for g in work.graded("id", chosen)})
    del verdicts, pairs, chosen, train_problems  # as large as the cases, where the pool is a million attempts
    if len(cases) < work.study.match.cases:
        work.say(f"arms      {len(cases)} cases, fewer than the {work.study.match.cases} asked for")
    cases = _usable(work, cases)
    count = _token_counter(work.study.model)
    arms = match(_compile_each(work, cases), by=work.study.match.by, count=count)
    card = match_card(arms, cases, by=work.study.match.by, counts=counts, count=count)
    work.files.write_text("arms/match.json", msgspec.json.encode(card).decode())
    for arm in arms:
        key = work.arm_keys[arm.name]
        if not work.files.is_done(f"arm/{arm.name}", key):
            work.files.write_rows(f"arms/{arm.name}.parquet", arm.examples, Example)
            told = {name: getattr(arm, name) for name in ("differs_by", "objective", "options", "teacher_tokens")}
            work.files.done(f"arm/{arm.name}", key, **told)


def _usable(work: Work, cases: list[Case]) -> list[Case]:
    """The cases that every recipe can use which may have to leave some out: all arms have the same problems."""
    for name, recipe in work.recipes.items():
        find_usable = getattr(recipe, "usable", None)
        if find_usable is None:
            continue
        try:
            usable = [case for case, use in zip(cases, find_usable(cases), strict=True) if use]
        except (ControlError, DataError):
            usable = []
        if not usable:
            continue  # The recipe itself will say why when it is asked for its arm, and be refused.
        if len(usable) < len(cases):
            work.say(f"arms      {len(cases) - len(usable)} cases leave all arms: {name} has nothing for them")
        work.count(f"cases that left all arms because {name} had nothing for them", len(cases) - len(usable))
        cases = usable
    return cases


def _compile_each(work: Work, cases: Sequence[Case]) -> list[Arm]:
    """Every arm. One whose recipe cannot use these cases is refused with the reason, and the others go on."""
    arms: list[Arm] = []
    refused: list[str] = []
    for spec in work.study.arm_specs:
        try:
            arms.append(_compile(spec, work.recipes[spec.name], cases))
        except (ControlError, DataError) as error:
            refused.append(str(error))
            work.files.done(f"refused/{spec.name}", work.arm_keys[spec.name], why=str(error))
            work.say(f"arms      {spec.name} REFUSED: {error}")
    if not arms:
        raise DataError(f"no arm can be made of these cases: {'; '.join(refused)}")
    return arms


def _compile(spec: ArmSpec, recipe: ArmRecipe, cases: Sequence[Case]) -> Arm:
    import numpy as np

    # Two arms with one recipe get the same examples: an A/A test differs by nothing but training luck.
    # A control draws as the recipe that it controls: both show the same attempts.
    draws_as = getattr(recipe, "draws_as", spec.recipe)
    arm = recipe(cases, np.random.default_rng(derived_seed("arm", draws_as)))
    if len(arm.examples) != len(cases):
        raise StudyError(
            f"arm {spec.name!r} returned {len(arm.examples)} examples for {len(cases)} cases; it needs one a case."
        )
    return msgspec.structs.replace(arm, name=spec.name)


def train(work: Work) -> None:
    """Every arm with every seed, from the same base. An arm that diverges is recorded and the others go on."""
    missing = [
        (name, seed)
        for name in work.arms
        for seed in work.study.seeds
        if not work.files.is_done(f"train/{name}/{seed}", work.checkpoint_key(name, seed))
    ]
    arms = {name: _arm(work, name) for name in dict.fromkeys(name for name, _ in missing)}
    for trainer in {id(found): found for found in map(work.trainer, arms)}.values():
        alike = [arm for name, arm in arms.items() if work.trainer(name) is trainer]
        trainer.check(alike, base=work.study.model.path)
    for name, seed in missing:
        where = f"checkpoints/{name}/{seed}"
        with work.files.appearing_dir(where) as directory:
            checkpoint = _train_one(work, arms[name], seed, directory)
            checkpoint = msgspec.structs.replace(checkpoint, path=where)
            (directory / "checkpoint.json").write_bytes(msgspec.json.encode(checkpoint))
        work.files.done(f"train/{name}/{seed}", work.checkpoint_key(name, seed))
        if checkpoint.failure:
            work.say(f"train     {name} seed {seed} STOPPED: {checkpoint.failure}")
        else:
            work.say(f"train     {name} seed {seed}: {checkpoint.ledger.seconds:.1f} s")


def _arm(work: Work, name: str) -> Arm:
    examples = tuple(work.files.read_rows(f"arms/{name}.parquet", Example))
    return Arm(name=name, examples=examples, **work.files.facts[f"arm/{name}"])


def _train_one(work: Work, arm: Arm, seed: int, directory: Path) -> Checkpoint:
    try:
        # The arm's name is part of the seed: two arms must not share their luck, or an A/A test would be no test.
        luck = derived_seed("train", arm.name, seed)
        checkpoint = work.trainer(arm.name).train(arm, base=work.study.model.path, seed=luck, out=directory)
        ledger = msgspec.structs.replace(checkpoint.ledger, teacher_tokens=arm.teacher_tokens)
        own = work.own_options[arm.name]
        return msgspec.structs.replace(checkpoint, arm=arm.name, seed=seed, ledger=ledger, own_options=own)
    except TrainingDiverged as error:
        return Checkpoint(arm=arm.name, seed=seed, path="", ledger=Ledger(), failure=str(error))


def probe(work: Work) -> None:
    """Every probe on the base and on every checkpoint: the same held-out items for all."""
    held_out = tuple(work.problems("held_out"))
    items: HeldOut | None = None
    for arm in (BASE_ARM, *work.arms):
        for seed in work.study.seeds:
            missing = [
                name
                for name in work.study.probes
                if not work.files.is_done(f"probe/{name}/{arm}/{seed}", work.reading_key(name, arm, seed))
            ]
            if not missing or (arm != BASE_ARM and _checkpoint(work, arm, seed).failure):
                continue
            items = items or _with_exemplars(work, _held_out(work, held_out))
            started = time.monotonic()
            _probe_one(work, arm, seed, missing, items)
            work.say(f"probe     {arm} seed {seed}: {time.monotonic() - started:.1f} s")
    if "internals" in work.study.probes and work.study.model.kind == "hf":
        _compare_weights(work)
    for first, second, share, seed in _doses(work):
        if not work.files.is_done(
            f"probe/{dose_name(first, second, share)}/{seed}", _dose_key(work, first, second, share, seed)
        ):
            items = items or _with_exemplars(work, _held_out(work, held_out))
            _probe_dose(work, first, second, share, seed, items)


def _doses(work: Work) -> Iterator[tuple[str, str, float, int]]:
    """The models between two arms: of every declared pair that was trained with every seed."""
    for first, second in work.study.doses:
        whole = {first, second} <= set(work.arms) and not any(
            _checkpoint(work, arm, seed).failure for arm in (first, second) for seed in work.study.seeds
        )
        yield from ((first, second, share, seed) for share in SHARES for seed in work.study.seeds if whole)


def _dose_key(work: Work, first: str, second: str, share: float, seed: int) -> str:
    return key_of(*(work.reading_key("strategy", arm, seed) for arm in (first, second)), share)


def _probe_dose(work: Work, first: str, second: str, share: float, seed: int, items: HeldOut) -> None:
    from counterform.train.blend import blend

    name, started = dose_name(first, second, share), time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        one, other = (work.files / _checkpoint(work, arm, seed).path for arm in (first, second))
        blend(one, other, share, Path(directory))
        spec = work.study.model
        model = part("model", spec.kind).open(msgspec.structs.replace(spec, path=directory, dtype=dtype_read(spec)))
        reader = part("probe", "strategy")(work.study.probe, work.grade_training)
        readings = reader(model, items, arm=name, seed=derived_seed("probe", name, seed))
        model.close()
    readings = [msgspec.structs.replace(reading, seed=seed) for reading in readings]
    work.files.write_rows(_dose_file(name, seed), readings, Reading)
    work.files.done(f"probe/{name}/{seed}", _dose_key(work, first, second, share, seed))
    work.say(f"probe     {name} seed {seed}: {time.monotonic() - started:.1f} s")


def _dose_file(name: str, seed: int) -> str:
    return f"readings/doses/{key_of(name)[:12]}-{seed}.parquet"


def _compare_weights(work: Work) -> None:
    """How far every checkpoint moved from the base: no reading, since it is of no item."""
    checkpoints = [_checkpoint(work, arm, seed) for arm in work.arms for seed in work.study.seeds]
    sound = {(c.arm, c.seed): work.files / c.path for c in checkpoints if not c.failure}
    key = key_of(work.base_key, [work.checkpoint_key(*whose) for whose in sound])
    if sound and not work.files.is_done("probe/weights", key):
        from counterform.probes.internals import weight_changes

        _write_json(work, WEIGHTS, weight_changes(work.study.model.path, sound))
        work.files.done("probe/weights", key)


def _held_out(work: Work, problems: tuple[Problem, ...]) -> HeldOut:
    from counterform.probes.find_error import choose_attempts

    pool = work.graded("problem_id", {problem.id for problem in problems})
    attempts = choose_attempts(pool, n=work.study.probe.attempts)
    if not attempts and "find_error" in work.study.probes:
        work.say("probe     find_error has no held-out attempts with a label: no step verifier could read them")

    @contextlib.contextmanager
    def open_base() -> Iterator[Model]:
        model = part("model", work.study.model.kind).open(work.study.model)
        yield model
        model.close()

    return HeldOut(problems=problems, attempts=attempts, shifted=work.shifted(), open_base=open_base, steps=work.steps)


def _with_exemplars(work: Work, items: HeldOut) -> HeldOut:
    if "validity" not in work.study.probes:
        return items
    import numpy as np

    from counterform.rationales import exemplars

    rng, n = np.random.default_rng(derived_seed("exemplars")), EXEMPLARS * work.study.probe.exemplars
    found = exemplars(work.problems("train"), work.grade_training, rng, n=n)
    work.count("training problems whose solutions make exemplars of validity", len(found["valid"]))
    if len(found["valid"]) < work.study.probe.exemplars:
        work.say("probe     validity is not read: too few worked solutions that the step verifier can read")
    return msgspec.structs.replace(items, exemplars=found)


def _probe_one(work: Work, arm: str, seed: int, names: Sequence[str], items: HeldOut) -> None:
    problems = {problem.id: problem for problem in (*items.problems, *items.shifted)}
    shown: dict[str, Graded] = {}

    def grade(attempts: Sequence[Attempt]) -> list[Graded]:
        new = [attempt for attempt in attempts if attempt.id not in shown]
        shown.update({g.attempt.id: g for g in work.grade(new, problems)})
        return [shown[attempt.id] for attempt in attempts]

    spec = work.study.model
    if arm != BASE_ARM:
        path = str(work.files / _checkpoint(work, arm, seed).path)
        spec = msgspec.structs.replace(spec, path=path, dtype=dtype_read(spec))
    model = part("model", spec.kind).open(spec)
    remembering = Remembering(model)
    for name in names:
        reader = part("probe", name)(work.study.probe, grade)
        readings = reader(remembering, items, arm=arm, seed=derived_seed("probe", arm, seed))
        readings = [msgspec.structs.replace(reading, seed=seed) for reading in readings]
        work.files.write_rows(f"readings/{reader.name}/{arm}-{seed}.parquet", readings, Reading)
        if shown:
            work.files.write_rows(f"readings/attempts/{arm}-{seed}.parquet", list(shown.values()), Graded)
        work.files.done(f"probe/{name}/{arm}/{seed}", work.reading_key(name, arm, seed))
    model.close()


def find_results(work: Work) -> None:
    """Readings into findings; what is no gain or loss of a share goes into a file of its own."""
    items = _held_out(work, tuple(work.problems("held_out")))
    notes = _notes(work, items)
    readings = _readings(work)
    for name, find_apart in APART.items():
        if name in work.study.probes:
            found, readings = find_apart(work, readings)
            notes += found.notes
            _write_json(work, f"{name}.json", found)
        else:
            work.files.clear(f"{name}.json")
    lines: list[Baseline] = []
    for name in work.study.probes:
        baselines = getattr(part("probe", name), "baselines", None)
        lines += baselines(work.problems("train"), items) if baselines else []
    results = find(
        readings,
        question=work.study.question,
        contrasts=work.study.contrasts,
        form_shares=work.study.form_shares,
        baselines=lines,
        notes=notes,
    )
    _write_json(work, "findings.json", results)


def _notes(work: Work, items: HeldOut) -> list[str]:
    """What a reader of the findings must know of how they came about."""
    notes: list[str] = [*work.files.facts.get("notes on problems", []), *work.differences()]
    refused = [name for name in work.arm_keys if name not in work.arms]
    notes += [f"{name} was refused: {work.files.facts[f'refused/{name}']['why']}" for name in refused]
    for name in work.arms:
        checkpoints = [_checkpoint(work, name, seed) for seed in work.study.seeds]
        notes += [f"{c.arm}, seed {c.seed}, was not read: {c.failure}" for c in checkpoints if c.failure]
    if len(work.study.seeds) == 1:
        notes.append("One seed: the intervals cover the choice of problems, and not the luck of training.")
    if "process" in work.study.probes:
        of = [graded.attempt.problem_id for graded in items.attempts]
        notes.append(sentence(blindness([graded.verdict for graded in items.attempts], of)))
    return notes


def _readings(work: Work) -> list[Reading]:
    """Those of the base and of every arm that has all its seeds: half a training is not the same experiment."""
    arms = [name for name in work.arms if not any(_checkpoint(work, name, seed).failure for seed in work.study.seeds)]
    return [
        reading
        for name in work.study.probes
        for arm in (BASE_ARM, *arms)
        for seed in work.study.seeds
        for reading in work.files.read_rows(f"readings/{part('probe', name).name}/{arm}-{seed}.parquet", Reading)
    ]


def _inside(work: Work, readings: list[Reading]) -> tuple[Inside, list[Reading]]:
    inside = find_inside([r for r in readings if r.probe == "internals"], _weights(work))
    # Of what is inside, the mean AUROC alone is a share of which more is better.
    return inside, [r for r in readings if r.probe != "internals" or r.metric == "AUROC"]


def _traits(work: Work, readings: list[Reading]) -> tuple[Traits, list[Reading]]:
    return find_traits(readings), [r for r in readings if r.probe != "traits"]


def _trust(work: Work, readings: list[Reading]) -> tuple[SelfTrust, list[Reading]]:
    left = [r for r in readings if r.probe != "trust"] + calibration.metrics(readings)
    return calibration.self_trust(readings), left


def _strategies(work: Work, readings: list[Reading]) -> tuple[Strategies, list[Reading]]:
    between = [
        reading
        for first, second, share, seed in _doses(work)
        for reading in work.files.read_rows(_dose_file(dose_name(first, second, share), seed), Reading)
    ]
    shows = {name: getattr(work.recipes[name], "shows", {}) for name in work.arms}
    study = work.study
    found = find_strategies([*readings, *between], contrasts=study.contrasts, shows=shows, doses=study.doses)
    return found, readings


APART: dict[str, Callable[[Work, list[Reading]], tuple[Any, list[Reading]]]] = {
    "internals": _inside,
    "traits": _traits,
    "trust": _trust,
    "strategy": _strategies,
}
"""By probe, what makes of all readings what stands apart from the findings, and hands on those that findings are made of."""


def _weights(work: Work) -> WeightChanges | None:
    path = work.files / WEIGHTS
    return msgspec.json.decode(path.read_bytes(), type=WeightChanges) if path.exists() else None


def _write_json(work: Work, name: str, found: Struct) -> None:
    work.files.write_text(name, msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")


def find_attempts(files: RunDir, name: str) -> tuple[Problem, list[Graded]]:
    """A problem and the attempts at it: all of them by the problem's id, one by the attempt's.

    Looks at the pool and at what every arm wrote on held-out problems. Raises DataError for an unknown id.
    """
    problems = {p.id: p for p in files.read_rows("problems.parquet", Problem)}
    problem_id = name if name in problems else name.rsplit("/", 2)[0]
    if problem_id not in problems:
        raise DataError(
            f"no problem or attempt {name!r} in {files.path}. Ids stand in the report's browser, e.g. {next(iter(problems))!r}."
        )
    attempts, verdicts = files.read_table("attempts"), files.read_table("verdicts")
    pool = rows_of(attempts.filter(pc.equal(attempts["problem_id"], problem_id)), Attempt)
    found = rows_of(verdicts.filter(pc.equal(verdicts["problem_id"], problem_id)), Verdict)
    graded = [Graded(attempt=a, verdict=v) for a, v in zip(pool, found, strict=True)]
    for path in sorted((files / "readings" / "attempts").glob("*.parquet")):
        rows = files.read_rows(f"readings/attempts/{path.name}", Graded)
        graded += [g for g in rows if g.attempt.problem_id == problem_id]
    wanted = [g for g in graded if name in (problem_id, g.attempt.id)]
    if not wanted:
        raise DataError(
            f"problem {problem_id!r} has no attempt {name!r}. It has: {[g.attempt.id for g in graded][:12]}."
        )
    return problems[problem_id], wanted


def write_report(work: Work) -> None:
    """The page. It can be made again from the files alone."""
    from counterform.report.page import write_page

    # From the files alone, as `counterform report` would make it again.
    write_page(RunDir(work.files.path))


def _checkpoint(work: Work, arm: str, seed: int) -> Checkpoint:
    path = work.files / f"checkpoints/{arm}/{seed}/checkpoint.json"
    if not path.exists():
        raise RunDirError(f"{path} is missing. Run `counterform train` first, or `counterform run`.")
    return msgspec.json.decode(path.read_bytes(), type=Checkpoint)


def _verdict_table(graded: Sequence[Graded]) -> pa.Table:
    """Verdict rows, with the two columns that choosing cases needs without reading steps."""
    from counterform.store import table_of

    table = table_of([g.verdict for g in graded], Verdict)
    table = table.append_column("problem_id", pa.array([g.attempt.problem_id for g in graded], pa.string()))
    return table.append_column("located", pa.array([g.verdict.first_error is not None for g in graded], pa.bool_()))


def _token_counter(spec: ModelSpec) -> Callable[[Sequence[Example]], tuple[list[int], list[int]]]:
    if spec.kind != "hf":
        return lambda examples: (
            [len(e.prompt.split()) for e in examples],
            [len((e.completion or "").split()) for e in examples],
        )
    from counterform.models.hf import load_tokenizer
    from counterform.train.tokens import token_counter

    return token_counter(load_tokenizer(spec.path))


def _part(folder: str, at: int) -> str:
    return f"{folder}/part-{at // PROBLEMS_A_PART:05d}.parquet"
