import subprocess
import sys
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError, StudyError
from counterform.train.roc import MODES, select

REWARDS = {
    "binary": [0.0, 1.0],
    "signed": [-1.0, 1.0],
    "with unknown": [0.0, 1.0, float("nan")],
    "graded": [0.0, 0.1, 0.3, 1.0, float("nan")],
    "one-sided": [1.0],
    "never known": [float("nan")],
}


@st.composite
def rollouts(draw):
    """Groups of any sizes in any order, with ties, and a `keep` that every group has."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    keep = draw(st.integers(1, min(sizes)))
    n = sum(sizes)
    ids = draw(st.lists(st.integers(-9, 9), min_size=len(sizes), max_size=len(sizes), unique=True))
    groups = draw(st.permutations(np.repeat(ids, sizes).tolist()))
    values = draw(st.sampled_from(sorted(REWARDS)))
    rewards = draw(st.lists(st.sampled_from(REWARDS[values]), min_size=n, max_size=n))
    penalties = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1e-300]), min_size=n, max_size=n))
    return np.array(groups), np.array(rewards), np.array(penalties), keep, draw(st.integers(0, 2**32))


def is_success(rewards):
    known = rewards[~np.isnan(rewards)]
    if len(set(known)) < 2:
        return rewards > 0
    return rewards - known.min() > np.mean(known - known.min())


def each_group(groups, rows):
    return [(np.flatnonzero(groups == g), rows[groups[rows] == g]) for g in np.unique(groups)]


class TestEveryMode:
    @given(rollouts(), st.sampled_from(MODES))
    def test_rows_are_sorted_and_the_same_again(self, given_, mode):
        groups, rewards, penalties, keep, seed = given_
        rows = select(groups, rewards, penalties, keep, seed=seed, mode=mode)
        assert (np.diff(rows) > 0).all()
        assert np.array_equal(rows, select(groups, rewards, penalties, keep, seed=seed, mode=mode))

    @given(rollouts(), st.sampled_from(sorted(set(MODES) - {"no_failures"})))
    def test_every_group_keeps_as_many_as_asked_and_unknown_ones_only_to_fill_up(self, given_, mode):
        groups, rewards, penalties, keep, seed = given_
        rows = select(groups, rewards, penalties, keep, seed=seed, mode=mode)
        for members, kept in each_group(groups, rows):
            known = (~np.isnan(rewards[members])).sum()
            assert len(kept) == keep
            assert np.isnan(rewards[kept]).sum() == max(keep - known, 0)

    @given(rollouts(), st.sampled_from(["paper", "both"]))
    def test_failures_keep_their_share_rounded_down(self, given_, mode):
        groups, rewards, penalties, keep, seed = given_
        rows = select(groups, rewards, penalties, keep, seed=seed, mode=mode)
        for members, kept in each_group(groups, rows):
            known = members[~np.isnan(rewards[members])]
            failures = set(known[~is_success(rewards[known])])
            due = len(failures) * min(keep, len(known)) // max(len(known), 1)
            assert len(failures & set(kept)) == due

    @given(rollouts())
    def test_the_successes_of_one_seed_are_the_same_with_and_without_failures(self, given_):
        groups, rewards, penalties, keep, seed = given_
        paper, none, both = (
            select(groups, rewards, penalties, keep, seed=seed, mode=mode) for mode in ("paper", "no_failures", "both")
        )
        right = np.zeros(len(groups), bool)
        for g in np.unique(groups):
            right[groups == g] = is_success(rewards[groups == g])
        assert np.array_equal(none, paper[right[paper]])
        assert np.array_equal(none, both[right[both]])

    @given(rollouts(), st.sampled_from(["paper", "both", "no_failures"]))
    def test_a_clean_success_is_never_left_for_one_that_is_not(self, given_, mode):
        groups, rewards, penalties, keep, seed = given_
        rows = select(groups, rewards, penalties, keep, seed=seed, mode=mode)
        for members, kept in each_group(groups, rows):
            right = members[is_success(rewards[members])]
            left, taken = np.setdiff1d(right, kept), np.intersect1d(right, kept)
            assert (penalties[left] > 0).all() or (penalties[taken] == 0).all()

    @pytest.mark.parametrize("mode", MODES)
    def test_keeping_all_keeps_all(self, mode):
        rows = select([3, 1, 3, 1], [0, 1, 1, 0], [0.5, 0.1, 0, 1], 2, seed=0, mode=mode)
        assert rows.tolist() == ([1, 2] if mode == "no_failures" else [0, 1, 2, 3])

    @pytest.mark.parametrize("ids", [[9, 9, -1, -1], ["b", "b", "a", "a"], np.array(["b", "b", "a", "a"], object)])
    def test_groups_go_by_any_name(self, ids):
        rows = select(ids, [1, 0, 0, 1], [0] * 4, 1, seed=0, mode="no_failures")
        assert rows.tolist() == [0, 3]

    @pytest.mark.parametrize("mode", MODES)
    def test_nothing_to_select_from(self, mode):
        assert select([], [], [], 4, seed=0, mode=mode).tolist() == []


class TestReleased:
    def test_agrees_with_its_rule_on_10_000_random_groups(self):
        rng = np.random.default_rng(0)
        sizes = rng.integers(1, 40, 2_000)
        checked = 0
        for keep in (1, 2, 3, 4, 7, 8, 9, 16):
            mine = sizes[sizes >= keep]
            groups = np.repeat(np.arange(len(mine)), mine)
            rewards = np.where(rng.random(len(groups)) < rng.random(len(mine))[groups], rng.choice([1.0, 0.3]), 0.0)
            rewards[rng.random(len(groups)) < 0.05] = -1.0
            penalties = rng.integers(0, 5, len(groups)) / 4
            rows = select(groups, rewards, penalties, keep, seed=0, mode="released")
            at = np.cumsum(mine) - mine
            slow = [
                start + row
                for start, size in zip(at, mine, strict=True)
                for row in released_slowly(rewards[start : start + size], penalties[start : start + size], keep)
            ]
            assert rows.tolist() == slow
            checked += len(mine)
        assert checked >= 10_000

    def test_counts_that_do_not_sum_give_successes_the_rest(self):
        rewards = np.repeat([1.0, 0.0], 8)
        rows = select(np.zeros(16, int), rewards, np.zeros(16), 7, seed=0, mode="released")
        assert rows.tolist() == [0, 1, 2, 8, 9, 10, 11]


def released_slowly(rewards, penalties, keep):
    """The released rule for one group, from its description: counts rounded, floors, successes sorted, failures first."""
    n = len(rewards)
    right, wrong = [i for i in range(n) if rewards[i] > 0], [i for i in range(n) if rewards[i] <= 0]
    n_wrong, n_right = round(len(wrong) * keep / n), round(len(right) * keep / n)
    floor = min(2, keep // 2)
    if n_wrong <= min(floor, len(wrong)):
        n_wrong = min(floor, len(wrong))
        n_right = keep - n_wrong
    if n_right <= min(floor, len(right)):
        n_right = min(floor, len(right))
        n_wrong = keep - n_right
    n_right = keep - n_wrong  # where the released code asserts
    return sorted(sorted(right, key=lambda i: penalties[i])[:n_right] + wrong[:n_wrong])


class TestTheLawOfTheDraw:
    GROUPS = 40_000

    def kept(self, rewards, penalties, keep, mode):
        """Share of groups, all alike, in which each rollout is kept."""
        n = len(rewards)
        groups = np.repeat(np.arange(self.GROUPS), n)
        rows = select(groups, np.tile(rewards, self.GROUPS), np.tile(penalties, self.GROUPS), keep, seed=1, mode=mode)
        return np.bincount(rows % n, minlength=n) / self.GROUPS

    @pytest.mark.parametrize("mode", ["paper", "both"])
    def test_successes_are_drawn_by_inverse_penalty_and_failures_as_the_mode_says(self, mode):
        penalties = np.array([0.1, 0.2, 0.4, 0.8])
        # Successes after failures: half of each is kept.
        kept = self.kept(np.repeat([0.0, 1.0], 4), np.tile(penalties, 2), 4, mode)
        weighted = inclusion(1 / penalties, 2)
        assert kept[4:] == pytest.approx(weighted, abs=self.error)
        assert kept[:4] == pytest.approx(weighted if mode == "both" else [0.5] * 4, abs=self.error)

    def test_clean_successes_first_and_uniformly(self):
        kept = self.kept(np.ones(5), np.array([0, 0.3, 0, 0.1, 0]), 2, "paper")
        assert kept == pytest.approx([2 / 3, 0, 2 / 3, 0, 2 / 3], abs=self.error)

    def test_random_looks_at_nothing(self):
        kept = self.kept(np.array([1, 0, 1, 0.0]), np.array([0, 0, 1, 1.0]), 2, "random")
        assert kept == pytest.approx([0.5] * 4, abs=self.error)

    def test_unknown_ones_fill_up_uniformly(self):
        kept = self.kept(np.array([1, np.nan, 0, np.nan]), np.array([1, 0, 1, 1.0]), 3, "paper")
        assert kept == pytest.approx([1, 0.5, 1, 0.5], abs=self.error)

    error = 4.5 * 0.5 / GROUPS**0.5


def inclusion(weights, k):
    """How likely each of few things is among `k` drawn one by one without replacement with these weights: exact."""
    chance = np.zeros(len(weights))
    for chosen in combinations(range(len(weights)), k):
        for order in permutations(chosen):
            p, left = 1.0, weights.sum()
            for i in order:
                p, left = p * weights[i] / left, left - weights[i]
            chance[list(chosen)] += p
    return chance


class TestGradedRewards:
    def test_a_success_is_above_the_groups_mean(self):
        rows = select([0] * 4, [0.2, 0.3, 0.9, 1.0], [0] * 4, 2, seed=0, mode="no_failures")
        assert rows.tolist() in ([2], [3])

    def test_equal_rewards_whose_mean_is_not_themselves(self):
        # 0.1 * 3 / 3 > 0.1 in floating point.
        rows = select([0] * 3, [0.1] * 3, [0.5, 0, 0.5], 1, seed=0, mode="no_failures")
        assert rows.tolist() == [1]

    def test_an_unknown_reward_moves_no_mean(self):
        rows = select([0] * 5, [None, 0.0, 0.0, 1.0, None], [0] * 5, 3, seed=0, mode="no_failures")
        assert rows.tolist() == [3]


class TestBadInput:
    def test_a_mode_nobody_knows(self):
        with pytest.raises(StudyError, match=r"unknown mode 'papr'. Did you mean 'paper'"):
            select([0], [1], [0], 1, seed=0, mode="papr")

    def test_keeping_none(self):
        with pytest.raises(StudyError, match="keep = 0"):
            select([0], [1], [0], 0, seed=0)

    def test_keeping_more_than_there_are(self):
        with pytest.raises(DataError, match="group 7 has 2 rollouts, fewer than keep = 3"):
            select([5, 5, 5, 7, 7], np.zeros(5), np.zeros(5), 3, seed=0)

    @pytest.mark.parametrize("penalty", [-0.1, 1.5, float("nan"), float("inf")])
    def test_a_penalty_outside(self, penalty):
        with pytest.raises(DataError, match=r"penalty .* of rollout 1 is not in \[0, 1\]"):
            select([0, 0], [1, 1], [0, penalty], 1, seed=0)

    def test_an_endless_reward(self):
        with pytest.raises(DataError, match="reward -inf of rollout 0 is not finite"):
            select([0, 0], [-np.inf, 1], [0, 0], 1, seed=0)

    def test_lengths_that_differ(self):
        with pytest.raises(DataError, match=r"\(2,\), \(1,\) and \(2,\)"):
            select([0, 0], [1], [0, 0], 1, seed=0)

    @pytest.mark.parametrize("longer", range(3))
    @pytest.mark.parametrize("by", [-1, 1])
    def test_any_column_of_another_length(self, longer, by):
        columns = [np.zeros(4 + by * (at == longer)) for at in range(3)]
        with pytest.raises(DataError, match="one entry per rollout"):
            select(*columns, 2, seed=0)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("mode", MODES)
    def test_a_group_of_which_nothing_is_known(self, mode):
        kept = select([1, 1, 1, 2, 2, 2], [np.nan] * 3 + [1.0, 0.0, 0.0], np.zeros(6), 2, seed=0, mode=mode)
        assert (kept < 3).sum() == (0 if mode == "no_failures" else 2)


def test_nothing_heavy_is_imported():
    code = "import sys, counterform.train.roc; print([m for m in ('torch', 'trl', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
