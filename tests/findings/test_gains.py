import random
import re

import numpy as np
import pytest

from counterform.findings.gains import find, find_inside
from counterform.results import Baseline
from counterform.types import Mark, Reading


def readings(arm, shift, *, metric="pass@1", probe="accuracy", seeds=(0, 1), items=120, stratum="", base=0.45, off=0):
    """What was read off one arm: whether a problem is hard is the same for all arms, the rest is sampling."""
    hard = np.random.default_rng(1).normal(0, 0.2, size=items)
    rows = []
    for seed in seeds:
        noise = np.random.default_rng([seed, *arm.encode()])
        values = noise.binomial(4, np.clip(base + hard + shift, 0, 1)) / 4
        rows += [
            Reading(
                probe=probe,
                metric=metric,
                arm=arm,
                seed=seed,
                item_id=f"item-{at + off}",
                problem_id=f"problem-{at + off}",
                stratum=stratum,
                mark=Mark.RIGHT if value > 0.5 else Mark.WRONG,
                value=float(value),
            )
            for at, value in enumerate(values)
        ]
    return rows


def spoilt(row, *, mark=None, value=0.0):
    return Reading(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "mark": mark, "value": value})


def points(value):
    """As sentences print it: a sign, one decimal, a true minus."""
    return f"{100 * value:+.1f}".replace("-", "−")


def found(rows, **options):
    return {(f.metric, f.arm, f.versus): f for f in find(rows, question="?", **options).findings}


BASE = readings("base", 0.0)
STUDY = [*BASE, *readings("better", 0.25), *readings("same", 0.0), *readings("worse", -0.25)]


@pytest.mark.parametrize(("arm", "verdict"), [("better", "supported"), ("worse", "refuted"), ("same", "undecided")])
def test_verdicts(arm, verdict):
    finding = found(STUDY)["pass@1", arm, "base"]
    assert finding.verdict == verdict
    assert finding.low <= finding.estimate <= finding.high
    assert (finding.n_items, finding.n_problems, finding.n_seeds, finding.n_missing) == (120, 120, 2, 0)
    assert finding.baseline == pytest.approx(np.mean([r.value for r in BASE]))


def test_lower_is_better_for_some_metrics():
    rows = [
        *readings("base", 0.0, metric="violated", probe="process"),
        *readings("cleaner", -0.25, metric="violated", probe="process"),
        *readings("sloppier", 0.25, metric="violated", probe="process"),
    ]
    findings = found(rows)
    assert findings["violated", "cleaner", "base"].verdict == "supported"
    assert findings["violated", "sloppier", "base"].verdict == "refuted"
    assert ": better (" in findings["violated", "cleaner", "base"].sentence
    assert ": worse (" in findings["violated", "sloppier", "base"].sentence


def test_missing_values_drop_their_pair_and_are_counted():
    rows = [
        spoilt(r, mark=Mark.UNKNOWN, value=None) if r.arm == "better" and r.seed == 1 and r.item_id == "item-7" else r
        for r in STUDY
    ]
    findings = found(rows)
    assert (findings["pass@1", "better", "base"].n_items, findings["pass@1", "better", "base"].n_missing) == (119, 1)
    assert findings["pass@1", "worse", "base"].n_missing == 0
    kept = [r for r in STUDY if r.item_id != "item-7"]
    assert findings["pass@1", "better", "base"].estimate == pytest.approx(
        found(kept)["pass@1", "better", "base"].estimate
    )


def test_unknown_is_counted_beside_the_level():
    rows = [spoilt(r, mark=Mark.UNKNOWN) if r.arm == "same" and r.item_id < "item-2" else r for r in STUDY]
    levels = {level.arm: level for level in find(rows, question="?").levels}
    expected = np.mean([r.mark is Mark.UNKNOWN for r in rows if r.arm == "same"])
    assert (levels["same"].unknown, levels["better"].unknown) == (pytest.approx(expected), 0.0)
    assert expected > 0.2


