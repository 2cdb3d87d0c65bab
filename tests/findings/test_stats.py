import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from counterform.findings import stats
from counterform.findings.intervals import detectable, intervals
from counterform.findings.seed_variance import luck_scale
from counterform.findings.stats import (
    COUNT,
    DIFFERENCE,
    SHARE,
    UNBOUNDED,
    Compared,
    NoShare,
    auroc_pseudo_values,
    estimate,
    estimates,
    holm,
    like_lengths,
    matched_pseudo_values,
    metric_of,
    pass_at_k,
    pass_hat_k,
    pseudo_values,
    ratio,
    ratio_pseudo_values,
    share_of_gain,
)


class TestPassAtK:
    @given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
    def test_is_the_share_of_draws_with_a_right_sample(self, case):
        n, right, k = case
        draws = list(itertools.combinations([True] * right + [False] * (n - right), k))
        assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))

    @pytest.mark.parametrize(("n", "right", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
    def test_impossible_counts(self, n, right, k):
        with pytest.raises(ValueError, match=f"pass@{k} needs at least {k} samples"):
            pass_at_k(n, right, k)


class TestPassHatK:
    @given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
    def test_is_the_share_of_draws_that_are_all_right(self, case):
        n, right, k = case
        draws = list(itertools.combinations([True] * right + [False] * (n - right), k))
        assert pass_hat_k(n, right, k) == pytest.approx(sum(map(all, draws)) / len(draws))

    def test_impossible_counts(self):
        with pytest.raises(ValueError, match="needs at least 4 samples"):
            pass_hat_k(3, 1, 4)


class TestMetric:
    def test_one_stratum_is_the_mean(self):
        assert metric_of(np.array([3.0]), np.array([4.0])) == 0.75

    def test_two_strata_are_the_f1_of_processbench(self):
        erroneous, correct = 0.2, 0.8
        found = metric_of(np.array([2.0, 8.0]), np.array([10.0, 10.0]))
        assert found == pytest.approx(2 * erroneous * correct / (erroneous + correct))

    @pytest.mark.parametrize("sums", [[0.0, 5.0], [0.0, 0.0]])
    def test_nothing_in_one_stratum_is_nothing_at_all(self, sums):
        assert metric_of(np.array(sums), np.array([5.0, 5.0])) == 0.0


class TestPseudoValues:
    def test_a_plain_mean_gives_back_the_clusters_means(self):
        values = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0])
        clusters = np.array([0, 0, 1, 1, 2, 2])
        found = pseudo_values(values, clusters, np.zeros(6, dtype=int))
        assert found == pytest.approx([0.5, 1.0, 0.0])

    def test_their_mean_is_close_to_f1(self):
        rng = np.random.default_rng(0)
        strata = np.repeat([0, 1], 100)
        values = (rng.random(200) < np.where(strata == 0, 0.3, 0.8)).astype(float)
        a, b = values[strata == 0].mean(), values[strata == 1].mean()
        found = pseudo_values(values, np.arange(200), strata)
        assert found.mean() == pytest.approx(2 * a * b / (a + b), abs=0.005)


