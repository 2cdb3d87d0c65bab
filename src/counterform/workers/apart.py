"""Workers that stand elsewhere: each job is one run of `counterform unit RUN UNIT...`, and what becomes of it is read off the run directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from counterform.errors import WorkerError
from counterform.store import RunDir
from counterform.study import RunSpec
from counterform.workers.executor import Done, Event, Failed, Job, Lost, Over, Said
from counterform.workers.local import Local

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


def check_trainers(run: Path) -> None:
    """Look whether the study's trainers take its options, in a process of its own: this one stays small. Raises WorkerError."""
    with Local(run, [{}], trains=False) as other:
        other.hand_over(Job(()))
        event: Event = Said(line="")
        while isinstance(event, Said):
            _, event = other.event()
    if isinstance(event, Failed | Lost):
        raise WorkerError(event.message if isinstance(event, Failed) else event.why)


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
    refused = bool(left) and ended.code == 2 and bool(lines) and lines[-1].startswith(PREFIX)
    yield from (Said(line=line) for line in lines[: -1 if refused else None] if line.partition(" ")[0] not in job.units)
    yield from (Done(unit=name) for name in job.units if name not in left)
    if not left:
        yield Over()
    elif refused:
        yield Failed(unit=left[0], message=lines[-1].removeprefix(PREFIX))
    else:
        yield Lost(why=f"a worker ended (exit code {ended.code}: {' '.join(lines[-LAST_WORDS:])})")


def do_job(run: str, units: list[str], version: str, parent: str) -> dict[str, Any]:
    """What a job does, on whatever node it finds itself: an Ended. It is sent as it stands, and so leans on the standard library alone."""
    import os
    import platform
    import subprocess
    import sys

    node = platform.node()
    try:
        from counterform import __version__ as here
    except ImportError:
        return {"code": 1, "said": "", "trouble": f"counterform is not installed for {sys.executable} on node {node}."}
    if here != version:
        return {
            "code": 1,
            "said": "",
            "trouble": f"node {node} has counterform {here}, and the driver has {version}. Install the same on all nodes.",
        }
    if not os.path.isfile(os.path.join(run, "run.json")):
        return {
            "code": 1,
            "said": "",
            "trouble": f"node {node} sees no run directory at {run}. Mount it there on all nodes, or give one that all see with --out.",
        }
    done = subprocess.run(
        [sys.executable, "-m", "counterform.cli", "unit", "--wait", run, *units],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, parent: str(os.getpid())},
    )
    return {"code": done.returncode, "said": done.stderr, "trouble": ""}
