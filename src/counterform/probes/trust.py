"""How far does it trust its own answers, right and wrong, and the same wrong answer as somebody else's?

Li et al. 2024, "Think Twice Before Trusting" (arXiv 2403.09972): a model over-trusts what it has said itself, and comparing all
candidates with a justification of each brings that down. What is read here are confidences; `findings/calibration.py` makes AUROC, PR-AUC,
ECE and the self-trust gap of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from counterform.findings.calibration import (
    ASKED,
    CONSISTENCY,
    JOINT,
    JOINT_VERBALISED,
    METHODS,
    OWNERS,
    P_TRUE,
    VERBALISED,
)
from counterform.models.sampling import answers_for
from counterform.probes.probe import HeldOut, Probe
from counterform.results import Baseline
from counterform.text.wording import MOST_OPTIONS
from counterform.trust import Comparison, Judge, candidates
from counterform.types import Graded, Mark, Model, Problem, Reading

Found = dict[tuple[str, str], float | None]
"""By metric and item."""


class _Own(Struct, frozen=True):
    """What a model answered to one problem: its candidates, how often it gave each, and which wrong one is the target."""

    problem: Problem
    answers: tuple[Graded, ...]
    shares: tuple[float, ...]
    target: int | None


class Trust(Probe):
    """Samples problems as `accuracy` does and asks the same model about its answers; those that say the same are one candidate.

    `self-consistency`, `P(True)`, `joint` (trust.py): confidence in a candidate; an item is a candidate's place among those of
    its problem, and its mark is that of the answer. `verbalised` and `joint, verbalised` stand in for the last two where the
    model shows no log-probabilities; what was not asked is UNKNOWN.
    `P(True), own` and `P(True), another's`, and so on: confidence in the wrong answer that the model gives most often, told that
    it is its own, and told that it is somebody else's: the same text, so the two are a pair. An item is a problem.
    """

    name = "trust"
    reads = ("samples", "temperature", "max_tokens", "problems", "trusted")

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        own = self._own(model, items, arm=arm, seed=seed)
        judge = Judge(model, seed=seed)
        alone, joint = (P_TRUE, JOINT) if judge.from_logprobs else (VERBALISED, JOINT_VERBALISED)
        found = _consistencies(own) | _asked(judge, own, alone, joint)
        readings = []
        for one in own:
            slots = {f"{one.problem.id}/{at}": Mark.UNKNOWN for at in range(self.spec.samples)}
            slots |= {_slot(one, at): g.verdict.outcome for at, g in enumerate(one.answers)}
            wanted = [(method, item, mark) for method in METHODS for item, mark in slots.items()]
            pair = Mark.RIGHT if one.answers and one.target is None else Mark.WRONG
            wanted += [(f"{method}, {whose}", one.problem.id, pair) for method in ASKED for whose in OWNERS]
            for metric, item, mark in wanted:
                value = found.get((metric, item))
                unread = value is None and (metric in METHODS or pair is Mark.WRONG)
                readings.append(
                    Reading(
                        probe=self.name,
                        metric=metric,
                        arm=arm,
                        seed=seed,
                        item_id=item,
                        problem_id=one.problem.id,
                        mark=Mark.UNKNOWN if unread else mark,
                        value=value,
                    )
                )
        return readings

    def _own(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[_Own]:
        problems = items.problems[: self.spec.problems]
        attempts = answers_for(self.bench, model, problems, arm=arm, seed=seed)
        of: dict[str, list[Graded]] = {problem.id: [] for problem in problems[: self.spec.trusted]}
        for graded in self.bench.grade([attempt for attempt in attempts if attempt.problem_id in of]):
            completion = graded.attempt.completion
            if completion.finish != "error" and completion.text.strip():
                of[graded.attempt.problem_id].append(graded)
        return [_candidates(problem, of[problem.id]) for problem in problems if problem.id in of]

    def baselines(self, train: Sequence[Problem], items: HeldOut) -> list[Baseline]:
        """A confidence that says nothing."""
        kinds = ("AUROC", "AUROC within a problem")
        metrics = [f"{kind} ({method})" for kind in kinds for method in METHODS]
        return [Baseline(probe="trust", metric=metric, name="random", value=0.5) for metric in metrics]


def _candidates(problem: Problem, graded: Sequence[Graded]) -> _Own:
    groups = list(candidates([g.attempt.completion.text for g in graded]).values())[:MOST_OPTIONS]
    answers = tuple(graded[group[0]] for group in groups)
    wrong = [at for at, g in enumerate(answers) if g.verdict.outcome is Mark.WRONG]
    return _Own(
        problem=problem,
        answers=answers,
        shares=tuple(len(group) / len(graded) for group in groups),
        target=max(wrong, key=lambda at: len(groups[at])) if wrong else None,
    )


def _slot(one: _Own, at: int) -> str:
    return f"{one.problem.id}/{at}"


def _consistencies(own: Sequence[_Own]) -> Found:
    return {(CONSISTENCY, _slot(one, at)): share for one in own for at, share in enumerate(one.shares)}


def _asked(judge: Judge, own: Sequence[_Own], alone: str, joint: str) -> Found:
    """Every question to the model: each candidate, all candidates together, and the target with its owner named."""
    every = [(one, at) for one in own for at in range(len(one.answers))]
    reasons = dict(
        zip([_slot(*each) for each in every], judge.reasons([_question(*each) for each in every]), strict=True)
    )
    told = [(one, one.target, whose) for one in own if one.target is not None for whose in OWNERS]
    asked = [(*_question(*each), "") for each in every]
    asked += [(*_question(one, at), whose) for one, at, whose in told]
    names = [(alone, _slot(*each)) for each in every] + [
        (f"{alone}, {whose}", one.problem.id) for one, _, whose in told
    ]
    found: Found = dict(zip(names, judge.alone(asked), strict=True))

    several = [one for one in own if one.answers]
    compared = [_comparison(one, reasons) for one in several]
    compared += [_comparison(one, reasons, at, whose) for one, at, whose in told]
    values = judge.joint(compared)
    for one, row in zip(several, values, strict=False):
        found |= {(joint, _slot(one, at)): value for at, value in enumerate(row)}
    for (one, at, whose), row in zip(told, values[len(several) :], strict=True):
        found[f"{joint}, {whose}", one.problem.id] = row[at]
    return found


def _question(one: _Own, at: int) -> tuple[str, str]:
    return one.problem.prompt, one.answers[at].attempt.completion.text


def _comparison(one: _Own, reasons: dict[str, str], marked: int | None = None, whose: str = "") -> Comparison:
    shown = [(g.attempt.completion.text, reasons[_slot(one, at)]) for at, g in enumerate(one.answers)]
    return Comparison(one.problem.prompt, tuple(shown), marked, whose)