class TestRatioOfSums:
    def test_their_mean_is_close_to_the_ratio_of_sums(self):
        rng = np.random.default_rng(0)
        bottom = rng.integers(1, 9, 200).astype(float)
        top = bottom * rng.random(200)
        found = ratio_pseudo_values(top, bottom)
        assert found.mean() == pytest.approx(top.sum() / bottom.sum(), abs=1e-3)

    def test_a_constant_ratio_has_no_spread(self):
        assert ratio_pseudo_values(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])) == pytest.approx([0.5] * 3)

    @pytest.mark.parametrize("bottom", [[0.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    def test_is_undefined_where_one_cluster_has_all_there_is(self, bottom):
        assert np.isnan(ratio_pseudo_values(np.ones(3), np.array(bottom))).all()


class TestAuroc:
    @given(st.integers(0, 2**32 - 1))
    def test_is_the_jackknife_of_counting_pairs(self, seed):
        rng = np.random.default_rng(seed)
        scores, hits = rng.integers(0, 6, 30).astype(float), rng.random(30) < 0.5
        clusters = rng.permutation(np.arange(30) % 6)

        def auroc(kept):
            pairs = [(a, b) for a in scores[kept & hits] for b in scores[kept & ~hits]]
            return np.mean([(a > b) + (a == b) / 2 for a, b in pairs]) if pairs else math.nan

        everything = np.ones(30, dtype=bool)
        expected = [6 * auroc(everything) - 5 * auroc(clusters != c) for c in range(6)]
        found = auroc_pseudo_values(scores, hits, clusters)
        assert found == pytest.approx(expected if not np.isnan(expected).any() else [math.nan] * 6, nan_ok=True)

    def test_one_kind_alone_tells_nothing(self):
        assert np.isnan(auroc_pseudo_values(np.arange(4.0), np.zeros(4, dtype=bool), np.arange(4))).all()


def shares(rng, clusters, rate, luck=(0.0,)):
    """(clusters, seeds) shares of four samples, each seed shifted by its luck."""
    return rng.binomial(4, np.clip(rate + np.asarray(luck), 0, 1), size=(clusters, len(luck))) / 4


def shares_of_odds(rng, hard, sd, *, seeds, centre=0.0):
    """(studies, problems, seeds) shares of four samples; each seed shifts the log-odds by its luck."""
    shift = rng.normal(0, sd, (len(hard), 1, seeds))
    chance = 1 / (1 + np.exp(-(centre + hard + shift)))
    return rng.binomial(4, chance) / 4


class TestEstimate:
    @pytest.mark.parametrize("seed", range(3))
    def test_one_seed_agrees_with_the_bootstrap_over_problems(self, seed):
        rng = np.random.default_rng(seed)
        hard = rng.beta(2, 2, size=(300, 1))
        a, b = shares(rng, 300, np.clip(hard + 0.05, 0, 1)), shares(rng, 300, hard)
        ours = estimate(a, b, [], lucky=(True, False), bounds=SHARE)
        theirs = scipy_stats.bootstrap(
            ((a - b)[:, 0],), np.mean, n_resamples=2_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        width = theirs.high - theirs.low
        assert ours.value == pytest.approx((a - b).mean())
        assert ours.low == pytest.approx(theirs.low, abs=0.1 * width)
        assert ours.high == pytest.approx(theirs.high, abs=0.1 * width)

    def test_one_seed_is_the_paired_t_test(self):
        rng = np.random.default_rng(0)
        a, b = shares(rng, 50, 0.6), shares(rng, 50, 0.5)
        assert estimate(a, b, [], lucky=(True, False), bounds=SHARE).p == pytest.approx(
            scipy_stats.ttest_rel(a[:, 0], b[:, 0]).pvalue
        )

    @pytest.mark.parametrize("luck", [(0.0, 0.0), (0.3, 0.3), (0.3, 0.0), (0.0, 0.3)])
    def test_false_finds_stay_at_five_percent_and_intervals_cover(self, luck):
        # Of an arm as lucky as the others, luckier, or less. The plain interval over items misses wherever the arm is lucky.
        rng = np.random.default_rng(7)
        hard = rng.normal(0, 1.5, (400, 200, 1))
        base, *arms = (shares_of_odds(rng, hard, sd, seeds=2) for sd in (0.0, luck[0], luck[1], luck[1]))
        found = intervals(arms[0], base, arms[1:], lucky=(True, False))
        covered = ((found.low <= 0) & (found.high >= 0)).mean()
        assert covered > 0.93
        assert (found.p < 0.05).mean() < 0.06
        naive = scipy_stats.ttest_1samp((arms[0] - base).mean(-1), 0, axis=-1).pvalue
        assert ((naive < 0.05).mean() > 0.2) == (luck[0] > 0)

    @pytest.mark.parametrize("seeds", [2, 3])
    def test_at_a_floor_beside_arms_that_work_intervals_cover(self, seeds):
        rng = np.random.default_rng(3)
        hard = rng.normal(0, 1.5, (400, 100, 1))
        base, floor, works = (
            shares_of_odds(rng, hard, sd, seeds=seeds, centre=at) for at, sd in ((0.0, 0.0), (-4.0, 0.1), (1.0, 0.3))
        )
        for arm in (floor, works):
            other = works if arm is floor else floor
            true = arm.mean() - base.mean()
            found = intervals(arm, base, [other], lucky=(True, False))
            assert ((found.low <= true) & (found.high >= true)).mean() > 0.93
            level = intervals(arm, None, [other], lucky=[True])
            assert ((level.low <= arm.mean()) & (level.high >= arm.mean())).mean() > 0.93
            assert (level.low > 0).all()

    @pytest.mark.parametrize("sd", [0.0, 0.3])
    def test_what_the_minimum_detectable_effect_promises_is_found(self, sd):
        rng = np.random.default_rng(5)
        hard = rng.normal(0, 1.5, (300, 100, 1))
        first = [shares_of_odds(rng, hard, luck, seeds=2) for luck in (sd, sd)]
        mde = detectable(*first, [], lucky=(True, True))
        # A shift of the log-odds by x moves the mean share by 0.165 x at this spread of problems.
        moved = [shares_of_odds(rng, hard, sd, seeds=2, centre=centre) for centre in (mde[:, None, None] / 0.165, 0.0)]
        found = intervals(*moved, [], lucky=(True, True))
        assert 0.68 < (found.p < 0.05).mean() < 0.92

    @pytest.mark.parametrize("lucky", [(True, False), (True, True)])
    def test_seeds_that_lie_far_apart_promise_no_small_effect(self, lucky):
        # The kind: an effect promised that is a part of the interval beside it. An iteration swung where the luck of seeds is large.
        rng = np.random.default_rng(0)
        for _ in range(150):
            n, seeds, luck = rng.choice([12, 102, 300]), rng.choice([2, 3, 5]), rng.choice([0.02, 0.3])
            a, b = (shares(rng, n, rng.uniform(0.2, 0.8), rng.normal(0, sd, seeds)) for sd in (luck, luck * lucky[1]))
            found = estimate(a, b, [], lucky=lucky, bounds=SHARE)
            assert found.mde > 0.35 * (found.high - found.low)

    def test_an_arm_of_the_base_first_has_the_luck_of_the_second(self):
        rng = np.random.default_rng(0)
        base, arm = shares(rng, 200, 0.5, (0.0, 0.0)), shares(rng, 200, 0.6, (0.15, -0.15))
        there, back = (
            estimate(*pair, [], lucky=lucky, bounds=SHARE)
            for pair, lucky in (((arm, base), (True, False)), ((base, arm), (False, True)))
        )
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_a_steady_gap_is_no_certainty(self, seeds):
        # 0.3 against 0.1 in floating point: the differences vary by rounding alone.
        a, b = np.full((9, seeds), 0.1 + 0.2), np.full((9, seeds), 0.1)
        a[::2] = 0.3
        found = estimate(a, b, [], lucky=(True, False), bounds=SHARE)
        assert found.p >= 2.0**-8
        assert found.high - found.low > 0.5
        few = estimate(a[:4], b[:4], [], lucky=(True, False), bounds=SHARE)
        assert few.p > 0.05

    def test_a_count_that_never_varied_may_yet(self):
        same = estimate(np.full((10, 2), 150.0), np.full((10, 2), 150.0), [], lucky=(True, False), bounds=COUNT)
        # None of 10 problems differs: 31 % may, each by the whole of what there is.
        assert (same.low, same.high, same.p) == (pytest.approx(-46, rel=0.1), pytest.approx(46, rel=0.1), 1.0)
        assert math.isfinite(same.mde)
        few = estimate(np.zeros((5, 2)), np.zeros((5, 2)), [], lucky=(True, False), bounds=COUNT)
        assert few.mde == math.inf
        nothing = estimate(np.zeros((10, 2)), np.zeros((10, 2)), [], lucky=(True, False), bounds=COUNT)
        assert (nothing.value, nothing.p) == (0.0, 1.0)

    @pytest.mark.parametrize(("level", "bounds"), [(150.0, COUNT), (0.4, SHARE), (-0.3, DIFFERENCE)])
    def test_luck_is_judged_in_the_units_of_the_metric(self, level, bounds):
        # Ten times the tokens with ten times the spread are the same study.
        rng = np.random.default_rng(1)
        values = level + 0.05 * abs(level) * rng.normal(0, 1, (50, 2))
        found = estimate(values, None, [], lucky=[True], bounds=bounds)
        assert bounds[0] <= found.low < level < found.high <= bounds[1]
        if bounds is COUNT:
            tenfold = estimate(10 * values, None, [], lucky=[True], bounds=bounds)
            assert tenfold.high == pytest.approx(10 * found.high)

    def test_luck_counts_twice_between_two_trained_arms(self):
        rng = np.random.default_rng(0)
        arms = [shares(rng, 400, 0.5, luck) for luck in ((0.1, -0.1), (0.08, -0.05), (-0.1, 0.06))]
        base = shares(rng, 400, 0.5, (0.0, 0.0))
        without, with_luck = (estimate(arms[0], base, arms[1:], lucky=(on,), bounds=SHARE) for on in (False, True))
        both = estimate(arms[0], arms[1], arms[2:], lucky=(True, True), bounds=SHARE)
        assert without.mde < with_luck.mde < both.mde

    def test_an_arm_at_the_floor_keeps_an_interval_though_luck_comes_out_as_nothing(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            arms = [shares(rng, 300, 0.7) for _ in range(4)]
            floor = shares(rng, 300, 0.012)
            level = estimate(floor, None, arms, lucky=[True], bounds=SHARE)
            assert level.low <= 0.012 <= level.high
            assert level.high - level.low < 0.1

    def test_pairing_takes_what_makes_a_problem_hard_out(self):
        rng = np.random.default_rng(0)
        hard = rng.integers(0, 2, size=(200, 1)).astype(float)
        a, b = hard, np.clip(hard - 0.1 * (rng.random((200, 1)) < 0.5), 0, 1)
        paired, alone = estimate(a, b, [], bounds=SHARE), estimate(a, None, [], bounds=SHARE)
        assert paired.high - paired.low < 0.2 * (alone.high - alone.low)

    def test_the_smallest_detectable_effect_is_detected_four_times_in_five(self):
        rng = np.random.default_rng(3)
        draws = [rng.normal(0, 1, size=(60, 1)) for _ in range(400)]
        mde = float(np.median([estimate(draw, None, [], bounds=UNBOUNDED).mde for draw in draws]))
        found = sum(estimate(draw + mde, None, [], bounds=UNBOUNDED).p < 0.05 for draw in draws)
        assert 0.72 < found / len(draws) < 0.88

    def test_a_single_cluster_has_no_bounds(self):
        found = estimate(np.array([[1.0, 1.0]]), np.array([[0.0, 0.0]]), [], lucky=(True, False), bounds=SHARE)
        assert (found.value, found.low, found.high, found.p, found.mde) == (1.0, -math.inf, math.inf, 1.0, math.inf)

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_no_spread_at_all(self, seeds):
        ones = np.ones((20, seeds))
        same, moved = (estimate(ones, other, [], lucky=(True, False), bounds=SHARE) for other in (ones, 0 * ones))
        # None of 20 differs: up to 1 - 0.025^(1/20) = 16.8 % of all problems may.
        assert (same.value, same.low, same.high, same.p) == pytest.approx((0.0, -0.168, 0.168, 1.0), abs=1e-3)
        assert (moved.value, moved.low, moved.high, moved.p) == pytest.approx((1.0, 0.832, 1.0, 2.0**-19), abs=1e-3)

    def test_at_a_floor_the_smallest_effect_is_what_a_sign_test_would_find(self):
        mde = estimate(np.zeros((64, 1)), np.zeros((64, 1)), [], bounds=SHARE).mde
        assert scipy_stats.binom.sf(5, 64, mde) == pytest.approx(0.8, abs=0.01)  # 6 of one sign: p = 0.031
        assert estimate(np.zeros((5, 1)), np.zeros((5, 1)), [], bounds=SHARE).mde == math.inf

    def test_two_clusters_that_move_alike_prove_nothing(self):
        assert estimate(np.ones((2, 1)), np.zeros((2, 1)), [], bounds=SHARE).p == 0.5


class TestManyAtOnce:
    @pytest.fixture(scope="class")
    def asked(self):
        rng = np.random.default_rng(8)

        def compared(a, b, others, bounds, rate):
            first, *rest = (
                (rng.random((40, seeds)) < rate).astype(float) for seeds in (a, *([b] if b else []), *others)
            )
            second = rest.pop(0) if b else None
            return Compared(first, second, rest, (True, b == 2)[: 2 if b else 1], bounds)

        shapes = [(2, 1, (2, 2)), (2, 2, (2,)), (2, None, (2, 2)), (1, 1, (1,)), (3, 1, ())]
        many = [
            compared(*shape, bounds, rate) for rate in (0.5, 0.97, 0.2) for bounds in (SHARE, COUNT) for shape in shapes
        ]
        flat = np.ones((40, 2))
        return [*many, Compared(flat, flat[:, :1], (flat,), (True, False), SHARE), *many[:3]]

    def test_each_is_what_it_is_alone_in_the_order_of_the_questions(self, asked):
        alone = [estimate(c.a, c.b, c.others, lucky=c.lucky, bounds=c.bounds) for c in asked]
        assert self.numbers(estimates(asked)) == pytest.approx(self.numbers(alone), rel=1e-10)
        assert self.numbers(estimates(asked[::-1])[::-1]) == pytest.approx(self.numbers(alone), rel=1e-10)

    def test_however_many_fit_into_one_array(self, asked, monkeypatch):
        whole = self.numbers(estimates(asked))
        monkeypatch.setattr(stats, "_AT_ONCE", 2)
        assert self.numbers(estimates(asked)) == pytest.approx(whole, rel=1e-10)

    @staticmethod
    def numbers(found):
        return [number for e in found for number in (e.value, e.low, e.high, e.p, e.mde)]


class TestRatio:
    def test_by_hand(self):
        # 300 problems, base 40 %, half of the gain of the full arm.
        rng = np.random.default_rng(0)
        base, full, control = (shares(rng, 3_000, rate) for rate in (0.4, 0.8, 0.6))
        found = ratio(control, full, base, [], bounds=SHARE)
        assert found.value == pytest.approx((control.mean() - base.mean()) / (full.mean() - base.mean()))
        assert found.low < 0.5 < found.high
        assert found.high - found.low < 0.1

    def test_one_seed_agrees_with_the_bootstrap_over_problems(self):
        rng = np.random.default_rng(1)
        hard = rng.beta(2, 2, size=(300, 1))
        base, full = shares(rng, 300, hard), shares(rng, 300, np.clip(hard + 0.3, 0, 1))
        control = shares(rng, 300, np.clip(hard + 0.1, 0, 1))
        ours = ratio(control, full, base, [], bounds=SHARE)
        theirs = scipy_stats.bootstrap(
            ((control - base)[:, 0], (full - base)[:, 0]),
            lambda over, under, axis=-1: over.mean(axis) / under.mean(axis),
            paired=True,
            n_resamples=2_000,
            method="percentile",
            rng=np.random.default_rng(2),
        ).confidence_interval
        width = theirs.high - theirs.low
        assert ours.low == pytest.approx(theirs.low, abs=0.15 * width)
        assert ours.high == pytest.approx(theirs.high, abs=0.15 * width)

    def test_it_covers_with_the_luck_of_training(self):
        rng = np.random.default_rng(2)
        covered = drawn = 0
        for _ in range(200):
            base = shares(rng, 300, 0.4, (0.0, 0.0))
            full, control, other = (shares(rng, 300, rate, rng.normal(0, 0.02, size=2)) for rate in (0.7, 0.55, 0.6))
            found = ratio(control, full, base, [other], bounds=SHARE)
            drawn += found is not None
            covered += found is not None and found.low <= 0.5 <= found.high
        few, many = scipy_stats.binom.interval(0.999, drawn, 0.95)
        assert drawn > 190
        assert few <= covered <= max(many, drawn)

    def test_no_ratio_to_a_gain_that_is_not_clear_of_nothing(self):
        rng = np.random.default_rng(0)
        base, full, control = (shares(rng, 300, rate) for rate in (0.5, 0.51, 0.7))
        assert ratio(control, full, base, [], bounds=SHARE) is None
        assert ratio(base, base, base, [], bounds=SHARE) is None
        assert ratio(base[:1], full[:1], base[:1], [], bounds=SHARE) is None

    def test_what_the_control_is_uncertain_of_is_in_the_interval(self):
        """Problems and luck alike: a control as good on average, but spread over problems or seeds, has a wider share."""
        rng = np.random.default_rng(0)
        base, full = (rng.normal(rate, 0.01, (200, 3)) for rate in (0.2, 0.8))
        even = np.full((200, 3), 0.5) + rng.normal(0, 0.01, (200, 3))
        by_problem = even + rng.permutation(np.repeat([-0.3, 0.3], 100))[:, None]
        by_seed = even + np.array([-0.1, 0.0, 0.1])
        widths = []
        for control in (even, by_problem, by_seed):
            found = ratio(control, full, base, [], bounds=SHARE)
            assert found.value == pytest.approx(0.5, abs=0.01)
            widths.append(found.high - found.low)
        # 0.3 of 200 problems is 2.1 points of a gain of 60, to each side 1.97 times; what luck may be has wider tails and adds less.
        assert widths[1] ** 2 - widths[0] ** 2 == pytest.approx((2 * 1.97 * 0.0212 / 0.6) ** 2, rel=0.3)
        assert widths[2] > 1.5 * widths[0]

    def test_the_full_arm_itself_is_all_of_it(self):
        rng = np.random.default_rng(0)
        base, full = shares(rng, 300, 0.4), shares(rng, 300, 0.8)
        found = ratio(full, full, base, [], bounds=SHARE)
        assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


class TestSeedVariance:
    def test_luck_moves_a_share_by_what_seeds_do_not_agree_on(self):
        rng = np.random.default_rng(0)
        coins = rng.binomial(1, 0.3, (5_000, 2)).astype(float)
        assert luck_scale(coins, SHARE) == pytest.approx(0.21, abs=0.01)
        # The same answers from both seeds: hardly any luck can be in them.
        alike = np.repeat(coins[:, :1], 2, axis=1)
        assert luck_scale(alike, SHARE) == pytest.approx(0.2 * 0.21, abs=0.01)
        hard = 1 / (1 + np.exp(-rng.normal(0, 1.5, (5_000, 1))))
        mean = float((hard * (1 - hard)).mean())
        assert luck_scale(rng.binomial(1, np.repeat(hard, 2, axis=1)).astype(float), SHARE) == pytest.approx(
            mean, abs=0.01
        )

    def test_the_unit_is_the_metrics_own(self):
        values = np.random.default_rng(0).normal(100, 10, (400, 3))
        assert luck_scale(values, COUNT) == pytest.approx(values.mean())
        assert luck_scale(values, UNBOUNDED) == pytest.approx(5 / math.sqrt(3), rel=0.1)
        assert luck_scale(np.zeros((50, 2)), SHARE) > 0
        assert luck_scale(2 * (values / 200) - 1, DIFFERENCE) == pytest.approx(2 * luck_scale(values / 200, SHARE))

    def test_quiet_arms_do_not_vouch_for_a_loud_one_and_loud_ones_warn(self):
        rng = np.random.default_rng(2)
        arm, quiet, loud = (shares(rng, 400, 0.5, shift) for shift in ((0.02, -0.02), (0.0, 0.0), (0.25, -0.25)))
        alone, beside_quiet, beside_loud = (
            estimate(arm, None, others, lucky=[True], bounds=SHARE) for others in ([], [quiet] * 4, [loud] * 4)
        )
        width = alone.high - alone.low
        assert beside_quiet.high - beside_quiet.low > 0.9 * width
        assert beside_loud.high - beside_loud.low > 1.2 * width


class TestShareOfGain:
    def test_a_share_of_a_clear_gain(self):
        rng = np.random.default_rng(0)
        base, full, control = (shares(rng, 300, rate) for rate in (0.4, 0.8, 0.6))
        assert share_of_gain(control, full, base, [], bounds=SHARE) == ratio(control, full, base, [], bounds=SHARE)

    @pytest.mark.parametrize(
        ("rates", "why"),
        [
            ((0.4, 0.41, 0.6), NoShare.UNDEFINED),
            ((0.4, 0.48, 0.1), NoShare.UNCLEAR),
            ((0.4, 0.8, 0.2), NoShare.NOTHING),
            ((0.6, 0.2, 0.8), NoShare.NOTHING),
        ],
    )
    def test_no_absurd_shares(self, rates, why):
        rng = np.random.default_rng(0)
        base, full, control = (shares(rng, 300, rate) for rate in rates)
        assert share_of_gain(control, full, base, [], bounds=SHARE) is why

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_at_a_floor_the_share_has_an_interval(self, seeds):
        rng = np.random.default_rng(0)
        nothing, full = np.zeros((60, seeds)), shares(rng, 60, 0.7, (0.0,) * seeds)
        found = share_of_gain(nothing, full, nothing, [], bounds=SHARE)
        # None of 60 problems moved: up to 6 % may, of a gain of 70 points.
        assert found.value == 0
        assert found.high == pytest.approx(0.06 / 0.7, rel=0.15)


def test_a_difference_within_one_model_is_as_certain_as_its_own_spread():
    """It lies in the middle of all that it can be, where no few problems hold all that was seen: Student's t, no more."""
    for n in (8, 30, 300):
        values = np.random.default_rng(n).normal(0.02, 0.03, (n, 1))
        found = estimate(values, None, [], bounds=DIFFERENCE)
        t = scipy_stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / np.sqrt(n))
        assert (found.low, found.high) == pytest.approx(t, abs=0.02 * (t[1] - t[0]))


class TestSaysNothing:
    @pytest.mark.parametrize(
        ("low", "high", "clusters", "difference", "expected"),
        [
            (-1.0, 1.0, 40, True, True),
            (-0.95, 0.9, 40, True, True),
            (-0.4, 0.3, 40, True, False),
            (0.02, 0.98, 40, False, True),
            (0.1, 0.6, 5, False, True),
            (0.1, 0.6, 6, False, False),
            (-math.inf, math.inf, 40, False, True),
        ],
    )
    def test_rows_that_say_nothing(self, low, high, clusters, difference, expected):
        e = stats.Estimate(value=0.0, low=low, high=high, p=1.0, mde=1.0)
        assert stats.says_nothing(e, clusters, bounds=SHARE, difference=difference) is expected

    def test_a_count_has_no_range_to_cover(self):
        e = stats.Estimate(value=0.0, low=-500.0, high=500.0, p=1.0, mde=1.0)
        assert not stats.says_nothing(e, 40, bounds=COUNT, difference=True)


class TestHolm:
    def test_by_hand(self):
        # Sorted: .01 * 4, .02 * 3, .03 * 2, .04 * 1, none below the one before it.
        assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])

    def test_one_and_none(self):
        assert holm([0.04]) == [0.04]
        assert holm([]) == []

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    def test_keeps_the_order_and_only_raises(self, p):
        corrected = holm(p)
        assert all(0 <= before <= after <= 1 for before, after in zip(p, corrected, strict=True))
        in_order = [corrected[index] for index in np.argsort(p, kind="stable")]
        assert in_order == sorted(in_order)
        assert corrected[int(np.argmin(p))] == pytest.approx(min(1.0, len(p) * min(p)))


def test_an_arm_far_noisier_than_this_one_does_not_unbound_its_interval():
    rng = np.random.default_rng(0)
    quiet, loud = 0.5 + rng.normal(0, 0.01, (200, 2)), rng.normal(0, 5, (200, 2))
    found = estimate(quiet, None, [loud], lucky=[True], bounds=SHARE)
    assert found.high - found.low < 2


class TestLikeLengths:
    def test_a_stratum_spans_20_per_cent(self):
        lengths = np.arange(1.0, 5000.0)
        (strata,) = like_lengths([lengths])
        for stratum in range(int(strata.max()) + 1):
            inside = lengths[strata == stratum]
            assert len(inside) == 0 or inside.max() <= 1.2 * inside.min() + 1e-9
        assert like_lengths([np.zeros(0), np.array([0.0])])[1].tolist() == [0]

    def test_one_length_is_one_stratum(self):
        assert [set(part.tolist()) for part in like_lengths([np.ones(5), np.ones(3)])] == [{0}, {0}]

    def test_rates_at_the_lengths_in_common(self):
        # Two strata with rates of 1/10 and 3/10 for both sets, which have them in opposite shares.
        tables = []
        for short in (8, 2):
            counts = np.tile([short, 10 - short], (6, 1)).astype(float)
            tables.append((counts, np.stack([counts * [1, 3], counts * 10])))
        first, second, common = matched_pseudo_values(*tables)
        assert common == pytest.approx(0.4)
        assert first.mean() == second.mean() == pytest.approx(0.2)
        plain = [ratio_pseudo_values(*t[1].sum(-1)).mean() for t in tables]
        assert plain == pytest.approx([0.14, 0.26])

    def test_nothing_in_common_is_nothing_to_compare(self):
        counts = [np.array([[3.0, 0.0]] * 4), np.array([[0.0, 3.0]] * 4)]
        assert matched_pseudo_values(*[(c, np.stack([c, c])) for c in counts]) is None

    def test_a_common_part_that_hangs_on_one_cluster_is_none(self):
        first, second = np.array([[3.0, 0.0]] * 4), np.array([[0.0, 3.0]] * 4)
        second[0, 0] = 1.0
        assert matched_pseudo_values(*[(c, np.stack([c, c])) for c in (first, second)]) is None


def test_a_denominator_that_was_not_trained_has_no_luck():
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.1, (1, 3))
    arm, base = rng.normal(0.5, 0.1, (200, 3)) + luck, rng.normal(1, 0.1, (200, 3))
    both, one = (ratio(arm, base, np.zeros_like(base), [], lucky=(True, t), bounds=COUNT) for t in (True, False))
    assert one.value == both.value
    assert one.high - one.low < both.high - both.low


class TestConfidence:
    def test_average_precision_by_hand(self):
        scores, hits = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
        assert stats.average_precision(scores, hits) == pytest.approx((1 + 2 / 3) / 2)
        assert stats.average_precision(np.zeros(4), hits) == pytest.approx(0.5)  # ties: the share of hits
        assert np.isnan(stats.average_precision(scores, np.zeros(4, bool)))

    def test_calibration_error_by_hand(self):
        scores, hits = np.array([0.95, 1.0, 0.15, 0.1]), np.array([True, False, False, False])
        found = stats.calibration_pseudo_values(scores, hits, np.arange(4))
        assert found.mean() == pytest.approx((0.95 + 0.25) / 4)
        assert list(stats.bin_of(np.array([0.0, 0.099, 0.1, 1.0]))) == [0, 0, 1, 9]

    @given(st.integers(0, 2**32 - 1))
    def test_pseudo_values_of_a_mean_are_its_values_and_of_auroc_those_of_the_fast_way(self, seed):
        rng = np.random.default_rng(seed)
        clusters, hits = np.repeat(np.arange(8), 3), rng.random(24) < 0.5
        scores = rng.integers(0, 5, 24).astype(float)
        means = stats.leave_out_pseudo_values(lambda s, h: float(s.mean()), scores, hits, clusters)
        assert means == pytest.approx(scores.reshape(8, 3).mean(1))

        def auroc(s, h):
            return (
                float(np.mean([(a > b) + 0.5 * (a == b) for a in s[h] for b in s[~h]]))
                if 0 < h.sum() < len(h)
                else np.nan
            )

        slow = stats.leave_out_pseudo_values(auroc, scores, hits, clusters)
        fast = stats.auroc_pseudo_values(scores, hits, clusters)
        assert slow == pytest.approx(fast, nan_ok=True)
