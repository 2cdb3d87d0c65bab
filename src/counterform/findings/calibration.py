"""Confidence readings become AUROC, PR-AUC, ECE, the self-trust gap and what a reliability plot shows. Pure.

The probe `trust` reads how far a model trusts each of its answers; what is found here is read off again, problem by problem, so
that it enters the findings like any metric: an AUROC through the jackknife's pseudo-values, clustered by problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from counterform.findings import stats
from counterform.findings.stats import Floats
from counterform.results import ReliabilityBin, SelfTrust
from counterform.types import Mark, Reading

Bools = NDArray[np.bool_]
Clusters = NDArray[np.int64]

P_TRUE, JOINT, VERBALISED, JOINT_VERBALISED, CONSISTENCY = (
    "P(True)",
    "joint",
    "verbalised",
    "joint, verbalised",
    "self-consistency",
)
METHODS = (CONSISTENCY, P_TRUE, JOINT, VERBALISED, JOINT_VERBALISED)
"""The conditions of every metric here."""
ASKED = METHODS[1:]
"""The methods that ask the model."""
CONFIDENCE = "confidence"
TOLD = {"own": "confidence, told own", "another's": "confidence, told another's"}
"""By whose a model is told that its wrong answer is, the metric of its confidence in it."""
WITHIN, GAP, CLOSED = "AUROC within a problem", "self-trust gap", "self-trust gap closed"
ALONE_AND_JOINT = ((P_TRUE, JOINT), (VERBALISED, JOINT_VERBALISED))
CURVES: dict[str, Callable[[Floats, Bools, Clusters], Floats]] = {
    "AUROC": stats.auroc_pseudo_values,
    "PR-AUC": lambda *of: stats.leave_out_pseudo_values(stats.average_precision, *of),
    "ECE": stats.calibration_pseudo_values,
}


def derived(readings: Sequence[Reading]) -> list[Reading]:
    """What the confidences amount to, one number per problem, for every model and seed; the condition is the method.

    `AUROC`, `PR-AUC`, `ECE`: over all candidates that were graded right or wrong and in which every method that
        was asked has a confidence, so that methods are compared on the same answers. A candidate counts once, however often the
        model gives it: the share of right candidates is not the model's accuracy.
    `AUROC within a problem`: of each problem with right and wrong candidates, the chance that a right one is trusted more
        than a wrong one. The AUROC over all is high too where a method only sees how many candidates there are.
    `self-trust gap`: confidence in the model's own wrong answer told that it is its own, less that in the same answer
        told that it is another's. `self-trust gap closed`: how much smaller the gap is in the joint comparison.
    """
    found: list[Reading] = []
    for rows in _by_model(readings):
        found += [*_curves(rows), *_gaps(rows)]
    return found


def self_trust(readings: Sequence[Reading]) -> tuple[SelfTrust, list[str]]:
    """What a reliability plot shows, of every model and method the bins of confidence with their share of right answers; and notes."""
    bins = [
        one
        for arm in dict.fromkeys(reading.arm for reading in readings)
        for one in _reliability([reading for reading in readings if reading.arm == arm])
    ]
    asked = _asked(readings)
    notes = []
    if VERBALISED in asked:
        notes.append("trust: the model shows no log-probabilities; confidence is what it said in words (verbalised).")
    if readings and not asked.intersection(ASKED):
        notes.append("trust read no confidence: no model answered in numbers or showed log-probabilities.")
    ungraded = sum(_is_given(r) and r.value is not None and r.mark is Mark.UNKNOWN for r in readings)
    if ungraded:
        notes.append(f"trust: {ungraded} answers whose grade is UNKNOWN are neither right nor wrong, and left out.")
    return SelfTrust(reliability=tuple(bins)), notes


def _by_model(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    models: dict[tuple[str, int], list[Reading]] = {}
    for reading in readings:
        models.setdefault((reading.arm, reading.seed), []).append(reading)
    yield from models.values()


def _is_given(r: Reading) -> bool:
    """A candidate's first confidence: how often it was given. Its mark is that of the answer."""
    return r.metric == CONFIDENCE and r.condition == METHODS[0]


