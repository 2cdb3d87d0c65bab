"""How does it fail out of distribution? Exact match and edit distance against distance from training.

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

from counterform.metrics import Metric
from counterform.models.sampling import answers_for
from counterform.probes import accuracy
from counterform.probes.probe import HeldOut, Probe
from counterform.results import Baseline
from counterform.text.answers import stated
from counterform.types import Graded, Mark, Model, Problem, Reading

EXACT, EDITS = "exact match", "edit distance"
ANSWER, REASONING, WHOLE = "answer", "reasoning", "whole"
"""The conditions: what of an attempt is compared."""
MAX_TEXT = 20_000
"""Characters of an attempt that are compared, from its end."""

_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_EDGES = " \t\r\n.:*$}"


class Shift(Probe):
    """Samples every shifted problem, and those in distribution as the reference, and compares with the worked solution.

    The condition says what is compared. Exact match of the answer is the strict outcome. Edit distances are Levenshtein's over characters, divided by the
    longer text's length: 0 alike, 1 nothing in common. Without a worked solution only the answer is read.
    """

    name = "shift"
    reads = ("samples", "temperature", "max_tokens", "problems", "shifted")
    needs = frozenset({"text"})
    section = "shift"
    metrics = (
        Metric(
            name=EXACT,
            title="Exact match: {condition}",
            meaning="Attempts of which this is the same as in the worked solution; of the answer, the grader's own verdict.",
            headline=False,
        ),
        Metric(
            name=EDITS,
            title="Edits: {condition}",
            meaning="Levenshtein's distance to the worked solution over characters, divided by the longer text's length.",
            better="low",
            headline=False,
        ),
    )

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        # In distribution the same call as of `accuracy`, so that a model that remembers is asked once.
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
                metric=metric,
                condition=condition,
                shift=problem.shift,
                arm=arm,
                seed=seed,
                item_id=problem.id,
                problem_id=problem.id,
                mark=mark,
                value=fmean(values) if values else None,
            )
            for problem in (*home, *items.shifted)
            for metric, condition, mark, values in _read(problem, heard[problem.id])
        ]

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """What the answers cost that know only the answer space of training, in distribution and at every shift."""
        groups: dict[str, list[Problem]] = {"": list(items.problems)}
        for problem in items.shifted:
            groups.setdefault(problem.shift.label if problem.shift else "", []).append(problem)
        solving = accuracy.Accuracy(self.bench)
        return [
            replace(line, probe=self.name, metric=EXACT, condition=ANSWER, shift=problems[0].shift)
            for problems in groups.values()
            if problems
            for line in solving.baselines(train, replace(items, problems=tuple(problems)))
            if line.metric == accuracy.STRICT
        ]


def _read(problem: Problem, rows: Sequence[Graded]) -> Iterator[tuple[str, str, Mark, list[float]]]:
    """Each metric and condition with its mark and one value per attempt. The mark of a comparison of texts: are most of them alike?"""
    # Without a key an answer counts where somebody has graded it, and there is nothing to compare its words with.
    outcomes = [g.verdict.outcome for g in rows if problem.answer or g.verdict.outcome is not Mark.UNKNOWN]
    yield EXACT, ANSWER, accuracy.commonest(outcomes), [float(mark is Mark.RIGHT) for mark in outcomes]
    written = [parts(g.attempt.completion.text) for g in rows]
    compared = {ANSWER: ([answer for _, answer, _ in written], problem.answer)} if problem.answer else {}
    if problem.solution is not None:
        reasoning, _, whole = parts(problem.solution)
        compared[REASONING] = ([text for text, _, _ in written], reasoning)
        compared[WHOLE] = ([text for _, _, text in written], whole)
    for name, (texts, key) in compared.items():
        alike = [text == key for text in texts]
        mark = accuracy.commonest([Mark.RIGHT if same else Mark.WRONG for same in alike])
        if name != ANSWER:
            yield EXACT, name, mark, [float(same) for same in alike]
        yield EDITS, name, mark, [Levenshtein.normalized_distance(text, key) for text in texts]


def parts(text: str) -> tuple[str, str, str]:
    """The reasoning before the sentence that states the final answer, the answer it states, and the whole text.

    Runs of white space count as one space. A text that states no answer is all reasoning.
    """
    text = text[-MAX_TEXT:]
    said = stated(text)
    if not said.answers:
        return _plain(text), "", _plain(text)
    before = list(_SENTENCE_END.finditer(text, 0, said.head))
    start = before[-1].end() if before else 0
    return _plain(text[:start]), _plain(said.answers[-1]).strip(_EDGES), _plain(text)


def _plain(text: str) -> str:
    return " ".join(text.split())
