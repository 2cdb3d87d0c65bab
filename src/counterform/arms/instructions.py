"""What of an instruction does training use? Its definition, its demonstrations and the targets' pairing, taken away.

Kung and Peng 2023 (arXiv 2305.11383): the definition original, reduced to the answer space, or empty; demonstrations
original, delusive, or none. Delusive demonstrations stand in the prompt, and the target stays right; what happens when
the targets themselves are wrong is another control, `targets = "shuffled"`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import ControlError, DataError, unknown_name
from counterform.text import wording
from counterform.types import Arm, Case, Example, Problem

OPTIONS = {
    "definition": ("original", "space", "empty"),
    "demonstrations": ("original", "delusive", "none"),
    "targets": ("paired", "shuffled"),
}
"""What each option of the recipe can be; the first is the default, and changes nothing."""

_WORDS = {
    ("definition", "space"): "the definition states only the answer space",
    ("definition", "empty"): "there is no definition",
    ("demonstrations", "delusive"): "the demonstrations have wrong labels of the answer space",
    ("demonstrations", "none"): "there are no demonstrations",
    ("targets", "shuffled"): "the target is a wrong label of the answer space",
}

Labelled = tuple[str, str]
"""A task and an input of it."""


class Instructions(Recipe):
    """Prompt of a task -> the final answer, with parts of the prompt or the pairing taken away.

    The target is "The answer is X." in every arm of this recipe, as the source scores the exact label: a worked
    solution would say what the definition says. Wrong labels are those of other rows of the task changed round, so each
    label is as frequent as before unless one has more than half of the rows. Where there are two labels a wrong one is
    the other one, so a delusive demonstration still tells a reader who turns it round.
    """

    name = "instructions"

    def __init__(
        self,
        *,
        definition: str = "original",
        demonstrations: str = "original",
        targets: str = "paired",
        bench: Bench | None = None,
    ) -> None:
        super().__init__(bench=bench)
        self._chosen = {"definition": definition, "demonstrations": demonstrations, "targets": targets}
        for option, value in self._chosen.items():
            if value not in OPTIONS[option]:
                raise ValueError(unknown_name(option, value, OPTIONS[option]))
        changes = [_WORDS[pair] for pair in self._chosen.items() if pair in _WORDS]
        self.differs_by = f"the target is the final answer alone; {', '.join(changes) or 'the prompt is whole'}"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        problems = [case.problem for case in cases]
        self._require(problems)
        demonstrations = self._demonstrations(problems, rng)
        targets = self._targets(problems, rng)
        examples = []
        for problem, shown, target in zip(problems, demonstrations, targets, strict=True):
            whole = wording.compose(problem.facts)
            told = wording.compose(problem.facts, self._chosen["definition"], shown)
            # Within the prompt, so that the study's template stays around it.
            prompt = problem.prompt.replace(whole, told, 1)
            self._prove(problem, prompt, shown, target)
            examples.append(Example(problem_id=problem.id, prompt=prompt, completion=wording.answer_sentence(target)))
        return Arm(name=self.name, differs_by=self.differs_by, examples=tuple(examples))

    def _demonstrations(self, problems: Sequence[Problem], rng: np.random.Generator) -> list[list[list[str]]]:
        kept = [problem.facts["demonstrations"] for problem in problems]
        if self._chosen["demonstrations"] == "none":
            return [[] for _ in kept]
        if self._chosen["demonstrations"] == "original":
            return kept
        # One input has one wrong label in every prompt that shows it.
        rows = {
            (problem.facts["task"], shown): (answer, problem.facts["space"])
            for problem, pairs in zip(problems, kept, strict=True)
            for shown, answer in pairs
        }
        wrong = wrong_labels(rows, rng)
        return [
            [[shown, wrong[problem.facts["task"], shown]] for shown, _ in pairs]
            for problem, pairs in zip(problems, kept, strict=True)
        ]

    def _targets(self, problems: Sequence[Problem], rng: np.random.Generator) -> list[str]:
        if self._chosen["targets"] == "paired":
            return [problem.answer for problem in problems]
        rows = {(problem.facts["task"], problem.id): (problem.answer, problem.facts["space"]) for problem in problems}
        wrong = wrong_labels(rows, rng)
        return [wrong[problem.facts["task"], problem.id] for problem in problems]

    def _require(self, problems: Sequence[Problem]) -> None:
        """Refuse problems without what this recipe changes."""
        keys = ("instruction", "simplified", "space", "demonstrations", "input", "task")
        bare = [problem for problem in problems if not all(key in problem.facts for key in keys)]
        if bare:
            raise DataError(
                f"recipe {self.name!r} needs problems with an instruction and an answer space; {len(bare)} of "
                f"{len(problems)} have none (first: {bare[0].id!r}). Name the column ([problems] instruction), or use "
                'the family "sorting-out".'
            )
        loose = [problem for problem in problems if wording.compose(problem.facts) not in problem.prompt]
        if loose:
            raise DataError(
                f"recipe {self.name!r}: the prompt of {loose[0].id!r} is not composed of its instruction, "
                "demonstrations and input (wording.compose), so they cannot be changed in it."
            )

    def _prove(self, problem: Problem, prompt: str, shown: Sequence[Sequence[str]], target: str) -> None:
        """Raise ControlError where something that should be gone is there, or something that should be kept is not."""
        chosen, facts, faults = self._chosen, problem.facts, []
        if chosen["definition"] != "original":
            faults.append(_definition_fault(facts, prompt))
        if chosen["definition"] == "space":
            faults.append(_space_fault(facts, prompt))
        if chosen["demonstrations"] != "original":
            faults.append(_demonstration_fault(facts, prompt, shown))
        if target not in facts["space"]:
            faults.append(f"its target {target!r} is not in its answer space")
        if chosen["targets"] == "shuffled" and target == problem.answer:
            faults.append("its target is still right")
        for fault in filter(None, faults):
            options = ", ".join(f"{key} = {value!r}" for key, value in chosen.items())
            raise ControlError(f"recipe {self.name!r} ({options}), problem {problem.id!r}: {fault}.")


def wrong_labels(rows: Mapping[Labelled, tuple[str, Sequence[str]]], rng: np.random.Generator) -> dict[Labelled, str]:
    """A wrong label for every (task, input): (right label, answer space).

    Within a task the labels are turned against each other (sorted by label, by the size of the largest group). Rows of
    a label that has more than half cannot all get another row's: those left over get any other word of the space.
    """
    tasks: dict[str, list[Labelled]] = {}
    for row in rows:
        tasks.setdefault(row[0], []).append(row)
    wrong: dict[Labelled, str] = {}
    for members in tasks.values():
        order = sorted((members[at] for at in rng.permutation(len(members))), key=lambda row: rows[row][0])
        labels = [rows[row][0] for row in order]
        turn = max(map(labels.count, set(labels)))
        for place, row in enumerate(order):
            right, space = rows[row]
            label = labels[(place + turn) % len(labels)]
            wrong[row] = label if label != right else str(rng.choice([word for word in space if word != right]))
    return wrong


def _definition_fault(facts: Mapping[str, Any], prompt: str) -> str:
    meaning = _folded(facts["instruction"]).replace(_folded(facts["simplified"]), "").strip()
    if not meaning:
        return "its instruction says nothing but the answer space, so there is nothing to take away"
    return "the definition is still in the prompt" if meaning in _folded(prompt) else ""


def _space_fault(facts: Mapping[str, Any], prompt: str) -> str:
    # Not anywhere in the prompt: a label also stands in demonstrations, which need not show all labels.
    stated = facts["simplified"] if facts["simplified"] in prompt else ""
    lost = [word for word in facts["space"] if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", stated)]
    return f"the prompt no longer states {lost} of the answer space" if lost else ""


def _demonstration_fault(facts: Mapping[str, Any], prompt: str, shown: Sequence[Sequence[str]]) -> str:
    kept = facts["demonstrations"]
    if not kept:
        return "it has no demonstrations that could be taken away"
    if any(wording.demonstration(*pair) in prompt for pair in kept):
        return "a right demonstration is still in the prompt"
    if not shown:
        return ""
    if [pair[0] for pair in shown] != [pair[0] for pair in kept]:
        return "the delusive demonstrations have other inputs"
    strange = [label for _, label in shown if label not in facts["space"]]
    return f"the delusive labels {strange} are not in its answer space" if strange else ""


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
