import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from counterform.errors import DataError, StudyError
from counterform.train.roc import select
from counterform.train.waves import unfinished

G, LIMIT = 8, 16
NAN = float("nan")


def rollouts(n, p, c, seed=0):
    """Rewards and penalties [n groups, LIMIT]: success with chance p, clean with chance c."""
    rng = np.random.default_rng(seed)
    rewards = (rng.random((n, LIMIT)) < p).astype(float)
    return rewards, np.where(rng.random((n, LIMIT)) < c, 0.0, 1 - rng.random((n, LIMIT)))


def sampled(rewards, penalties, *, wave=2, **how):
    """Rollouts used [groups] and kept [groups, LIMIT] when these streams are sampled in waves."""
    n = len(rewards)
    used, short = np.full(n, G), np.arange(n)
    while len(short):
        there = np.arange(LIMIT) < used[short, None]
        groups = np.repeat(short, used[short])
        short = unfinished(groups, rewards[short][there], penalties[short][there], G, limit=LIMIT, **how)
        used[short] = np.minimum(used[short] + wave, LIMIT)
    return used, kept_of(rewards, penalties, used)


def kept_of(rewards, penalties, used):
    there = np.flatnonzero(np.arange(LIMIT) < used[:, None])
    rows = select(there // LIMIT, rewards.ravel()[there], penalties.ravel()[there], G, seed=0, mode="waves")
    kept = np.zeros(rewards.size, bool)
    kept[there[rows]] = True
    return kept.reshape(rewards.shape)


def law_of_successes(p):
    """How likely 0, 1, ... G kept successes are: binomial, but for one-sided groups that find the other kind."""
    law = stats.binom.pmf(np.arange(G + 1), G, p)
    for end, inner, still in ((0, 1, (1 - p) ** (LIMIT - G)), (G, G - 1, p ** (LIMIT - G))):
        law[inner] += law[end] * (1 - still)
        law[end] *= still
    return law


class TestTheLaw:
    N = 20_000

    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
    @pytest.mark.parametrize("c", [0.3, 0.9])
    def test_kept_successes_are_binomial_however_clean_they_are(self, p, c):
        rewards, penalties = rollouts(self.N, p, c)
        _, kept = sampled(rewards, penalties)
        seen = np.bincount((kept & (rewards == 1)).sum(1), minlength=G + 1)
        due = self.N * law_of_successes(p)
        # Rare counts together, so that the test's distribution holds.
        rare = due < 10
        if rare.any():
            seen, due = np.append(seen[~rare], seen[rare].sum()), np.append(due[~rare], due[rare].sum())
        assert stats.chisquare(seen, due).pvalue > 1e-3

    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
    @pytest.mark.parametrize("wave", [1, 3, LIMIT])
    def test_as_many_clean_ones_as_if_all_had_been_sampled(self, p, wave):
        rewards, penalties = rollouts(3_000, p, 0.7)
        used, kept = sampled(rewards, penalties, wave=wave)
        whole = kept_of(rewards, penalties, np.full(len(rewards), LIMIT))
        clean = (rewards == 1) & (penalties == 0)
        assert ((kept & clean).sum(1) == (whole & clean).sum(1)).all()
        assert ((kept & (rewards == 1)).sum(1) == (whole & (rewards == 1)).sum(1)).all()
        assert (used < LIMIT).any()

    def test_failures_are_kept_as_they_come(self):
        rewards, penalties = rollouts(self.N, 0.5, 0.6)
        used, kept = sampled(rewards, penalties)
        failures = penalties[kept & (rewards == 0)]
        clean = (failures == 0).mean()
        assert used.mean() > 1.2 * G  # Groups did stop at different times.
        assert clean == pytest.approx(0.6, abs=4 * (0.24 / len(failures)) ** 0.5)

    def test_a_clean_success_is_any_clean_success(self):
        """Stopping early prefers no property that has nothing to do with being clean."""
        rewards, penalties = rollouts(self.N, 0.5, 0.6)
        other = np.random.default_rng(9).random(rewards.shape)
        _, kept = sampled(rewards, penalties)
        chosen = other[kept & (rewards == 1) & (penalties == 0)]
        assert chosen.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / len(chosen)) ** 0.5)

    @pytest.mark.parametrize("p", [0.3, 0.5, 0.7])
    def test_costs_at_most_1_4_g_where_four_in_five_successes_are_clean(self, p):
        used, kept = sampled(*(streams := rollouts(self.N, p, 0.8)))
        assert G < used.mean() < 1.4 * G
        two_g = select(np.repeat(np.arange(self.N), LIMIT), *(s.ravel() for s in streams), G, seed=0)
        paper = np.zeros(self.N * LIMIT, bool)
        paper[two_g] = True
        share = [
            (k & (streams[0] == 1) & (streams[1] == 0)).sum() / (k & (streams[0] == 1)).sum()
            for k in (kept, paper.reshape(kept.shape))
        ]
        # With 2G fewer groups have more successes to keep than there are clean ones.
        assert share[1] - 0.02 < share[0] < share[1]

    def test_enough_is_cheaper_and_less_clean(self):
        streams = rollouts(2_000, 0.5, 0.5)
        costs = [sampled(*streams, enough=enough)[0].mean() for enough in (0.0, 0.5, 0.8, 1.0)]
        assert costs == sorted(costs)
        assert len(set(costs)) == 4


