"""Do right answers doubt, check and turn back less than wrong ones? Recorded answers, read without a model.

    python examples/traits_recorded.py --data DIR --json docs/studies/traits-recorded.json > docs/studies/traits-recorded.md

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
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform.claims.recorded import Recorded, to_json
from counterform.errors import CounterformError, DataError
from counterform.findings import stats
from counterform.findings.retention import MARKERS, MENDED, NATS, SEEN, TOKENS, find_traits
from counterform.findings.stats import Floats
from counterform.probes.traits import Traits
from counterform.results import Results, Retention
from counterform.study import BASE_ARM
from counterform.text.lexicon import Lexicon, load_lexicon
from counterform.types import Mark, Problem, Reading, Verdict
from counterform.verify.steps import Arithmetic, grade_steps

METRICS = {"traits": Traits.metrics}
GSM8K_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


class Answer(Struct, frozen=True):
    """One recorded answer with its grade."""

    problem: str
    text: str
    right: bool


def rows_of(file: Path) -> Iterator[Any]:
    """The rows of a JSONL file."""
    try:
        with file.open("rb") as lines:
            yield from map(msgspec.json.decode, lines)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"cannot read {file}: {error}. Give the directory that holds it with --data.") from error


def math500(data: Path) -> list[Answer]:
    """Eight samples at each problem."""
    rows = rows_of(data / "math500" / "qwen25_math_100x8.jsonl")
    return [
        Answer(f"math-{row['idx']}", text, bool(right))
        for row in rows
        for text, right in zip(row["code"], row["score"], strict=True)
    ]


def gsm8k(data: Path, *models: str) -> list[Answer]:
    """One answer of each of these models at each problem."""
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
        values: dict[tuple[str, str], float | None] = {
            (MARKERS, kind): float(n) for kind, n in zip(lexicon.kinds, row, strict=True)
        }
        values |= {(TOKENS, ""): float(len(answer.text.split())), (MENDED, ""): mended(answer)}
        values |= dict.fromkeys(((NATS, ""), (SEEN, "")))
        for (metric, kind), value in values.items():
            for arm in ("right", BASE_ARM):
                mine = value if answer.right == (arm == "right") else None
                yield Reading(
                    probe="traits",
                    metric=metric,
                    condition=kind,
                    arm=arm,
                    seed=0,
                    item_id=f"{answer.problem}/{at}",
                    problem_id=answer.problem,
                    mark=Mark.UNKNOWN if mine is None else Mark.RIGHT,
                    value=mine,
                )


def recorded(pools: dict[str, list[Answer]], lexicon: Lexicon) -> Recorded:
    """The figures as `counterform claims` reads them: what right answers have of the wrong ones' traits, a pool a row."""
    rows = [
        replace(row, arm=f"right, {name}", n_seeds=0)
        for name, answers in pools.items()
        for row in find_traits(list(readings(answers, lexicon)), METRICS)[0].retained
    ]
    return Recorded(
        name="traits-recorded",
        problems="recorded answers, a word for a token; right against wrong ones",
        model="by models of others",
        results=Results(question=(__doc__ or "").partition("\n")[0], findings=(), levels=(), baselines=()),
        recipes={row.arm: "right" for row in rows},
        retained=tuple(rows),
    )


def mended(answer: Answer) -> float | None:
    """Whether a wrong step is mended, as far as equations show; None where none could be read."""
    steps = grade_steps(Arithmetic(), Problem(id=answer.problem, prompt="", answer=""), answer.text)
    if all(step.mark is Mark.UNKNOWN for step in steps):
        return None
    verdict = Verdict(attempt_id="", outcome=Mark.UNKNOWN, lenient=Mark.UNKNOWN, steps=steps, verifier="arithmetic")
    return float(verdict.mends)


def section(name: str, answers: list[Answer], lexicon: Lexicon) -> Iterator[str]:
    """A table of every trait, and what was found."""
    right = sum(answer.right for answer in answers)
    problems = len({answer.problem for answer in answers})
    words = sum(len(answer.text.split()) for answer in answers)
    yield f"## {name}\n\n{len(answers):,} answers to {problems:,} problems, {right:,} right and {len(answers) - right:,} wrong; {words:,} words.\n"
    yield "| Trait | Wrong | 95 % | Right | 95 % | Right − wrong | 95 % | MDE | p | Right / wrong at like lengths | 95 % | Lengths in common |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    rows = list(readings(answers, lexicon))
    retained = {row.trait: row for row in find_traits(rows, METRICS)[0].retained}
    for trait, (top, bottom, scale, unit) in rates(lexicon).items():
        yield line(
            f"{trait}, {unit}",
            [tallied(rows, arm, top, bottom) for arm in (BASE_ARM, "right")],
            scale,
            retained.get(trait),
        )
    found = Counter(
        (kind, " ".join(answer.text[start:end].casefold().split()))
        for answer in answers
        for start, end, kind in lexicon.spans(answer.text)
    )
    shown = ", ".join(f"{term} ({kind}) {n}" for (kind, term), n in found.most_common(12))
    yield f"\nFound {sum(found.values()):,} markers; the commonest: {shown or 'none'}.\n"


