"""What do worked exemplars buy, and were they valid? The recorded outputs of BIG-Bench Hard, read without a model.

    python examples/validity_bbh.py --data DIR --json docs/studies/validity-bbh.json > docs/studies/validity-bbh.md

DIR is a checkout of github.com/suzgunmirac/BIG-Bench-Hard (MIT; Suzgun et al. 2022, arXiv 2210.09261) in which the outputs
of code-davinci-002 lie under `code-davinci-002-direct/` and `code-davinci-002-cot/`, the prompts under `cot-prompts/`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy.stats import binomtest

from counterform.claims.recorded import Recorded, to_json
from counterform.errors import DataError
from counterform.findings.stats import DIFFERENCE, SHARE, UNBOUNDED, Estimate, Floats, estimate, holm, pseudo_values
from counterform.probes.validity import ANSWER as EXACT
from counterform.probes.validity import Validity
from counterform.results import Finding, Results
from counterform.text.numbers import points, points_interval, probability, share, share_interval
from counterform.types import Mark, Problem, StepVerdict
from counterform.verify.answer import Answers
from counterform.verify.steps import Arithmetic, grade_steps

ALPHA = 0.05
ANSWER = "answer is "


class Output(Struct, frozen=True):
    """One recorded output: the few-shot prompt that ends in the question, what the model wrote, and the key."""

    input: str
    prediction: str
    target: str

    @property
    def question(self) -> str:
        """The question alone."""
        return self.input.rpartition("\nQ: ")[2].rpartition("\nA:")[0]

    @property
    def answer(self) -> str:
        """What exact match compares: what follows the last "answer is", or the whole output."""
        return self.prediction.rpartition(ANSWER)[2].strip().removesuffix(".")

    @property
    def right(self) -> bool:
        """Exact match, letter by letter."""
        return self.answer == self.target


class Outputs(Struct, frozen=True):
    """A file of recorded outputs."""

    outputs: tuple[Output, ...]


class Task(Struct, frozen=True):
    """One task with both kinds of output at the same questions."""

    name: str
    direct: tuple[Output, ...]
    cot: tuple[Output, ...]

    @property
    def clusters(self) -> np.ndarray:
        """Questions that share a story ("Yesterday was ... What is the date today / in a week?") are one cluster."""
        stories = [_story(output.question) for output in self.direct]
        return np.unique(stories, return_inverse=True)[1].astype(np.int64)

    @property
    def majority(self) -> float:
        """The share that the commonest answer gets right."""
        return Counter(output.target for output in self.direct).most_common(1)[0][1] / len(self.direct)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked = parser.parse_args()
    try:
        tasks = read_tasks(asked.data)
        print(page(tasks, read_prompts(asked.data)))
        if asked.json:
            asked.json.write_text(to_json(recorded(tasks)), encoding="utf-8")
    except DataError as error:
        sys.exit(f"error: {error}")


def read_tasks(data: Path) -> list[Task]:
    """Every task with outputs of both kinds. Raises DataError."""
    names = sorted(path.stem for path in (data / "code-davinci-002-cot").glob("*.json"))
    if not names:
        raise DataError(f"{data} has no code-davinci-002-cot/*.json. Give a checkout of BIG-Bench-Hard with --data.")
    tasks = []
    for name in names:
        direct, cot = (_outputs(data / f"code-davinci-002-{kind}" / f"{name}.json") for kind in ("direct", "cot"))
        if [(o.question, o.target) for o in direct] != [(o.question, o.target) for o in cot] or not direct:
            raise DataError(f"{name}: the outputs with and without a rationale are not of the same questions.")
        tasks.append(Task(name, direct, cot))
    return tasks


def read_prompts(data: Path) -> dict[str, list[str]]:
    """The rationales that each published prompt shows as exemplars, by task."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((data / "cot-prompts").glob("*.txt"))}
    return {name: [block.partition("\nA:")[2] for block in text.split("\n\nQ: ")[1:]] for name, text in texts.items()}