class TestUnfinished:
    def ids(self, rewards, penalties, **how):
        return unfinished([4] * len(rewards), rewards, penalties, 4, **{"limit": 8, **how}).tolist()

    @pytest.mark.parametrize(
        ("rewards", "penalties", "short"),
        [
            ([1, 1, 0, 0], [0, 0, 1, 1], False),
            ([1, 1, 0, 0], [0, 0.5, 1, 1], True),
            ([1, 1, 0, 0, 1], [0, 0.5, 1, 1, 0], False),
            ([0, 0, 0, 0], [0, 0, 0, 0], True),
            ([0, 0, 0, 0, 1], [0, 0, 0, 0, 0], False),
            ([0, 0, 0, 0, 1], [0, 0, 0, 0, 1], True),
            ([1, 1, 1, 1], [0, 0, 0, 0], True),
            ([1, 1, 1, 1, 0], [0, 0, 0, 1, 0], False),
            ([1, NAN, 0, 0], [0, 0, 0, 0], True),
            ([1, NAN, 0, 0, 0], [0, 0, 0, 0, 0], False),
            ([0] * 8, [0] * 8, False),
        ],
    )
    def test_a_group_of_four(self, rewards, penalties, short):
        assert self.ids(rewards, penalties) == ([4] if short else [])

    def test_what_is_clean_enough(self):
        assert self.ids([1, 1, 0, 0], [0.25, 0.25, 0, 0], clean=0.25) == []
        assert self.ids([1, 1, 0, 0], [0.25, 0.25, 0, 0], clean=0.2) == [4]
        assert self.ids([1, 1, 0, 0], [0, 1, 0, 0], enough=0.5) == []

    def test_ids_are_the_groups_own(self):
        groups = [7, 7, -2, -2, 3, 3]
        assert unfinished(groups, [1, 0, 1, 1, 0, 0], np.zeros(6), 2, limit=4).tolist() == [-2, 3]

    @given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, NAN]), st.sampled_from([0.0, 0.5])), min_size=12, max_size=12))
    def test_a_group_that_is_done_stays_done(self, stream):
        rewards, penalties = zip(*stream, strict=True)
        short = [bool(self.ids(rewards[:n], penalties[:n], limit=12)) for n in range(4, 13)]
        assert short == sorted(short, reverse=True)

    @given(
        st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.5])), min_size=4, max_size=8),
        st.data(),
    )
    def test_unknown_rollouts_are_as_if_never_generated(self, stream, data):
        holes = data.draw(st.lists(st.integers(0, len(stream)), max_size=4))
        filled = list(stream)
        for at in sorted(holes, reverse=True):
            filled.insert(at, (NAN, 0.0))
        known, whole = (self.ids(*zip(*s, strict=True), limit=99) for s in (stream, filled))
        assert known == whole

    def test_every_group_ends(self):
        rng = np.random.default_rng(0)
        rewards, penalties = rng.choice([0, 1, NAN], (50, LIMIT)), rng.random((50, LIMIT))
        used, kept = sampled(rewards, penalties, wave=1)
        assert used.max() <= LIMIT
        assert (kept.sum(1) == G).all()


class TestBadInput:
    @pytest.mark.parametrize(("keep", "limit"), [(1, 4), (4, 3), (0, 4)])
    def test_keep_and_limit(self, keep, limit):
        with pytest.raises(StudyError, match="waves need 2 <= keep <= limit"):
            unfinished([0] * 4, [1] * 4, [0] * 4, keep, limit=limit)

    @pytest.mark.parametrize("name", ["clean", "enough"])
    @pytest.mark.parametrize("share", [-0.1, 1.1, NAN])
    def test_shares(self, name, share):
        with pytest.raises(StudyError, match=f"{name} = .* is not in"):
            unfinished([0] * 4, [1] * 4, [0] * 4, 2, limit=4, **{name: share})

    def test_too_few_to_begin_with(self):
        with pytest.raises(DataError, match="group 0 has 2 rollouts"):
            unfinished([0, 0], [1, 1], [0, 0], 4, limit=8)
