"""A candidate is ruled better only where that is shown, whatever its missing answers hide; what to buy says nothing of its score."""

import numpy as np
import pytest

from counterform.findings.paired import Run
from counterform.findings.ruling import Buy, Ruling, rule
from counterform.findings.spending import level


def ruled(first, second, *, at=0.001, up=True, share=True, margin=0.02):
    runs = [
        Run(np.asarray(a, float), np.asarray(b, float), np.arange(len(a))) for a, b in zip(first, second, strict=True)
    ]
    return rule(runs, first_runs=len(first), second_runs=len(second), share=share, up=up, margin=margin, level=at)


def marks(share, n=300, runs=1, seed=0):
    return (np.random.default_rng(seed).random((runs, n)) < share) * 1.0


def test_a_clear_difference_either_way_and_where_less_is_better():
    low, high = marks(0.3), marks(0.7, seed=1)
    assert ruled(low, high).ruling is Ruling.BETTER
    assert ruled(high, low).ruling is Ruling.WORSE
    assert ruled(low, high, up=False).ruling is Ruling.WORSE


def test_the_same_difference_at_a_stricter_level_is_not_shown():
    low, high = marks(0.4), marks(0.55, seed=1)
    assert ruled(low, high, at=0.05).ruling is Ruling.BETTER
    assert ruled(low, high, at=1e-12).ruling is Ruling.NOT_SHOWN


def test_marks_are_ruled_by_the_exact_test():
    first, second = np.zeros((1, 400)), np.zeros((1, 400))
    second[0, :8] = 1.0  # eight of eight: exactly 2^-7
    assert ruled(first, second, at=0.0078).ruling is Ruling.NOT_SHOWN
    assert ruled(first, second, at=0.0079).ruling is Ruling.BETTER


def test_answers_that_are_missing_cannot_make_a_candidate_better():
    """The kind: whoever leaves out the items that are hard for him."""
    first, second = marks(0.5), marks(0.5, seed=1)
    second[0, (second[0] == 0) & (first[0] == 1)] = np.nan
    assert ruled(first, second).ruling is Ruling.NOT_SHOWN
    assert ruled(first, second, share=False).ruling is Ruling.NOT_SHOWN


def test_a_few_missing_answers_do_not_hide_a_clear_difference():
    first, second = marks(0.3), marks(0.8, seed=1)
    second[0, :3] = np.nan
    assert ruled(first, second).ruling is Ruling.BETTER


def test_what_to_buy_does_not_follow_the_score():
    """The kind: a score that is read off the advice."""
    rng = np.random.default_rng(0)
    first = rng.random((1, 200))
    noise = 0.2 * rng.standard_normal((1, 200))
    found = {
        ruled(first, np.clip(first, 0, 1) * 0 + first + noise + shift, share=False, at=1e-9).more
        for shift in (0.0, 0.01, -0.02)
    }
    assert len(found) == 1


def test_more_items_are_asked_for_and_none_where_the_margin_would_have_been_found():
    first, second = marks(0.5), marks(0.5, seed=1)
    asked = ruled(first, second)
    assert asked.buy is Buy.ITEMS
    assert asked.more > 1000
    assert str(asked.more)[0] in "125"
    assert ruled(first, second, margin=0.5).buy is Buy.NOTHING


def test_luck_asks_for_a_seed():
    rng = np.random.default_rng(3)
    shares = rng.random(1000)
    first, second = ([(rng.random(1000) < np.clip(shares + d, 0, 1)) * 1.0 for d in (-0.2, 0.2)] for _ in range(2))
    assert ruled(first, second).buy is Buy.SEED


def test_nothing_scored_in_both_is_no_ruling():
    assert ruled(np.full((1, 5), np.nan), marks(0.5, 5)) is None


@pytest.mark.parametrize("planned", [0, 7, 200])
def test_what_is_spent_never_passes_alpha(planned):
    spent = sum(level(look, 0.05, planned) for look in range(1, (planned or 100_000) + 1))
    assert 0.04 * (1 if planned else 0.9) < spent <= 0.05 + 1e-12


def test_a_look_that_was_not_planned_has_no_level():
    for look, planned in ((0, 0), (0, 5), (6, 5)):
        with pytest.raises(ValueError, match="look"):
            level(look, 0.05, planned)
