"""Self-distillation: `SDFT.train` against TRL's bare SDFTTrainer on the same rows with the same options.

Both sides load the base, train a few steps on ledger problems whose teacher is shown the worked solution, and save the result; with one seed
they must end in the same weights, which is printed. Interleaved runs in one process, CPU seconds. Target: within 5 % of TRL's own time, with
the distance to the teacher logged by class of token.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from preference import SEED, SIDES, difference
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl.experimental.sdft import SDFTConfig, SDFTTrainer

from counterform.models.loading import load_tokenizer
from counterform.problems.ledger import Ledger
from counterform.study import BASE, NO_CHAT, TrainSpec
from counterform.train.self_distillation import SDFT
from counterform.types import Arm, Example


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    options = {
        "max_steps": args.steps,
        "per_device_train_batch_size": 32,
        "num_generations": 8,
        "max_completion_length": 64,
        "learning_rate": 1e-4,
    }
    cpu: dict[str, list[float]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(args.repeats + 1):
            for side in sorted(SIDES, reverse=bool(repeat % 2)):
                started = time.process_time()
                run(side, options, Path(folder) / side)
                cpu[side].append(time.process_time() - started)
        apart = difference(*(Path(folder) / side for side in SIDES))
    ours, bare = (cpu[side][1:] for side in SIDES)
    ratios = sorted(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    print(
        f"{args.steps} steps of 32 rollouts, {args.repeats} runs after 1 to warm up, 1 thread of {os.cpu_count()} cores\n"
        f"ours {statistics.median(ours):.2f} s, bare {statistics.median(bare):.2f} s, time {statistics.median(ratios):.3f}x "
        f"({ratios[0]:.3f} to {ratios[-1]:.3f}; target at most 1.05x), weights apart {apart:.2g}"
    )


def run(side: str, options: dict[str, Any], out: Path) -> None:
    problems = Ledger().generate(24, rng=np.random.default_rng(0))
    arm = Arm(
        name="sdft",
        objective="sdft",
        differs_by="",
        examples=tuple(Example(problem_id=p.id, prompt=p.prompt, completion=None) for p in problems),
        options={"teacher_prompts": [f"{p.prompt}\n{p.solution}\n\n{p.prompt}" for p in problems]},
    )
    ours = SDFT(TrainSpec(sdft=options))
    if side == "counterform":
        ours.train(arm, base="world", seed=SEED, out=out)
        return
    config = SDFTConfig(
        output_dir=str(out),
        seed=SEED,
        data_seed=SEED,
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        **options,
    )
    config.teacher_prompt_template = "{privileged_context}"
    trainer = SDFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32),
        args=config,
        train_dataset=datasets.Dataset.from_list(ours.rows(arm, load_tokenizer("world"), NO_CHAT, SEED)),
        processing_class=AutoTokenizer.from_pretrained(BASE),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(out))


if __name__ == "__main__":
    main()
