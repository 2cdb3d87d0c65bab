"""The stages of a study, in order. A newcomer reads this first.

    problems -> attempts -> verdicts -> arms -> readings of the base -> checkpoints -> their readings -> findings -> report

Each stage is made of units (stages/unit.py). A unit reads files and writes files, and is skipped where what it was made from, and its
files, still stand. What the units of a stage do is in the file of its name in `stages/`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow as pa
from msgspec import Struct

from counterform.errors import RunDirError, StudyError, unknown_name
from counterform.results import Results, decode
from counterform.stages.arms import arm_units
from counterform.stages.decide import decided
from counterform.stages.doses import dose_units
from counterform.stages.find import find_units
from counterform.stages.hands import Hands, units_of
from counterform.stages.probe import base_units, probe_units
from counterform.stages.problems import problem_units
from counterform.stages.report import report_units
from counterform.stages.same import require_same_study, resolved
from counterform.stages.sample import sample_units
from counterform.stages.sound import require_sound
from counterform.stages.train import drop_checkpoints, train_units
from counterform.stages.unit import Unit, do
from counterform.stages.validation import validation_units
from counterform.stages.verify import verify_units
from counterform.stages.work import Say, Work
from counterform.store import RunDir, finished_run, open_run, prune
from counterform.study import Study, to_toml
from counterform.workers.executor import Executor, Said
from counterform.workers.hand_out import do_stage
from counterform.workers.here import Here
from counterform.workers.progress import Progress
from counterform.workers.serving import sendable, serve, telling


class Run(Struct, frozen=True):
    """A finished study, read from its files."""

    path: Path

    @property
    def results(self) -> Results:
        """Everything that was found. Raises RunDirError where the study is not finished."""
        path = self.path / "findings.json"
        try:
            return decode(path.read_bytes(), Results)
        except FileNotFoundError as error:
            raise RunDirError(
                f"{self.path} is not finished: it holds no findings.json. `counterform run` goes on where it stopped."
            ) from error

    @property
    def findings(self) -> pa.Table:
        """The findings as an Arrow table, one row per comparison. Raises RunDirError where the study is not finished."""
        return pa.Table.from_pylist([msgspec.to_builtins(finding) for finding in self.results.findings])

    @property
    def readings(self) -> pa.Table:
        """All readings of the study as one Arrow table. Raises RunDirError where there is none yet."""
        run = finished_run(self.path)
        names = [name for unit in run.records for name in _readings(run, unit)]
        if not names:
            raise RunDirError(f"{self.path} holds no readings yet. `counterform run` goes on where it stopped.")
        return pa.concat_tables([run.read_table(name) for name in sorted(names)])


def _readings(run: RunDir, unit: str) -> list[str]:
    kind = unit.partition("/")[0]
    found = [run.fact(unit, "readings")] if kind == "probe" else list(run.records[unit].files) if kind == "dose" else []
    return [name for name in found if name]


def _all_that_is_read(work: Work) -> Iterator[Unit]:
    yield from probe_units(work)
    yield from dose_units(work)
    yield from validation_units(work)


STAGES: dict[str, Callable[[Work], Iterator[Unit]]] = {
    "problems": problem_units,
    "sample": sample_units,
    "verify": verify_units,
    "arms": arm_units,
    "base": base_units,
    "train": train_units,
    "probe": _all_that_is_read,
    "find": find_units,
    "report": report_units,
}

BEFORE_TRAINING = ("problems", "sample", "verify", "arms")
"""Stages that need no trainer, and so no torch where the model is an endpoint or the attempts are recorded."""


def run(
    study: Study,
    out: str | Path | None = None,
    *,
    until: str = "report",
    prune_left: bool = False,
    anyway: bool = False,
    workers: int = 0,
    say: Say = lambda line: None,
    progress: Progress | None = None,
) -> Run:
    """Run a study into `out` (default: runs/NAME), up to and including the stage `until`.

    What is already there and still stands is not done again, so the same command goes on after any interruption. What has left the
    study is in none of its results, and stays on the disk; with `prune_left` it goes. workers: units that are done at once; 0: as
    the study says ([run]), and where it says nothing this process does all. Raises RunDirError for a directory that is
    not empty and no run of this study, and before anything is trained StudyError for one that is void, unless `anyway`.
    """
    with open_run(Path(out or Path("runs") / study.name)) as files:
        # As a worker finds it, wherever it stands.
        here = resolved(study)
        require_same_study(files, here)
        work = Work(here, files, say)
        work.check()
        files.write_text("study.toml", to_toml(study))
        files.write_mark(msgspec.json.encode(here))
        progress = progress or Progress(say)
        names = list(STAGES)[: list(STAGES).index(until) + 1]
        trains = until not in BEFORE_TRAINING
        first = names.index("base") if here.decide.contrasts and "base" in names else len(names)
        with _executor(work, workers, trains=trains) as executor:
            _do_stages(names[:first], work, executor, progress, anyway=anyway)
        if names[first:]:
            require_sound(work, anyway=anyway)
            with progress.stage("decide"):
                work = decided(work)
            with _executor(work, workers, trains=trains) as executor:
                _do_stages(names[first:], work, executor, progress, anyway=True)  # looked at before the rounds
        progress.end()
        if prune_left:
            _set_aside_what_left(work)
            gone = prune(files.path, files.records)
            say(f"pruned    {len(gone)} files that were no part of the study any more")
        return Run(files.path)


def _do_stages(names: Sequence[str], work: Work, executor: Executor, progress: Progress, *, anyway: bool) -> None:
    """These stages, in their order; anyway: even where the base shows that the study is void."""
    for name in names:
        if name == "train":
            require_sound(work, anyway=anyway)
        with progress.stage(name):
            if name == "find":
                _set_aside_what_left(work)
            do_stage(work, STAGES[name](work), executor, progress)
            if name == "probe" and work.study.train.keep == "none":
                drop_checkpoints(work)


def _executor(work: Work, workers: int, *, trains: bool) -> Executor:
    """What does the units. trains: whether what trainers need is looked for before anything is done."""
    spec, workers = work.study.run, workers or work.study.run.workers
    if work.study.decide.contrasts:  # what is done next follows from what was read
        work.check_trainers(needed=trains)
        return Here(Hands(work, STAGES))
    if spec.executor != "local":
        from counterform.workers.apart import check_trainers

        check_trainers(work.files.path)
    if spec.executor == "ray":
        from counterform.workers.on_ray import Ray

        return Ray(work.files.path, spec, workers)
    if spec.executor == "slurm":
        from counterform.workers.on_slurm import Slurm

        return Slurm(work.files.path, spec)
    from counterform.workers.local import Local
    from counterform.workers.share import places

    each = places(spec, work.study.model, max(1, workers))
    if workers > 1:
        return Local(work.files.path, each, trains=trains)
    work.check_trainers(needed=trains)
    return Here(Hands(work, STAGES))


def do_units(path: Path, names: Sequence[str], *, wait: bool = False, say: Say = lambda line: None) -> None:
    """Do these units of the study that was run into `path` last, in the order of the stages, in this process.

    Raises StudyError for a unit that the study does not have, and RunDirError for one that cannot be done yet, or, unless
    it is to wait, that another process is doing. Several units of one model share it, and what it has answered.
    """
    files = finished_run(path)
    work = Work(_study_of(files), files, say)
    if work.study.decide.contrasts:
        raise StudyError(
            f"{path} holds a study with [decide]: what is done next follows from what was read. Use `counterform run`."
        )
    every = {unit.name: unit for stage in STAGES.values() for unit in stage(work)}
    for name in names:
        if name not in every:
            raise StudyError(unknown_name("unit", name, every))
    if "find" in names:
        _set_aside_what_left(work)
    for stage in STAGES.values():
        with closing(units_of(stage, work)) as units:
            for unit in units:
                if unit.name in names:
                    _require_needs(work, unit, every)
                    say(f"{unit.name} {'is done' if do(work, unit, wait=wait) else 'stands already'}")


def serve_units(path: Path) -> None:
    """Do jobs of units that are read from standard input, as JSON, and tell what becomes of each on standard output."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    with telling() as tell:

        def open_hands() -> Hands:
            files = finished_run(path)
            return Hands(Work(_study_of(files), files, lambda line: tell(Said(line=sendable(line)))), STAGES)

        serve(sys.stdin.buffer, open_hands, tell)


