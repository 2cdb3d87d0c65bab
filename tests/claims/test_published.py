import pytest
from msgspec.structs import replace

from counterform.claims.published import CLAIMS, verdicts
from counterform.claims.recorded import Recorded
from counterform.claims.rules import Above, Difference, Kept, Standing
from counterform.metrics import Measured, Shift
from counterform.results import Baseline, Finding, Level, Results, Retention

AWAY = Measured(probe="shift", metric="exact match", condition="answer")
SOLVING = Measured(probe="accuracy", metric="pass@1")


def away(axis, level, distance):
    return replace(AWAY, shift=Shift(axis=axis, level=level, distance=distance))


SIX = away("length", "6", 1.0)


def columns(of):
    return {name: getattr(of, name) for name in Measured.__struct_fields__}


def finding(arm, versus, low, high, *, verdict=None, of=None):
    said = verdict or ("supported" if low > 0 else "refuted" if high < 0 else "undecided")
    counts = {"n_items": 300, "n_problems": 300, "n_seeds": 2, "n_missing": 0}
    numbers = {
        "baseline": 0.5,
        "estimate": (low + high) / 2,
        "low": low,
        "high": high,
        "p": 0.1,
        "p_holm": 0.1,
        "mde": 0.1,
    }
    names = {**columns(of or SOLVING), "arm": arm, "versus": versus}
    return Finding(claim="", **names, **numbers, **counts, verdict=said, sentence="")


def level(of, low, high, *, arm="base"):
    middle = (low + high) / 2
    return Level(**columns(of), arm=arm, estimate=middle, low=low, high=high, n_items=100, n_seeds=2, unknown=0.0)


def kept(arm, low, high, trait="all markers"):
    value = None if low is None else (low + high) / 2
    figures = {"rate": 1.0, "base": 10.0, "kept": value, "low": low, "high": high, "p_holm": 0.01}
    counts = {"n_answers": 10, "n_problems": 5, "n_seeds": 2}
    return Retention(trait=trait, arm=arm, **figures, **counts, verdict="undecided", sentence="")


def study(*rows, recipes=None):
    def of(kind):
        return tuple(row for row in rows if isinstance(row, kind))

    results = Results(question="?", findings=of(Finding), levels=of(Level), baselines=of(Baseline))
    return Recorded(
        name="s",
        problems="small",
        model="m",
        results=results,
        recipes=recipes or {},
        retained=of(Retention),
    )


def said(rule, *rows, **more):
    return [found.verdict for found in rule.read(study(*rows, **more))]


MORE = Difference(of=SOLVING, arm="cft", versus="sft", way="more")
ALIKE = Difference(of=SOLVING, arm="invalid", versus="sft", way="alike", margin=0.05)
GAIN = finding("sft", "base", 0.1, 0.3)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, "supported"), (-0.2, -0.01, "refuted"), (-0.1, 0.1, "undecided")],
)
def test_a_difference_is_more_or_not_in_whichever_order_the_study_compares(low, high, verdict):
    assert said(MORE, finding("cft", "sft", low, high)) == [verdict]
    assert said(MORE, finding("sft", "cft", -high, -low)) == [verdict]
    turned = {"supported": "refuted", "refuted": "supported"}.get(verdict, verdict)
    assert said(replace(MORE, way="less"), finding("cft", "sft", low, high)) == [turned]


@pytest.mark.parametrize("column", ["probe", "metric", "condition", "against", "budget"])
def test_a_rule_reads_its_own_measurement_alone(column):
    other = replace(SOLVING, **{column: "other"})
    assert said(MORE, finding("cft", "sft", 0.1, 0.2, of=other)) == []
    assert said(MORE, finding("cft", "sft", 0.1, 0.2, of=replace(SOLVING, shift=SIX.shift))) == []
    rule = Standing(of=SOLVING, arm="base", way="above", bound=0.0)
    assert said(rule, level(other, 0.1, 0.2)) == []
    assert said(rule, level(SOLVING, 0.1, 0.2), level(other, -0.2, -0.1)) == ["supported"]


def test_an_interval_clear_of_zero_is_not_enough_without_the_correction():
    assert said(MORE, finding("cft", "sft", 0.01, 0.2, verdict="undecided")) == ["undecided"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.04, 0.3, "supported"), (-0.5, -0.06, "refuted"), (-0.06, 0.1, "undecided"), (-0.06, -0.04, "undecided")],
)
def test_nearly_as_well_has_a_margin_and_needs_a_gain(low, high, verdict):
    row = finding("invalid", "sft", low, high)
    assert said(ALIKE, row, GAIN) == [verdict]
    assert said(ALIKE, row) == ["undecided"]
    [found] = ALIKE.read(study(row, finding("sft", "base", -0.1, 0.1)))
    assert found.verdict == "undecided"
    assert "sft itself gains nothing clear" in found.figures
    assert "−5 points" in ALIKE.words()


def test_arms_are_told_by_their_recipe_and_each_pair_has_its_verdict():
    rows = [finding("c1", "i", 0.1, 0.2), finding("c2", "i", -0.2, -0.1), finding("other", "i", 0.1, 0.2)]
    recipes = {"c1": "cft", "c2": "cft", "other": "critique(corrupted=0.5)", "i": "sft"}
    assert said(MORE, *rows, recipes=recipes) == ["supported", "refuted"]
    assert said(MORE, *rows) == []


