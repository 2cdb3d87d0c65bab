"""What RoC costs a GRPO step: the subclass with nothing dropped against TRL's own trainer, and RoC's own part of a step.

Both train the tiny base on the same ledger problems with the same reward and seed, 16 prompts x 16 rollouts a step;
keeping all 16 of 16, they must end in the same weights, which is printed. Interleaved runs in one process; the order turns
from run to run. Measured: CPU seconds a step (other work on the machine disturbs them less) and wall seconds. Then
all of the subclass's methods under a clock, less what TRL's take inside them, keeping all and as RoC 32 -> 16 with two penalties.
Targets: the subclass adds < 2 % to TRL's step, RoC's own cost is < 1 % of its step.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import datasets
import numpy as np
import torch
from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from counterform.models.loading import load
from counterform.problems.ledger import Ledger
from counterform.train.grpo import RoCGRPOTrainer

PROMPTS, ROLLOUTS = 16, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5, help="0: the clock alone")
    args = parser.parse_args()

    if args.repeats:
        compare(args.steps, args.repeats)
    print_own_cost("16 of 16", made(RoCGRPOTrainer, ROLLOUTS, args.steps, keep=ROLLOUTS), args.steps)
    roc = made(RoCGRPOTrainer, 2 * ROLLOUTS, args.steps, penalty_funcs=[length, half])
    print_own_cost("RoC 16 of 32", roc, args.steps)


def compare(steps: int, repeats: int) -> None:
    """Whole runs of both, in turns."""
    sides: dict[str, Any] = {"subclass": (RoCGRPOTrainer, {"keep": ROLLOUTS}), "TRL": (GRPOTrainer, {})}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    ends: dict[str, torch.Tensor] = {}
    for repeat in range(repeats + 1):
        for name in sorted(sides, reverse=bool(repeat % 2)):
            kind, ours = sides[name]
            trainer = made(kind, ROLLOUTS, steps, **ours)
            started, started_cpu = time.perf_counter(), time.process_time()
            trainer.train()
            seconds[name].append((time.perf_counter() - started) / steps)
            cpu[name].append((time.process_time() - started_cpu) / steps)
            ends[name] = torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()])
    print(
        f"n = {steps} steps of {PROMPTS} x {ROLLOUTS} a run, {repeats} runs after 1 to warm up, {os.cpu_count()} "
        f"cores, {torch.get_num_threads()} threads"
    )
    print(f"{'a step':<10}{'CPU, median':>14}{'lowest':>10}{'wall, median':>14}   (seconds)")
    for name in sides:
        used, found = cpu[name][1:], seconds[name][1:]
        print(f"{name:<10}{statistics.median(used):>14.3f}{min(used):>10.3f}{statistics.median(found):>14.3f}")
    added = [ours / peer - 1 for ours, peer in list(zip(cpu["subclass"], cpu["TRL"], strict=True))[1:]]
    print(f"the subclass adds, median of pairs, by CPU seconds: {statistics.median(added):+.1%} (target < 2 %)")
    print(f"largest difference between the weights of the two: {(ends['subclass'] - ends['TRL']).abs().max():.2g}")


def print_own_cost(what: str, trainer: Any, steps: int) -> None:
    """All that the subclass does and TRL's trainer does not, under a clock: a smaller thing than the difference of two noisy runs.

    Every method that the subclass has is clocked, and TRL's own of the same name apart: whoever is innermost has the time.
    """
    spent: Counter[str] = Counter()
    running, at = ["TRL"], time.process_time()

    def turn() -> None:
        nonlocal at
        now = time.process_time()
        spent[running[-1]] += now - at
        at = now

    def clocked(method: Any, whose: str) -> Any:
        def call(*inputs: Any, **options: Any) -> Any:
            turn()
            running.append(whose)
            try:
                return method(*inputs, **options)
            finally:
                turn()
                running.pop()

        return call

    names = [name for name, method in vars(RoCGRPOTrainer).items() if callable(method) and not name.startswith("__")]
    with ExitStack() as patches:
        for kind in (RoCGRPOTrainer, GRPOTrainer):
            for name in names:
                if name in vars(kind):
                    whose = name if kind is RoCGRPOTrainer else "TRL"
                    patches.enter_context(patch.object(kind, name, clocked(vars(kind)[name], whose)))
        at = time.process_time()
        trainer.train()
        turn()
    own = sum(spent.values()) - spent["TRL"]
    parts = ", ".join(f"{name} {took / steps * 1e3:.2f}" for name, took in spent.most_common() if name != "TRL")
    print(
        f"{what}, {PROMPTS} prompts: {own / steps * 1e3:.2f} ms of {sum(spent.values()) / steps:.3f} s a step ({parts})"
    )
    print(f"{what}: adds {own / spent['TRL']:.2%} to the step, by CPU seconds")


def made(kind: Any, rollouts: int, steps: int, **ours: Any) -> Any:
    datasets.disable_progress_bars()
    problems = Ledger().generate(400, rng=np.random.default_rng(0))
    rows = [{"prompt": [{"role": "user", "content": p.prompt}], "answer": p.answer} for p in problems]
    model, tokenizer = load("world", dtype=torch.float32)
    config = GRPOConfig(
        output_dir=tempfile.gettempdir(),
        num_generations=rollouts,
        per_device_train_batch_size=PROMPTS * rollouts,
        max_completion_length=64,
        max_steps=steps,
        learning_rate=1e-4,
        gradient_checkpointing=False,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )
    trainer = kind(
        model=model,
        reward_funcs=[right],
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        **ours,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def right(completions: list[Any], answer: list[str], **columns: Any) -> list[float]:
    return [float(row[0]["content"].endswith(f" {key}.")) for row, key in zip(completions, answer, strict=True)]


def length(completions: list[Any], **columns: Any) -> list[float]:
    return [min(1.0, len(row[0]["content"]) / 400) for row in completions]


def half(completions: list[Any], **columns: Any) -> list[float]:
    return [0.5] * len(completions)


if __name__ == "__main__":
    main()
