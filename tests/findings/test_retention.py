import re

import numpy as np
import pytest
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.findings import retention
from counterform.findings.retention import AWAY, HOME
from counterform.metrics import Shift
from counterform.probes.probe import Context
from counterform.probes.traits import Traits
from counterform.types import Mark, Reading


def find_traits(rows):
    return retention.find_traits(rows, Traits(Bench()).declared)


def readings(arm, rows, seed=0, probe="traits", **columns):
    """rows: {(metric, condition): (problems, samples) array}."""
    return [
        Reading(
            probe=probe,
            metric=metric,
            condition=condition,
            arm=arm,
            seed=seed,
            item_id=f"{p}/{s}",
            problem_id=str(p),
            mark=Mark.UNKNOWN if np.isnan(value) else Mark.RIGHT,
            value=None if np.isnan(value) else float(value),
            **columns,
        )
        for (metric, condition), table in rows.items()
        for p, line in enumerate(table)
        for s, value in enumerate(line)
    ]


def answers(rate, length, rng, problems=250, samples=4):
    """Answers whose markers come at `rate` a token, and whose lengths are about `length`."""
    tokens = rng.poisson(length, (problems, samples)) + 1.0
    nan = np.full_like(tokens, np.nan)
    return {
        ("markers", "hedge"): rng.poisson(rate(tokens) * tokens).astype(float),
        ("markers", "backtrack"): rng.poisson(0.01 * tokens).astype(float),
        ("tokens", ""): tokens,
        ("mended", ""): rng.binomial(1, 0.2, tokens.shape).astype(float),
        ("entropy nats", ""): nan,
        ("entropy tokens", ""): nan,
    }


def find(arms, seeds=(0, 1)):
    rows = []
    for at, (arm, (rate, length)) in enumerate(arms.items()):
        for seed in seeds:
            rows += readings(arm, answers(rate, length, np.random.default_rng(100 * at + seed)), seed)
    found, notes = find_traits(rows)
    return {(r.arm, r.trait): r for r in found.retained}, notes


def test_a_trait_that_fell_one_that_stayed_and_one_that_rose():
    found, notes = find(
        {
            "base": (lambda t: 0.05, 60),
            "lost": (lambda t: 0.01, 60),
            "same": (lambda t: 0.05, 60),
            "more": (lambda t: 0.1, 60),
        }
    )
    for arm, true, verdict in (("lost", 0.2, "fell"), ("same", 1.0, "undecided"), ("more", 2.0, "rose")):
        row = found[arm, "hedge"]
        assert row.low < true < row.high
        assert row.matched_low < true < row.matched_high
        assert row.in_common > 0.8
        assert row.verdict == verdict
        assert row.base == pytest.approx(50, rel=0.1)
    assert found["lost", "all markers"].verdict == "fell"
    assert found["lost", "length"].matched is None
    assert ("lost", "entropy") not in found
    assert "entropy was not read" in notes[0]


def test_a_fall_that_is_only_length_is_none_at_like_lengths():
    # Markers grow with the square of the length, so shorter answers have fewer a token.
    found, _ = find({"base": (lambda t: t / 2000, 60), "short": (lambda t: t / 2000, 52)}, seeds=(0,))
    row = found["short", "hedge"]
    assert row.high < 1
    assert row.matched_low < 1 < row.matched_high
    assert "at like lengths" in row.sentence


def test_lengths_without_a_common_part_are_not_matched():
    found, _ = find({"base": (lambda t: 0.05, 200), "short": (lambda t: 0.05, 10)})
    row = found["short", "hedge"]
    assert row.matched is None
    assert row.in_common == 0
    assert row.kept == pytest.approx(1, abs=0.3)


def test_nothing_left_is_not_certainly_nothing():
    found, _ = find({"base": (lambda t: 0.05, 60), "none": (lambda t: 0 * t, 60)})
    row = found["none", "hedge"]
    assert row.kept == row.low == 0
    assert 0 < row.high < 0.1
    assert row.verdict == "fell"


def test_a_base_without_the_trait_has_no_share_of_it():
    found, _ = find({"base": (lambda t: 0 * t, 60), "new": (lambda t: 0.05 + 0 * t, 60)})
    row = found["new", "hedge"]
    assert row.kept is None
    assert row.verdict == "undecided"
    assert "undefined" in row.sentence