GAP = Measured(probe="trust", metric="gap", condition="P(True)")


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.01, 0.2, "supported"), (-0.2, -0.01, "refuted"), (0.0, 0.1, "undecided")]
)
def test_a_level_stands_above_a_bound_with_its_whole_interval(low, high, verdict):
    assert said(Standing(of=GAP, arm="base", way="above", bound=0.0), level(GAP, low, high)) == [verdict]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.46, 0.54, "supported"), (0.56, 0.6, "refuted"), (0.3, 0.44, "refuted"), (0.4, 0.5, "undecided")],
)
def test_near_a_guess(low, high, verdict):
    rule = Standing(of=GAP, arm="base", way="near a guess", bound=0.05)
    guess = Baseline(**columns(GAP), name="random", value=0.5)
    assert said(rule, level(GAP, low, high), guess) == [verdict]
    assert said(rule, level(GAP, low, high)) == []


def test_away_from_home_the_nearest_level_beyond_training_counts_if_home_is_solved():
    rule = Standing(of=AWAY, arm="base", way="below", bound=0.1, axis="length", given=Above(of=AWAY, least=0.5))
    two, seven, other = away("length", "2", -1.0), away("length", "7", 2.0), away("composition", "1", 0.5)
    rows = [level(of, low, low + 0.05) for of, low in ((two, 0.9), (SIX, 0.02), (seven, 0.2), (other, 0.9))]
    home = level(AWAY, 0.7, 0.8)
    [found] = rule.read(study(*rows, home))
    assert (found.verdict, found.what) == ("supported", "base, length 6")
    assert "in distribution 75.0 % [70.0, 80.0]" in found.figures
    assert said(rule, *rows, level(AWAY, 0.3, 0.6)) == ["undecided"]
    assert said(rule, rows[0], rows[3], home) == []


def test_where_there_is_nothing_to_lose_nothing_is_refuted():
    lost = Difference(of=SOLVING, arm="sft", versus="base", way="less", floor=0.1)
    able, unable = finding("sft", "base", 0.1, 0.3), replace(finding("sft", "base", 0.1, 0.3), baseline=0.1)
    assert [said(lost, row) for row in (able, unable)] == [["refuted"], ["undecided"]]
    [found] = lost.read(study(unable))
    assert found.lacking == "base must stand above 10 % first; here 10.0 %"


@pytest.mark.parametrize(
    ("rule", "rows", "lacking"),
    [
        (MORE, [finding("cft", "sft", -0.1, 0.2)], "MDE 10.0 points; 4.0 times the readings for what was seen"),
        (MORE, [finding("cft", "sft", -0.1, 0.1)], "MDE 10.0 points"),
        (MORE, [finding("cft", "sft", 0.1, 0.2)], ""),
        (ALIKE, [finding("invalid", "sft", -0.2, 0.2)], "sft must gain over the base model first"),
        (ALIKE, [finding("invalid", "sft", -0.2, 0.2), GAIN], "MDE 10.0 points; 4.0 times the readings for what was seen"),
        (
            Standing(of=SOLVING, arm="base", way="above", bound=0.0),
            [level(SOLVING, -0.1, 0.3)],
            "known to ±20.0 points; 4.0 times the readings for what was seen",
        ),
        (Kept(trait="all markers", arm="grpo", least=0.8), [kept("grpo", None, None)], "a model that writes such markers at all"),
    ],
)  # fmt: skip
def test_what_is_undecided_says_what_would_decide_it(rule, rows, lacking):
    [found] = rule.read(study(*rows))
    assert found.lacking == lacking


def test_what_the_untrained_model_does_already_refutes_nothing():
    rule = Standing(of=AWAY, arm="sft", way="below", bound=0.1, axis="length")
    trained = level(SIX, 0.6, 0.8, arm="sft")
    for low, verdict in ((0.0, "refuted"), (0.5, "undecided")):
        assert said(rule, trained, level(SIX, low, low + 0.05)) == [verdict]


def test_what_is_kept_against_another_arm_a_bound_or_all():
    less = Kept(trait="all markers", arm="guided", versus="rft")
    assert said(less, kept("guided", 0.0, 0.1), kept("rft", 0.5, 0.9)) == ["supported"]
    assert said(less, kept("guided", 0.9, 1.1), kept("rft", 0.5, 0.8)) == ["refuted"]
    assert said(less, kept("guided", 0.0, 0.6), kept("rft", 0.5, 0.9)) == ["undecided"]
    assert said(less, kept("guided", None, None), kept("rft", 0.5, 0.9)) == ["undecided"]
    assert said(less, kept("guided", 0.0, 0.1)) == []
    least = Kept(trait="all markers", arm="grpo", least=0.8)
    assert [said(least, kept("grpo", *ends)) for ends in ((0.8, 1.2), (0.1, 0.7), (0.5, 1))] == [
        ["supported"], ["refuted"], ["undecided"],
    ]  # fmt: skip
    below = Kept(trait="all markers", arm="right")
    assert [said(below, kept("right", *ends)) for ends in ((0.1, 0.9), (1.1, 1.2), (0.5, 1.5))] == [
        ["supported"], ["refuted"], ["undecided"],
    ]  # fmt: skip


def test_a_row_a_study_that_asks_and_one_for_a_claim_that_none_asks():
    one = study(finding("cft", "sft", -0.2, -0.1))
    rows = verdicts([one, replace(one, name="t"), study()])
    asked = [(row.study.name, row.verdict) for row in rows if row.verdict != "not asked"]
    assert asked == [("s", "refuted"), ("t", "refuted")]
    assert len(rows) == len(CLAIMS) + 1
    assert {row.claim.says for row in rows} == {claim.says for claim in CLAIMS}


def test_nine_systems_each_claim_with_a_source_a_number_or_none_and_a_rule_in_words():
    assert len({claim.system for claim in CLAIMS}) == 9
    assert len({claim.says for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.source.startswith("arXiv ") and claim.published and claim.rule.words() for claim in CLAIMS)
