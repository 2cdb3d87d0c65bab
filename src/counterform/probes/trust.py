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
    CLOSED,
    CONFIDENCE,
    CONSISTENCY,
    GAP,
    JOINT,
    JOINT_VERBALISED,
    METHODS,
    P_TRUE,
    TOLD,
    VERBALISED,
    WITHIN,
    derived,
    self_trust,
)
from counterform.metrics import Metric
from counterform.models.sampling import answers_for
from counterform.probes.probe import Context, Found, HeldOut, Probe
from counterform.results import Baseline
from counterform.text.wording import MOST_OPTIONS
from counterform.trust import Comparison, Judge, candidates
from counterform.types import Graded, Mark, Model, Problem, Reading
from counterform.verify.answer import say_the_same

Asked = dict[tuple[str, str, str], float | None]
"""By metric, method and item."""

_TOLD_WHOSE = "Confidence in the wrong answer that the model gives most often, told whose it is"
_METRICS = (
    Metric(
        name=CONFIDENCE,
        title="Confidence: {condition}",
        meaning="In each candidate answer.",
        better="neither",
        headline=False,
    ),
    *(
        Metric(
            name=name, title=f"Told {whose}: {{condition}}", meaning=f"{_TOLD_WHOSE}.", better="neither", headline=False
        )
        for whose, name in TOLD.items()
    ),
    Metric(
        name="AUROC",
        title="AUROC: {condition}",
        meaning="Chance that a right answer is trusted more than a wrong one; 50 % is none.",
    ),
    Metric(
        name="PR-AUC",
        title="PR-AUC: {condition}",
        meaning="Mean precision over the thresholds that reach one more right answer; chance is the share of right answers.",
        headline=False,
    ),
    Metric(
        name="ECE",
        title="ECE: {condition}",
        meaning="Mean distance between confidence and the share of right answers, over ten bins of confidence.",
        better="low",
        headline=False,
    ),
    Metric(
        name=WITHIN,
        title="AUROC within a problem: {condition}",
        meaning="Chance that a right answer is trusted more than a wrong one to the same problem; 50 % is none.",
        headline=False,
    ),
    Metric(
        name=GAP,
        title="Self-trust gap: {condition}",
        meaning="Confidence in the own wrong answer, less that in the same answer when it is said to be another's.",
        unit="difference",
        better="low",
        bounds=(-1.0, 1.0),
        headline=False,
    ),
    Metric(
        name=CLOSED,
        title="Self-trust gap closed: {condition}",
        meaning="The gap of an answer alone less that in the joint comparison.",
        unit="difference",
        bounds=(-2.0, 2.0),
        headline=False,
    ),
)


class _Own(Struct, frozen=True):
    """What a model answered to one problem: its candidates, how often it gave each, and which wrong one is the target."""

    problem: Problem
    answers: tuple[Graded, ...]
    shares: tuple[float, ...]
    target: int | None


class Trust(Probe):
    """Samples problems as `accuracy` does and asks the same model about its answers; those that say the same are one candidate.

    `confidence` by `self-consistency`, `P(True)`, `joint` (the conditions; trust.py): in a candidate; an item is a candidate's place among those of
    its problem, and its mark is that of the answer. `verbalised` and `joint, verbalised` stand in for the last two where the
    model shows no log-probabilities; what was not asked is UNKNOWN.
    `confidence, told own` and `confidence, told another's`: in the wrong answer that the model gives most often, told that
    it is its own, and told that it is somebody else's: the same text, so the two are a pair. An item is a problem.
    """

    name = "trust"
    reads = ("samples", "temperature", "max_tokens", "problems", "trusted")
    section = "trust"
    metrics = _METRICS

    def __call__(self, model: Model, items: HeldOut, *, arm: str, seed: int) -> list[Reading]:
        own = self._own(model, items, arm=arm, seed=seed)
        judge = Judge(model, seed=seed)
        alone, joint = (P_TRUE, JOINT) if judge.from_logprobs else (VERBALISED, JOINT_VERBALISED)
        found = _consistencies(own) | _asked(judge, own, alone, joint)
        readings = []
        for one in own:
            slots = {f"{one.problem.id}/{at}": Mark.UNKNOWN for at in range(self.spec.samples)}
            slots |= {_slot(one, at): g.verdict.outcome for at, g in enumerate(one.answers)}
            wanted = [(CONFIDENCE, method, item, mark) for method in METHODS for item, mark in slots.items()]
            pair = Mark.RIGHT if one.answers and one.target is None else Mark.WRONG
            wanted += [(metric, method, one.problem.id, pair) for method in ASKED for metric in TOLD.values()]
            for metric, method, item, mark in wanted:
                value = found.get((metric, method, item))
                unread = value is None and (metric == CONFIDENCE or pair is Mark.WRONG)
                readings.append(
                    Reading(
                        probe=self.name,
                        metric=metric,
                        condition=method,
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
        return [
            Baseline(probe=self.name, metric=metric, condition=method, name="random", value=0.5)
            for metric in ("AUROC", WITHIN)
            for method in METHODS
        ]

    def find(self, readings: Sequence[Reading], context: Context) -> Found:
        """What the confidences amount to enters the comparison in their place; the reliability plots stand apart."""
        own, notes = self_trust(readings)
        return Found(readings=derived(readings), own=own, notes=notes)


def _candidates(problem: Problem, graded: Sequence[Graded]) -> _Own:
    groups = list(candidates([g.attempt.completion.text for g in graded], say_the_same).values())[:MOST_OPTIONS]
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


def _consistencies(own: Sequence[_Own]) -> Asked:
    return {(CONFIDENCE, CONSISTENCY, _slot(one, at)): share for one in own for at, share in enumerate(one.shares)}


def _asked(judge: Judge, own: Sequence[_Own], alone: str, joint: str) -> Asked:
    """Every question to the model: each candidate, all candidates together, and the target with its owner named."""
    every = [(one, at) for one in own for at in range(len(one.answers))]
    reasons = dict(
        zip([_slot(*each) for each in every], judge.reasons([_question(*each) for each in every]), strict=True)
    )
    told = [(one, one.target, whose) for one in own if one.target is not None for whose in TOLD]
    asked = [(*_question(*each), "") for each in every]
    asked += [(*_question(one, at), whose) for one, at, whose in told]
    names = [(CONFIDENCE, alone, _slot(*each)) for each in every]
    names += [(TOLD[whose], alone, one.problem.id) for one, _, whose in told]
    found: Asked = dict(zip(names, judge.alone(asked), strict=True))

    several = [one for one in own if one.answers]
    compared = [_comparison(one, reasons) for one in several]
    compared += [_comparison(one, reasons, at, whose) for one, at, whose in told]
    values = judge.joint(compared)
    for one, row in zip(several, values, strict=False):
        found |= {(CONFIDENCE, joint, _slot(one, at)): value for at, value in enumerate(row)}
    for (one, at, whose), row in zip(told, values[len(several) :], strict=True):
        found[TOLD[whose], joint, one.problem.id] = row[at]
    return found


def _question(one: _Own, at: int) -> tuple[str, str]:
    return one.problem.prompt, one.answers[at].attempt.completion.text


def _comparison(one: _Own, reasons: dict[str, str], marked: int | None = None, whose: str = "") -> Comparison:
    shown = [(g.attempt.completion.text, reasons[_slot(one, at)]) for at, g in enumerate(one.answers)]
    return Comparison(one.problem.prompt, tuple(shown), marked, whose)