def page(tasks: Sequence[Task], prompts: dict[str, list[str]]) -> str:
    """The whole page as Markdown."""
    parts = [
        "# Rationales on BIG-Bench Hard: what the recorded outputs say",
        "`python examples/validity_bbh.py --data DIR` writes this page; no model is run and no figure is typed by hand. "
        f"code-davinci-002, one recorded output a question, {len(tasks)} of the 23 tasks: those whose outputs were at "
        "hand, not drawn at random. *Direct*: exemplars show the answer alone. *CoT*: they show the published rationales.",
        *_answers(tasks),
        *_processes(tasks),
        *_exemplars(prompts),
        *_claims(tasks, prompts),
    ]
    return "\n\n".join(parts)


def _answers(tasks: Sequence[Task]) -> list[str]:
    levels = [(_level(task, task.direct), _level(task, task.cot)) for task in tasks]
    gains = [_gain(task) for task in tasks]
    rows = []
    for task, (direct, cot), gain, p in zip(tasks, levels, gains, holm([g.p for g in gains]), strict=True):
        verdict = (
            "undecided" if p > ALPHA or gain.low <= 0 <= gain.high else "CoT better" if gain.value > 0 else "CoT worse"
        )
        sizes = [str(len(task.direct)), str(task.clusters.max() + 1)]
        rows.append(
            [
                task.name,
                share(task.majority),
                *_shown(direct),
                *_shown(cot),
                *_moved(gain),
                probability(p),
                verdict,
                *sizes,
            ]
        )
    these, others = mean_over_tasks(tasks)
    n, clusters = sum(len(task.direct) for task in tasks), sum(int(task.clusters.max()) + 1 for task in tasks)
    rows.append(["mean, these tasks", *[""] * 5, *_moved(these), "", "", str(n), str(clusters)])
    rows.append(["mean, tasks as a sample", *[""] * 5, *_moved(others), "", "", str(n), str(len(tasks))])
    head = [
        "Task",
        "Commonest answer",
        "Direct",
        "95 %",
        "CoT",
        "95 %",
        "CoT − direct",
        "95 %",
        "MDE",
        "p (Holm)",
        "Verdict",
        "Items",
        "Clusters",
    ]
    silent = sum(ANSWER not in output.prediction for task in tasks for output in task.cot)
    apart, unread = _other_reading(tasks)
    return [
        "## Exact match, with and without a rationale",
        'Exact match: the output, or what follows its last "answer is", equals the key letter by letter. '
        "Differences are paired by question, in percentage points; questions that share a story are one cluster; p is "
        "corrected over the tasks (Holm). The first mean speaks of these tasks, the second of others, had these been drawn at random. One "
        "pass of one model: the luck of another pass is not in the intervals.",
        _table(head, rows),
        f"{silent} of {n} CoT outputs state no answer and count as not matched. "
        f"counterform's own outcome reading differs from this at {apart} of {2 * n} outputs, and calls "
        f"{unread} of them UNKNOWN, not wrong.",
    ]


def _processes(tasks: Sequence[Task]) -> list[str]:
    rows = []
    for task in tasks:
        graded = [(output, _graded(output.prediction)) for output in task.cot]
        read = np.array([any(step.mark is not Mark.UNKNOWN for step in steps) for _, steps in graded])
        if not read.any():
            rows.append([task.name, str(len(graded)), "0", *[""] * 6])
            continue
        wrong = np.array([any(step.mark is Mark.WRONG for step in steps) for _, steps in graded])[read]
        right = np.array([output.right for output, _ in graded])[read]
        clusters = np.unique(task.clusters[read], return_inverse=True)[1]
        shares = [_mean(hit.astype(float), clusters) for hit in (wrong, wrong & right)]
        counts = [
            f"{int((wrong & right).sum())} of {int(right.sum())}",
            f"{int((wrong & ~right).sum())} of {int((~right).sum())}",
        ]
        rows.append(
            [task.name, str(len(graded)), str(len(right)), *[cell for e in shares for cell in _shown(e)], *counts]
        )
    return [
        "## Right answers by wrong steps, in the model's own CoT outputs",
        "The `arithmetic` verifier reads equations between numbers and nothing else. An output is read when at least one of "
        "its steps is; steps that were not read may be wrong too, so these shares are lower bounds.",
        _table(
            [
                "Task",
                "Outputs",
                "Read",
                "A wrong step",
                "95 %",
                "Right by wrong steps",
                "95 %",
                "Wrong step, answer right",
                "Wrong step, answer wrong",
            ],
            rows,
        ),
    ]


