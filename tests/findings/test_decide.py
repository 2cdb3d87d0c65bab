"""A contrast stops when it is clear and not before, whatever the luck; and it buys what is missing."""

import numpy as np
import pytest
from scipy import special

from counterform.findings.decide import FEWEST, Design, Outcome, Purchase, look, outcome, purchase

DESIGN = Design(items=200, seeds=3)


def arms(n=200, seeds=3, *, effect=0.0, luck=(0.0, 0.0), draws=1, seed=0, samples=4):
    """Two arms' tables (draws, items, seeds) of shares around one half; effect and luck in logits."""
    rng = np.random.default_rng(seed)
    hard = 1.5 * rng.standard_normal((draws, n, 1))
    tables = [
        rng.binomial(samples, special.expit(hard + shift + own * rng.standard_normal((draws, 1, seeds)))) / samples
        for shift, own in zip((effect, 0.0), luck, strict=True)
    ]
    return tables[0], tables[1]


def said(a, b, design=DESIGN, **more):
    return outcome(look(a[0], b[0], design, **more), a.shape[1], a.shape[2], design)


@pytest.mark.parametrize(("effect", "expected"), [(3.0, Outcome.BETTER), (-3.0, Outcome.WORSE)])
def test_a_large_difference_stops_early(effect, expected):
    a, b = arms(60, effect=effect)
    assert said(a, b) is expected


def test_equal_arms_within_a_wide_margin_are_equivalent_and_without_one_never():
    a, b = arms()
    assert said(a, b, Design(items=200, seeds=3, margin=0.2)) is Outcome.EQUIVALENT
    assert said(a, b) is Outcome.EXHAUSTED


def test_a_difference_as_large_as_the_margin_is_not_called_equivalent():
    a, b = arms(400, 3, effect=0.5, draws=200, seed=1)
    true = float((a - b).mean())
    found = look(a, b, Design(items=400, seeds=3, margin=true))
    assert found.equivalent.mean() < 0.05


def test_what_can_no_longer_be_decided_is_futile_and_a_clear_difference_is_not():
    a, b = arms(120)
    assert said(a, b) is Outcome.FUTILE
    # Half way with a difference that is nearly there: worth going on with.
    found = look(*arms(100, 2, effect=0.6, draws=200), Design(items=200, seeds=3))
    assert found.futile.mean() < 0.05


@pytest.mark.parametrize("luck", [(0.0, 0.0), (0.3, 0.3), (0.0, 0.3)])
def test_looks_after_every_batch_find_nothing_too_often(luck):
    a, b = arms(100, 3, luck=luck, draws=400, seed=2)
    design = Design(items=100, seeds=3)
    found = np.zeros(400, dtype=bool)
    for n in range(FEWEST, 101, 8):
        seen = look(a[:, :n], b[:, :n], design)
        found |= seen.better | seen.worse
    assert found.mean() < 0.075  # 5 % and two standard errors of 400 studies


def test_before_the_fewest_items_nothing_is_said():
    a, b = arms(FEWEST - 1, effect=9.0)
    assert said(a, b) is Outcome.OPEN


def test_a_handful_of_items_that_differ_says_no_more_than_their_signs():
    a, b = np.zeros((1, 200, 1)), np.zeros((1, 200, 1))
    a[0, :5] = 1.0
    seen = look(a, b, Design(items=200, seeds=1), lucky=(False, False))
    assert seen.p[0] >= 2.0**-4


def test_luck_asks_for_seeds_and_noise_for_items():
    lucky, steady = arms(150, 2, luck=(1.0, 1.0), seed=3), arms(20, 4, samples=1)
    design = Design(items=400, seeds=5, training=100.0)
    assert purchase(look(lucky[0][0], lucky[1][0], design), 150, 2, design) is Purchase.SEED
    assert purchase(look(steady[0][0], steady[1][0], design), 20, 4, design) is Purchase.ITEMS


def test_what_has_run_out_is_not_bought():
    a, b = (table[0] for table in arms(200, 2))
    assert purchase(look(a, b, DESIGN), 200, 2, DESIGN) is Purchase.SEED
    a, b = (table[0] for table in arms(60, 3))
    assert purchase(look(a, b, DESIGN), 60, 3, DESIGN) is Purchase.ITEMS
    a, b = (table[0] for table in arms(200, 3))
    assert purchase(look(a, b, DESIGN), 200, 3, DESIGN) is Purchase.NOTHING


def test_time_runs_with_what_variance_is_left_and_ends_at_1():
    whole = look(*arms(200, 3, draws=5), DESIGN)
    half = look(*arms(50, 3, draws=5), DESIGN)
    assert whole.time == pytest.approx(1.0)
    assert (half.time < 0.9).all()
    assert (half.stricter > whole.stricter).all()


def test_the_interval_is_that_of_the_verdict():
    found = look(*arms(100, 3, effect=0.3, draws=50), DESIGN)
    low, high = found.interval(DESIGN.alpha)
    clear = (low > 0) | (high < 0)
    assert (clear >= (found.better | found.worse)).all()
    assert clear.sum() == (found.better | found.worse).sum()
