"""What other libraries make of the same numbers, where they have the design: statsmodels, scikit-learn, and a bootstrap over both."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from sklearn import metrics
from sklearn.calibration import calibration_curve
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from counterform.findings import stats
from counterform.findings.intervals import upper_tail
from counterform.findings.seed_variance import squares


def crossed(rng, n, seeds, *, luck, level=0.5):
    """(items, seeds) of one arm: a problem's effect, a seed's, and noise."""
    return level + rng.normal(0, 0.2, (n, 1)) + luck * rng.normal(0, 1, (1, seeds)) + rng.normal(0, 0.1, (n, seeds))


@pytest.mark.parametrize("seed", range(3))
def test_the_variance_of_seeds_is_that_of_a_mixed_model(seed):
    # REML of items crossed with seeds equals the mean squares wherever those are not negative.
    rng = np.random.default_rng(seed)
    n, seeds = 40, 6
    values = crossed(rng, n, seeds, luck=0.15)
    data = pd.DataFrame(
        {"y": values.ravel(), "item": np.repeat(np.arange(n), seeds), "seed": np.tile(np.arange(seeds), n), "all": 1}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM.from_formula(
            "y ~ 1", data, groups="all", vc_formula={"item": "0 + C(item)", "seed": "0 + C(seed)"}
        )
        fitted = model.fit(reml=True)
    theirs = dict(zip(model.exog_vc.names, fitted.vcomp, strict=True))
    ours = squares(values)
    assert ours.between - ours.noise == pytest.approx(theirs["seed"], rel=0.02)
    assert n * ours.noise == pytest.approx(fitted.scale, rel=0.02)
    # The whole error of the mean, items and seeds together.
    assert np.sqrt(ours.items + (ours.between - ours.noise) / seeds) == pytest.approx(
        float(fitted.bse_fe.iloc[0]), rel=0.02
    )


@pytest.mark.parametrize("shift", [0.0, 0.08, 0.2])
def test_one_answer_per_item_is_mcnemar(shift):
    rng = np.random.default_rng(4)
    hard = rng.random((400, 1))
    b = (rng.random((400, 1)) < hard).astype(float)
    a = (rng.random((400, 1)) < np.clip(hard + shift, 0, 1)).astype(float)
    table = [[int(((a == x) & (b == y)).sum()) for y in (1, 0)] for x in (1, 0)]
    theirs = mcnemar(table, exact=False, correction=False).pvalue
    ours = stats.estimate(a, b, [], bounds=stats.SHARE).p
    assert ours == pytest.approx(theirs, rel=0.15, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_auroc_average_precision_and_calibration_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    hits, clusters = rng.random(200) < 0.4, np.arange(200)
    scores = np.round(np.clip(0.4 + 0.2 * hits + rng.normal(0, 0.2, 200), 0, 1), 1)
    auroc = stats.leave_out_pseudo_values(lambda s, h: float(metrics.roc_auc_score(h, s)), scores, hits, clusters)
    assert stats.auroc_pseudo_values(scores, hits, clusters) == pytest.approx(auroc)
    assert stats.average_precision(scores, hits) == pytest.approx(metrics.average_precision_score(hits, scores))
    scores = rng.random(200)
    right, said = calibration_curve(hits, scores, n_bins=stats.BINS)
    weights = np.bincount(stats.bin_of(scores), minlength=stats.BINS)
    theirs = (weights[weights > 0] * np.abs(right - said)).sum() / 200
    assert stats.calibration_pseudo_values(scores, hits, clusters).mean() == pytest.approx(theirs, abs=1e-9)


def test_holm_is_statsmodels():
    p = np.random.default_rng(0).random(20) ** 3
    assert stats.holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1])


@pytest.mark.parametrize("seed", range(2))
def test_fieller_agrees_with_a_bootstrap_over_items_and_seeds(seed):
    # Many seeds, so that resampling them says what luck is.
    rng = np.random.default_rng(seed)
    n, seeds = 150, 12
    hard = rng.normal(0, 1, (n, 1))

    def arm(centre, luck):
        chance = 1 / (1 + np.exp(-(centre + hard + luck * rng.normal(0, 1, (1, seeds)))))
        return rng.binomial(4, chance) / 4

    base, full, control = arm(-1, 0.0), arm(1, 0.2), arm(0, 0.2)
    ours = stats.ratio(control, full, base, [], bounds=stats.SHARE)
    draws = []
    for _ in range(2_000):
        rows = rng.integers(0, n, n)
        of_full, of_control = (arm[rows][:, rng.integers(0, seeds, seeds)].mean() for arm in (full, control))
        untrained = base[rows].mean()
        draws.append((of_control - untrained) / (of_full - untrained))
    low, high = np.quantile(draws, (0.025, 0.975))
    assert ours.low < ours.value < ours.high
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.25 * (high - low))


def test_one_share_is_wilsons_interval():
    hits = np.repeat([[1.0], [0.0]], (9, 91), axis=0)
    ours = stats.estimate(hits, None, [], bounds=stats.SHARE)
    theirs = scipy_stats.binomtest(9, 100).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


@pytest.mark.parametrize("freedom", [1, 3, 8.9, 9, 12.5, 40, 1e4, 1e12])
def test_the_tail_of_students_t_is_scipys(freedom):
    t = np.linspace(0, 8, 200)
    assert upper_tail(t, np.full(200, freedom)) == pytest.approx(scipy_stats.t.sf(t, freedom), rel=1e-5)
