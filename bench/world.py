"""What a tiny base model can do before any study: the table of docs/world.md.

Sampled accuracy on fresh problems of every family (temperature 1, strict outcome), and how well it finds the first
wrong step of attempts with honest noise (greedy; F1 of the exact step and "none"). Intervals: 95 %, clustered by problem.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from counterform.models.hf import HFModel
from counterform.problems import route
from counterform.study import BASE, ModelSpec
from counterform.text import wording
from counterform.types import Mark, Problem
from counterform.verify.answer import Answers
from counterform.world.documents import PARTS, SHARE_UNNOTICED_CRITICISED, Part, first_error

SEED, MAX_TOKENS, EXEMPLARS = 20_000, 160, 4
HEADS = ("problems of", "n", "right", "95 %", "Wait", "F1", "errors found", "sound called so")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "base", nargs="?", type=Path, default=BASE, help="a model directory (default: the embedded one)"
    )
    parser.add_argument("--problems", type=int, default=150, help="of every kind")
    parser.add_argument("--samples", type=int, default=2, help="of every problem")
    args = parser.parse_args()

    started = time.perf_counter()
    model = HFModel.open(ModelSpec(path=str(args.base)))
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    with Answers(seconds=5.0) as answers:
        for name, part, problems in _kinds(args.problems):
            row = [*_solving(model, answers, problems, args.samples), *_finding(model, part, problems)]
            print(f"| {name} | {' | '.join(row)} |", flush=True)
    print(f"\n{args.problems} problems a row, {args.samples} samples each; {time.perf_counter() - started:.0f} s.")


def _kinds(n: int) -> Iterator[tuple[str, Part, list[Problem]]]:
    """Every kind of problem: its name, its family's part of the documents, and n problems."""
    rng = np.random.default_rng(SEED)
    for part in PARTS:
        name, draw = part.family.name, part.family.generate
        if name == "ledger":
            for length in (3, 4, 5):
                yield f"`{name}`, {length} operations", part, draw(n, rng=rng, lengths=(length,))
            yield f"`{name}`, after {EXEMPLARS} exemplars", part, _few_shot(draw(n * (EXEMPLARS + 1), rng=rng))
        elif name == "route":
            free = draw(n, rng=rng)
            yield f"`{name}`, free form", part, free
            yield f"`{name}`, multiple choice", part, [route.as_multiple_choice(problem, rng) for problem in free]
        elif name == "sorting-out":
            drawn = draw(2 * n, rng=rng)
            for split in ("train", "held_out"):
                yield f"`{name}`, {split} tasks", part, [problem for problem in drawn if problem.split == split]
        else:
            yield f"`{name}`", part, draw(n, rng=rng)


def _few_shot(problems: list[Problem]) -> list[Problem]:
    blocks = [problems[at : at + EXEMPLARS + 1] for at in range(0, len(problems), EXEMPLARS + 1)]
    return [
        replace(last, prompt=wording.few_shot_prompt(((other.prompt, other.solution) for other in shown), last.prompt))
        for *shown, last in blocks
    ]


def _solving(model: HFModel, answers: Answers, problems: list[Problem], samples: int) -> list[str]:
    texts = model.generate(
        [problem.prompt for problem in problems], n=samples, seed=SEED, temperature=1.0, max_tokens=MAX_TOKENS
    )
    pairs = [(problem, text.text) for problem, row in zip(problems, texts, strict=True) for text in row]
    right = np.array([verdict.strict is Mark.RIGHT for verdict in answers(pairs)], dtype=float)
    by_problem = right.reshape(len(problems), samples).mean(1)
    half = 1.96 * by_problem.std(ddof=1) / len(problems) ** 0.5
    waits = np.mean(["Wait" in text for _, text in pairs])
    return [
        str(len(pairs)),
        f"{right.mean():.1%}",
        f"[{right.mean() - half:.1%}, {right.mean() + half:.1%}]",
        f"{waits:.0%}",
    ]


def _finding(model: HFModel, part: Part, problems: list[Problem]) -> list[str]:
    rng = np.random.default_rng(SEED + 1)
    prompts, labels = [], []
    for problem in problems:
        steps = part.attempt(problem, rng, unnoticed=SHARE_UNNOTICED_CRITICISED, mended=0.0)
        watch = part.family.start(problem)
        error = first_error([watch.feed(step) for step in steps])
        prompts.append(wording.critique_prompt(problem.prompt, steps))
        labels.append(-1 if error is None else error)
    answers = model.generate(prompts, n=1, seed=SEED, temperature=0.0, max_tokens=MAX_TOKENS)
    named = [wording.named_error(answer.text) for (answer,) in answers]
    found = np.array([name == label for name, label in zip(named, labels, strict=True)])
    wrong = np.array(labels) >= 0
    on_wrong, on_sound = found[wrong].mean(), found[~wrong].mean()
    f1 = 2 * on_wrong * on_sound / (on_wrong + on_sound) if on_wrong + on_sound else 0.0
    return [f"{f1:.0%}", f"{on_wrong:.0%} of {wrong.sum()}", f"{on_sound:.0%} of {(~wrong).sum()}"]


if __name__ == "__main__":
    main()