def test_levels_are_shares():
    for level in find(STUDY, question="?").levels:
        assert 0 <= level.low <= level.estimate <= level.high <= 1
        assert level.estimate == pytest.approx(np.mean([r.value for r in STUDY if r.arm == level.arm]))


@pytest.mark.parametrize("metric", ["gain (a over b)", "self-trust gap (joint)", "answer lost (invalid)"])
def test_a_difference_within_one_model_may_stand_below_0_and_has_no_form_share(metric):
    rows = [spoilt(row, mark=row.mark, value=row.value - 0.9) for row in readings("base", 0.0, metric=metric)]
    rows += readings("better", 0.3, metric=metric)
    results = find(rows, question="?", form_shares=[("better", "better")])
    [level] = [level for level in results.levels if level.arm == "base"]
    assert -1 <= level.low < level.estimate < level.high < 0
    assert not results.form_shares


def test_strata_are_averaged_apart_and_harmonically():
    rows = []
    for arm, shift in (("base", 0.0), ("critic", 0.2)):
        options = {"metric": "F1", "probe": "find_error"}
        rows += readings(arm, shift, stratum="erroneous", base=0.2, **options)
        rows += readings(arm, 0.0, stratum="correct", base=0.8, off=1000, **options)
    levels = {level.arm: level for level in find(rows, question="?").levels}
    for arm, level in levels.items():
        a, b = (np.mean([r.value for r in rows if (r.arm, r.stratum) == (arm, s)]) for s in ("erroneous", "correct"))
        assert level.estimate == pytest.approx(2 * a * b / (a + b), abs=0.01)
    assert found(rows)["F1", "critic", "base"].verdict == "supported"


def test_without_one_of_its_strata_a_metric_is_not_read():
    options = {"metric": "F1", "probe": "find_error", "items": 20}
    rows = [
        spoilt(r, mark=Mark.UNKNOWN, value=None) if (r.arm, r.stratum) == ("deaf", "erroneous") else r
        for arm in ("base", "deaf")
        for stratum, off in (("erroneous", 0), ("correct", 1000))
        for r in readings(arm, 0.0, stratum=stratum, off=off, **options)
    ]
    results = find(rows, question="?")
    assert (results.findings, [level.arm for level in results.levels]) == ((), ["base"])
    assert results.notes == ("deaf and base have no readings that can be compared of: find_error F1.",)


def test_contrasts_compare_two_arms():
    findings = found(STUDY, contrasts=[("better", "worse"), ("better", "no_such_arm"), ("better", "base")])
    assert set(findings) == {
        ("pass@1", "better", "base"),
        ("pass@1", "same", "base"),
        ("pass@1", "worse", "base"),
        ("pass@1", "better", "worse"),
    }
    contrast = findings["pass@1", "better", "worse"]
    assert contrast.verdict == "supported"
    gains = [findings["pass@1", arm, "base"].estimate for arm in ("better", "worse")]
    assert contrast.estimate == pytest.approx(gains[0] - gains[1])


def test_holm_runs_over_the_comparisons_of_one_metric():
    rows = [*STUDY, *readings("base", 0.0, metric="pass@4"), *readings("same", 0.0, metric="pass@4")]
    findings = found(rows)
    alone = findings["pass@4", "same", "base"]
    assert alone.p_holm == alone.p
    three = sorted((f.p, f.p_holm) for (metric, *_), f in findings.items() if metric == "pass@1")
    assert three[0][1] == pytest.approx(3 * three[0][0])
    assert three[2][1] >= three[2][0]


