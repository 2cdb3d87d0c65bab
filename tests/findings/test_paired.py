"""Paired differences of marks and numbers: equal to the plain formulas, honest about clusters, runs and what is no mark."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from counterform.findings.paired import Run, compared, corrected, form_split, passes
from counterform.findings.stats import pass_at_k, pass_hat_k

NAN = float("nan")


def run(first, second, items=None):
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return Run(first, second, np.arange(len(first)) if items is None else np.asarray(items))


def compare(*runs, better="high", first_runs=1, second_runs=1):
    return compared(
        runs,
        first="A",
        second="B",
        task="t",
        metric="m",
        better=better,
        first_runs=first_runs,
        second_runs=second_runs,
        only_in_first=0,
        only_in_second=0,
    )


def marks(rng, n, share):
    return (rng.random(n) < share).astype(float)


class TestOnePairAnItem:
    def test_the_interval_is_that_of_the_paired_t_test(self):
        rng = np.random.default_rng(0)
        a, b = marks(rng, 200, 0.5), marks(rng, 200, 0.65)
        found, expected = compare(run(a, b)), ttest_rel(b, a)
        low, high = expected.confidence_interval()
        assert (found.estimate, found.low, found.high) == pytest.approx((b.mean() - a.mean(), low, high), abs=0.005)
        assert found.p == pytest.approx(expected.pvalue, rel=0.1)
        assert found.verdict == ("better" if expected.pvalue < 0.05 else "undecided")

    def test_counts_and_exact_mcnemar(self):
        a = [1] * 54 + [0] * 39 + [1] * 4 + [0] * 3
        b = [1] * 54 + [0] * 39 + [0] * 4 + [1] * 3
        found = compare(run(a, b))
        assert (found.both, found.neither, found.first_only, found.second_only) == (54, 39, 4, 3)
        assert (found.pairs, found.clusters) == (100, 100)
        assert found.mcnemar_p == 1.0
        assert found.estimate == pytest.approx(-0.01)

    @pytest.mark.parametrize(("first", "second", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (5, 5, 1.0)])
    def test_mcnemar_is_binomial_over_the_discordant(self, first, second, p):
        a = [1] * first + [0] * second + [1] * 20
        b = [0] * first + [1] * second + [1] * 20
        assert compare(run(a, b)).mcnemar_p == pytest.approx(p)

    def test_what_is_unscored_on_either_side_is_no_pair_and_counted(self):
        found = compare(run([1, NAN, 0, 1], [1, 1, NAN, 0]))
        assert (found.pairs, found.unscored, found.both, found.first_only) == (2, 2, 1, 1)
        assert compare(run([NAN, 1], [1, NAN])) is None
        assert compare(run([], [])) is None

    def test_one_item_decides_nothing(self):
        found = compare(run([0], [1]))
        assert found.verdict == "undecided"
        assert (found.low, found.high) == (-1.0, 1.0)

    @pytest.mark.parametrize(("n", "verdict"), [(3, "undecided"), (200, "better")])
    def test_no_variance_decides_by_how_many_there_are(self, n, verdict):
        assert compare(run([0] * n, [1] * n)).verdict == verdict
        assert compare(run([1] * n, [1] * n)).verdict == "undecided"

    @pytest.mark.parametrize("step", [10, 0.1, 1 / 3, 1e-4])
    def test_the_same_difference_throughout_has_no_spread_whatever_rounding_makes_of_it(self, step):
        a = 50 + np.arange(10) * 0.7
        found = compare(run(a, a + step), better="neither")
        assert found.estimate == pytest.approx(step)
        assert found.high - found.low > 1


class TestClusters:
    def test_epochs_of_an_item_are_one_cluster_and_no_mcnemar_is_given(self):
        rng = np.random.default_rng(1)
        hard = rng.random(10)
        items = np.repeat(np.arange(10), 5)
        a, b = (marks(rng, 50, hard[items]) for _ in range(2))
        found = compare(run(a, b, items))
        assert (found.pairs, found.clusters, found.mcnemar_p) == (50, 10, None)
        means = [np.array([values[items == i].mean() for i in range(10)]) for values in (a, b)]
        low, high = ttest_rel(means[1], means[0]).confidence_interval()
        assert (found.low, found.high) == pytest.approx(
            (low, high), abs=0.02
        )  # bent towards the middle, as Wilson's is

    def test_copies_of_rows_make_nothing_surer(self):
        rng = np.random.default_rng(2)
        a, b = marks(rng, 40, 0.4), marks(rng, 40, 0.6)
        once, copied = compare(run(a, b)), compare(run(np.tile(a, 8), np.tile(b, 8), np.tile(np.arange(40), 8)))
        assert (copied.low, copied.high) == pytest.approx((once.low, once.high))

    def test_two_equal_models_with_epochs_are_found_different_as_often_as_stated(self):
        rng, wrong = np.random.default_rng(3), 0
        for _ in range(400):
            hard = rng.beta(0.5, 0.5, 60)[np.repeat(np.arange(60), 4)]
            wrong += (
                compare(run(marks(rng, 240, hard), marks(rng, 240, hard), np.repeat(np.arange(60), 4))).verdict
                != "undecided"
            )
        assert wrong <= 400 * 0.05 + 2 * np.sqrt(400 * 0.05 * 0.95)


class TestRuns:
    def test_luck_of_training_widens_the_interval(self):
        rng = np.random.default_rng(4)
        base = marks(rng, 300, 0.5)
        lucky = [run(base, marks(rng, 300, share)) for share in (0.5, 0.7, 0.6)]
        together = compare(*lucky, second_runs=3)
        pooled = compare(run(np.tile(base, 3), np.concatenate([r.second for r in lucky]), np.tile(np.arange(300), 3)))
        assert together.runs == 3
        assert together.high - together.low > 1.5 * (pooled.high - pooled.low)
        assert together.estimate == pytest.approx(pooled.estimate)
        assert together.mcnemar_p is None

    def test_items_that_a_run_lacks_are_left_out_of_all(self):
        found = compare(run([1, 0, 1], [1, 1, 1]), run([1, 0], [0, 1], [0, 1]), first_runs=2, second_runs=2)
        assert found.clusters == 2


class TestNumbers:
    def test_numbers_that_are_no_marks_have_no_counts(self):
        found = compare(run([0.2, 3.5, 1.0], [0.4, 3.0, 2.0]), better="neither")
        assert (found.both, found.first_only, found.mcnemar_p, found.share) == (None, None, None, False)

    def test_partial_credit_is_a_share_and_counts_only_marks(self):
        found = compare(run([1, 0.5, 0, 1], [1, 1, 0.5, 0]))
        assert (found.share, found.both, found.first_only, found.second_only, found.neither) == (True, 1, 1, 0, 0)
        assert found.mcnemar_p is None
        assert found.estimate == pytest.approx(0.0)

    @pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
    def test_the_unit_of_a_number_changes_nothing_but_the_unit(self, scale):
        rng = np.random.default_rng(5)
        a, b = rng.normal(3, 1, 50), rng.normal(3.6, 1, 50)
        one, other = compare(run(a, b), better="neither"), compare(run(a * scale, b * scale), better="neither")
        assert other.verdict == one.verdict
        assert (other.low, other.high) == pytest.approx((one.low * scale, one.high * scale))

    @pytest.mark.parametrize(
        ("better", "up", "down"),
        [("high", "better", "worse"), ("low", "worse", "better"), ("neither", "higher", "lower")],
    )
    def test_which_way_is_better(self, better, up, down):
        a = np.linspace(2, 3, 30)
        assert compare(run(a, a + 1), better=better).verdict == up
        assert compare(run(a + 1, a), better=better).verdict == down

    def test_marks_are_better_high_whoever_says_nothing(self):
        assert compare(run([0] * 50, [1] * 50), better="neither").verdict == "better"


def test_several_arms_are_corrected():
    rng = np.random.default_rng(6)
    base = marks(rng, 100, 0.5)
    near = np.where(rng.random(100) < 0.08, 1.0, base)
    found = compare(run(base, near))
    assert found.verdict == "better"
    assert found.p > 0.01
    family = corrected([found, *(compare(run(base, base)) for _ in range(9))])
    assert family[0].verdict == "undecided"


class TestFormSplit:
    def split(self, strict, flexible):
        return form_split(
            [strict],
            [flexible],
            first="A",
            second="B",
            task="t",
            names=("strict", "flexible"),
            first_runs=1,
            second_runs=1,
        )

    def test_the_parts_add_up_to_the_gain(self):
        rng = np.random.default_rng(7)
        flexible = run(marks(rng, 100, 0.6), marks(rng, 100, 0.7))
        strict = run(flexible.first * marks(rng, 100, 0.5), flexible.second * marks(rng, 100, 0.95))
        found = self.split(strict, flexible)
        assert found.form + found.rest == pytest.approx(found.gain)
        assert found.form == pytest.approx((strict.second - flexible.second - strict.first + flexible.first).mean())
        assert found.form_low < found.form < found.form_high
        assert found.pairs == 100

    def test_a_gain_that_is_all_form_leaves_nothing(self):
        right = np.array([1, 0] * 30)
        found = self.split(run(right * 0, right), run(right, right))
        assert (found.gain, found.form, found.rest) == (0.5, 0.5, 0.0)

    def test_only_pairs_with_all_four_marks_count(self):
        found = self.split(run([1, NAN, 0], [1, 1, 1]), run([1, 1, 0], [1, 1, NAN]))
        assert found.pairs == 1
        assert self.split(run([NAN], [1]), run([1], [1])) is None


class TestPasses:
    def found(self, first, second, items):
        return passes(
            (np.asarray(first, float), np.asarray(items)),
            (np.asarray(second, float), np.asarray(items)),
            names=("A", "B"),
            task="t",
            metric="m",
        )

    def test_the_unbiased_estimates_averaged_over_items(self):
        items = np.repeat(np.arange(3), 4)
        a = [1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
        b = [1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
        at = {(p.kind, p.k): p for p in self.found(a, b, items)}
        assert set(at) == {(kind, k) for kind in ("pass@k", "pass^k") for k in (2, 4)}
        assert at["pass@k", 2].first_value == pytest.approx(np.mean([pass_at_k(4, n, 2) for n in (1, 4, 0)]))
        assert at["pass^k", 2].second_value == pytest.approx(np.mean([pass_hat_k(4, n, 2) for n in (2, 4, 1)]))
        assert at["pass@k", 4].estimate == pytest.approx(1 / 3)

    def test_nothing_where_there_is_one_sample_or_no_marks(self):
        assert self.found([1, 0, 1], [1, 1, 1], [0, 1, 2]) == []
        assert self.found([0.5, 0.2, 0.1, 1], [1, 1, 0, 0], [0, 0, 1, 1]) == []
        assert self.found([NAN, NAN], [1, 1], [0, 0]) == []

    def test_an_item_with_fewer_samples_is_left_out(self):
        items = [i for i in range(20) for _ in range(4)]
        a = [float(n % 2) for n in range(80)]
        a[0] = a[1] = a[2] = NAN
        assert {p.k: p.items for p in self.found(a, [1.0] * 80, items)} == {2: 19, 4: 19}
