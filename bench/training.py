"""Training one arm: `SFT.train` against a bare TRL SFTTrainer on the same rows with the same options.

Both sides load the base, train on 400 ledger examples for three epochs (the embedded study's), batches of 16, and save the result; with one
seed they must end in the same weights, which is printed. Interleaved runs in one process; the order turns from run
to run. Measured: seconds, and CPU seconds, which other work on the machine disturbs less. Target: at least 0.97x
the peer's speed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import SFTConfig, SFTTrainer

from counterform.problems.ledger import Ledger
from counterform.study import BASE, TrainSpec
from counterform.train.sft import SFT
from counterform.types import Arm, Example

SEED = 0
OPTIONS: dict[str, Any] = {
    "num_train_epochs": 3,
    "per_device_train_batch_size": 16,
    "learning_rate": 5e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 10,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    datasets.disable_progress_bars()
    problems = Ledger().generate(args.examples, rng=np.random.default_rng(0))
    examples = tuple(Example(problem_id=p.id, prompt=p.prompt, completion=p.solution) for p in problems)
    arm = Arm(name="bench", differs_by="", examples=examples)
    sides = {"counterform": ours, "bare TRL": peer}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(args.repeats + 1):
            for name in sorted(sides, reverse=bool(repeat % 2)):
                started, started_cpu = time.perf_counter(), time.process_time()
                sides[name](arm, Path(folder) / name)
                seconds[name].append(time.perf_counter() - started)
                cpu[name].append(time.process_time() - started_cpu)
        apart = difference(*(Path(folder) / name for name in sides))

    print(
        f"n = {args.examples} examples, {OPTIONS['num_train_epochs']} epochs, batch {OPTIONS['per_device_train_batch_size']}, {args.repeats} runs "
        f"after 1 to warm up, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    )
    print(f"{'':<16}{'median':>10}{'lowest':>10}{'highest':>10}{'CPU, median':>14}   (seconds)")
    for name in sides:
        found, used = seconds[name][1:], cpu[name][1:]
        print(
            f"{name:<16}{statistics.median(found):>10.2f}{min(found):>10.2f}{max(found):>10.2f}"
            f"{statistics.median(used):>14.2f}"
        )
    ratio, cpu_ratio = speed(seconds), speed(cpu)
    print(f"speed against bare TRL, median of pairs: {ratio:.2f}x (target >= 0.97x); by CPU seconds {cpu_ratio:.2f}x")
    print(f"largest difference between the weights of the two: {apart:.2g}")


def speed(seconds: dict[str, list[float]]) -> float:
    """How many times as fast as the peer, the median over pairs of runs after the first."""
    pairs = list(zip(seconds["counterform"], seconds["bare TRL"], strict=True))[1:]
    return statistics.median(peer / ours for ours, peer in pairs)


def ours(arm: Arm, out: Path) -> None:
    SFT(TrainSpec(sft=OPTIONS)).train(arm, base="world", seed=SEED, out=out)


def peer(arm: Arm, out: Path) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": example.prompt}],
            "completion": [{"role": "assistant", "content": example.completion}],
        }
        for example in arm.examples
    ]
    config = SFTConfig(
        output_dir=str(out),
        seed=SEED,
        data_seed=SEED,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        gradient_checkpointing=False,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        **OPTIONS,
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32),
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(BASE),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(out))


def difference(a: Path, b: Path) -> float:
    """The largest absolute difference between two saved models' weights."""
    left, right = (load_file(path / "model.safetensors") for path in (a, b))
    return max(float((left[name].float() - right[name].float()).abs().max()) for name in left)


if __name__ == "__main__":
    main()
