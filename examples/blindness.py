"""What does outcome scoring not see? Recorded reasoning and recorded agents, read step by step without a model.

    python examples/blindness.py --data DIR --json docs/studies/blindness.json > docs/studies/blindness.md

DIR holds, each where it is there:
    bb_mistake/*.jsonl                        github.com/WHGTyen/BIG-Bench-Mistake (Apache-2.0; Tyen et al. 2023, arXiv 2311.08516)
    gsm8k/example_model_solutions.jsonl       github.com/openai/grade-school-math (MIT)
    math500/qwen25_math_100x8.jsonl           eight answers of Qwen2.5-Math to 100 problems of MATH-500 (MIT)
    tau_bench/gpt-4o-airline.json             github.com/sierra-research/tau-bench, historical_trajectories (MIT)
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from counterform.claims.recorded import Recorded, to_json
from counterform.errors import CounterformError, DataError
from counterform.findings.blindness import Share, blindness, share
from counterform.findings.stats import SHARE, estimate, pass_hat_k
from counterform.guard.calls import Conversation
from counterform.guard.policy import Rule, judge, load_policy
from counterform.probes.process import BY_WRONG_STEPS, Process
from counterform.report.labels import share as percent
from counterform.results import Level, Results
from counterform.study import BASE_ARM
from counterform.text.numbers import share_interval
from counterform.types import Mark, Problem, StepVerdict, StepVerifier, Verdict
from counterform.verify.bb_arithmetic import MultistepArithmetic
from counterform.verify.bb_dyck import Dyck
from counterform.verify.bb_sorting import WordSorting
from counterform.verify.bb_tracking import Tracking
from counterform.verify.steps import Arithmetic, grade_steps

TASKS: dict[str, StepVerifier] = {
    "multistep_arithmetic": MultistepArithmetic(),
    "tracking_shuffled_objects": Tracking(),
    "dyck_languages": Dyck(),
    "word_sorting": WordSorting(),
}
_NOTATION = {
    ("multistep_arithmetic", 148): "the label counts a stray parenthesis; every value before step 2 is right",
    ("tracking_shuffled_objects", 10): "the label counts that Eve is left out, who keeps her ball",
    ("tracking_shuffled_objects", 60): "the label counts that Alice is left out, who keeps her ball",
    ("dyck_languages", 202): "the label counts `{{` for `{ {`",
    ("dyck_languages", 738): "the label counts a comma too many",
    ("dyck_languages", 790): "the label counts `{{` for `{ {`",
    ("dyck_languages", 902): "the label counts `<<` for `< <`",
    ("word_sorting", 46): "the label passes over a number that is not the letter's; the order is right",
    ("word_sorting", 66): "the label passes over a number that is not the letter's; the order is right",
    ("word_sorting", 272): "the label passes over a number that is not the letter's; the order is right",
}
"""Disagreements about what counts as a mistake, found by reading them; in all others the label is wrong."""
_TALK = ("consent", "one_thing_at_a_time")
"""Rules about how the agent talks; the others are about what it does to the bookings."""


class Trace(Struct, frozen=True):
    """One recorded solution with its human label."""

    task: str
    line: int
    """Counted from 0."""
    label: int | None
    verdict: Verdict

    @property
    def found(self) -> int | None:
        """The first wrong step, by the verifier."""
        return self.verdict.first_error

    @property
    def read(self) -> bool:
        """Whether every step up to the first wrong one was read."""
        return all(step.mark is not Mark.UNKNOWN for step in self.verdict.steps[: self.found])

    @property
    def agrees(self) -> bool:
        """Whether label and verifier name the same step, or both none."""
        return self.found == self.label


class Talk(Struct, frozen=True):
    """One conversation of an agent: its reward, and the rules its calls broke."""

    task: int
    reward: bool
    broken: tuple[tuple[str, bool], ...]
    """(rule, whether the tool refused the call), one a broken rule and call."""
    untold: tuple[str, ...]
    """Rules that could not tell, one a call."""


Pool = tuple[str, list[Verdict], list[str]]
"""Attempts at problems: the pool's name, one verdict per attempt, and of each its problem."""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked = parser.parse_args()
    data = asked.data
    if not any((data / name).exists() for name in ("bb_mistake", "gsm8k", "math500", "tau_bench")):
        sys.exit(f"error: {str(data)!r} holds nothing of what this reads. Run it with --help to see what.")
    try:
        pools, talks = _pools_of(data), _talks_of(data)
        parts = [INTRODUCTION, *_traces(data), *_pools(pools), *_agents(talks)]
        print("\n\n".join(["# What outcome scoring does not see", *parts]))
        if asked.json:
            asked.json.write_text(to_json(recorded(pools, talks)), encoding="utf-8")
    except CounterformError as error:
        sys.exit(f"error: {error}")