def rates(lexicon: Lexicon) -> dict[str, tuple[tuple[tuple[str, str], ...], str, float, str]]:
    """Of each trait: what is counted, in how much of what, the scale and the unit."""
    markers = tuple((MARKERS, kind) for kind in lexicon.kinds)
    found = {"all markers": (markers, TOKENS, 1000.0, "per 1,000 words")}
    found |= {
        kind: ((marker,), TOKENS, 1000.0, "per 1,000 words")
        for kind, marker in zip(lexicon.kinds, markers, strict=True)
    }
    return found | {
        "mended": (((MENDED, ""),), "", 1.0, "share of answers"),
        "length": (((TOKENS, ""),), "", 1.0, "words an answer"),
    }


def tallied(rows: list[Reading], arm: str, top: tuple[tuple[str, str], ...], bottom: str) -> tuple[Floats, Floats]:
    """Of each problem, the sums of what is counted and of what it is counted in."""
    place = {problem: at for at, problem in enumerate(dict.fromkeys(row.problem_id for row in rows))}
    sums = np.zeros((2, len(place)))
    for row in rows:
        if row.arm == arm and row.value is not None:
            at = place[row.problem_id]
            counted = (row.metric, row.condition) in top
            sums[0, at] += row.value * counted
            sums[1, at] += row.value if row.metric == bottom else float(not bottom and counted)
    return sums[0], sums[1]


def line(name: str, pairs: list[tuple[Floats, Floats]], scale: float, row: Retention | None) -> str:
    """One trait of wrong and of right answers: both rates, their difference, and their ratio at like lengths."""
    pseudo = [stats.ratio_pseudo_values(scale * top, bottom)[:, None] for top, bottom in pairs]
    cells = [name]
    for values, (top, bottom) in zip(pseudo, pairs, strict=True):
        e = stats.estimate(values, None, [], bounds=stats.COUNT)
        # Of what was never seen, the most that so much text may hide (Garwood 1936).
        low, high = (0.0, scale * 3.689 / bottom.sum()) if not top.sum() else (e.low, e.high)
        cells += [f"{e.value:.3g}", f"[{low:.3g}, {high:.3g}]"]
    e = stats.estimate(pseudo[1], pseudo[0], [], bounds=stats.COUNT)
    seen = any(top.sum() for top, _ in pairs)
    p = "<0.001" if e.p < 0.001 else f"{e.p:.3f}"
    cells += (
        [f"{e.value:+.3g}", f"[{e.low:+.3g}, {e.high:+.3g}]", f"{e.mde:.3g}", p] if seen else ["none seen", "", "", ""]
    )
    known = row is not None and row.matched is not None
    cells += (
        [f"{row.matched:.2f}", f"[{row.matched_low:.2f}, {row.matched_high:.2f}]"]
        if row and known
        else ["undefined", ""]
    )
    cells.append(f"{100 * row.in_common:.0f} %" if row and row.in_common else "")
    return f"| {' | '.join(cells)} |".replace("-", "−").replace("self−check", "self-check")


def page(pools: dict[str, list[Answer]], lexicon: Lexicon) -> Iterator[str]:
    """The whole page."""
    yield "# Traits of recorded answers, right against wrong\n"
    yield (
        "`python examples/traits_recorded.py --data DIR` writes this page; no model is run and no figure is typed by hand. Markers are those of "
        "counterform's own lexicon. Rates are ratios of sums with jackknife intervals over problems, a ratio of rates by Fieller's theorem; "
        "at like lengths: strata of length, 20 % wide, weighed by what both kinds of answer have in each. A ratio is undefined where "
        "wrong answers have too few markers to have a share of. p: of no difference, not corrected for being several. MDE: the smallest true difference "
        "that would be found four times out of five. Where none was seen the interval ends at what so much text may hide, answers taken as independent. Token entropy is not recorded. "
        "Mended: by the arithmetic step verifier, of answers in which it read a step. Right and wrong answers differ by the problem too: "
        "hard problems have more wrong answers, and this says nothing of cause.\n"
    )
    for name, answers in pools.items():
        yield from section(name, answers, lexicon)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked, lexicon = parser.parse_args(), load_lexicon()
    try:
        pools = {
            "MATH-500, Qwen2.5-Math, 100 problems, 8 samples each": math500(asked.data),
            "GSM8K, four models together": gsm8k(asked.data, *GSM8K_MODELS),
        }
        pools |= {f"GSM8K, {model}": gsm8k(asked.data, model) for model in GSM8K_MODELS}
        print("\n".join(page(pools, lexicon)).rstrip())
        if asked.json:
            together = dict(list(pools.items())[:2])
            asked.json.write_text(to_json(recorded(together, lexicon)), encoding="utf-8")
    except CounterformError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