def _study_of(files: RunDir) -> Study:
    study = msgspec.json.decode(files.mark().study, type=Study | None)
    if study is None:
        raise RunDirError(
            f"no study was run into {files.path} yet. `counterform problems STUDY --out {files.path}` begins one."
        )
    return study


def _require_needs(work: Work, unit: Unit, every: dict[str, Unit]) -> None:
    needed = [
        name for need in unit.needs for name in every if name == need or (need.endswith("/") and name.startswith(need))
    ]
    missing = [name for name in needed if not work.files.records.stands(name, every[name].key(work))]
    if missing:
        raise RunDirError(
            f"{unit.name} needs {', '.join(missing[:3])}{f' and {len(missing) - 3} more' if missing[3:] else ''}, which "
            f"{'does' if len(missing) == 1 else 'do'} not stand. Do that first: counterform unit {work.files.path} {missing[0]}"
        )


def _set_aside_what_left(work: Work) -> None:
    stages = (stage for name, stage in STAGES.items() if name not in ("find", "report"))
    keys = {unit.name: unit.key(work) for stage in stages for unit in stage(work)}
    # Those two are made from what is left then, and have their own keys.
    keys |= {name: work.files.records[name].key for name in ("find", "report") if name in work.files.records}
    if work.study.decide.contrasts:  # which rounds there were follows from what was read
        rounds = [name for name in work.files.records if name.partition("/")[0] in ("decide", "decision")]
        keys |= {name: work.files.records[name].key for name in rounds}
    work.files.records.set_aside(keys)
