import random
import re

import numpy as np
import pytest

from counterform.errors import StudyError
from counterform.findings import gains
from counterform.metrics import Metric, Shift
from counterform.types import Mark, Reading

METRICS = {
    "accuracy": (Metric(name="pass@1", title="Solving"), Metric(name="pass@4", title="Solving in four")),
    "find_error": (Metric(name="F1", title="Finding errors"),),
    "process": (Metric(name="violated", title="Wrong steps", better="low"),),
    "shift": (Metric(name="exact match", title="Exact"), Metric(name="edits", title="Edits", better="low")),
    "guard": (Metric(name="gain", title="Gain", unit="difference", bounds=(-1.0, 1.0)),),
    "strategy": (Metric(name="breadth first", title="Breadth first", better="neither"),),
    "mine": (
        Metric(name="words", title="Words", unit="count", better="low", bounds=(0.0, None)),
        Metric(name="wait", title="Wait", unit="seconds", better="low", bounds=(0.0, None)),
        Metric(name="surprise", title="Surprise", unit="nats", better="neither", bounds=(None, None)),
    ),
}


def find(rows, **options):
    return gains.find(rows, METRICS, **options)


def readings(
    arm,
    by,
    *,
    metric="pass@1",
    probe="accuracy",
    seeds=(0, 1),
    items=120,
    stratum="",
    base=0.45,
    off=0,
    scale=1.0,
    **columns,
):
    """What was read off one arm: whether a problem is hard is the same for all arms, the rest is sampling."""
    hard = np.random.default_rng(1).normal(0, 0.2, size=items)
    rows = []
    for seed in seeds:
        noise = np.random.default_rng([seed, *arm.encode()])
        values = noise.binomial(4, np.clip(base + hard + by, 0, 1)) / 4
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
                value=scale * float(value),
                **columns,
            )
            for at, value in enumerate(values)
        ]
    return rows


def broken(row, *, mark=None, value=0.0):
    return Reading(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "mark": mark, "value": value})


def points(value):
    """As sentences print it: a sign, one decimal, a true minus."""
    return f"{100 * value:+.1f}".replace("-", "−")


def found(rows, **options):
    return {(f.metric, f.arm, f.versus): f for f in find(rows, **options).findings}


BASE = readings("base", 0.0)
STUDY = [*BASE, *readings("better", 0.25), *readings("same", 0.0), *readings("worse", -0.25)]


@pytest.mark.parametrize(("arm", "verdict"), [("better", "better"), ("worse", "worse"), ("same", "undecided")])
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
    assert findings["violated", "cleaner", "base"].verdict == "better"
    assert findings["violated", "sloppier", "base"].verdict == "worse"
    assert ": better (" in findings["violated", "cleaner", "base"].sentence
    assert ": worse (" in findings["violated", "sloppier", "base"].sentence


