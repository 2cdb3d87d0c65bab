"""What outcome scoring does not see: right answers by wrong steps, in any pool of verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

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


class Tally:
    """Counts a pool part by part, so that a pool of a million attempts never stands in memory: it keeps counts per problem."""

    def __init__(self) -> None:
        self._problems: dict[str, NDArray[np.int64]] = {}
        self._table: Counter[tuple[Mark, Mark]] = Counter()
        self._kinds: Counter[str] = Counter()
        self._places: Counter[float] = Counter()
        self._unread = 0

    def add(self, verdicts: Iterable[Verdict], problems: Iterable[str]) -> None:
        """Count attempts; `problems`: of each verdict, the problem (the cluster)."""
        for verdict, problem in zip(verdicts, problems, strict=True):
            if verdict.outcome is Mark.UNKNOWN or all(step.mark is Mark.UNKNOWN for step in verdict.steps):
                self._unread += 1
                continue
            right, violated = verdict.outcome is Mark.RIGHT, verdict.process is Mark.WRONG
            sound = verdict.process is Mark.RIGHT
            counts = self._problems.setdefault(problem, np.zeros(6, dtype=np.int64))
            counts += (1, right, violated, violated and right, sound, sound and not right)
            self._table[verdict.outcome, verdict.process] += 1
            if verdict.first_error is not None:
                self._places[verdict.first_error / max(len(verdict.steps) - 1, 1)] += 1
                self._kinds[verdict.steps[verdict.first_error].rule] += 1

    def found(self) -> Blindness:
        """What came of all that was counted."""
        counts = np.array([*self._problems.values()], dtype=float).reshape(-1, 6).T
        everything, right, violated, both, sound, sound_wrong = counts
        return Blindness(
            attempts=int(everything.sum()),
            problems=len(self._problems),
            unread=self._unread,
            table=dict(self._table),
            violated_right=_share(both, violated),
            only_process=_share(both, everything),
            right_violated=_share(both, right),
            sound_wrong=_share(sound_wrong, sound),
            first_error=_quartiles(self._places),
            kinds=dict(self._kinds.most_common()),
        )


def blindness(verdicts: Sequence[Verdict], problems: Sequence[str]) -> Blindness:
    """What the outcome does not show, over a whole pool and never a sample of it that was drawn by what its steps are."""
    return blindness_in_parts([(verdicts, problems)])


def blindness_in_parts(parts: Iterable[tuple[Sequence[Verdict], Sequence[str]]]) -> Blindness:
    """The same of a pool that comes part by part: verdicts, and of each its problem."""
    tally = Tally()
    for verdicts, problems in parts:
        tally.add(verdicts, problems)
    return tally.found()


def _quartiles(places: Counter[float]) -> tuple[float, float, float]:
    at = np.repeat([*places.keys()], [*places.values()]) if places else np.full(1, np.nan)
    low, middle, high = np.quantile(at, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def share(hits: np.ndarray, among: np.ndarray, clusters: np.ndarray) -> Share:
    """The share of `among` that are `hits` too; one entry per attempt, clusters counted from 0 or not at all."""
    codes = np.unique(clusters, return_inverse=True)[1]
    top, bottom = (np.bincount(codes, weights=each).astype(float) for each in (hits & among, among))
    return _share(top, bottom)


def _share(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Share:
    """Of a ratio of sums over clusters (jackknife); where all or none are hits, what none of n clusters can rule out."""
    top, bottom = top[bottom > 0], bottom[bottom > 0]
    n, hits = int(bottom.sum()), int(top.sum())
    if not n:
        return Share(hits=0, n=0, value=None)
    pseudo = stats.ratio_pseudo_values(top, bottom)
    if np.isnan(pseudo).any():  # a single cluster
        return Share(hits=hits, n=n, value=hits / n)
    e = stats.estimate(pseudo[:, None], None, [], bounds=stats.SHARE)
    return Share(hits=hits, n=n, value=hits / n, low=min(e.low, hits / n), high=max(e.high, hits / n))


def sentence(found: Blindness, of: str = "the pool") -> str:
    """What a study's reader should know of the attempts of its pool, or of an arm, in one or two sentences."""
    violated, all_of_them = found.violated_right, found.only_process
    unread = f" ({found.unread:,} more could not be read)" if found.unread else ""
    if violated.value is None or all_of_them.value is None:
        return f"Blindness: none of the {found.attempts:,} held-out attempts of {of} has a step that is known to be wrong{unread}."
    return (
        f"Blindness: {_percent(violated)} of the {violated.n:,} held-out attempts of {of} with a wrong step end in the right answer, "
        f"which is {_percent(all_of_them)} of all {all_of_them.n:,}{unread}; outcome scoring takes such attempts for sound."
    )


def _percent(found: Share) -> str:
    assert found.value is not None
    return f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