def test_under_a_shift_holm_runs_over_all_levels_of_an_axis():
    def away(metric):
        return [*readings("base", 0.0, metric=metric), *readings("arm", 0.05, metric=metric)]

    one, two, other = (f"exact match, answer @ {shift}" for shift in ("length 6", "length 7", "noise delete 5 %"))
    findings = found([*away(one), *away(two), *away(other)])
    assert findings[one, "arm", "base"].p_holm == pytest.approx(2 * findings[one, "arm", "base"].p)
    assert findings[other, "arm", "base"].p_holm == findings[other, "arm", "base"].p
    lower = found(away("edit distance, whole @ length 6"))["edit distance, whole @ length 6", "arm", "base"]
    assert lower.verdict != "supported"


def test_a_gain_that_does_not_survive_the_correction_is_undecided():
    arms = [f"arm-{number}" for number in range(12)]
    rows = [*BASE, *(row for arm in arms for row in readings(arm, 0.12))]
    findings = found(rows).values()
    lost = [f for f in findings if f.p <= 0.05 < f.p_holm]
    assert lost
    assert {f.verdict for f in lost} == {"undecided"}


def test_sentences_carry_their_evidence():
    for finding in found(STUDY).values():
        assert f"{points(finding.estimate)} points" in finding.sentence
        assert f"[{points(finding.low)}, {points(finding.high)}]" in finding.sentence
        assert "120 items of 120 problems, 2 seeds" in finding.sentence
    undecided = found(STUDY)["pass@1", "same", "base"]
    assert f"a true difference under {100 * undecided.mde:.1f} points would mostly go unseen" in undecided.sentence


def test_one_seed_says_what_its_interval_leaves_out():
    rows = [*readings("base", 0.0, seeds=(0,)), *readings("better", 0.25, seeds=(0,))]
    sentence = found(rows)["pass@1", "better", "base"].sentence
    assert "1 seed; one seed, so the luck of training is not in the interval" in sentence


def test_the_order_of_readings_changes_no_number():
    rows = STUDY.copy()
    random.Random(0).shuffle(rows)
    for key, finding in found(STUDY).items():
        other = found(rows)[key]
        assert (other.estimate, other.low, other.high, other.p_holm) == pytest.approx(
            (finding.estimate, finding.low, finding.high, finding.p_holm)
        )


def test_arms_that_share_no_item_are_named_and_not_compared():
    silent = [spoilt(r, mark=Mark.UNKNOWN, value=None) for r in readings("silent", 0.0)]
    results = find([*BASE, *silent], question="?", contrasts=[("silent", "base")], notes=["a note"])
    assert results.findings == ()
    assert results.notes == ("a note", "silent and base have no readings that can be compared of: accuracy pass@1.")
    assert [level.arm for level in results.levels] == ["base"]


def test_nothing_read_nothing_found():
    line = Baseline(probe="accuracy", metric="pass@1", name="random", value=0.01)
    results = find([], question="Why?", baselines=[line])
    assert (results.question, results.findings, results.levels) == ("Why?", (), ())
    assert results.baselines == (line,)


class TestFormShare:
    def shares(self, *pairs, rows=STUDY):
        return find(rows, question="?", form_shares=pairs).form_shares

    def test_a_control_with_half_of_the_gain(self):
        rows = [*BASE, *readings("full", 0.3, items=120), *readings("form", 0.15)]
        [found] = self.shares(("form", "full"), rows=rows)
        assert found.low < 0.5 < found.high
        assert (found.n_items, found.n_problems, found.n_seeds) == (120, 120, 2)
        assert re.fullmatch(r"form makes \d+ % \[\d+, \d+\] of full's gain in accuracy pass@1\.", found.sentence)

    def test_undefined_where_the_full_gain_is_not_clear_of_zero(self):
        [found] = self.shares(("better", "same"))
        assert found.share is found.low is found.high is None
        assert "undefined" in found.sentence

    def test_it_is_left_out_where_an_arm_was_not_read(self):
        [found] = self.shares(("worse", "better"), ("worse", "nobody"))
        assert found.share is found.low is found.high is None
        assert found.sentence.endswith("no share: the control gains nothing.")


