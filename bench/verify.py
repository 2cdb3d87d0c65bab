"""How fast the verifiers are: steps a second on one core, and numeric answers against math-verify.

    python bench/verify.py [--data DIR]

With --data, the real attempts of GSM8K's `example_model_solutions.jsonl`, found anywhere below DIR; without it,
generated ones. Every figure is the median of RUNS runs over different rows, so that no cache is measured, in time of
the processor: the figure is for one core, whatever else runs.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from math_verify import parse, verify

from counterform.problems.ledger import Ledger
from counterform.problems.readers import final_answer
from counterform.text.answers import answer_of
from counterform.text.steps import split_steps
from counterform.types import Mark, Problem, StepVerdict, StepVerifier
from counterform.verify.answer import Answers
from counterform.verify.steps import Arithmetic, grade_steps

RUNS = 5
ATTEMPTS = 1_000
"""A run of step verification."""
PAIRS = 1_000
"""A run of answer checks."""

Pair = tuple[Problem, str]


def real_attempts(directory: Path) -> list[Pair]:
    path = next(directory.rglob("example_model_solutions.jsonl"))
    pairs = []
    for index, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        problem = Problem(id=str(index), prompt=row["question"], answer=final_answer(row["ground_truth"])[0])
        pairs += [(problem, value["solution"]) for value in row.values() if isinstance(value, dict)]
    return pairs


def ledger_attempts(n: int) -> list[Pair]:
    rng = np.random.default_rng(0)
    family = Ledger()
    pairs = []
    for problem in family.generate(n // 4, rng=rng, lengths=(3, 4, 5)):
        pairs.append((problem, problem.solution or ""))
        pairs += [(problem, planted.text) for planted in family.plant_errors(problem, rng=rng)]
    return pairs[:n]


def runs(pairs: Sequence[Pair], size: int) -> list[Sequence[Pair]]:
    order = np.random.default_rng(1).permutation(len(pairs))
    return [[pairs[i] for i in order[run * size : (run + 1) * size]] for run in range(RUNS)]


def steps_a_second(name: str, verifier: StepVerifier, pairs: Sequence[Pair]) -> None:
    def fed(attempts: Sequence[tuple[Problem, list[str]]]) -> list[StepVerdict]:
        watches = ((verifier.start(problem), steps) for problem, steps in attempts)
        return [watch.feed(step) for watch, steps in watches for step in steps]

    def split(attempts: Sequence[Pair]) -> list[list[tuple[int, int]]]:
        return [split_steps(text) for _, text in attempts]

    def graded(attempts: Sequence[Pair]) -> list[tuple[StepVerdict, ...]]:
        return [grade_steps(verifier, problem, text) for problem, text in attempts]

    speeds: dict[str, list[float]] = {"fed": [], "split": [], "split, fed and placed": []}
    for run in runs(pairs, ATTEMPTS):
        attempts = [(problem, [text[a:b] for a, b in split_steps(text)]) for problem, text in run]
        steps_each = sum(len(steps) for _, steps in attempts) / len(attempts)
        for what, work, rows in (("fed", fed, attempts), ("split", split, run), ("split, fed and placed", graded, run)):
            speeds[what].append(timed(work, rows)[1] * steps_each)
    for what, figures in speeds.items():
        row(f"{name}: {what}", statistics.median(figures), "steps/s", 100_000 if what == "fed" else None)


def answers_a_second(pairs: Sequence[Pair]) -> None:
    ours, bare, texts, disagreements = [], [], [], []
    logging.disable(logging.WARNING)
    for run in runs(pairs, PAIRS):
        keys = [problem.answer for problem, _ in run]
        stated = [answer_of(text) or text for _, text in run]
        verdicts, speed = timed(Answers(5.0), run)
        ours.append(speed)
        theirs, speed = timed(math_verify, [(f"${k}$", f"${a}$") for k, a in zip(keys, stated, strict=True)])
        bare.append(speed)
        _, speed = timed(math_verify, [(key, text) for key, (_, text) in zip(keys, run, strict=True)])
        texts.append(speed)
        for key, answer, verdict, right in zip(keys, stated, verdicts, theirs, strict=True):
            if verdict.lenient is not (Mark.RIGHT if right else Mark.WRONG):
                disagreements.append(f"  {verdict.lenient}, math-verify {right}: key {key!r}, answer {answer[-80:]!r}")
    row("answers: ours, from the text", statistics.median(ours), "answers/s")
    row("answers: math-verify, from the bare answer", statistics.median(bare), "answers/s")
    row("answers: math-verify, from the text", statistics.median(texts), "answers/s")
    row("answers: ours / math-verify from the bare answer", ratio(ours, bare), "x", 20)
    row("answers: ours / math-verify from the text", ratio(ours, texts), "x", 20)
    print(
        f"{len(disagreements)} disagreements in {sum(len(run) for run in runs(pairs, PAIRS)):,} answers",
        *disagreements,
        sep="\n",
    )


def math_verify(pairs: Iterable[tuple[str, str]]) -> list[bool]:
    return [verify(parse(key), parse(answer)) for key, answer in pairs]


def timed(work: Callable[[Any], list[Any]], rows: Sequence[Any]) -> tuple[list[Any], float]:
    """The result, and rows a second."""
    started = time.process_time()
    result = work(rows)
    return result, len(rows) / (time.process_time() - started)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def row(name: str, figure: float, unit: str, target: float | None = None) -> None:
    against = f"  target {target:,}: {'reached' if figure >= target else 'MISSED'}" if target else ""
    print(f"{name:<52}{figure:>12,.0f} {unit:<10}{against}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a directory with GSM8K's example_model_solutions.jsonl")
    data = parser.parse_args().data
    ledger = ledger_attempts(RUNS * ATTEMPTS)
    attempts = real_attempts(data) if data else ledger
    steps_a_second("ledger", Ledger(), ledger)
    steps_a_second(f"arithmetic on {'GSM8K' if data else 'ledger'}", Arithmetic(), attempts)
    answers_a_second(attempts)


if __name__ == "__main__":
    main()
