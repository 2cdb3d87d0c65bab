"""Workers that stand elsewhere: each job is one run of `counterform unit RUN UNIT...`, and what becomes of it is read off the run directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from counterform.store import RunDir
from counterform.study import RunSpec
from counterform.workers.executor import Done, Event, Failed, Job, Lost, Over, Said

PREFIX = "counterform: "
"""Of the line in which a command says why it ended with exit code 2."""
LAST_WORDS = 4
"""Lines of a command that broke which are shown."""


class Ended(Struct, frozen=True):
    """What a command that did a job has left."""

    code: int
    said: str
    """On standard error."""
    trouble: str = ""
    """Why it was not even begun."""


def gpus_of(spec: RunSpec, job: Job) -> float:
    """The accelerators that a job needs."""
    kinds = {name.partition("/")[0] for name in job.units}
    return max([0.0, *(need for kind, need in spec.gpus.items() if kind in kinds)])


def events_of(run: Path, job: Job, ended: Ended) -> Iterator[Event]:
    """What happened to a job. Its units stand if their records do: they were made after it was handed over, or stood before."""
    if ended.trouble:
        yield Failed(unit=job.units[0], message=ended.trouble)
        return
    lines = [line for line in ended.said.splitlines() if line.strip()]
    records = RunDir(run).records
    made = {line.partition(" ")[0] for line in lines if line.endswith((" is done", " stands already"))}
    left = [name for name in job.units if name not in made or name not in records]
    yield from (Said(line=line) for line in lines if line.partition(" ")[0] not in job.units)
    yield from (Done(unit=name) for name in job.units if name not in left)
    if not left:
        yield Over()
    elif ended.code == 2 and lines and lines[-1].startswith(PREFIX):
        yield Failed(unit=left[0], message=lines[-1].removeprefix(PREFIX))
    else:
        yield Lost(why=f"a worker ended (exit code {ended.code}: {' '.join(lines[-LAST_WORDS:])})")
