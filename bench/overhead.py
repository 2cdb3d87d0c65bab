"""What a study costs beside its engines: wall time against the time in generation and training.

Runs the embedded study from nothing, in this process, with `HFModel.generate` and `SFT.train` under a clock. The
wall time is what the command line would take: importing torch and its family is inside. All else (imports, loading
models, grading, compiling, probes, statistics, the report) is overhead. Target: at most 10 % of the wall time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the quick embedded study")
    args = parser.parse_args()

    started = time.perf_counter()
    from counterform.models.hf import HFModel
    from counterform.pipeline import STAGES, run
    from counterform.study import embedded_study
    from counterform.train.sft import SFT

    imports = time.perf_counter() - started
    study = embedded_study(quick=args.quick)
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    stages: dict[str, float] = {}

    def clocked(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any, **options: Any) -> Any:
            at = time.perf_counter()
            result = method(*inputs, **options)
            seconds[name] += time.perf_counter() - at
            calls[name] += 1
            return result

        return call

    def hear(line: str) -> None:
        words = line.split()
        if words[0] in STAGES and len(words) == 3 and words[2] == "s":
            stages[words[0]] = float(words[1])

    HFModel.generate = clocked("generation", HFModel.generate)
    SFT.train = clocked("training", SFT.train)
    with tempfile.TemporaryDirectory() as folder:
        run(study, Path(folder) / "run", say=hear)
    wall = time.perf_counter() - started

    print(
        f"n = 1 study ({study.name}), {len(study.arm_specs)} arms, {len(study.seeds)} seeds, {os.cpu_count()} cores; "
        f"stages: {', '.join(f'{name} {spent:.1f} s' for name, spent in stages.items())}"
    )
    print(f"{'':<14}{'seconds':>10}{'share':>8}{'calls':>8}")
    for name, spent in seconds.items():
        print(f"{name:<14}{spent:>10.1f}{spent / wall:>8.1%}{calls[name]:>8}")
    rest = wall - seconds.total()
    print(f"{'imports':<14}{imports:>10.1f}{imports / wall:>8.1%}")
    print(f"{'all else':<14}{rest - imports:>10.1f}{(rest - imports) / wall:>8.1%}")
    print(f"{'wall':<14}{wall:>10.1f}")
    print(f"overhead: {rest / wall:.1%} of the wall time (target <= 10 %)")


if __name__ == "__main__":
    main()
