"""How does it fail away from home? Exact match and edit distance against distance from training.

The readings of "Is CoT Reasoning of LLMs a Mirage?" (arXiv 2508.01191): the answer, the reasoning before it, and the whole
text, each compared with the worked solution. A right answer over another reasoning, and a right reasoning before a wrong answer, both
show. The worked solution is one of several good ones: only the answer's exact match, the grader's own, says right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import fmean

from msgspec.structs import replace
from rapidfuzz.distance import Levenshtein

from counterform.models.sampling import answers_for
from counterform.probes import accuracy
from counterform.probes.probe import HeldOut, Probe
from counterform.results import Baseline
from counterform.text.shifts import metric_at
from counterform.types import Graded, Mark, Model, Problem, Reading

ANSWER = "exact match, answer"
MAX_TEXT = 20_000
"""Characters of an attempt that are compared, from its end."""

_STATEMENT = re.compile(r"####|\\boxed ?\{|\banswer(?: is|:)|^A:", re.IGNORECASE | re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_EDGES = " \t\r\n.:*$}"


class Shift(Probe):
    """Samples every shifted problem, and those at home as the reference, and compares with the worked solution.

    Exact match of the answer is the strict outcome. Edit distances are Levenshtein's over characters, divided by the
    longer text's length: 0 alike, 1 nothing in common. Without a worked solution only the answer is read.
    """

    name = "shift"
    reads = ("samples", "temperature", "max_tokens", "problems", "shifted")

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        # At home the same call as of `accuracy`, so that a model that remembers is asked once.
        home = items.problems[: self.spec.problems]
        heard: dict[str, list[Graded]] = {problem.id: [] for problem in (*home, *items.shifted)}
        for problems in (home, items.shifted):
            attempts = answers_for(self.bench, model, problems, arm=arm, seed=seed)
            for graded in self.bench.grade(attempts):
                if graded.attempt.completion.finish != "error":
                    heard[graded.attempt.problem_id].append(graded)
        return [
            Reading(
                probe=self.name,
                metric=metric_at(metric, problem.shift),
                arm=arm,
                seed=seed,
                item_id=problem.id,
                problem_id=problem.id,
                mark=mark,
                value=fmean(values) if values else None,
            )
            for problem in (*home, *items.shifted)
            for metric, mark, values in _read(problem, heard[problem.id])
        ]

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """What the answers cost that know only the answer space of training, at home and at every shift."""
        groups: dict[str, list[Problem]] = {"": list(items.problems)}
        for problem in items.shifted:
            groups.setdefault(problem.shift, []).append(problem)
        return [
            replace(line, probe="shift", metric=metric_at(ANSWER, shift))
            for shift, problems in groups.items()
            for line in accuracy.Accuracy(self.bench).baselines(train, replace(items, problems=tuple(problems)))
            if line.metric == "pass@1"
        ]


def _read(problem: Problem, rows: Sequence[Graded]) -> Iterator[tuple[str, Mark, list[float]]]:
    """Each metric with its mark and one value an attempt. The mark of a comparison of texts: are most of them alike?"""
    outcomes = [g.verdict.outcome for g in rows]
    yield ANSWER, accuracy.commonest(outcomes), [float(mark is Mark.RIGHT) for mark in outcomes]
    written = [parts(g.attempt.completion.text) for g in rows]
    compared = {"answer": ([answer for _, answer, _ in written], problem.answer)}
    if problem.solution is not None:
        reasoning, _, whole = parts(problem.solution)
        compared["reasoning"] = ([text for text, _, _ in written], reasoning)
        compared["whole"] = ([text for _, _, text in written], whole)
    for name, (texts, key) in compared.items():
        alike = [text == key for text in texts]
        mark = accuracy.commonest([Mark.RIGHT if same else Mark.WRONG for same in alike])
        if name != "answer":
            yield f"exact match, {name}", mark, [float(same) for same in alike]
        yield f"edit distance, {name}", mark, [Levenshtein.normalized_distance(text, key) for text in texts]


def parts(text: str) -> tuple[str, str, str]:
    """The reasoning before the sentence that states the final answer, the answer it states, and the whole text.

    Runs of white space count as one space. A text that states no answer is all reasoning.
    """
    text = text[-MAX_TEXT:]
    statement = None
    for statement in _STATEMENT.finditer(text):  # noqa: B007  the last one counts
        pass
    if statement is None:
        return _plain(text), "", _plain(text)
    before = list(_SENTENCE_END.finditer(text, 0, statement.start()))
    start = before[-1].end() if before else 0
    end = _SENTENCE_END.search(text, statement.end())
    answer = text[statement.end() : end.start() if end else None]
    return _plain(text[:start]), _plain(answer).strip(_EDGES), _plain(text)


def _plain(text: str) -> str:
    return " ".join(text.split())