def recorded(pools: Sequence[Pool], talks: Sequence[Talk]) -> Recorded:
    """The figures as `counterform claims` reads them: of all attempts, those that reach the right outcome over a wrong step."""
    shares = {name: blindness(verdicts, of).only_process for name, verdicts, of in pools}
    if talks:
        acts = [rule.name for rule in _rules() if rule.name not in _TALK]
        hits = _broke(talks, acts) & np.array([talk.reward for talk in talks])
        tasks = np.array([talk.task for talk in talks])
        shares["gpt-4o, tau-bench airline"] = share(hits, np.ones(len(talks), dtype=bool), tasks)
    levels = [
        Level(
            probe="process",
            metric=BY_WRONG_STEPS,
            arm=name,
            estimate=found.value,
            low=found.low,
            high=found.high,
            n_items=found.n,
            n_seeds=0,
            unknown=0.0,
        )
        for name, found in shares.items()
        if found.value is not None
    ]
    return Recorded(
        name="blindness",
        problems="recorded attempts; only what the verifier can read is wrong, so a lower bound",
        model="by models of others",
        results=Results(
            question=(__doc__ or "").partition("\n")[0],
            findings=(),
            levels=tuple(levels),
            baselines=(),
            metrics={"process": Process.metrics},
        ),
        recipes=dict.fromkeys(shares, BASE_ARM),
    )


def _traces(data: Path) -> list[str]:
    of = {task: _task(data, task) for task in TASKS if (data / f"bb_mistake/{task}.jsonl").exists()}
    if not of:
        return []
    apart = [t for traces in of.values() for t in traces if t.line % 2 == 0 and t.read and not t.agrees]
    notation = sum((t.task, t.line) in _NOTATION for t in apart)
    pools = [(task, [t.verdict for t in traces]) for task, traces in of.items()]
    halves = (("even (fitted)", 0), ("odd (held back)", 1))
    return [
        "## Step verifiers against human labels",
        AGREEMENT,
        _table(
            ["task", "lines", "read", "", "same first mistake, of those read", "", "of all", ""],
            [
                [task, half, *_agreement([t for t in traces if t.line % 2 == rest])]
                for task, traces in of.items()
                for half, rest in halves
            ],
        ),
        "A check without any label: what is sound to the end cannot end in a wrong answer.",
        _table(
            ["task", "labelled sound, answer wrong", "", "verified sound, answer wrong", ""],
            [[task, *_sound(traces)] for task, traces in of.items()],
        ),
        "### Where verifier and label differ, on the even lines",
        f"Of {len(apart)} differences, {notation} are about what counts as a mistake; in the other {len(apart) - notation} the "
        "label is wrong. Each was read. Lines and steps are counted from 0.",
        _table(
            ["task", "line", "label", "verifier", "broken rule; what would be right", "reading"],
            map(_difference, apart),
        ),
        "## Right by wrong steps",
        BLINDNESS,
        _blindness_table(pools),
        _kinds_table(pools),
    ]


def _agreement(traces: Sequence[Trace]) -> list[str]:
    read = [t for t in traces if t.read]
    shares = (_of(traces, lambda t: t.read), _of(read, lambda t: t.agrees), _of(traces, lambda t: t.agrees))
    return [cell for found in shares for cell in _share(found)]