def _exemplars(prompts: dict[str, list[str]]) -> list[str]:
    rows, shown = [], []
    for name, rationales in prompts.items():
        graded = [_graded(text) for text in rationales]
        read = sum(any(step.mark is not Mark.UNKNOWN for step in steps) for steps in graded)
        wrong = [
            (text[step.span[0] : step.span[1]], step.hint)
            for text, steps in zip(rationales, graded, strict=True)
            for step in steps
            if step.mark is Mark.WRONG
        ]
        rows.append(
            [
                name,
                str(len(rationales)),
                str(read),
                str(sum(any(s.mark is Mark.WRONG for s in steps) for steps in graded)),
            ]
        )
        shown += [f"- {name}: `{text}` The verifier: `{hint}`" for text, hint in wrong]
    return [
        "## The published exemplars themselves",
        "The same verifier on the rationales of the published prompts. A count of all there are, so it has no interval.",
        _table(["Prompt", "Exemplars", "Read", "With a wrong step"], rows),
        "\n".join(shown) or "No wrong step was found in what could be read.",
    ]


def _claims(tasks: Sequence[Task], prompts: dict[str, list[str]]) -> list[str]:
    these, others = mean_over_tasks(tasks)
    flawed = sum(any(s.mark is Mark.WRONG for s in _graded(text)) for texts in prompts.values() for text in texts)
    read = sum(any(s.mark is not Mark.UNKNOWN for s in _graded(text)) for texts in prompts.values() for text in texts)
    better = "supported" if these.low > 0 else "refuted" if these.high < 0 else "undecided"
    like = "supported" if others.low > 0 else "refuted" if others.high < 0 else "undecided"
    rows = [
        [
            "Exemplars with rationales beat bare answers, on average",
            f"{better} for these {len(tasks)} tasks; {like} for others, had these been drawn at random",
            f"{points(these.value)} {points_interval(these.low, these.high)}; as a sample {points_interval(others.low, others.high)}",
        ],
        ["Logically invalid rationales do nearly as well as valid ones", "undecided", "no such output was recorded"],
        [
            "Published prompts contain errors themselves",
            "supported" if flawed else "undecided",
            f"{flawed} of the {read} exemplars that could be read",
        ],
    ]
    return [
        "## Published claims (Schaeffer et al. 2023, arXiv 2307.10573)",
        _table(["Claim", "Here", "Figures"], rows),
        "What this data cannot say: whether *invalid* rationales do nearly as well. It holds bare answers and outputs after the "
        "published rationales, and none after edited ones; how much CoT gains says nothing of how much of that gain an invalid "
        "rationale would keep. That takes a model: the probe `validity` asks it of any, and the arms `invalid_rationale`, "
        "`shuffled_rationale` and `irrelevant_rationale` ask the same of training. Nor does it say how sound the exemplars of "
        "the other prompts are: their steps are no equations, so they were not read, which is not the same as right.",
    ]


def mean_over_tasks(tasks: Sequence[Task]) -> tuple[Estimate, Estimate]:
    """The mean gain over tasks: for these very tasks (over clusters within them), and for tasks as a sample."""
    values = [_difference(task) for task in tasks]
    means = np.array([[task.mean()] for task in values])
    n = sum(len(task) for task in values)
    # Weighted so that the mean is that of the tasks' means, and its variance the sum of theirs over the tasks squared.
    within = [(task - task.mean()) * n / (len(tasks) * len(task)) for task in values]
    return (
        estimate(np.concatenate(within) + means.mean(), None, [], bounds=UNBOUNDED),
        estimate(means, None, [], bounds=DIFFERENCE),
    )


