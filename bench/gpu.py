"""A real study on a GPU, several arms at once: wall time by stage, tokens/s, and how busy the accelerator is. Ends within ten minutes.

    python bench/gpu.py [--model world] [--workers 4] [--quick]

The embedded study, with as many workers on each GPU as fit (`[run] gpus` is a part of one), of the embedded base or of any model that is here.
The share of the time in which a kernel ran, and the memory, are what `nvidia-smi` says once a second. Without a GPU it says what it would
do, and ends.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from counterform.pipeline import run
from counterform.study import RunSpec, embedded_study
from counterform.workers.share import visible_gpus

KINDS = ("sample", "train", "probe")
MINUTES = 10.0
QUERY = ["--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-l", "1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="world")
    parser.add_argument("--workers", type=int, default=4, help="on each GPU")
    parser.add_argument("--quick", action="store_true", help="the quick embedded study")
    args = parser.parse_args()
    study, gpus = embedded_study(quick=args.quick), visible_gpus()
    study = msgspec.structs.replace(
        study,
        model=msgspec.structs.replace(study.model, path=args.model, batch_size=1024),
        run=RunSpec(gpus=dict.fromkeys(KINDS, 1 / args.workers)),
    )
    workers = args.workers * max(1, len(gpus))
    what = f"{study.name} of {args.model}: {len(study.arms)} arms x {len(study.seeds)} seeds, {len(study.probes)} probes, {workers} workers"
    if not gpus:
        print(f"There is no GPU here. On one this would run {what}, and say how busy it was.")
        return
    print(f"{what} on {len(gpus)} GPU{'s' * (len(gpus) > 1)}")
    with tempfile.TemporaryDirectory() as folder, Watched() as watched:
        late = threading.Timer(60 * MINUTES, lambda: _give_up(workers))
        late.daemon = True
        late.start()
        started = time.perf_counter()
        run(study, Path(folder) / "run", workers=workers, say=print)
        wall = time.perf_counter() - started
        late.cancel()
    print(f"{wall:.0f} s of wall; {watched.words}")


def _give_up(workers: int) -> None:
    print(f"not done after {MINUTES:g} minutes with {workers} workers: give --quick, or a smaller model")
    import _thread

    _thread.interrupt_main()


class Watched:
    """What `nvidia-smi` says once a second, while this is open."""

    def __enter__(self) -> Watched:
        self._busy: list[float] = []
        self._memory: list[float] = []
        self._process = subprocess.Popen(["nvidia-smi", *QUERY], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def words(self) -> str:
        """Of all GPUs together."""
        if not self._busy:
            return "nvidia-smi said nothing"
        return (
            f"busy {statistics.fmean(self._busy):.0f} % of the time (n = {len(self._busy)} looks, {sum(b > 0 for b in self._busy)} of them "
            f"with a kernel at work), at most {max(self._memory) / 1024:.1f} GiB"
        )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            busy, _, memory = line.partition(",")
            if busy.strip().isdigit():
                self._busy.append(float(busy))
                self._memory.append(float(memory))


if __name__ == "__main__":
    main()