def _task(data: Path, task: str) -> list[Trace]:
    traces = []
    for line, row in enumerate(_rows(data / f"bb_mistake/{task}.jsonl")):
        watch = TASKS[task].start(Problem(id="", prompt=row["input"], answer=row["target"]))
        outcome = Mark.RIGHT if row["answer"].strip() == row["target"].strip() else Mark.WRONG
        steps = tuple(watch.feed(step) for step in row["steps"])
        traces.append(Trace(task, line, row["mistake_index"], _verdict(outcome, steps)))
    return traces


def _sound(traces: Sequence[Trace]) -> list[str]:
    labelled = [t for t in traces if t.label is None]
    verified = [t for t in traces if t.verdict.process is Mark.RIGHT]
    shares = [_of(rows, lambda t: t.verdict.outcome is Mark.WRONG) for rows in (labelled, verified)]
    return [cell for found in shares for cell in _share(found)]


def _difference(trace: Trace) -> list[str]:
    says = trace.verdict.steps[trace.found] if trace.found is not None else None
    if reason := _NOTATION.get((trace.task, trace.line)):
        reading = reason
    elif trace.label is None and trace.verdict.outcome is Mark.WRONG:
        reading = "label wrong: the answer is, so some step must be"
    else:
        reading = "label wrong: it passes over this step"
    hint = says.hint if says and len(says.hint) <= 90 else f"{says.hint[:80]}..." if says else ""
    step = ["–" if index is None else f"{index}" for index in (trace.label, trace.found)]
    return [trace.task, f"{trace.line}", *step, f"{says.rule}: {hint}" if says else "", reading]


def _pools_of(data: Path) -> list[Pool]:
    pools: list[Pool] = []
    path = data / "gsm8k/example_model_solutions.jsonl"
    rows = _rows(path) if path.exists() else []
    for model in [name for name, value in rows[0].items() if isinstance(value, dict)] if rows else []:
        pairs = [(row[model]["is_correct"], row[model]["solution"]) for row in rows]
        pools.append((f"GSM8K, {model}", [_graded(*pair) for pair in pairs], [row["question"] for row in rows]))
    path = data / "math500/qwen25_math_100x8.jsonl"
    rows = _rows(path) if path.exists() else []
    if rows:
        pairs = [(right, text) for row in rows for right, text in zip(row["score"], row["code"], strict=True)]
        of = [row["question"] for row in rows for _ in row["code"]]
        pools.append(("MATH-500, Qwen2.5-Math", [_graded(*pair) for pair in pairs], of))
    return pools


def _pools(pools: Sequence[Pool]) -> list[str]:
    if not pools:
        return []
    return [
        "## The same on free text",
        POOLS,
        _blindness_table([pool[:2] for pool in pools], {name: of for name, _, of in pools}),
    ]


def _graded(right: bool, text: str) -> Verdict:
    outcome = Mark.RIGHT if right else Mark.WRONG
    return _verdict(outcome, grade_steps(Arithmetic(), Problem(id="", prompt="", answer=""), text))


def _blindness_table(pools: Sequence[tuple[str, Sequence[Verdict]]], of: dict[str, list[str]] | None = None) -> str:
    rows = []
    for name, verdicts in pools:
        found = blindness(verdicts, of[name] if of else [f"{line}" for line in range(len(verdicts))])
        shares = (found.violated_right, found.only_process, found.right_violated)
        low, middle, high = found.first_error
        place = "–" if math.isnan(middle) else f"{middle:.2f} [{low:.2f}, {high:.2f}]"
        rows.append([name, *(cell for each in shares for cell in _share(each)), place])
    head = ["pool", "of the violated, right answer", "", "of all, only the process fails", ""]
    return _table([*head, "of the right answers, violated", "", "first wrong step at [quartiles]"], rows)


def _kinds_table(pools: Sequence[tuple[str, Sequence[Verdict]]]) -> str:
    kinds = [(name, blindness(verdicts, [""] * len(verdicts)).kinds) for name, verdicts in pools]
    rows = [[name, ", ".join(f"{rule} {count}" for rule, count in found.items())] for name, found in kinds]
    return _table(["pool", "rule that the first wrong step breaks"], rows)