def test_missing_values_drop_their_pair_and_are_counted():
    rows = [
        broken(r, mark=Mark.UNKNOWN, value=None) if r.arm == "better" and r.seed == 1 and r.item_id == "item-7" else r
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
    rows = [broken(r, mark=Mark.UNKNOWN) if r.arm == "same" and r.item_id < "item-2" else r for r in STUDY]
    levels = {level.arm: level for level in find(rows).levels}
    expected = np.mean([r.mark is Mark.UNKNOWN for r in rows if r.arm == "same"])
    assert (levels["same"].unknown, levels["better"].unknown) == (pytest.approx(expected), 0.0)
    assert expected > 0.2


def test_levels_are_shares():
    for level in find(STUDY).levels:
        assert 0 <= level.low <= level.estimate <= level.high <= 1
        assert level.estimate == pytest.approx(np.mean([r.value for r in STUDY if r.arm == level.arm]))


def test_a_difference_within_one_model_may_stand_below_0_and_has_no_form_share():
    columns = {"probe": "guard", "metric": "gain", "condition": "cut back", "against": "none"}
    rows = [broken(row, mark=row.mark, value=row.value - 0.9) for row in readings("base", 0.0, **columns)]
    rows += readings("better", 0.3, **columns)
    results = find(rows, form_shares=[("better", "better")])
    [level] = [level for level in results.levels if level.arm == "base"]
    assert -1 <= level.low < level.estimate < level.high < 0
    assert not results.form_shares


def test_a_difference_of_differences_may_be_more_than_all():
    columns = {"probe": "guard", "metric": "gain", "items": 8}
    rows = [broken(row, mark=row.mark, value=-1.0 + 0.2 * row.value) for row in readings("base", 0.0, **columns)]
    rows += [broken(row, mark=row.mark, value=1.0 - 0.2 * row.value) for row in readings("better", 0.0, **columns)]
    [finding] = find(rows).findings
    assert 1 < finding.low < finding.estimate < finding.high <= 2


def test_bounds_direction_and_unit_are_those_that_the_probe_declares():
    """A metric of the user's own in words, seconds or nats: no bound of a share, no point, no form of better that it has not."""
    options = {"probe": "mine", "scale": 100.0, "seeds": (0, 1, 2)}
    rows = [row for m in ("words", "wait", "surprise") for row in readings("base", 0.0, metric=m, **options)]
    rows += [row for m in ("words", "wait", "surprise") for row in readings("arm", 0.25, metric=m, **options)]
    results = find(rows, form_shares=[("arm", "arm")])
    words, wait, surprise = results.findings
    assert [f.verdict for f in results.findings] == ["worse", "worse", "more"]
    assert all(10 < f.low < f.estimate < f.high < 40 and f.mde > 1 for f in results.findings)
    assert all(level.high > 1 for level in results.levels)
    assert re.search(r"mine words: \+2\d(\.\d)? \[\+1\d(\.\d)?, \+[23]\d(\.\d)?\]: worse", words.sentence)
    assert re.search(r"mine wait: \+2\d(\.\d)? s \[", wait.sentence)
    assert re.search(r"mine surprise: \+2\d(\.\d)? nats \[.*\]: more", surprise.sentence)
    assert surprise.claim.startswith("arm raises mine surprise over")
    assert len(results.form_shares) == 3


def test_a_metric_that_is_not_declared_is_refused_with_those_that_are():
    with pytest.raises(StudyError, match=r"probe 'accuracy'.*'pass@2'.*It declares: 'pass@1', 'pass@4'"):
        find(readings("base", 0.0, metric="pass@2"))
    with pytest.raises(StudyError, match=r"probe 'unknown'.*It declares: none"):
        find(readings("base", 0.0, probe="unknown"))


def test_what_is_neither_better_nor_worse_is_more_or_less():
    columns = {"probe": "strategy", "metric": "breadth first", "condition": "free form"}
    [finding] = find([*readings("base", 0.0, **columns), *readings("less", -0.25, **columns)]).findings
    assert finding.verdict == "less"
    assert ": less (" in finding.sentence
    assert finding.claim == "less raises strategy breadth first (free form) over base"


def test_strata_are_averaged_apart_and_harmonically():
    rows = []
    for arm, shift in (("base", 0.0), ("critic", 0.2)):
        options = {"metric": "F1", "probe": "find_error"}
        rows += readings(arm, shift, stratum="erroneous", base=0.2, **options)
        rows += readings(arm, 0.0, stratum="correct", base=0.8, off=1000, **options)
    levels = {level.arm: level for level in find(rows).levels}
    for arm, level in levels.items():
        a, b = (np.mean([r.value for r in rows if (r.arm, r.stratum) == (arm, s)]) for s in ("erroneous", "correct"))
        assert level.estimate == pytest.approx(2 * a * b / (a + b), abs=0.01)
    assert found(rows)["F1", "critic", "base"].verdict == "better"


def test_without_one_of_its_strata_a_metric_is_not_read():
    options = {"metric": "F1", "probe": "find_error", "items": 20}
    rows = [
        broken(r, mark=Mark.UNKNOWN, value=None) if (r.arm, r.stratum) == ("deaf", "erroneous") else r
        for arm in ("base", "deaf")
        for stratum, off in (("erroneous", 0), ("correct", 1000))
        for r in readings(arm, 0.0, stratum=stratum, off=off, **options)
    ]
    results = find(rows)
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
    assert contrast.verdict == "better"
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


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"shift": Shift(axis="length", level="6")}, {"shift": Shift(axis="length", level="7")}, True),
        ({"shift": Shift(axis="length", level="6")}, {"shift": Shift(axis="noise delete", level="5 %")}, False),
        ({"shift": Shift(axis="length", level="6")}, {}, False),
        ({"shift": Shift(axis="", level="hard")}, {"shift": Shift(axis="", level="harder")}, True),
        ({"shift": Shift(axis="", level="hard")}, {}, False),
        ({"condition": "answer"}, {"condition": "whole"}, False),
        ({"budget": "equal tokens"}, {"budget": "equal calls"}, False),
        ({"condition": "a", "against": "b"}, {"condition": "a", "against": "c"}, False),
    ],
)
def test_a_family_of_correction_is_one_measurement_at_all_levels_of_one_axis(one, other, together):
    """Whatever differs between two measurements, only levels of one axis are looked at together, as a curve."""
    columns = {"probe": "shift", "metric": "exact match"}
    rows = [
        row
        for more in (one, other)
        for arm, by in (("base", 0.0), ("arm", 0.05))
        for row in readings(arm, by, **columns, **more)
    ]
    for finding in find(rows).findings:
        assert finding.p_holm == pytest.approx((2 if together else 1) * finding.p)


