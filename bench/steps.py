"""How much of real reasoning the step verifier `arithmetic` reads, and what it calls wrong in it.

    python bench/steps.py [--data DIR] [--wrong]

DIR holds, each where it is there: gsm8k/test.jsonl and gsm8k/example_model_solutions.jsonl (github.com/openai/grade-school-math),
math500/test.jsonl (HuggingFaceH4/MATH-500) and math500/qwen25_math_100x8.jsonl (github.com/QwenLM/Qwen2.5-Math). Prints a Markdown
table (without --data of worked solutions of the ledger family, where nothing may be wrong); with --wrong every equation that is called wrong with its step, to be read by eye. "no marks": the calculator marks
<<...>> are taken out first, so that the text itself must be read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from counterform.problems.ledger import Ledger
from counterform.text.steps import split_steps
from counterform.types import Mark, Problem
from counterform.verify.context import defined_signs
from counterform.verify.equations import Claim, Left, read
from counterform.verify.exact import Number
from counterform.verify.steps import Arithmetic, grade_steps

Attempts = list[tuple[str, str]]
"""A question and an attempt at it."""
_MARKS = re.compile(r"<<[^<>]*>>")


class Row(NamedTuple):
    """What was read of one set of attempts."""

    steps: int
    with_equals: int
    """Steps with an equals sign."""
    steps_read: int
    equations_read: int
    """Equations called right or wrong."""
    wrong: list[tuple[str, str]]
    """What would be right, and the step."""
    seconds: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--wrong", action="store_true", help="list every step that is called wrong")
    asked = parser.parse_args()
    rows = {name: measured(attempts) for name, attempts in (sets(asked.data) if asked.data else ledger())}
    if not rows:
        sys.exit(f"error: {str(asked.data)!r} holds nothing of what this reads. Run it with --help to see what.")
    print("| solutions | steps | read | of those with = | equations read | called wrong | steps/s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in rows.items():
        print(
            f"| {name} | {row.steps:,} | {100 * row.steps_read / row.steps:.1f} % "
            f"| {100 * row.steps_read / row.with_equals:.1f} % "
            f"| {row.equations_read:,} | {len(row.wrong):,} | {row.steps / row.seconds:,.0f} |"
        )
    for name, row in rows.items() if asked.wrong else ():
        print(f"\n{name}")
        for hint, step in row.wrong:
            print(f"  {hint}  <-  {step!r}")


def ledger() -> Iterator[tuple[str, Attempts]]:
    """Worked solutions that need no file."""
    problems = Ledger().generate(1_000, rng=np.random.default_rng(0))
    yield "ledger", [(problem.prompt, problem.solution or "") for problem in problems]


def sets(data: Path) -> Iterator[tuple[str, Attempts]]:
    """The sets of attempts that are there, with their names."""
    yield from _set(data / "gsm8k/test.jsonl", "GSM8K, official", lambda row: [(row["question"], row["answer"])])
    yield from _set(data / "math500/test.jsonl", "MATH-500, official", lambda row: [(row["problem"], row["solution"])])
    path, name = data / "gsm8k/example_model_solutions.jsonl", "GSM8K, four models"
    for _, attempts in _set(
        path, name, lambda row: [(row["question"], v["solution"]) for v in row.values() if isinstance(v, dict)]
    ):
        yield name, attempts
        yield f"{name}, no marks", [(question, _MARKS.sub("", text)) for question, text in attempts]
    path = data / "math500/qwen25_math_100x8.jsonl"
    yield from _set(path, "MATH-500, Qwen2.5-Math", lambda row: [(row["question"], text) for text in row["code"]])


def _set(path: Path, name: str, attempts: Callable[[dict[str, Any]], Attempts]) -> Iterator[tuple[str, Attempts]]:
    if path.exists():
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        yield name, [attempt for row in rows for attempt in attempts(row)]


def measured(attempts: Attempts) -> Row:
    """What is read of these attempts, and how fast steps are cut and graded."""
    started = time.process_time()
    verdicts = [
        grade_steps(Arithmetic(), Problem(id="", prompt=question, answer=""), text) for question, text in attempts
    ]
    seconds = time.process_time() - started
    graded = [
        (step, text[slice(*step.span)]) for steps, (_, text) in zip(verdicts, attempts, strict=True) for step in steps
    ]
    return Row(
        steps=len(graded),
        with_equals=sum("=" in text for _, text in graded),
        steps_read=sum(step.mark is not Mark.UNKNOWN for step, _ in graded),
        equations_read=sum(
            claim.mark is not Mark.UNKNOWN for question, text in attempts for claim in equations(question, text)
        ),
        wrong=[(step.hint, text) for step, text in graded if step.mark is Mark.WRONG],
        seconds=seconds,
    )


def equations(question: str, text: str) -> Iterator[Claim]:
    """All equations of an attempt, also those after a wrong one in its step."""
    known: dict[str, Number] = {}
    last: Left | None = None
    for start, end in split_steps(text):
        claims, last = read(text[start:end], known, defined_signs(question), last)
        yield from claims


if __name__ == "__main__":
    main()