def _rules() -> tuple[Rule, ...]:
    return load_policy(Path(__file__).with_name("airline_policy.py"))


def _talks_of(data: Path) -> list[Talk]:
    path = data / "tau_bench/gpt-4o-airline.json"
    rules = _rules()
    return [_talk(row, rules) for row in json.loads(path.read_text())] if path.exists() else []


def _agents(talks: Sequence[Talk]) -> list[str]:
    if not talks:
        return []
    rules = _rules()
    acts = [rule.name for rule in rules if rule.name not in _TALK]
    broken = {
        "any rule": _broke(talks, [rule.name for rule in rules]),
        "consent": _broke(talks, ["consent"]),
        "a rule about bookings": _broke(talks, acts),
        "a rule about bookings, and the call was carried out": _broke(talks, acts, refused=False),
    }
    tasks, right = np.array([talk.task for talk in talks]), np.array([talk.reward for talk in talks])
    trials = min(Counter(talk.task for talk in talks).values())
    shares = {name: ((right, hit), (hit, right), (hit, ~right)) for name, hit in broken.items()}
    passed = {"rewarded": right} | {f"rewarded, and did not break {name}": right & ~hit for name, hit in broken.items()}
    return [
        "## Agents: an airline's policy against its reward",
        AGENTS,
        _table(
            [
                "broken",
                "of the violated, rewarded",
                "",
                "of the rewarded, violated",
                "",
                "of the unrewarded, violated",
                "",
            ],
            [[name, *(c for pair in pairs for c in _share(share(*pair, tasks)))] for name, pairs in shares.items()],
        ),
        _table(
            ["a trial passes if it was", "pass^1", "", f"pass^{trials}", ""],
            [[name, *_passes(talks, hit, 1), *_passes(talks, hit, trials)] for name, hit in passed.items()],
        ),
        _table(
            [
                "rule",
                "calls that break it",
                "refused by the tool",
                "conversations",
                "rewarded",
                "calls where it could not tell",
            ],
            [_rule_row(rule, talks) for rule in rules],
        ),
        _keys(talks, acts),
        UNSEEN,
    ]


def _talk(row: dict[str, Any], rules: Sequence[Rule]) -> Talk:
    talk, judged = Conversation(), list[tuple[Any, list[StepVerdict]]]()
    for message in row["traj"]:
        judged += [(call, judge(rules, state, call)) for state, call in talk.feed(message)]
    refused = {id(result.call): result.text.startswith("Error") for result in talk.state.results}
    verdicts = [(verdict, refused.get(id(call), False)) for call, found in judged for verdict in found]
    return Talk(
        task=row["task_id"],
        reward=row["reward"] == 1,
        broken=tuple((verdict.rule, was) for verdict, was in verdicts if verdict.mark is Mark.WRONG),
        untold=tuple(verdict.rule for verdict, _ in verdicts if verdict.mark is Mark.UNKNOWN),
    )


def _broke(talks: Sequence[Talk], rules: Sequence[str], *, refused: bool = True) -> np.ndarray:
    return np.array([any(rule in rules and (refused or not was) for rule, was in talk.broken) for talk in talks])


def _rule_row(rule: Rule, talks: Sequence[Talk]) -> list[str]:
    calls = [was for talk in talks for name, was in talk.broken if name == rule.name]
    where = [talk for talk in talks if any(name == rule.name for name, _ in talk.broken)]
    untold = sum(talk.untold.count(rule.name) for talk in talks)
    counts = (len(calls), sum(calls), len(where), sum(talk.reward for talk in where), untold)
    return [rule.name.replace("_", " "), *(f"{count}" for count in counts)]


def _passes(talks: Sequence[Talk], passed: np.ndarray, k: int) -> list[str]:
    """pass^k over tasks with its interval."""
    of_task: dict[int, list[bool]] = {}
    for talk, well in zip(talks, passed.tolist(), strict=True):
        of_task.setdefault(talk.task, []).append(well)
    values = np.array([[pass_hat_k(len(trials), sum(trials), k)] for trials in of_task.values()])
    e = estimate(values, None, [], bounds=SHARE)
    return [percent(e.value), share_interval(e.low, e.high)]