def _asked(rows: Sequence[Reading]) -> set[str]:
    """The methods that gave any confidence."""
    return {r.condition for r in rows if r.metric == CONFIDENCE and r.value is not None}


def _confidences(rows: Sequence[Reading]) -> tuple[dict[str, Floats], Bools, list[str]]:
    """By method the confidences in graded candidates that all methods have, whether each is right, and its problem."""
    asked = [method for method in METHODS if method in _asked(rows)]
    values = {(r.condition, r.item_id, r.seed): r.value for r in rows if r.metric == CONFIDENCE and r.value is not None}
    graded = [r for r in rows if _is_given(r) and r.mark is not Mark.UNKNOWN]
    shared = [r for r in graded if all((method, r.item_id, r.seed) in values for method in asked)]
    scores = {method: np.array([values[method, r.item_id, r.seed] for r in shared]) for method in asked}
    return scores, np.array([r.mark is Mark.RIGHT for r in shared], dtype=bool), [r.problem_id for r in shared]


def _curves(rows: Sequence[Reading]) -> Iterator[Reading]:
    scores, hits, of = _confidences(rows)
    if not of:
        return
    problems, codes = np.unique(of, return_inverse=True)
    clusters = codes.astype(np.int64)
    for method, confidences in scores.items():
        for metric, pseudo_values in CURVES.items():
            values = pseudo_values(confidences, hits, clusters)
            for problem, value in zip(problems, values, strict=True):
                read = float(value) if np.isfinite(value) else None
                yield _reading(rows[0], metric, method, str(problem), read)
        for at, problem in enumerate(problems):
            right, wrong = (confidences[(clusters == at) & kind] for kind in (hits, ~hits))
            if len(right) and len(wrong):
                won = (np.sign(right[:, None] - wrong) + 1).mean() / 2
                yield _reading(rows[0], WITHIN, method, str(problem), float(won))


def _gaps(rows: Sequence[Reading]) -> Iterator[Reading]:
    pairs = {(r.metric, r.condition, r.item_id): r for r in rows}
    own, other = TOLD.values()
    for alone, joint in ALONE_AND_JOINT:
        if alone not in _asked(rows):
            continue
        # A problem without a wrong answer has no gap, which is not a gap that nobody could read.
        for problem in (
            r.item_id for r in rows if (r.metric, r.condition) == (own, alone) and r.mark is not Mark.RIGHT
        ):
            gaps: list[float | None] = []
            for method in (alone, joint):
                gaps.append(_less(*(pairs[metric, method, problem].value for metric in (own, other))))
                yield _reading(rows[0], GAP, method, problem, gaps[-1])
            yield _reading(rows[0], CLOSED, joint, problem, _less(*gaps))


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _reading(like: Reading, metric: str, method: str, problem: str, value: float | None) -> Reading:
    mark = Mark.UNKNOWN if value is None else Mark.RIGHT
    return replace(like, metric=metric, condition=method, item_id=problem, problem_id=problem, mark=mark, value=value)


def _reliability(rows: Sequence[Reading]) -> Iterator[ReliabilityBin]:
    scores, hits, of = _confidences(rows)
    for method, confidences in scores.items():
        bins = stats.bin_of(confidences)
        for number in sorted(set(bins.tolist())):
            inside = bins == number
            clusters = np.unique(np.array(of)[inside], return_inverse=True)[1]
            size = np.bincount(clusters).astype(float)
            right = np.bincount(clusters, weights=hits[inside]).astype(float)
            low, high = _interval(right, size)
            yield ReliabilityBin(
                arm=rows[0].arm,
                method=method,
                confidence=float(confidences[inside].mean()),
                right=float(hits[inside].mean()),
                low=low,
                high=high,
                n_answers=int(inside.sum()),
                n_problems=len(size),
            )


def _interval(right: Floats, size: Floats) -> tuple[float, float]:
    """Of a share of right answers, clustered; with one problem nothing is known."""
    values = stats.ratio_pseudo_values(right, size)
    if not np.isfinite(values).all():
        return 0.0, 1.0
    found = stats.estimate(values[:, None], None, [], bounds=stats.SHARE)
    return found.low, found.high