def recorded(tasks: Sequence[Task]) -> Recorded:
    """The figures as `counterform claims` reads them: the gain of worked exemplars, the mean over tasks."""
    gain, _ = mean_over_tasks(tasks)
    finding = Finding(
        claim="",
        probe="validity",
        metric=EXACT,
        arm="cot",
        versus="direct",
        baseline=float(np.mean([_level(task, task.direct).value for task in tasks])),
        estimate=gain.value,
        low=gain.low,
        high=gain.high,
        p=gain.p,
        p_holm=gain.p,
        mde=gain.mde,
        n_items=sum(len(task.direct) for task in tasks),
        n_problems=sum(int(task.clusters.max()) + 1 for task in tasks),
        n_seeds=0,
        n_missing=0,
        verdict="undecided" if gain.p > ALPHA else "better" if gain.value > 0 else "worse",
        sentence="",
    )
    question = (__doc__ or "").partition("\n")[0]
    return Recorded(
        name="validity-bbh",
        problems=f"{len(tasks)} tasks of BIG-Bench Hard",
        model="recorded outputs of code-davinci-002",
        results=Results(
            question=question, findings=(finding,), levels=(), baselines=(), metrics={"validity": Validity.metrics}
        ),
    )


def _difference(task: Task) -> Floats:
    return _pseudo(task, task.cot) - _pseudo(task, task.direct)


def _gain(task: Task) -> Estimate:
    return estimate(_pseudo(task, task.cot), _pseudo(task, task.direct), [], bounds=SHARE)


def _level(task: Task, outputs: Sequence[Output]) -> Estimate:
    return _mean(np.array([float(output.right) for output in outputs]), task.clusters)


def _pseudo(task: Task, outputs: Sequence[Output]) -> Floats:
    values = np.array([float(output.right) for output in outputs])
    return pseudo_values(values, task.clusters, np.zeros(len(values), dtype=np.int64))[:, None]


def _mean(values: Floats, clusters: np.ndarray) -> Estimate:
    found = estimate(
        pseudo_values(values, clusters, np.zeros(len(values), dtype=np.int64))[:, None], None, [], bounds=SHARE
    )
    if found.low < found.high:
        return found
    # None or all of them: without any spread only the exact binomial interval is one.
    n = int(clusters.max()) + 1
    exact = binomtest(round(found.value * n), n).proportion_ci(method="exact")
    return replace(found, low=float(exact.low), high=float(exact.high))


def _other_reading(tasks: Sequence[Task]) -> tuple[int, int]:
    """At how many outputs counterform's strict outcome is not exact match, and how many it calls UNKNOWN."""
    outputs = [output for task in tasks for output in (*task.direct, *task.cot)]
    # A direct output is an answer and nothing else: it follows "A:" in the prompt, which counts as its statement.
    texts = [o.prediction if "step by step" in o.input else f"A: {o.prediction.strip()}" for o in outputs]
    with Answers(5.0) as answers:
        marks = [
            v.strict
            for v in answers(
                [(Problem(id="", prompt="", answer=o.target), t) for o, t in zip(outputs, texts, strict=True)]
            )
        ]
    apart = sum((mark is Mark.RIGHT) != output.right for mark, output in zip(marks, outputs, strict=True))
    return apart, marks.count(Mark.UNKNOWN)


def _graded(text: str) -> tuple[StepVerdict, ...]:
    return grade_steps(Arithmetic(), Problem(id="", prompt="", answer=""), text)


def _story(question: str) -> str:
    """The question without its options and its last sentence; all of it where that is all there is."""
    sentences = re.split(r"(?<=[.?!])\s+", question.partition("\nOptions:")[0].strip())
    return " ".join(sentences[:-1]) or question


def _outputs(path: Path) -> tuple[Output, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outputs).outputs
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}. It should hold outputs with input, prediction and target."
        ) from error


def _shown(level: Estimate) -> list[str]:
    return [share(level.value), share_interval(max(level.low, 0.0), min(level.high, 1.0))]


def _moved(gain: Estimate) -> list[str]:
    return [
        points(gain.value),
        points_interval(max(gain.low, -1.0), min(gain.high, 1.0)),
        points(gain.mde, signed=False),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