def inside(arm, *, form, other, seeds=(0, 1), auroc=0.8, control=0.5, problems=60):
    """Readings of the internals probe: KL before the tokens of two classes, a layer's AUROC, and its control."""
    rows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, *arm.encode()])
        tokens = rng.integers(5, 15, problems).astype(float)
        metrics = {name: np.zeros(problems) for name in ("KL step result", "KL answer", "KL hedge", "tokens hedge")}
        metrics |= {f"tokens {name}": tokens for name in ("form", "step result", "answer", "other")}
        metrics |= {"KL form": form * tokens * rng.uniform(0.5, 1.5, problems)}
        metrics |= {"KL other": other * tokens * rng.uniform(0.5, 1.5, problems)}
        metrics |= {"AUROC layer 1": auroc + rng.normal(0, 0.3, problems)}
        metrics |= {"control layer 1": control + rng.normal(0, 0.05, problems)}
        rows += [
            Reading(
                probe="internals",
                metric=metric,
                arm=arm,
                seed=seed,
                item_id=f"problem-{at}",
                problem_id=f"problem-{at}",
                mark=Mark.RIGHT,
                value=float(value),
            )
            for metric, row in metrics.items()
            for at, value in enumerate(row)
        ]
    return rows


class TestInside:
    ROWS = (
        *inside("base", form=0.0, other=0.0),
        *inside("small", form=0.003, other=0.001),
        *inside("large", form=0.2, other=0.6),
    )

    def test_shares_and_nats_of_every_arm_but_the_base(self):
        found = find_inside(self.ROWS)
        shares = {(level.arm, level.metric): level for level in found.shares}
        nats = {(level.arm, level.metric): level for level in found.per_token}
        assert {arm for arm, _ in shares} == {"small", "large"}
        assert shares["small", "form"].estimate == pytest.approx(0.75, abs=0.03)
        assert shares["large", "form"].estimate == pytest.approx(0.25, abs=0.03)
        assert sum(level.estimate for level in found.shares if level.arm == "large") == pytest.approx(1)
        assert nats["large", "other"].estimate == pytest.approx(0.6, rel=0.1)
        assert nats["small", "form"].estimate == pytest.approx(0.003, rel=0.1)
        assert all(level.low <= level.estimate <= level.high for level in (*found.shares, *found.per_token))

    def test_luck_is_pooled_in_proportion(self):
        # The large arm's luck, in nats, is more than all of the small arm's change.
        level = next(x for x in find_inside(self.ROWS).per_token if (x.arm, x.metric) == ("small", "form"))
        assert level.high < 0.006

    def test_no_mean_over_tokens_that_there_are_none_of(self):
        assert "hedge" not in {level.metric for level in find_inside(self.ROWS).per_token}

    def test_layers_stand_by_number_the_base_with_them(self):
        found = find_inside(self.ROWS)
        assert {(level.arm, level.metric) for level in found.layers} == {(a, "1") for a in ("base", "small", "large")}
        assert found.notes == ()

    def test_a_control_that_is_not_at_a_half_is_told(self):
        notes = find_inside([*self.ROWS, *inside("leaky", form=0.1, other=0.1, control=0.6)]).notes
        assert len(notes) == 1
        assert re.match(
            r"leaky: the AUROC with shuffled labels, control layer 1, is 0\.(59|60|61) and not 0\.5", notes[0]
        )

    def test_where_nothing_was_read_it_says_so(self):
        rows = [spoilt(row, mark=Mark.UNKNOWN, value=None) for row in self.ROWS]
        found = find_inside(rows)
        assert found.shares == found.per_token == found.layers == ()
        assert len(found.notes) == 1
        assert "internals read nothing" in found.notes[0]
        assert find_inside([]).notes == ()

    def test_without_graded_steps_it_says_that_there_is_no_linear_probe(self):
        rows = [row for row in self.ROWS if row.metric.startswith(("KL", "tokens"))]
        assert "no linear probe" in find_inside(rows).notes[0]
