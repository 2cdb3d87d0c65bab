"""The stages of a study, in order. A newcomer reads this first.

    problems -> attempts -> verdicts -> arms -> checkpoints -> readings -> findings -> report

Each stage reads files, writes files, and is skipped when the hash of everything it was made from still stands (stages/work.py).
What a stage does stands in the file of its name in `stages/`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
from msgspec import Struct

from counterform.results import Results, decode
from counterform.stages.arms import compile_arms
from counterform.stages.find import find_results
from counterform.stages.probe import probe
from counterform.stages.problems import make_problems
from counterform.stages.sample import sample
from counterform.stages.train import train
from counterform.stages.verify import verify
from counterform.stages.work import Say, Work, machine, versions
from counterform.store import RunDir, open_run
from counterform.study import Study, to_toml


class Run(Struct, frozen=True):
    """A finished study, read from its files."""

    path: Path

    @property
    def results(self) -> Results:
        """Everything that was found."""
        return decode((self.path / "findings.json").read_bytes(), Results)

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


def write_report(work: Work) -> None:
    """The page. It can be made again from the files alone."""
    from counterform.report.page import write_page

    # From the files alone, as `counterform report` would make it again.
    write_page(RunDir(work.files.path))


STAGES: dict[str, Callable[[Work], None]] = {
    "problems": make_problems,
    "sample": sample,
    "verify": verify,
    "arms": compile_arms,
    "train": train,
    "probe": probe,
    "find": find_results,
    "report": write_report,
}

BEFORE_TRAINING = ("problems", "sample", "verify", "arms")
"""Stages that need no trainer, and so no torch where the model is an endpoint or the attempts are recorded."""


def run(study: Study, out: str | Path | None = None, *, until: str = "report", say: Say = lambda line: None) -> Run:
    """Run a study into `out` (default: runs/NAME), up to and including the stage `until`.

    What is already there and still stands is not done again, so the same command goes on after any interruption.
    """
    with open_run(Path(out or Path("runs") / study.name)) as files:
        work = Work(study, files, say)
        if until not in BEFORE_TRAINING and not work.trained:
            work.require_trainers()
        files.write_text("study.toml", to_toml(study))
        files.note("versions", versions())
        files.note("machine", machine())
        files.note("hub commits", work.hub_commits)
        for name, stage in STAGES.items():
            started = time.monotonic()
            stage(work)
            say(f"{name:<9} {time.monotonic() - started:6.1f} s")
            if name == until:
                break
        return Run(files.path)
