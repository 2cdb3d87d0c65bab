"""Does `counterform plan` foresee what a study takes, and what it prints? A plan and its run, back to back in one process.

    python bench/plan.py            # the embedded quick study, examples/calc.toml and a small study of two seeds
    python bench/plan.py STUDY...   # study files of your own

Seconds are those of the processor, so that others on the machine disturb less; torch takes one thread. The effects that the plan
foresees are set beside those that the run prints: arms end where nobody knew beforehand, so these need not agree.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from counterform.findings.plan import Plan
from counterform.pipeline import STAGES, Run, run
from counterform.plan import plan_study
from counterform.study import (
    BASE_ARM,
    AttemptsSpec,
    MatchSpec,
    ProbeSpec,
    ProblemsSpec,
    Study,
    TrainSpec,
    embedded_study,
    load_study,
)

PARTS = {
    "problems": "problems",
    "sample": "attempts",
    "verify": "grading",
    "arms": "arms",
    "train": "training",
    "base": "probes",
    "probe": "probes",
    "find": "findings",
    "report": "findings",
}
"""The part of a plan that each stage belongs to."""
TWO_SEEDS = Study(
    name="two-seeds",
    seeds=(0, 1),
    problems=ProblemsSpec(family="ledger", train=200, held_out=150),
    attempts=AttemptsSpec(samples=4, max_tokens=96),
    match=MatchSpec(cases=150),
    arms=("sft", "cft", "rft"),
    contrasts=(("cft", "sft"), ("rft", "sft")),
    train=TrainSpec(sft={"num_train_epochs": 1, "per_device_train_batch_size": 16, "learning_rate": 5e-4}),
    probes=("accuracy", "find_error"),
    probe=ProbeSpec(samples=4, k=4, max_tokens=96, problems=150, attempts=150),
)


def run_timed(study: Study, out: Path) -> tuple[dict[str, float], Run]:
    """Run a study stage by stage; the seconds of each part."""
    seconds: dict[str, float] = defaultdict(float)
    for stage in STAGES:
        started = time.process_time()
        finished = run(study, out, until=stage, anyway=True)
        seconds[PARTS[stage]] += time.process_time() - started
    return seconds, finished


def show(plan: Plan, took: dict[str, float], finished: Run) -> None:
    """Both, as tables."""
    print(f"\n{plan.name} (the plan took {plan.seconds:.0f} s)\n")
    print("| part | planned, s | took, s | ratio |\n| --- | --- | --- | --- |")
    for cost in plan.costs:
        print(f"| {cost.part} | {cost.seconds:.1f} | {took[cost.part]:.1f} | {cost.seconds / took[cost.part]:.2f} |")
    whole, all_of_it = 3600 * plan.hours, sum(took.values())
    print(f"| all | {whole:.0f} | {all_of_it:.0f} | {whole / all_of_it:.2f} |\n")
    print(
        "| measurement | comparison | base, planned | base, read | planned | printed |\n| --- | --- | --- | --- | --- | --- |"
    )
    for measure in plan.measures:
        rows = [
            f for f in finished.results.findings if (f.probe, f.words) == (measure.probe, measure.words) and not f.shift
        ]
        for kind, effect in (("arm - base", measure.gain), ("arm - arm", measure.contrast)):
            printed = [f for f in rows if (f.versus == BASE_ARM) == (kind == "arm - base")]
            if effect is not None and printed:
                told = ", ".join(f"{f.mde:.3f} ({f.arm} - {f.versus})" for f in printed)
                read = next(f.baseline for f in rows if f.versus == BASE_ARM)
                print(
                    f"| {measure.words} | {kind} | {measure.level:.3f} | {read:.3f} | {effect.low:.3f} to {effect.high:.3f} | {told} |"
                )


def main() -> None:
    """Plan and run each study."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("studies", nargs="*", type=Path)
    files = asked.parse_args().studies
    ours = [TWO_SEEDS, load_study(Path(__file__).parent.parent / "examples/calc.toml"), embedded_study(quick=True)]
    for study in [load_study(file) for file in files] or ours:
        plan = plan_study(study, clock=time.process_time)
        with tempfile.TemporaryDirectory() as folder:
            show(plan, *run_timed(study, Path(folder) / "run"))


if __name__ == "__main__":
    main()