def test_a_shift_stands_at_the_mean_distance_of_its_items():
    rows = [
        row
        for off, distance in ((0, 0.1), (500, 0.3))
        for row in readings(
            "base",
            0.0,
            probe="shift",
            metric="edits",
            off=off,
            shift=Shift(axis="noise insert", level="5 %", distance=distance),
        )
    ]
    [level] = find(rows).levels
    assert level.shift.distance == pytest.approx(0.2)
    assert level.n_items == 240


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
    assert "1 seed; one seed, so seed variance is not in the interval" in sentence


def test_the_order_of_readings_changes_no_number():
    rows = STUDY.copy()
    random.Random(0).shuffle(rows)
    for key, finding in found(STUDY).items():
        other = found(rows)[key]
        assert (other.estimate, other.low, other.high, other.p_holm) == pytest.approx(
            (finding.estimate, finding.low, finding.high, finding.p_holm)
        )


def test_arms_that_share_no_item_are_named_and_not_compared():
    silent = [broken(r, mark=Mark.UNKNOWN, value=None) for r in readings("silent", 0.0)]
    results = find([*BASE, *silent], contrasts=[("silent", "base")])
    assert results.findings == ()
    assert results.notes == ("silent and base have no readings that can be compared of: accuracy pass@1.",)
    assert [level.arm for level in results.levels] == ["base"]


def test_nothing_read_nothing_found():
    results = find([])
    assert (results.findings, results.levels, results.form_shares, results.notes) == ((), (), (), ())


def apart(rows, by):
    """The same readings with the second seed's so much higher."""
    return [broken(row, mark=row.mark, value=row.value + by * row.seed) for row in rows]


def test_the_base_was_not_trained_and_has_no_luck():
    """Read twice it may come out differently, but that is no seed variance: neither its own nor a sign of what others have."""
    far, arm = apart(BASE, 0.2), readings("arm", 0.1)
    near, beside = ({level.arm: level for level in find([*of, *arm]).levels} for of in (BASE, far))
    assert (beside["arm"].low, beside["arm"].high) == (near["arm"].low, near["arm"].high)
    width = near["base"].high - near["base"].low
    assert beside["base"].high - beside["base"].low < 1.1 * width
    [as_arm] = find(apart(readings("arm", 0.0), 0.2)).levels
    assert as_arm.high - as_arm.low > 3 * width
    gains = [found([*of, *arm])["pass@1", "arm", "base"] for of in (BASE, far)]
    assert gains[1].high - gains[1].low < 1.1 * (gains[0].high - gains[0].low)


def test_arms_that_are_luckier_than_usual_warn_of_each_other():
    """Two seeds of one arm that agree by chance say less where the other arms' seeds lie far apart."""
    loud = [row for arm in ("b", "c", "d") for row in apart(readings(arm, 0.0), 0.4)]
    quiet = [row for arm in ("b", "c", "d") for row in readings(arm, 0.0)]
    widths = [
        level.high - level.low
        for others in (loud, quiet)
        for level in find([*readings("a", 0.0), *others]).levels
        if level.arm == "a"
    ]
    assert widths[0] > 1.2 * widths[1]


class TestRowsThatSayNothing:
    """They are left out of findings and levels, and counted: too few problems, or an interval over nearly all that can be."""

    def test_few_problems(self):
        few = [*readings("base", 0.0, items=5, metric="pass@4"), *readings("arm", 0.2, items=5, metric="pass@4")]
        results = find([*STUDY, *few])
        assert {f.metric for f in results.findings} == {level.metric for level in results.levels} == {"pass@1"}
        assert [note for note in results.notes if "3 of accuracy pass@4" in note and "fewer than 6 problems" in note]

    def test_an_interval_over_nearly_all_that_can_be(self):
        unsteady = readings("arm", 0.0, items=12, probe="guard", metric="gain")
        results = find([broken(row, mark=row.mark, value=2.0 * row.seed - 1) for row in unsteady])
        assert results.levels == ()
        assert [note for note in results.notes if "1 of guard gain" in note]

    def test_they_take_no_part_in_the_correction(self):
        axis = {"probe": "shift", "metric": "exact match"}
        rows = [*readings("base", 0.0, **axis, shift=Shift(axis="length", level="6"))]
        rows += readings("arm", 0.05, **axis, shift=Shift(axis="length", level="6"))
        few = [*readings("base", 0.0, **axis, items=4, shift=Shift(axis="length", level="7"))]
        few += readings("arm", 0.05, **axis, items=4, shift=Shift(axis="length", level="7"))
        [alone], [beside] = find(rows).findings, find([*rows, *few]).findings
        assert beside.p_holm == alone.p_holm == alone.p

    def test_there_is_no_note_where_all_rows_say_something(self):
        assert find(STUDY).notes == ()


