"""Training on pairs: `DPO.train`, `KTO.train` and `ORPO.train` against bare TRL trainers on the same rows with the same options.

Both sides load the base, train one epoch on ledger solutions against planted errors and save the result; with one seed they must end
in the same weights, which is printed. Time: interleaved runs in one process, the order turns from run to run, CPU seconds, since other
work on the machine disturbs them less. Memory: the peak of a process of its own for each side. Target: at least 0.97x the peer's speed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

from counterform.models.loading import load_tokenizer
from counterform.problems.ledger import Ledger
from counterform.study import BASE, NO_CHAT, TrainSpec
from counterform.train.memory import process_peak_mb
from counterform.train.preference import DPO, KTO, ORPO, Preference
from counterform.types import Arm, Example

SEED = 0
OPTIONS: dict[str, Any] = {"num_train_epochs": 1, "per_device_train_batch_size": 8, "learning_rate": 5e-4, "beta": 0.1}
KINDS: dict[str, type[Preference]] = {"dpo": DPO, "kto": KTO, "orpo": ORPO}
SIDES = ("counterform", "bare TRL")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alone", nargs=2, metavar=("KIND", "SIDE"), help="one training, whose peak memory is printed")
    args = parser.parse_args()
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if args.alone:
        kind, side = args.alone
        with tempfile.TemporaryDirectory() as folder:
            run(side, arm(kind, args.examples), Path(folder))
        print(process_peak_mb())
        return
    print(
        f"n = {args.examples} pairs, 1 epoch, batch 8, {args.repeats} runs after 1 to warm up, 1 thread of {os.cpu_count()} cores"
    )
    print(
        f"{'':<6}{'ours, CPU s':>14}{'bare, CPU s':>14}{'speed':>8}{'ours, MiB':>12}{'bare, MiB':>12}{'weights apart':>16}"
    )
    for kind in KINDS:
        cpu: dict[str, list[float]] = {side: [] for side in SIDES}
        with tempfile.TemporaryDirectory() as folder:
            for repeat in range(args.repeats + 1):
                for side in sorted(SIDES, reverse=bool(repeat % 2)):
                    started = time.process_time()
                    run(side, arm(kind, args.examples), Path(folder) / side)
                    cpu[side].append(time.process_time() - started)
            apart = difference(*(Path(folder) / side for side in SIDES))
        ours, bare = (cpu[side][1:] for side in SIDES)
        speed = statistics.median(theirs / mine for mine, theirs in zip(ours, bare, strict=True))
        peaks = [peak_alone(kind, side, args.examples) for side in SIDES]
        print(
            f"{kind:<6}{statistics.median(ours):>14.2f}{statistics.median(bare):>14.2f}{speed:>7.2f}x{peaks[0]:>12.0f}{peaks[1]:>12.0f}"
            f"{apart:>16.2g}",
            flush=True,
        )


def arm(kind: str, examples: int) -> Arm:
    family, rng = Ledger(), np.random.default_rng(0)
    problems = family.generate(examples, rng=rng)
    pairs = tuple(
        Example(
            problem_id=p.id, prompt=p.prompt, completion=p.solution, rejected=family.plant_errors(p, rng=rng)[0].text
        )
        for p in problems
    )
    return Arm(name=kind, objective=kind, differs_by="", examples=pairs)  # type: ignore[arg-type]


def run(side: str, arm: Arm, out: Path) -> None:
    spec = TrainSpec(**{arm.objective: OPTIONS})
    ours = KINDS[arm.objective](spec)
    if side == "counterform":
        ours.train(arm, base="world", seed=SEED, out=out)
        return
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    [bare] = [kind for kind in ours.trainer.__mro__ if kind.__module__.startswith("trl.") and "_name" in vars(kind)][:1]
    config = ours.config(
        output_dir=str(out),
        seed=SEED,
        data_seed=SEED,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        remove_unused_columns=arm.objective != "orpo",
        **OPTIONS,
    )
    trainer = bare(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32),
        args=config,
        train_dataset=datasets.Dataset.from_list(ours.rows(arm, load_tokenizer("world"), NO_CHAT, SEED)),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(out))


def difference(one: Path, other: Path) -> float:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def peak_alone(kind: str, side: str, examples: int) -> float:
    command = [sys.executable, __file__, "--alone", kind, side, "--examples", str(examples)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


if __name__ == "__main__":
    main()
