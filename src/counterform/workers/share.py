"""How many workers pay on this machine, and what each of them has of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from counterform.errors import StudyError
from counterform.models.source import source_of
from counterform.study import ModelSpec, RunSpec, Study

SMALL_MB = 200
"""Weights up to this many megabytes make a model whose matrices are too small for a second thread (docs/workers.md has the figures)."""


def workers_that_pay(study: Study) -> int:
    """One an accelerator, or one a core where the model is small; else this process alone does it, on all cores.

    So it does where torch is missing: it can then say so without a worker.
    """
    if study.run.executor != "local":
        return 0  # as many as the cluster has
    if not _has_torch():
        return 1
    gpus = visible_gpus()
    if gpus:
        need = max([1.0, *study.run.gpus.values()])
        return max(1, int(len(gpus) / need))
    return cores() if is_small(study.model) else 1


def places(spec: RunSpec, model: ModelSpec, workers: int) -> list[Mapping[str, str]]:
    """Of each worker, what its environment has of this machine: threads and accelerators.

    Raises StudyError where it has fewer accelerators than the study asks for.
    """
    gpus, need = visible_gpus(), max([0.0, *spec.gpus.values()])
    if need > len(gpus):
        raise StudyError(
            f"$.run.gpus asks for {need:g} GPUs for one unit, and this machine has {len(gpus)}. Ask for fewer, or leave it out."
        )
    each = need or 1.0
    if need and workers * need > len(gpus):
        raise StudyError(
            f"{workers} workers of {need:g} GPUs each ($.run.gpus) need more than the {len(gpus)} of this machine. Give "
            f"--workers {int(len(gpus) / need)}."
        )
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads_each(model, workers))}
    return [threads | _visible(gpus, number, each) for number in range(workers)]


def threads_each(model: ModelSpec, workers: int) -> int:
    """One for a small model, however many workers there are, so that their number changes no rounding; else the cores are shared out."""
    return 1 if is_small(model) else max(1, cores() // workers)


def is_small(model: ModelSpec) -> bool:
    """Whether a model lies here whose matrices are too small for more than one thread."""
    if model.kind != "hf":
        return False
    path = Path(source_of(model.path)).expanduser()
    files = [path] if path.is_file() else list(path.glob("model*.safetensors"))  # an adapter says nothing of its base
    return bool(files) and sum(file.stat().st_size for file in files) <= SMALL_MB * 1e6


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The names by which CUDA's programs are told of the accelerators of this machine."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [one for one in named.split(",") if one.strip() and one.strip() != "-1"]
    found = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return sorted((name for name in found if name.isdigit()), key=int)


def _has_torch() -> bool:
    try:
        return find_spec("torch") is not None
    except (ImportError, ValueError):  # it is made to look missing
        return False


def _visible(gpus: list[str], number: int, each: float) -> dict[str, str]:
    if not gpus:
        return {}
    if each < 1:
        return {"CUDA_VISIBLE_DEVICES": gpus[int(number * each) % len(gpus)]}
    first = number * int(each) % len(gpus)
    return {"CUDA_VISIBLE_DEVICES": ",".join((gpus * 2)[first : first + int(each)])}