def _keys(talks: Sequence[Talk], acts: Sequence[str]) -> str:
    found: dict[tuple[int, str], int] = {}
    for talk in talks:
        for name in {name for name, was in talk.broken if name in acts and not was and talk.reward}:
            found[talk.task, name] = found.get((talk.task, name), 0) + 1
    rows = [
        f"task {task}, {name.replace('_', ' ')} ({trials} of 4 trials)"
        for (task, name), trials in sorted(found.items())
    ]
    return f"Rewarded although a call that was carried out broke a rule about bookings: {'; '.join(rows)}. {KEYS}"


def _verdict(outcome: Mark, steps: tuple[StepVerdict, ...]) -> Verdict:
    return Verdict(attempt_id="", outcome=outcome, lenient=outcome, steps=steps, verifier="")


def _of(rows: Sequence[Trace], hit: Callable[[Trace], bool]) -> Share:
    hits = np.array([hit(row) for row in rows], dtype=bool)
    return share(hits, np.ones(len(rows), dtype=bool), np.arange(len(rows)))


def _share(found: Share) -> list[str]:
    if found.value is None:
        return ["–", ""]
    return [f"{percent(found.value)} ({found.hits:,} of {found.n:,})", share_interval(found.low, found.high)]


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. It should hold one JSON object a line.") from error


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


INTRODUCTION = """\
`python examples/blindness.py --data DIR`. Recorded reasoning and a recorded agent, read without a model. A share stands with what it
was counted from and its 95 % interval, clustered by problem (for the agent: by task)."""
AGREEMENT = """\
BIG-Bench-Mistake (Tyen et al. 2023): solutions of PaLM 2 in which people (in `dyck_languages` mostly a program) marked the first wrong
step. The verifiers were fitted to the even lines; of the odd ones no difference was looked at. Read: every step up to the first wrong
one. The best model of the paper, GPT-4, names the labelled step in about 53 % over five tasks. In `word_sorting` a tie that is passed
over counts as wrong where it is passed over, as in the labels, even if the attempt comes back to it."""
BLINDNESS = """\
All lines, by the verifiers. The data set was drawn to hold 15 % right and 85 % wrong answers (`dyck_languages`: about half), so that the
shares of the violated and of all are those of this data set and of no model at large; the share of the right answers is not touched by it."""
POOLS = """\
The verifier `arithmetic` reads the equations of any text and nothing else: what it does not read is not wrong, so that all violated
attempts are fewer than there are. GSM8K: the recorded attempts of four models at 1,319 problems."""
AGENTS = """\
tau-bench's recorded conversations of gpt-4o with an airline's users: 50 tasks, four trials each, a reward of 0 or 1 for the state in which
the bookings are left. `examples/airline_policy.py` holds those rules of the airline's written policy that can be checked before a tool
call runs, one Python function each. A conversation is violated if any call breaks a rule, refused by the tool or not."""
KEYS = """\
Read one by one: in tasks 26, 27, 31 and 34 the benchmark's own key breaks the written policy (a trip of 13 and 14 May cancelled on 15 May;
an insured trip cancelled for a change of plan; an uninsured one upgraded to economy and cancelled), so that whoever keeps to the policy
loses the reward there. In task 5 the free bags were counted for a cabin that was booked only after."""
UNSEEN = """\
What these rules cannot see: whether what was listed is what was then done, and whether the user's yes meant it (words are matched);
whether the airline cancelled or delayed a flight (no tool shows it; where a user says so `cancel conditions` cannot tell); whether the
reason a user gives is true; whether a transfer to a human was due, or a request wrongly denied; whether the agent made up information
or gave advice; whether the flights are those the user wanted. Facts that were never looked up are "could not tell", and no violation
but of the rule that asks to look them up."""

if __name__ == "__main__":
    main()
