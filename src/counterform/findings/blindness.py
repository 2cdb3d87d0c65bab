"""What outcome scoring does not see: right answers by wrong steps, in any pool of verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from counterform.findings import stats
from counterform.types import Mark, Verdict


class Share(Struct, frozen=True, kw_only=True):
    """A share of counted things with its 95 % interval, clustered by problem."""

    hits: int
    n: int
    value: float | None
    """None: there was nothing to have a share of."""
    low: float = 0.0
    high: float = 1.0


class Blindness(Struct, frozen=True, kw_only=True):
    """Outcome against process over a pool; of attempts whose outcome is known and of which some step was read."""

    attempts: int
    problems: int
    unread: int
    """Attempts left out: no outcome, or not one step read."""
    table: dict[tuple[Mark, Mark], int]
    """(outcome, process) -> attempts; the process is UNKNOWN where no step is wrong and some could not be read."""
    violated_right: Share
    """Of the attempts with a wrong step, those that end in the right answer."""
    only_process: Share
    """Of all attempts, those that fail in the process alone: right by wrong steps."""
    right_violated: Share
    """Of the right answers, those reached by wrong steps."""
    sound_wrong: Share
    """Of the attempts whose every step was read and is sound, those that end in a wrong answer; all that a step verifier
    misses is in here."""
    first_error: tuple[float, float, float]
    """Quartiles of where the first wrong step stands: 0 the first step, 1 the last."""
    kinds: dict[str, int]
    """Rule that the first wrong step breaks -> attempts, the commonest first."""


def blindness(verdicts: Sequence[Verdict], problems: Sequence[str]) -> Blindness:
    """What the outcome does not show, over any pool. `problems`: of each verdict, the problem (the cluster)."""
    rows = [
        (verdict, problem)
        for verdict, problem in zip(verdicts, problems, strict=True)
        if verdict.outcome is not Mark.UNKNOWN and any(step.mark is not Mark.UNKNOWN for step in verdict.steps)
    ]
    kept = [verdict for verdict, _ in rows]
    clusters = np.unique([problem for _, problem in rows] or [""], return_inverse=True)[1][: len(rows)]
    outcome = np.array([verdict.outcome for verdict in kept], dtype=str)
    process = np.array([verdict.process for verdict in kept], dtype=str)
    right, violated, sound = outcome == Mark.RIGHT, process == Mark.WRONG, process == Mark.RIGHT
    wrong = [verdict for verdict in kept if verdict.first_error is not None]
    places = [(verdict.first_error or 0) / max(len(verdict.steps) - 1, 1) for verdict in wrong]
    kinds = Counter(verdict.steps[verdict.first_error or 0].rule for verdict in wrong)
    return Blindness(
        attempts=len(kept),
        problems=len(set(clusters.tolist())),
        unread=len(verdicts) - len(kept),
        table=dict(Counter((verdict.outcome, verdict.process) for verdict in kept)),
        violated_right=share(violated & right, violated, clusters),
        only_process=share(violated & right, np.ones(len(kept), dtype=bool), clusters),
        right_violated=share(violated & right, right, clusters),
        sound_wrong=share(sound & ~right, sound, clusters),
        first_error=_quartiles(places),
        kinds=dict(kinds.most_common()),
    )


def _quartiles(places: list[float]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(places, (0.25, 0.5, 0.75)) if places else (np.nan,) * 3
    return float(low), float(middle), float(high)


def share(hits: np.ndarray, among: np.ndarray, clusters: np.ndarray) -> Share:
    """The share of `among` that are `hits` too; one entry an attempt, clusters counted from 0 or not at all.

    The interval is of a ratio of sums over clusters (jackknife); where all or none are hits, what none of n clusters can
    rule out.
    """
    n, found = int(among.sum()), int((hits & among).sum())
    if not n:
        return Share(hits=0, n=0, value=None)
    codes = np.unique(clusters[among], return_inverse=True)[1]
    top, bottom = (np.bincount(codes, weights=each[among].astype(float)) for each in (hits, among))
    pseudo = stats.ratio_pseudo_values(top.astype(float), bottom.astype(float))
    if np.isnan(pseudo).any():  # a single cluster
        return Share(hits=found, n=n, value=found / n)
    e = stats.estimate(pseudo[:, None], None, [], bounds=stats.SHARE)
    return Share(hits=found, n=n, value=found / n, low=e.low, high=e.high)


def sentence(found: Blindness) -> str:
    """What a study's reader should know of its pool, in one or two sentences."""
    violated, all_of_them = found.violated_right, found.only_process
    if violated.value is None or all_of_them.value is None:
        return (
            f"Blindness: none of {found.attempts:,} held-out attempts of the pool has a step that is known to be wrong."
        )
    return (
        f"Blindness: {_percent(violated)} of the {violated.n:,} held-out attempts of the pool with a wrong step end in the right answer, "
        f"which is {_percent(all_of_them)} of all {all_of_them.n:,}; outcome scoring takes such attempts for sound."
    )


def _percent(found: Share) -> str:
    assert found.value is not None
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
