"""A synthetic but realistic run directory: five arms, two seeds, the ledger family, no model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from counterform.bench import Bench
from counterform.metrics import Metric
from counterform.parts import PARTS, part
from counterform.problems.ledger import Ledger, broken_steps, facts, solution_steps
from counterform.report.data import ReportData, load
from counterform.report.page import render
from counterform.results import (
    ArmCard,
    AuditRow,
    Baseline,
    Finding,
    FormShare,
    Inside,
    Level,
    MatchCard,
    Results,
    WeightChange,
    WeightChanges,
    WeightCosine,
)
from counterform.store import Record, RunDir
from counterform.types import Attempt, Checkpoint, Completion, Graded, Mark, Problem, Reading, Verdict
from counterform.types import Ledger as Cost

PROBES = [part("probe", name)(Bench()) for name in PARTS["probe"]]
DECLARED: dict[str, tuple[Metric, ...]] = {probe.name: probe.metrics for probe in PROBES}
"""What our own probes declare of their numbers."""
SECTIONS = {probe.name: probe.section for probe in PROBES if probe.section}
ARMS = ("sft", "rft", "cft", "shuffled_target", "answer_only")
SEEDS = (0, 1)
METRICS = {
    ("accuracy", "pass@1"): (0.442, (0.311, 0.182, -0.118, -0.021, 0.094)),
    ("accuracy", "pass@1 lenient"): (0.458, (0.299, 0.171, -0.109, -0.018, 0.081)),
    ("accuracy", "pass@4"): (0.713, (0.181, 0.052, -0.143, -0.007, 0.021)),
    ("find_error", "F1"): (0.314, (0.022, 0.014, 0.381, 0.009, -0.013)),
    ("find_error", "erroneous"): (0.243, (0.014, 0.021, 0.352, -0.012, 0.002)),
    ("find_error", "correct"): (0.448, (0.031, 0.003, 0.402, 0.017, -0.024)),
    ("process", "violated"): (0.483, (-0.291, -0.153, 0.107, 0.029, 0.041)),
    ("process", "right by wrong steps"): (0.061, (-0.034, -0.012, 0.018, 0.004, 0.052)),
}
STUDY = """\
name = "first-study"
question = "What does each kind of training signal teach this model?"
seeds = [0, 1]
arms = ["sft", "rft", "cft", "shuffled_target", "answer_only"]
"""


def finding(probe: str, metric: str, arm: str, versus: str, baseline: float, estimate: float) -> Finding:
    half = 0.041
    clear = abs(estimate) > half
    better = estimate < 0 if probe == "process" else estimate > 0
    verdict = "undecided" if not clear else "better" if better else "worse"
    return Finding(
        claim=f"{arm} raises {metric} over {versus}",
        probe=probe,
        metric=metric,
        arm=arm,
        versus=versus,
        baseline=baseline,
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        p=0.0004 if clear else 0.31,
        p_holm=0.0016 if clear else 0.62,
        mde=0.058,
        n_items=1200,
        n_problems=300,
        n_seeds=len(SEEDS),
        n_missing=3 if arm == "cft" else 0,
        verdict=verdict,
        sentence=f"{arm} changes {metric} by {100 * estimate:+.1f} points.",
    )


def results() -> Results:
    findings, levels = [], []
    for (probe, metric), (base, changes) in METRICS.items():
        for arm, change in zip(("base", *ARMS), (0.0, *changes), strict=True):
            level = base + change
            counts = {"n_items": 1200, "n_seeds": 1 if arm == "base" else 2, "unknown": 0.012}
            levels.append(
                Level(
                    probe=probe, metric=metric, arm=arm, estimate=level, low=level - 0.03, high=level + 0.03, **counts
                )
            )
        findings += [
            finding(probe, metric, arm, "base", base, change) for arm, change in zip(ARMS, changes, strict=True)
        ]
        findings.append(finding(probe, metric, "cft", "sft", base + changes[0], changes[2] - changes[0]))
    return Results(
        question="What does each kind of training signal teach this model?",
        findings=tuple(findings),
        levels=tuple(levels),
        baselines=(
            Baseline(probe="accuracy", metric="pass@1", name="random", value=0.01),
            Baseline(probe="accuracy", metric="pass@1", name="majority", value=0.034),
            Baseline(probe="find_error", metric="F1", name="random", value=0.17),
        ),
        form_shares=tuple(
            FormShare(
                probe="accuracy",
                metric="pass@1",
                control=control,
                full="sft",
                share=share,
                low=None if share is None else share - 0.08,
                high=None if share is None else share + 0.08,
                n_items=1200,
                n_problems=300,
                n_seeds=len(SEEDS),
                sentence=f"{control} has of sft's gain {share}.",
            )
            for control, share in (("answer_only", 0.302), ("shuffled_target", -0.068), ("rft", None))
        ),
        notes=("3 pairs of the critique arm are missing: the model was not heard.",),
        metrics=DECLARED,
        sections=SECTIONS,
        own={"internals": msgspec.to_builtins(inside())},
    )


def inside() -> Inside:
    """Shares, nats, layers, control and weights of every arm; one mean is undefined."""

    def level(arm: str, metric: str, estimate: float, half: float) -> Level:
        ends = {"low": estimate - half, "high": estimate + half}
        return Level(
            probe="internals",
            metric="AUROC",
            condition=metric,
            arm=arm,
            estimate=estimate,
            **ends,
            n_items=300,
            n_seeds=2,
            unknown=0.0,
        )

    shares = {"form": 0.31, "step result": 0.24, "answer": 0.04, "hedge": 0.06, "other": 0.35}
    checkpoints = [(arm, seed) for arm in ARMS for seed in SEEDS]
    changes = [
        WeightChange(arm=arm, seed=seed, overall=0.02 + 0.01 * at, layers=(0.01, 0.02, 0.03, 0.05), outside=0.004)
        for at, (arm, seed) in enumerate(checkpoints)
    ]
    cosines = [
        WeightCosine(arm=a[0], seed=a[1], other=b[0], other_seed=b[1], cosine=0.9 if a[0] == b[0] else -0.001)
        for a, b in combinations(checkpoints, 2)
    ]
    models = ("base", *ARMS)
    return Inside(
        shares=tuple(level(arm, name, value, 0.03) for name, value in shares.items() for arm in ARMS),
        per_token=tuple(level(arm, name, value / 9, 0.003) for name, value in shares.items() for arm in ARMS[1:]),
        layers=tuple(level(arm, str(n), 0.5 + 0.06 * n, 0.04) for n in range(5) for arm in models),
        control=tuple(level(arm, str(n), 0.49 + 0.005 * n, 0.02) for n in range(5) for arm in models),
        weights=WeightChanges(changes=tuple(changes), cosines=tuple(cosines), compared=1.0),
    )


def graded(problem: Problem, arm: str, seed: int, sample: int, rng: np.random.Generator, padding: str) -> Graded:
    """An attempt at a ledger problem with a truthful verdict: sound, broken, mended, or unreadable in places."""
    start, operations = facts(problem)
    at, draw = int(rng.integers(len(operations))), rng.random()
    if draw < 0.55:
        steps = solution_steps(start, operations)
    else:
        steps = broken_steps(start, operations, at=at, kind="arithmetic", off=2, mended=draw > 0.9)
    if rng.random() < 0.06:
        steps.insert(1, "Let me think about that again.")
    watch, verdicts, text = Ledger().start(problem), [], ""
    for step in steps:
        text = f"{text} {step}".strip()
        verdicts.append(msgspec.structs.replace(watch.feed(step), span=(len(text) - len(step), len(text))))
    outcome = Mark.RIGHT if steps[-1] == f"The answer is {problem.answer}." else Mark.WRONG
    attempt_id = f"accuracy-{arm}-{seed}-{problem.id}-{sample}"
    return Graded(
        attempt=Attempt(
            id=attempt_id,
            problem_id=problem.id,
            model=arm,
            seed=seed,
            completion=Completion(text=text + padding, tokens=len(text.split()), finish="stop"),
        ),
        verdict=Verdict(
            attempt_id=attempt_id, outcome=outcome, lenient=outcome, steps=tuple(verdicts), verifier="ledger"
        ),
    )


def write_run(path: Path, *, n_problems: int = 40, samples: int = 2, readings: int = 440, padding: str = "") -> RunDir:
    """A finished run: `n_problems` x `samples` attempts of each arm and seed and of the base, `readings` in all.

    `padding` is put behind every attempt's text.
    """
    rng = np.random.default_rng(7)
    path.mkdir(parents=True)
    run = RunDir(path)
    run.write_text("study.toml", STUDY)
    run.write_text("findings.json", msgspec.json.encode(results()).decode())
    problems = Ledger().generate(n_problems, rng=rng)
    run.write_rows("problems.parquet", problems, Problem)
    finish(run, "problems", "problems.parquet")
    models = [("base", 0), *((arm, seed) for arm in ARMS for seed in SEEDS)]
    for arm, seed in models:
        rows = [graded(problem, arm, seed, sample, rng, padding) for problem in problems for sample in range(samples)]
        names = [f"readings/accuracy/{arm}-{seed}.parquet", f"readings/attempts/accuracy/{arm}-{seed}.parquet"]
        run.write_rows(names[0], _readings(arm, seed, readings // 11), Reading)
        run.write_rows(names[1], rows, Graded)
        facts = {"arm": arm, "seed": seed, "readings": names[0], "attempts": names[1:]}
        finish(run, f"probe/{arm}/{seed}/accuracy", *names, facts=facts)
    _write_arms(run)
    _write_facts(run)
    return run


def _readings(arm: str, seed: int, n: int) -> list[Reading]:
    common: dict[str, Any] = {"probe": "accuracy", "metric": "pass@1", "arm": arm, "seed": seed}
    return [
        Reading(**common, item_id=f"i{index}", problem_id=f"p{index // 4}", mark=Mark.RIGHT, value=1.0)
        for index in range(n)
    ]


def _write_arms(run: RunDir) -> None:
    differs = (
        "the worked solution",
        "own right attempts",
        "critique of a wrong attempt",
        "targets shuffled",
        "answers",
    )
    tokens = (14_812, 14_790, 21_334, 14_812, 2_000)
    card = MatchCard(
        by="examples",
        cases=400,
        problems_with_right_only=61,
        problems_with_wrong_only=84,
        wrong_with_located_error=397,
        arms=tuple(
            ArmCard(arm=arm, differs_by=why, examples=400, problems=400, prompt_tokens=11_204, loss_tokens=n)
            for arm, why, n in zip(ARMS, differs, tokens, strict=True)
        ),
    )
    run.write_text("arms/match.json", msgspec.json.encode(card).decode())
    for arm, n in zip(ARMS, tokens, strict=True):
        for seed in SEEDS:
            cost = Cost(
                examples=1200,
                loss_tokens=3 * n,
                prompt_tokens=33_612,
                optimizer_steps=114,
                seconds=17.94,
                peak_memory_mb=812.4,
            )
            checkpoint = Checkpoint(arm=arm, seed=seed, path=f"checkpoints/{arm}/{seed}", ledger=cost)
            name = f"checkpoints/{arm}/{seed}/checkpoint.json"
            run.write_text(name, msgspec.json.encode(checkpoint).decode())
            finish(run, f"train/{arm}/{seed}", name)


def _write_facts(run: RunDir) -> None:
    checks = (("own solutions", 300, 1.0), ("planted: arithmetic", 300, 1.0), ("recorded grades", 1180, 0.0))
    audit = [
        AuditRow(verifier="ledger", check=check, passed=passed, total=max(300, passed), unknown=0, required=required)
        for check, passed, required in checks
    ]
    finish(
        run,
        "audit",
        facts={"rows": msgspec.to_builtins(audit)},
        counts={"unknown rows": 12, "broken input rows": 0, "failed calls": 3},
        versions={"counterform": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0"},
        machine={"device": "cpu", "cores": 2, "memory_gb": 15.6, "python": "3.11.9"},
    )


def finish(run: RunDir, unit: str, *files: str, **said: Any) -> None:
    """Record a unit as a study would have finished it."""
    common: dict[str, Any] = {"key": "key", "made": "today", "seconds": 0.0, "versions": {}, "machine": {}}
    run.records.write(Record(unit=unit, files=run.sizes(files), **(common | said)))


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunDir]:
    """Writes a run of one's own."""
    return write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A finished run; only to be read."""
    return write_run(tmp_path_factory.mktemp("runs") / "first-study")


@pytest.fixture(scope="session")
def page_of_run(run: RunDir) -> str:
    """Its report."""
    return render(load(run))


def with_own(data: ReportData, **own: msgspec.Struct) -> ReportData:
    """The same study in which these probes found something of their own."""
    found = {probe: msgspec.to_builtins(one) for probe, one in own.items()}
    results = msgspec.structs.replace(data.results, own=data.results.own | found)
    return msgspec.structs.replace(data, results=results)


@pytest.fixture(scope="session")
def declared() -> dict[str, tuple[Metric, ...]]:
    return DECLARED


@pytest.fixture(scope="session")
def owning() -> Callable[..., ReportData]:
    return with_own
