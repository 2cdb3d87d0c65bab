"""Do right answers doubt, check and turn back less than wrong ones? Recorded answers, read without a model.

    python examples/traits_recorded.py --data DIR > docs/studies/traits-recorded.md

DIR holds math500/qwen25_math_100x8.jsonl (eight samples of a Qwen2.5-Math model at each of 100 problems of MATH-500, with grades)
and gsm8k/example_model_solutions.jsonl (github.com/openai/grade-school-math, MIT: four models, one answer a problem, with grades).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import CounterformError, DataError
from counterform.retention import find_traits
from counterform.study import BASE_ARM
from counterform.traits import Lexicon, load_lexicon
from counterform.types import Mark, Problem, Reading, Retention, Verdict
from counterform.verify.steps import Arithmetic, grade_steps

GSM8K_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
UNITS = {"mended": "share of answers", "length": "words an answer"}


class Answer(Struct, frozen=True):
    """One recorded answer with its grade."""

    problem: str
    text: str
    right: bool


def rows_of(file: Path) -> Iterator[Any]:
    try:
        with file.open("rb") as lines:
            yield from map(msgspec.json.decode, lines)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"cannot read {file}: {error}. Give the directory that holds it with --data.") from error


def math500(data: Path) -> list[Answer]:
    rows = rows_of(data / "math500" / "qwen25_math_100x8.jsonl")
    return [
        Answer(f"math-{row['idx']}", text, bool(right))
        for row in rows
        for text, right in zip(row["code"], row["score"], strict=True)
    ]


def gsm8k(data: Path, *models: str) -> list[Answer]:
    rows = rows_of(data / "gsm8k" / "example_model_solutions.jsonl")
    return [
        Answer(f"gsm-{at}", row[model]["solution"], row[model]["is_correct"])
        for at, row in enumerate(rows)
        for model in models
    ]


def readings(answers: list[Answer], lexicon: Lexicon) -> Iterator[Reading]:
    """As the probe reads them, with the wrong answers as the base and the right ones as the arm; a word for a token."""
    counts = lexicon.counts([answer.text for answer in answers])
    for at, (answer, row) in enumerate(zip(answers, counts, strict=True)):
        values: dict[str, float | None] = {
            f"markers {kind}": float(n) for kind, n in zip(lexicon.kinds, row, strict=True)
        }
        values |= {"tokens": float(len(answer.text.split())), "mended": mended(answer)}
        values |= dict.fromkeys(("entropy nats", "entropy tokens"))
        for metric, value in values.items():
            for arm in ("right", BASE_ARM):
                mine = value if answer.right == (arm == "right") else None
                yield Reading(
                    probe="traits",
                    metric=metric,
                    arm=arm,
                    seed=0,
                    item_id=f"{answer.problem}/{at}",
                    problem_id=answer.problem,
                    mark=Mark.UNKNOWN if mine is None else Mark.RIGHT,
                    value=mine,
                )


def mended(answer: Answer) -> float | None:
    steps = grade_steps(Arithmetic(), Problem(id=answer.problem, prompt="", answer=""), answer.text)
    if all(step.mark is Mark.UNKNOWN for step in steps):
        return None
    verdict = Verdict(attempt_id="", outcome=Mark.UNKNOWN, lenient=Mark.UNKNOWN, steps=steps, verifier="arithmetic")
    return float(verdict.mends)


def section(name: str, answers: list[Answer], lexicon: Lexicon) -> Iterator[str]:
    right = sum(answer.right for answer in answers)
    problems = len({answer.problem for answer in answers})
    words = sum(len(answer.text.split()) for answer in answers)
    yield f"## {name}\n\n{len(answers):,} answers to {problems:,} problems, {right:,} right and {len(answers) - right:,} wrong; {words:,} words.\n"
    yield "| Trait | Wrong | Right | Right / wrong | 95 % | At like lengths | 95 % | p (Holm) | Lengths in common | Verdict |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for row in find_traits(list(readings(answers, lexicon))).retained:
        yield line(row)
    found = Counter(
        (kind, " ".join(answer.text[start:end].casefold().split()))
        for answer in answers
        for start, end, kind in lexicon.spans(answer.text)
    )
    shown = ", ".join(f"{term} ({kind}) {n}" for (kind, term), n in found.most_common(12))
    yield f"\nFound {sum(found.values()):,} markers; the commonest: {shown or 'none'}.\n"


def line(row: Retention) -> str:
    unit = UNITS.get(row.trait, "per 1,000 words")
    cells = [f"{row.trait}, {unit}", f"{row.base:.3g}", f"{row.rate:.3g}"]
    for kept, low, high in ((row.kept, row.low, row.high), (row.matched, row.matched_low, row.matched_high)):
        known = kept is not None and low is not None and high is not None
        cells += [f"{kept:.2f}", f"[{low:.2f}, {high:.2f}]"] if known else ["undefined", ""]
    p = row.matched_p_holm if row.matched is not None else row.p_holm
    common = f"{100 * row.in_common:.0f} %" if row.in_common else ""
    words = {"fell": "less in right answers", "rose": "more in right answers", "undecided": "undecided"}
    cells += ["<0.001" if p < 0.001 else f"{p:.3f}", common, words[row.verdict]]
    return f"| {' | '.join(cells)} |"


def page(data: Path) -> Iterator[str]:
    lexicon = load_lexicon()
    yield "# Traits of recorded answers, right against wrong\n"
    yield (
        "`python examples/traits_recorded.py --data DIR` writes this page; no model is run and no figure is typed by hand. Markers are those of "
        "counterform's own lexicon. Rates are ratios of sums with jackknife intervals over problems, their ratios by Fieller's theorem; "
        "at like lengths: ten strata of equal numbers of answers, weighed by what both kinds of answer have in each. Undefined where wrong answers "
        "have too few for a ratio. One trait is one test here, so Holm's correction changes nothing. Token entropy is not recorded. "
        "Mended: by the arithmetic step verifier, of answers in which it read a step. Right and wrong answers differ by the problem too: "
        "hard problems have more wrong answers, and this says nothing of cause.\n"
    )
    yield from section("MATH-500, Qwen2.5-Math, 100 problems, 8 samples each", math500(data), lexicon)
    yield from section("GSM8K, four models together", gsm8k(data, *GSM8K_MODELS), lexicon)
    for model in GSM8K_MODELS:
        yield from section(f"GSM8K, {model}", gsm8k(data, model), lexicon)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    try:
        print("\n".join(page(parser.parse_args().data)).rstrip())
    except CounterformError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