def test_luck_multiplies_a_rate():
    """Arms may be orders of magnitude apart: a loud one's luck says nothing of how far a quiet one's rate may fall, but in proportion."""

    def kept(size, loud):
        rows = []
        for arm, rate, luck in (("base", 1.0, 0.0), ("quiet", size, 0.1), ("loud", loud, 0.1)):
            for seed in (0, 1):
                tokens = np.full((60, 1), 100.0)
                counts = np.full((60, 1), 10.0 * rate * (1 + luck * (2 * seed - 1)))
                rows += readings(
                    arm,
                    answers(lambda t: 0 * t, 60, np.random.default_rng(0), 60, 1)
                    | {("markers", "hedge"): counts, ("tokens", ""): tokens},
                    seed,
                )
        found = {r.arm: r for r in find_traits(rows)[0].retained if r.trait == "hedge"}["quiet"]
        ps.append(found.p_holm)
        return np.array([found.kept, found.low, found.high]) / size

    ps: list[float] = []

    quiet = kept(0.01, 0.01)
    assert 0.2 < quiet[2] - quiet[1] < 2
    for size, loud in ((0.01, 1.0), (0.01, 100.0), (10.0, 0.01)):
        assert kept(size, loud) == pytest.approx(quiet, rel=1e-3)
    kept(1.2, 1.0)
    assert ps[-1] > 0.05  # a fifth more, the same at every problem: as much as another training may bring


def test_the_untrained_model_has_no_luck_in_what_was_kept():
    """Read twice it may show other rates, but no arm's share of them is the less certain for it as by another training."""

    def width(apart):
        rows = []
        for arm, by in (("base", apart), ("arm", 0.0)):
            for seed in (0, 1):
                tokens = np.full((60, 1), 100.0)
                counts = np.full((60, 1), 10.0 * (1 + by * (2 * seed - 1)))
                counts += np.random.default_rng(seed).normal(0, 1, counts.shape)
                rows += readings(
                    arm,
                    answers(lambda t: 0 * t, 60, np.random.default_rng(0), 60, 1)
                    | {("markers", "hedge"): counts, ("tokens", ""): tokens},
                    seed,
                )
        [found] = [r for r in find_traits(rows)[0].retained if r.trait == "hedge"]
        return found.high - found.low

    assert width(0.3) < 1.1 * width(0.0)


def test_traits_of_few_problems_are_left_out_and_counted():
    rows = []
    for arm in ("base", "arm"):
        rows += readings(arm, answers(lambda t: 0.05, 60, np.random.default_rng(0), problems=5))
    found, notes = find_traits(rows)
    assert found.retained == ()
    assert [note for note in notes if re.search(r"fewer than 6 problems.*\d of traits", note)]


def test_an_answer_that_was_not_heard_is_left_out():
    rng = np.random.default_rng(0)
    base, arm = answers(lambda t: 0.05, 60, rng), answers(lambda t: 0.05, 60, rng)
    for table in arm.values():
        table[:, 0] = np.nan
    rows = find_traits([*readings("base", base), *readings("arm", arm)])[0].retained
    assert next(r for r in rows if r.trait == "hedge").n_answers == 750


def test_entropy_is_read_at_some_answers_and_stands_beside_what_is_read_at_all():
    rng = np.random.default_rng(0)
    rows = []
    for arm, nats in (("base", 2.0), ("arm", 1.0)):
        counted = answers(lambda t: 0.05, 60, rng)
        seen = counted[("tokens", "")][:, :1]
        counted[("entropy nats", "")], counted[("entropy tokens", "")] = (
            nats * seen * rng.uniform(0.9, 1.1, seen.shape),
            seen,
        )
        rows += readings(arm, counted)
    found = {row.trait: row for row in find_traits(rows)[0].retained}
    assert found["entropy"].kept == pytest.approx(0.5, abs=0.02)
    assert (found["entropy"].n_answers, found["length"].n_answers) == (250, 1000)


def test_right_answers_stand_beside_noise_and_controls_left_out():
    rng = np.random.default_rng(0)
    solved, away = [], []
    for arm, share in (("base", 0.5), ("arm", 0.2)):
        solved += readings(arm, {("pass@1", ""): rng.binomial(1, 0.5, (200, 1))}, probe="accuracy")
        solved += readings(arm, {("pass@4", ""): np.ones((200, 1))}, probe="accuracy")
        for axis, level in (
            ("length", "7"),
            ("composition", "2"),
            ("noise delete", "20 %"),
            ("composition reversed", "2"),
        ):
            right = rng.binomial(1, share if "noise" not in axis else 0.9, (100, 1))
            texts = {("exact match", "answer"): right, ("exact match", "whole"): 1 - right}
            found = readings(arm, texts, probe="shift", shift=Shift(axis=axis, level=level))
            away += [replace(r, item_id=r.item_id + axis) for r in found]
        # In distribution the probe `shift` reads what `accuracy` does, and says nothing more.
        away += [
            replace(r, item_id=f"home {r.item_id}")
            for r in readings(arm, {("exact match", "answer"): np.ones((50, 1))}, probe="shift")
        ]
    found = Traits(Bench()).find([], Context(readings={"accuracy": solved, "shift": away}))
    at_home, elsewhere = found.own.accuracy
    assert (at_home.metric, elsewhere.metric) == (HOME.name, AWAY.name)
    assert (at_home.n_items, elsewhere.n_items) == (200, 200)
    assert at_home.baseline == pytest.approx(
        np.mean([r.value for r in solved if (r.arm, r.metric) == ("base", "pass@1")])
    )
    assert elsewhere.verdict == "worse"


def test_no_readings():
    assert find_traits([])[0].retained == ()
