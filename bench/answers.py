"""Is the outcome verifier ever silently wrong? Own keys, crossed keys, and recorded grades, beside other graders.

    python bench/answers.py --data DIR

DIR holds, anywhere below it, GSM8K's `test.jsonl` and `example_model_solutions.jsonl`, MATH-500's `test.jsonl` and
samples of it with recorded grades (`qwen25_math_100x8.jsonl`). Prints the Markdown tables of docs/studies/notes-grading.md.
math-verify and the filters of lm-eval grade the same texts in the same run.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from math_verify import parse, verify

from counterform.problems.readers import final_answer
from counterform.types import Mark, Problem
from counterform.verify.answer import Answers, grade_answer

PHRASINGS = (
    "The answer is {}.",
    "The final answer is ${}$.",
    r"\boxed{{{}}}",
    "#### {}",
    "<think>Let me see.</think>\n<answer>{}</answer>",
    "**Answer:** {}",
    r"Therefore, the answer is \(\boxed{{{}}}\).",
    "Final Answer: The final answer is ${}$. I hope it is correct.",
    "A: {}",
    "We get\n\\[\\boxed{{{}}}\\]\nwhich is what was asked for.",
)


class Attempt(NamedTuple):
    """A text that somebody graded."""

    problem: Problem
    text: str
    right: bool


def rows(directory: Path, name: str, column: str) -> Iterator[dict[str, object]]:
    """The rows of the file of this name that have the column."""
    for path in sorted(directory.rglob(name)):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if column in lines[0]:
            yield from lines
            return
    raise SystemExit(f"no {name} with a column {column!r} below {directory}")


def keys(directory: Path) -> dict[str, list[Problem]]:
    """The problems of both test sets."""
    math = rows(directory, "test.jsonl", "unique_id")
    gsm8k = (row for row in rows(directory, "test.jsonl", "question") if "answer" in row)
    return {
        "MATH-500": [problem(str(row["problem"]), str(row["answer"])) for row in math],
        "GSM8K": [problem(str(row["question"]), str(row["answer"])) for row in gsm8k],
    }


def problem(prompt: str, answer: str) -> Problem:
    return Problem(id="p", prompt=prompt, answer=final_answer(answer)[0])


def recorded(directory: Path) -> dict[str, list[Attempt]]:
    """The attempts with recorded grades."""
    gsm8k = [
        Attempt(problem(row["question"], row["ground_truth"]), value["solution"], value["is_correct"])
        for row in rows(directory, "example_model_solutions.jsonl", "ground_truth")
        for value in row.values()
        if isinstance(value, dict)
    ]
    math = [
        Attempt(problem(row["question"], row["answer"]), text, right)
        for row in rows(directory, "qwen25_math_100x8.jsonl", "response")
        for text, right in zip(row["response"], row["score"], strict=True)
    ]
    return {"GSM8K attempts": gsm8k, "MATH-500 samples": math}


def ours(attempts: Sequence[Attempt]) -> list[Mark]:
    with Answers(5.0) as answers:
        return [verdict.strict for verdict in answers([(one.problem, one.text) for one in attempts])]


def math_verify(attempts: Sequence[Attempt]) -> list[Mark]:
    return [Mark.RIGHT if verify(parse(f"${one.problem.answer}$"), parse(one.text)) else Mark.WRONG for one in attempts]


def flexible_extract(attempts: Sequence[Attempt]) -> list[Mark]:
    """The filter `flexible-extract` of lm-eval's gsm8k, and its exact match."""
    return [_exact(one, re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", one.text)) for one in attempts]


def strict_match(attempts: Sequence[Attempt]) -> list[Mark]:
    """The filter `strict-match` of lm-eval's gsm8k."""
    return [_exact(one, re.findall(r"#### (\-?[0-9\.\,]+)()", one.text)[:1]) for one in attempts]


def _exact(one: Attempt, found: Sequence[tuple[str, str]]) -> Mark:
    def plain(text: str) -> str:
        return re.sub(r"\.$", "", re.sub(r",|\$|(?s:.*#### )", "", text)).casefold()

    given = next((part for part in found[-1] if part), "") if found else "[invalid]"
    return Mark.RIGHT if plain(given) == plain(one.problem.answer) else Mark.WRONG


GRADERS: dict[str, Callable[[Sequence[Attempt]], list[Mark]]] = {
    "counterform": ours,
    "math-verify": math_verify,
    "lm-eval, flexible-extract": flexible_extract,
    "lm-eval, strict-match": strict_match,
}


def own_keys(problems: dict[str, list[Problem]]) -> None:
    print("| Own keys, in ten phrasings | n | RIGHT | UNKNOWN | WRONG |\n|---|---|---|---|---|")
    for name, found in problems.items():
        attempts = [Attempt(one, words.format(one.answer), True) for one in found for words in PHRASINGS]
        counts = Counter(ours(attempts))
        shares = " | ".join(f"{counts[mark]:,}" for mark in (Mark.RIGHT, Mark.UNKNOWN, Mark.WRONG))
        print(f"| {name} | {len(attempts):,} | {shares} |")
    print()


def crossed(found: Sequence[Problem]) -> None:
    """Every pair of different keys: all that are called RIGHT."""
    answers = list(dict.fromkeys(one.answer for one in found))
    pairs = [(key, answer) for key in answers for answer in answers if key != answer]
    counts: Counter[Mark] = Counter()
    right = set()
    for key, answer in pairs:
        mark = grade_answer(key, answer)[0]
        counts[mark] += 1
        if mark is Mark.RIGHT:
            right.add(tuple(sorted((key, answer))))
    print(
        f"{len(pairs):,} ordered pairs of {len(answers)} different MATH-500 keys: "
        + ", ".join(f"{counts[m]:,} {m}" for m in Mark)
    )
    print("RIGHT: " + "; ".join(f"`{one}` and `{other}`" for one, other in sorted(right)) + "\n")


def against_recorded(groups: dict[str, list[Attempt]]) -> None:
    print(
        "| Recorded grades | Grader | n | false RIGHT | false WRONG | UNKNOWN | answers/s |\n|---|---|---|---|---|---|---|"
    )
    disputed: list[str] = []
    for name, attempts in groups.items():
        for grader, graded in GRADERS.items():
            started = time.process_time()
            marks = graded(attempts)
            speed = len(attempts) / (time.process_time() - started)
            counts = Counter((one.right, mark) for one, mark in zip(attempts, marks, strict=True))
            unknown = counts[True, Mark.UNKNOWN] + counts[False, Mark.UNKNOWN]
            false = f"{counts[False, Mark.RIGHT]:,} | {counts[True, Mark.WRONG]:,}"
            share = f"{unknown:,} ({unknown / len(attempts):.1%})"
            print(f"| {name} | {grader} | {len(attempts):,} | {false} | {share} | {speed:,.0f} |", flush=True)
            if graded is ours:
                disputed += [
                    f"- {name}, row {at}: recorded {'right' if one.right else 'wrong'}, here {mark}; key `{one.problem.answer}`, the text ends `{one.text[-70:]!r}`"
                    for at, (one, mark) in enumerate(zip(attempts, marks, strict=True))
                    if mark is not Mark.UNKNOWN and (mark is Mark.RIGHT) != one.right
                ]
    print("\nWhere counterform says the opposite of what was recorded:", *disputed, sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a directory with GSM8K and MATH-500")
    data = parser.parse_args().data
    if data is None:
        print("Nothing to grade: give --data DIR.")
        return
    logging.disable(logging.WARNING)
    problems = keys(data)
    own_keys(problems)
    crossed(problems["MATH-500"])
    against_recorded(recorded(data))


if __name__ == "__main__":
    main()
