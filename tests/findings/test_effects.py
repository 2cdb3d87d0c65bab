import numpy as np
import pytest
from msgspec.structs import replace

from counterform.findings import effects, stats
from counterform.findings.effects import SHARES, dose_name
from counterform.metrics import Metric
from counterform.types import Mark, Reading

METRICS = {"strategy": (Metric(name="breadth first", title="Breadth first", better="neither"),)}


def find_strategies(rows, **options):
    return effects.find_strategies(rows, METRICS, **options)


def readings(levels, n=40, seeds=(0, 1), rng=None):
    """Each arm's problems at its level, with noise that the arms share."""
    rng = rng or np.random.default_rng(0)
    noise = rng.uniform(-0.2, 0.2, n)
    return [
        Reading(
            probe="strategy",
            metric="breadth first",
            condition="no format",
            arm=arm,
            seed=seed,
            item_id=f"p{at}",
            problem_id=f"p{at}",
            mark=Mark.RIGHT,
            value=float(np.clip(level + noise[at] + rng.normal(0, 0.02), 0, 1)),
        )
        for arm, level in levels.items()
        for seed in seeds
        for at in range(n)
    ]


def test_effects_by_hand_and_what_they_are_of():
    shows = {
        "mc": {"format": "multiple choice", "domain": "route"},
        "ff": {"format": "free form", "domain": "route"},
        "sums": {"format": "multiple choice", "domain": "ledger"},
    }
    found, _ = find_strategies(
        readings({"base": 0.5, "mc": 0.7, "ff": 0.3, "sums": 0.69}),
        contrasts=[("mc", "ff"), ("mc", "sums"), ("mc", "gone")],
        shows=shows,
    )
    format_, domain = found.effects
    assert (format_.differs_by, domain.differs_by) == ("format", "domain")
    assert format_.h == pytest.approx(2 * np.arcsin(np.sqrt(0.7)) - 2 * np.arcsin(np.sqrt(0.3)), abs=0.05)
    assert format_.d == pytest.approx(0.4 / 0.5, abs=0.05)
    assert format_.h_low > 0.5
    assert domain.h_low < 0.05
    assert (format_.metric, format_.condition) == ("breadth first", "no format")
    assert (format_.n_items, format_.n_seeds) == (40, 2)


def test_the_curve_runs_from_one_arm_to_the_other_and_takes_no_part_in_the_effects():
    levels = {"base": 0.5, "a": 0.2, "b": 0.8} | {dose_name("a", "b", s): 0.2 + 0.6 * s for s in SHARES}
    found, _ = find_strategies(readings(levels), contrasts=[("b", "a")], shows={}, doses=[("a", "b")])
    assert [dose.share for dose in found.doses] == [0.0, *SHARES, 1.0]
    assert [dose.estimate for dose in found.doses] == pytest.approx([0.2, 0.35, 0.5, 0.65, 0.8], abs=0.05)
    assert all(dose.low < dose.estimate < dose.high for dose in found.doses)
    alone, _ = find_strategies(readings({"base": 0.5, "a": 0.2, "b": 0.8}), contrasts=[("b", "a")], shows={})
    assert alone.effects[0].h == pytest.approx(found.effects[0].h, abs=0.05)
    assert alone.doses == ()


def test_a_dose_curve_is_over_the_problems_that_all_models_on_it_were_read_at():
    """Else its points would be of different problems, and the curve would show which problems they were."""
    levels = {"a": 0.2, "b": 0.8} | {dose_name("a", "b", s): 0.5 for s in SHARES}
    rows = readings(levels)
    for at, arm in enumerate(levels):  # each was not read at two problems of its own
        lost = {f"p{2 * at}", f"p{2 * at + 1}"}
        rows = [replace(r, value=None, mark=Mark.UNKNOWN) if r.arm == arm and r.item_id in lost else r for r in rows]
    doses = find_strategies(rows, contrasts=[], shows={}, doses=[("a", "b")])[0].doses
    assert [dose.n_items for dose in doses] == [40 - 2 * len(levels)] * len(levels)
    assert all(np.isfinite([dose.estimate, dose.low, dose.high]).all() for dose in doses)


def test_luck_of_training_is_in_effects_and_on_the_curve():
    levels = {"a": 0.4, "b": 0.6} | {dose_name("a", "b", s): 0.5 for s in SHARES}
    even = readings(levels)
    rows = [replace(r, value=r.value + 0.2 * (r.seed - 0.5)) for r in even]
    near, far = (find_strategies(of, contrasts=[("b", "a")], shows={}, doses=[("a", "b")])[0] for of in (even, rows))
    for one, other in zip(near.doses, far.doses, strict=True):
        assert other.high - other.low > 1.5 * (one.high - one.low)
    assert far.effects[0].h_high - far.effects[0].h_low > 1.5 * (near.effects[0].h_high - near.effects[0].h_low)
    base = [replace(r, arm="base") if r.arm == "a" else r for r in rows]
    [effect] = find_strategies(base, contrasts=[("b", "base")], shows={})[0].effects
    assert effect.h_high - effect.h_low < far.effects[0].h_high - far.effects[0].h_low


def test_of_few_problems_there_is_neither_effect_nor_curve_but_a_note():
    levels = {"a": 0.2, "b": 0.8} | {dose_name("a", "b", s): 0.5 for s in SHARES}
    found, notes = find_strategies(readings(levels, n=5), contrasts=[("b", "a")], shows={}, doses=[("a", "b")])
    assert found.effects == found.doses == ()
    assert [note for note in notes if "6 of strategy breadth first" in note]


def test_the_luck_of_models_between_two_arms_widens_no_effect():
    arms = readings({"base": 0.5, "a": 0.2, "b": 0.8})
    between = [
        replace(row, value=float(row.seed)) for row in readings({dose_name("a", "b", share): 0.5 for share in SHARES})
    ]
    alone, _ = find_strategies(arms, contrasts=[("b", "a")], shows={})
    beside, _ = find_strategies([*arms, *between], contrasts=[("b", "a")], shows={}, doses=[("a", "b")])
    assert (beside.effects[0].h_low, beside.effects[0].h_high) == (alone.effects[0].h_low, alone.effects[0].h_high)


def test_without_spread_or_reading_there_is_no_effect():
    none, _ = find_strategies([], contrasts=[("a", "b")], shows={})
    assert none.effects == ()
    zero = readings({"a": -1.0, "b": -1.0})
    found, notes = find_strategies(zero, contrasts=[("a", "b")], shows={})
    assert found.effects == ()
    assert "no effect size of strategy breadth first (no format)" in notes[0]
    sure, _ = find_strategies(readings({"a": 2.0, "b": -1.0}), contrasts=[("a", "b")], shows={})
    assert sure.effects[0].h == pytest.approx(np.pi)
    assert sure.effects[0].h_low > 2


@pytest.mark.parametrize("of", [stats.cohens_d, stats.cohens_h])
def test_intervals_of_effects_cover(of):
    """Paired problems, a null and a true difference, no luck: 95 % intervals hold the truth about as often as they say."""
    rng, held = np.random.default_rng(0), []
    for true in (0.5, 0.8):
        size = float(of(np.float64(true), np.float64(0.5)))
        for _ in range(300):
            hard = rng.normal(0, 0.1, (60, 1))
            a, b = (rng.binomial(4, np.clip(level + hard, 0, 1)) / 4 for level in (true, 0.5))
            e = stats.effect(of, a, b, [], lucky=())
            held.append(e.low <= size <= e.high)
    assert 0.92 < np.mean(held) < 0.98
