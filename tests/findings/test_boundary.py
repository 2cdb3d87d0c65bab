"""The boundary keeps its promise for looks at any moment, and few items count for less."""

import numpy as np
import pytest
from scipy import special, stats

from counterform.findings.boundary import FIRST, SHAPE, constant, critical, crossing, stricter


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("looks", [20, 300])
def test_a_walk_without_drift_crosses_as_often_as_is_said(alpha, looks):
    times = np.linspace(FIRST, 1.0, looks)
    steps = np.sqrt(np.diff(np.concatenate([[0.0], times])))
    walks = np.cumsum(np.random.default_rng(0).standard_normal((20_000, looks)) * steps, axis=1)
    crossed = (np.abs(walks) >= critical(times, alpha) * np.sqrt(times)).any(axis=1).mean()
    # Fewer looks find less by chance, never more.
    assert (0.85 if looks == 300 else 0.6) * alpha < crossed < 1.08 * alpha


def test_the_constant_is_where_alpha_is_crossed():
    for alpha in (0.2, 0.05, 1e-4):
        assert crossing(constant(alpha)) == pytest.approx(alpha, rel=0.01)
    assert constant(0.05) > -special.ndtri(0.025)  # looking costs something


def test_nothing_is_decided_before_the_first_moment_and_the_bar_falls_with_time():
    assert critical(np.array(FIRST / 2), 0.05) == np.inf
    found = critical(np.array([0.05, 0.2, 0.6, 1.0]), 0.05)
    assert (np.diff(found) < 0).all()
    assert found[-1] == constant(0.05)
    assert found[1] == pytest.approx(constant(0.05) * 0.2 ** (SHAPE - 0.5))


def test_few_items_count_for_less():
    few, many = (stricter(np.array(0.2), 0.05, freedom) for freedom in (19, 10_000))
    assert few > many
    assert many == pytest.approx(critical(np.array(0.2), 0.05) / stats.norm.isf(0.025), rel=1e-3)
