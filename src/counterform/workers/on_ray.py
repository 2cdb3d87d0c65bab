"""Tasks of a Ray cluster. Each is given paths and names, and starts the command; nothing of ours travels but one small function."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from counterform import __version__
from counterform.children import PARENT
from counterform.errors import StudyError, WorkerError, extra
from counterform.study import RunSpec
from counterform.workers import apart
from counterform.workers.apart import Ended, events_of, gpus_of
from counterform.workers.executor import Done, Event, Executor, Job, Lost, Said

with extra("ray"):
    import ray

AUTH_MODE = "RAY_AUTH_MODE"


class Ray(Executor):
    """One task a job, at most so many at once; Ray decides where. The cluster is that of RAY_ADDRESS, the one that runs here, or a new one.

    Raises StudyError for what no node of it has, and WorkerError where it cannot be joined.
    """

    def __init__(self, run: Path, spec: RunSpec, workers: int) -> None:
        self._run, self._spec = run.absolute(), spec
        self._busy: dict[Any, Job] = {}
        self._happened: deque[tuple[Job, Event]] = deque()
        self._joined = not ray.is_initialized()
        if self._joined:
            _join()
        try:
            self._places = workers or max(1, int(sum(node.get("CPU", 0.0) for node in self._nodes())))
        except BaseException:
            self.close()
            raise
        ray.cloudpickle.register_pickle_by_value(apart)  # a node may have another version of it, or none
        self._task = ray.remote(apart.do_job)

    @property
    def free(self) -> bool:
        return len(self._busy) < self._places

    def hand_over(self, job: Job) -> None:
        options = {"num_cpus": 1, "num_gpus": gpus_of(self._spec, job), "max_retries": 0, "name": job.units[0]}
        ref = self._task.options(**options).remote(str(self._run), list(job.units), __version__, PARENT)
        self._busy[ref] = job

    def event(self) -> tuple[Job, Event]:
        while not self._happened:
            [ref], _ = ray.wait(list(self._busy), num_returns=1)
            job = self._busy[ref]
            self._happened.extend((job, event) for event in self._events(ref, job))
        job, event = self._happened.popleft()
        if not isinstance(event, Done | Said):
            self._busy = {ref: other for ref, other in self._busy.items() if other is not job}
        return job, event

    def close(self) -> None:
        for ref in self._busy:
            ray.cancel(ref, force=True)
        self._busy.clear()
        if self._joined:
            ray.shutdown()

    def _nodes(self) -> list[dict[str, float]]:
        """What each living node has. Raises StudyError where none has what one unit needs."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        need = max([0.0, *self._spec.gpus.values()])
        most = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
        if need > most:  # Ray itself would wait for ever
            raise StudyError(
                f"$.run.gpus asks for {need:g} GPUs for one unit, and no node of the Ray cluster has more than {most:g} "
                f"({len(nodes)} nodes). Ask for fewer, or leave it out."
            )
        return nodes

    def _events(self, ref: Any, job: Job) -> list[Event]:
        try:
            ended = msgspec.convert(ray.get(ref), Ended)
        except ray.exceptions.RayError as error:  # its worker was killed, its node has died
            return [Lost(why=f"a task of the Ray cluster ended ({_first_line(error)})")]
        return list(events_of(self._run, job, ended))


def _join() -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    if AUTH_MODE not in os.environ and address and _has_token():
        os.environ[AUTH_MODE] = "token"  # a driver that joins by address sends its token only where it is told to
    try:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False if not address else None)
    except Exception as error:  # Ray's own, grpc's, and ConnectionError
        raise WorkerError(
            f"cannot join the Ray cluster{f' at {address}' if address else ''}: {_first_line(error)}. It must run and be reached "
            f"from here (RAY_ADDRESS), with the same token: {AUTH_MODE}=token and RAY_AUTH_TOKEN_PATH on both sides."
        ) from error


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or Path(named or "~/.ray/auth_token").expanduser().is_file()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
