"""Self-distillation: `SDFT.train` and `SDPO.train` against TRL's bare trainers on the same rows, with the same config and the same rewards.

Both sides load the base, train a few steps on ledger problems (the teacher of `sdft` is shown the worked solution, that of `sdpo` a right rollout of the
group), and save the result; with one seed they must end in the same weights, which is printed. Interleaved runs in one process, CPU seconds. Target:
within 5 % of TRL's own time, with the distance to the teacher logged by class of token.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import datasets
import numpy as np
import torch
from preference import SEED, SIDES, difference
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl.experimental.sdft import SDFTTrainer
from trl.experimental.sdpo import SDPOTrainer

from counterform.arms.self_distillation import Sdpo
from counterform.bench import Bench
from counterform.models.loading import load_tokenizer
from counterform.problems.ledger import Ledger
from counterform.study import BASE, NO_CHAT, TrainSpec
from counterform.train.self_distillation import SDFT, SDPO, SelfDistillation
from counterform.types import Arm, Attempt, Example, Graded
from counterform.verify.answer import Answers
from counterform.verify.steps import grade

PROBLEMS = Ledger().generate(24, rng=np.random.default_rng(0))
TRAINERS = {"sdft": SDFTTrainer, "sdpo": SDPOTrainer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=TRAINERS, default=list(TRAINERS))
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    datasets.disable_progress_bars()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(
        f"{args.steps} steps of 32 rollouts, {args.repeats} runs after 1 to warm up, 1 thread of {os.cpu_count()} cores"
    )
    for kind in args.kinds:
        cpu: dict[str, list[float]] = {side: [] for side in SIDES}
        with tempfile.TemporaryDirectory() as folder:
            for repeat in range(args.repeats + 1):
                for side in sorted(SIDES, reverse=bool(repeat % 2)):
                    started = time.process_time()
                    run(kind, side, args.steps, Path(folder) / side)
                    cpu[side].append(time.process_time() - started)
            apart = difference(*(Path(folder) / side for side in SIDES))
        ours, bare = (cpu[side][1:] for side in SIDES)
        ratios = sorted(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
        print(
            f"{kind}: ours {statistics.median(ours):.2f} s, bare {statistics.median(bare):.2f} s, time {statistics.median(ratios):.3f}x "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f}; target at most 1.05x), weights apart {apart:.2g}"
        )


def run(kind: str, side: str, steps: int, out: Path) -> None:
    """One training of `kind` by us or by TRL alone."""
    options = {
        "max_steps": steps,
        "per_device_train_batch_size": 32,
        "num_generations": 8,
        "max_completion_length": 64,
        "learning_rate": 1e-4,
    }
    bench, arm = Bench(grade=graded), made(kind)
    ours: SelfDistillation = {"sdft": SDFT, "sdpo": SDPO}[kind](TrainSpec(**{kind: options}), bench=bench)
    if side == "counterform":
        ours.train(arm, base="world", seed=SEED, out=out)
        return
    config = ours.made_config(arm, "world", SEED, out)
    trainer = TRAINERS[kind](
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32),
        args=config,
        train_dataset=datasets.Dataset.from_list(ours.rows(arm, load_tokenizer("world"), NO_CHAT, SEED)),
        processing_class=AutoTokenizer.from_pretrained(BASE),
        **ours.given(arm, config, "world"),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(out))


def made(kind: str) -> Arm:
    """What is learnt from: the same problems."""
    examples = tuple(Example(problem_id=p.id, prompt=p.prompt, completion=None) for p in PROBLEMS)
    shown = {"teacher_prompts": [f"{p.prompt}\n{p.solution}\n\n{p.prompt}" for p in PROBLEMS]}
    options = shown if kind == "sdft" else Sdpo()((), np.random.default_rng(0)).options
    return Arm(name=kind, objective=kind, differs_by="", examples=examples, options=options)


def graded(attempts: Sequence[Attempt]) -> list[Graded]:
    """By the family's own verifiers, as a study does."""
    known = {problem.id: problem for problem in PROBLEMS}
    verdicts = grade(attempts, known, outcome=Answers(5.0), steps=Ledger())
    return [Graded(attempt=attempt, verdict=verdict) for attempt, verdict in zip(attempts, verdicts, strict=True)]


if __name__ == "__main__":
    main()
