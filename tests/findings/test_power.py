"""What a study could find before it is run. Guards against a prediction that is not what the findings print, or that more data spoil."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterform.findings import stats
from counterform.findings.power import ALIKE_UNSEEN, HIGH_LUCK, LOW_LUCK, Pilot, mixed_groups, pilot_of, predicted


def pilot(level=0.5, alike=0.3, samples=4, clusters=64):
    whole = level * (1 - level)
    return Pilot(
        level=level,
        problems=alike * whole,
        sampling=(1 - alike) * whole / samples,
        bounds=stats.SHARE,
        marks=True,
        clusters=clusters,
        assumed=False,
    )


def drawn(rng, n, seeds, samples=4, level=(1.5, 1.5), luck=0.0):
    """Readings of two arms at the same problems."""
    there = rng.beta(*level, size=n)
    logits = np.log(there / (1 - there))
    moved = [1 / (1 + np.exp(-(logits[:, None] + luck * rng.normal(size=(1, seeds))))) for _ in range(2)]
    return [rng.binomial(samples, each) / samples for each in moved]


@settings(max_examples=6)
@given(
    level=st.sampled_from([0.2, 0.5, 0.85]),
    alike=st.sampled_from([0.1, 0.4]),
    luck=st.sampled_from([LOW_LUCK, HIGH_LUCK]),
)
def test_more_problems_and_more_seeds_are_not_worse(level, alike, luck):
    few = pilot(level, alike)
    by_seeds = [predicted(few, problems=80, seeds=seeds, luck=luck) for seeds in (2, 3, 5)]
    assert by_seeds[0] > by_seeds[1] > by_seeds[2]
    alone = [predicted(few, problems=n, seeds=1, luck=luck) for n in (50, 100, 200)]
    assert alone[0] > 1.2 * alone[1] > 1.2**2 * alone[2]
    # With seeds luck is left over, and nothing but noise may move it up.
    many = [predicted(few, problems=n, seeds=3, luck=luck) for n in (50, 200)]
    assert many[1] < 1.02 * many[0]


def test_luck_and_less_of_all_else_cost():
    few = pilot()
    assert predicted(few, problems=80, seeds=3, luck=LOW_LUCK) < predicted(few, problems=80, seeds=3, luck=HIGH_LUCK)
    one = predicted(pilot(samples=1), problems=80, seeds=1, luck=0)
    assert one > predicted(pilot(samples=4), problems=80, seeds=1, luck=0)
    assert predicted(few, problems=1, seeds=2, luck=LOW_LUCK) == float("inf")
    assert predicted(few, problems=80, seeds=3, luck=LOW_LUCK) == predicted(few, problems=80, seeds=3, luck=LOW_LUCK)


@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (2, LOW_LUCK), (3, HIGH_LUCK)])
@pytest.mark.parametrize("samples", [1, 4])
def test_it_is_what_the_findings_print(seeds, luck, samples):
    """From a pilot of one study, the mean of what other studies of that size print."""
    rng = np.random.default_rng(7)
    seen = np.concatenate(drawn(rng, 600, 1, samples), axis=1)
    expected = predicted(pilot_of(seen, stats.SHARE), problems=120, seeds=seeds, luck=luck)
    printed = [
        stats.estimate(*drawn(rng, 120, seeds, samples, luck=luck), [], lucky=(True, True), bounds=stats.SHARE).mde
        for _ in range(40)
    ]
    assert expected == pytest.approx(float(np.mean(printed)), rel=0.1)


def test_a_pilot_of_single_answers_assumes_and_says_so():
    seen = np.random.default_rng(0).binomial(1, 0.4, size=(200, 1)).astype(float)
    found = pilot_of(seen, stats.SHARE)
    assert found.assumed
    assert found.problems == pytest.approx(ALIKE_UNSEEN * seen.var(ddof=1))
    # The kind: readings that say nothing of how two models differ at a problem. A greedy model read twice is read once; taken for
    # models that never differ, it promised 2 points of 408 problems.
    for times in (2, 3):
        again = pilot_of(np.repeat(seen, times, axis=1), stats.SHARE)
        assert (again.problems, again.sampling) == (pytest.approx(found.problems), pytest.approx(found.sampling))
        assert again.assumed
    sampled = np.random.default_rng(1).binomial(1, seen / 2 + 0.2, size=(200, 2)).astype(float)
    assert not pilot_of(sampled, stats.SHARE).assumed
    with pytest.raises(ValueError, match="two problems"):
        pilot_of(seen[:1], stats.SHARE)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_bound_says_what_none_of_so_many_can_rule_out(level):
    found = pilot_of(np.full((40, 2), level), stats.SHARE)
    effects = [predicted(found, problems=n, seeds=2, luck=HIGH_LUCK) for n in (40, 160)]
    assert 0 < effects[1] < effects[0] < 1


@pytest.mark.parametrize("bounds", [stats.COUNT, stats.UNBOUNDED, stats.DIFFERENCE])
def test_what_is_no_share_of_marks_is_predicted_too(bounds):
    rng = np.random.default_rng(3)
    scale = 0.1 if bounds == stats.DIFFERENCE else 5.0
    there = scale * (1 + rng.normal(0, 0.4, size=(200, 1)))
    found = pilot_of(there + scale * rng.normal(0, 0.3, size=(200, 2)), bounds)
    effects = [predicted(found, problems=n, seeds=1, luck=0) for n in (50, 200)]
    assert effects[1] == pytest.approx(effects[0] / 2, rel=0.2)


def test_groups_that_hold_a_right_and_a_wrong_rollout():
    rng = np.random.default_rng(5)
    there = rng.beta(0.8, 1.6, size=4000)
    right = rng.binomial(4, there).astype(float)
    expected = 1 - (there**8).mean() - ((1 - there) ** 8).mean()
    assert mixed_groups(right, np.full(4000, 4.0), 8) == pytest.approx(expected, abs=0.03)
    assert mixed_groups(np.zeros(50), np.full(50, 4.0), 8) == 0
    assert mixed_groups(np.full(50, 4.0), np.full(50, 4.0), 8) == 0
    assert mixed_groups(np.zeros(50), np.zeros(50), 8) == 0
    # Each problem is always solved or never: no group is mixed, though half of all answers are right.
    assert mixed_groups(np.repeat([0.0, 4.0], 25), np.full(50, 4.0), 8) < 0.02
