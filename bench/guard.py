"""What a guard costs where nothing is violated: `Guard` around the tiny base against the same model's `generate`.

Both sides write the same texts to the same ledger prompts with the same seed; the guard verifies every step of them and,
with on_violation="report", stops none, so that both write the same tokens. A third side reads along and verifies
nothing: what the guard's own loop of generation costs or saves. Interleaved runs in one process; the order turns from run to
run. Measured: seconds a run, batch 1 and batch 64. Target: at most 3 % over `generate`, and no call more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from counterform.growing import Change, Finish
from counterform.guard import Guard
from counterform.models.hf import HFModel
from counterform.problems.ledger import Ledger
from counterform.study import ModelSpec
from counterform.types import Problem

Side = Callable[[HFModel, list[Problem], int], int]


class Nobody:
    """Reads along and changes nothing."""

    ends = ".!?\n"

    def read(self, text: str, finish: Finish) -> Change | None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    args = parser.parse_args()
    model = HFModel.open(ModelSpec(path="world"))
    print(
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, device {model.model.device}, {args.repeats} runs a side"
    )
    for batch in args.batches:
        model.batch_size = batch
        problems = Ledger().generate(batch if batch > 1 else 8, rng=np.random.default_rng(0))
        seconds: dict[str, list[float]] = {name: [] for name in SIDES}
        for repeat in range(-1, args.repeats):
            names = sorted(SIDES, reverse=bool(repeat % 2))
            tokens = set()
            for name in names:
                started = time.perf_counter()
                tokens.add(SIDES[name](model, problems, args.max_tokens))
                if repeat >= 0:
                    seconds[name].append(time.perf_counter() - started)
            assert len(tokens) == 1, "the sides did not write the same texts"
        print(f"batch {batch}: {len(problems)} prompts, {tokens.pop()} tokens a run")
        for name, found in seconds.items():
            ratios = [a / b for a, b in zip(found, seconds["generate"], strict=True)]
            print(
                f"  {name:<14}{1000 * statistics.median(found):>9.0f} ms, median ratio to generate "
                f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
            )


def plain(model: HFModel, problems: list[Problem], max_tokens: int) -> int:
    """The model alone."""
    rows = model.generate([p.prompt for p in problems], n=1, seed=0, temperature=1.0, max_tokens=max_tokens)
    return sum(completion.tokens for row in rows for completion in row)


def read(model: HFModel, problems: list[Problem], max_tokens: int) -> int:
    """Read along, and nothing verified."""
    prompts = [p.prompt for p in problems]
    readers = [Nobody() for _ in prompts]
    rows = model.write(prompts, readers, seed=0, temperature=1.0, max_tokens=max_tokens, budget=max_tokens)
    return sum(row.sampled for row in rows)


def guarded(model: HFModel, problems: list[Problem], max_tokens: int) -> int:
    """Read along and every step verified."""
    around = Guard(Ledger(), "report").around(model, problems)
    rows = around.answer([p.prompt for p in problems], n=1, seed=0, temperature=1.0, max_tokens=max_tokens)
    assert all(answer.calls == 1 for row in rows for answer in row)
    return sum(answer.completion.tokens for row in rows for answer in row)


SIDES: dict[str, Side] = {"generate": plain, "read along": read, "guard": guarded}

if __name__ == "__main__":
    main()
