"""What a guard costs where nothing is violated: `Guard` around the tiny base against transformers' own `generate`.

The peer is `HFModel.generate`: one call of transformers' `generate` for the batch, with the same prompts, sampling, seed and
maximum, and its tokens decoded. All sides write the same texts. The guard verifies every step of them and, with
on_violation="report", stops none; a side `read along` verifies nothing and shows what the guard's own loop of generation costs or
saves; `guard, in a thread` has a verifier that does not say that it is bounded. Interleaved in one process, in blocks a b c c b a,
whose order turns. Measured: wall and CPU seconds of a block as a ratio to its own `generate`; the median over the blocks with a 95 %
interval (bootstrap over blocks). Target: at most 1.03 at batch 1 and at batch 64, and no call more.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from counterform.guard import Guard
from counterform.models.growing import Change, Finish, Reader
from counterform.models.hf import HFModel
from counterform.problems.ledger import Ledger
from counterform.study import ModelSpec
from counterform.types import Problem

Side = Callable[[HFModel, list[Problem], int], int]


class Unbounded(Ledger):
    """A verifier that does not say that it is bounded."""

    bounded = False


class Nobody(Reader):
    """Reads along and changes nothing."""

    ends = ".!?\n"

    def read(self, text: str, finish: Finish) -> Change | None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    args = parser.parse_args()
    model = HFModel.open(ModelSpec(path="world"))
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, {torch.get_num_threads()} threads, "
        f"device {model.model.device}, {args.blocks} blocks"
    )
    for batch in args.batches:
        model.batch_size = batch
        problems = Ledger().generate(batch if batch > 1 else 8, rng=np.random.default_rng(0))
        tokens = {side(model, problems, args.max_tokens) for side in SIDES.values()}
        assert len(tokens) == 1, "the sides did not write the same texts"
        print(f"batch {batch}: {len(problems)} prompts, {tokens.pop()} tokens a run")
        blocks = [block(model, problems, args.max_tokens, turned=bool(at % 2)) for at in range(args.blocks)]
        for name in SIDES:
            wall, cpu = (np.array([found[name][clock] for found in blocks]) for clock in (0, 1))
            whole = [np.array([found["generate"][clock] for found in blocks]) for clock in (0, 1)]
            print(
                f"  {name:<20}{1000 * float(np.median(wall)) / 2:>8.0f} ms a run; to generate: "
                f"wall {ratio(wall / whole[0])}, CPU {ratio(cpu / whole[1])}"
            )


def block(model: HFModel, problems: list[Problem], max_tokens: int, *, turned: bool) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of each side, run twice, in an order and back."""
    found = dict.fromkeys(SIDES, (0.0, 0.0))
    order = sorted(SIDES, reverse=turned)
    for name in (*order, *reversed(order)):
        wall, cpu = time.perf_counter(), time.process_time()
        SIDES[name](model, problems, max_tokens)
        before = found[name]
        found[name] = (before[0] + time.perf_counter() - wall, before[1] + time.process_time() - cpu)
    return found


def ratio(found: np.ndarray) -> str:
    """The median with its interval."""
    drawn = np.random.default_rng(0).choice(found, (2_000, len(found)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return f"{float(np.median(found)):.3f} [{low:.3f}, {high:.3f}]"


def plain(model: HFModel, problems: list[Problem], max_tokens: int) -> int:
    """Transformers' own generation."""
    rows = model.generate([p.prompt for p in problems], n=1, seed=0, temperature=1.0, max_tokens=max_tokens)
    return sum(completion.tokens for row in rows for completion in row)


def read(model: HFModel, problems: list[Problem], max_tokens: int) -> int:
    """Read along, and nothing verified."""
    prompts = [p.prompt for p in problems]
    readers = [Nobody() for _ in prompts]
    rows = model.write(prompts, readers, seed=0, temperature=1.0, max_tokens=max_tokens, budget=max_tokens)
    return sum(row.sampled for row in rows)


def guarded(model: HFModel, problems: list[Problem], max_tokens: int, verifier: type[Ledger] = Ledger) -> int:
    """Read along and every step verified."""
    around = Guard(verifier(), "report").around(model, problems)
    rows = around.answer([p.prompt for p in problems], n=1, seed=0, temperature=1.0, max_tokens=max_tokens)
    assert all(answer.calls == 1 for row in rows for answer in row)
    return sum(answer.completion.tokens for row in rows for answer in row)


def in_a_thread(model: HFModel, problems: list[Problem], max_tokens: int) -> int:
    """The same with a verifier whose time must be bounded for it."""
    return guarded(model, problems, max_tokens, Unbounded)


SIDES: dict[str, Side] = {
    "generate": plain,
    "read along": read,
    "guard": guarded,
    "guard, in a thread": in_a_thread,
}

if __name__ == "__main__":
    main()