class TestFormShare:
    def shares(self, *pairs, rows=STUDY):
        return find(rows, form_shares=pairs).form_shares

    def test_a_control_with_half_of_the_gain(self):
        rows = [*BASE, *readings("full", 0.3, items=120), *readings("form", 0.15)]
        [found] = self.shares(("form", "full"), rows=rows)
        assert found.low < 0.5 < found.high
        assert (found.n_items, found.n_problems, found.n_seeds) == (120, 120, 2)
        assert re.fullmatch(r"form makes \d+ % \[\d+, \d+\] of full's gain in accuracy pass@1\.", found.sentence)

    def test_undefined_where_the_full_gain_is_not_clear_of_zero(self):
        [found] = self.shares(("better", "same"))
        assert found.share is found.low is found.high is None
        assert found.why == "undefined: no clear gain"
        assert found.sentence.endswith(f"gain in accuracy pass@1: {found.why}.")

    def test_there_is_none_of_a_gain_away_from_home(self):
        away = {"probe": "shift", "metric": "exact match", "shift": Shift(axis="length", level="7")}
        rows = [*readings("base", 0.0, **away), *readings("full", 0.3, **away), *readings("form", 0.1, **away)]
        assert self.shares(("form", "full"), rows=rows) == ()

    @pytest.mark.parametrize(
        ("full", "control", "better", "why"),
        [
            (0.3, -0.2, "high", "no share: the control gains nothing"),
            (-0.3, 0.2, "high", "no share: the control loses nothing"),
            (-0.3, 0.2, "low", "no share: the control gains nothing"),
            (0.06, 0.0, "high", "undefined: "),
        ],
    )
    def test_why_there_is_none(self, full, control, better, why):
        """A share that would mean nothing is not told; a gain is what the metric calls better."""
        columns = {"probe": "shift", "metric": "exact match" if better == "high" else "edits", "items": 400}
        rows = [*readings("base", 0.0, **columns), *readings("full", full, **columns)]
        [found] = self.shares(("form", "full"), rows=[*rows, *readings("form", control, **columns)])
        assert found.share is found.low is found.high is None
        assert found.why.startswith(why)
        assert found.sentence.endswith(f": {found.why}.")

    def test_it_is_left_out_where_an_arm_was_not_read(self):
        [found] = self.shares(("worse", "better"), ("worse", "nobody"))
        assert found.share is found.low is found.high is None
        assert found.sentence.endswith("no share: the control gains nothing.")


class TestSeedsOfTheirOwn:
    """Arms that exist already come with as many seeds as they have, or are one fixed thing."""

    def rows(self, arm, levels):
        rng = np.random.default_rng(len(arm))
        return [
            Reading(
                probe="accuracy",
                metric="pass@1",
                arm=arm,
                seed=seed,
                item_id=f"{item}",
                problem_id=f"{item}",
                mark=Mark.RIGHT,
                value=float(rng.random() < level),
            )
            for seed, level in levels.items()
            for item in range(60)
        ]

    def found(self, fixed):
        readings = [
            *self.rows("base", {0: 0.3, 1: 0.3}),
            *self.rows("three", {5: 0.5, 6: 0.9, 7: 0.7}),
            *self.rows("one", {0: 0.7}),
        ]
        return find(readings, contrasts=[("three", "one")], form_shares=[("one", "three")], fixed=fixed)

    def test_arms_with_other_numbers_of_seeds_are_compared_at_all_their_items(self):
        found = self.found({"base": ""}).findings
        assert [(f.arm, f.versus, f.n_items, f.n_seeds) for f in found] == [
            ("three", "base", 60, 3),
            ("one", "base", 60, 1),
            ("three", "one", 60, 1),
        ]
        levels = {one.arm: one.estimate for one in self.found({"base": ""}).levels}
        assert found[2].estimate == pytest.approx(levels["three"] - levels["one"])
        assert "1 seed of one, whose seed variance is taken to be the usual one" in found[2].sentence

    def test_luck_widens_the_interval_of_seeds_and_not_of_one_fixed_thing(self):
        lucky, alone = (self.found(fixed) for fixed in ({"base": ""}, {"base": "", "three": "these", "one": ""}))
        widths = [[f.high - f.low for f in found.findings] for found in (lucky, alone)]
        assert widths[0][0] > 1.2 * widths[1][0]
        assert widths[0][2] > widths[1][2]
        assert "three: of these alone" in alone.findings[0].sentence
        assert "seed" not in alone.findings[1].sentence
        assert alone.form_shares[0].n_seeds == 1

    def test_luck_of_one_seed_beside_several_is_not_taken_for_none(self):
        several, known = (self.found(fixed).findings[2] for fixed in ({"base": ""}, {"base": "", "one": ""}))
        assert several.high - several.low > known.high - known.low
