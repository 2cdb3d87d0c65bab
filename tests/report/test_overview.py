import msgspec
import pytest

from counterform.bench import Bench
from counterform.metrics import Metric, Shift
from counterform.parts import PARTS, part
from counterform.report.data import load
from counterform.report.overview import HEADINGS, overview, table
from counterform.results import Finding, FormShare, Level, Results, Retention
from counterform.store import RunDir

DECLARED = {probe.name: probe.metrics for probe in (part("probe", name)(Bench()) for name in PARTS["probe"])}
MINE = {"form": (Metric(name="states an answer", title="States an answer"),)}


def finding(probe, metric, low, high, *, arm="sft", baseline=0.5, verdict="undecided", **columns):
    counts = {"n_items": 300, "n_problems": 300, "n_seeds": 2, "n_missing": 0}
    numbers = {"baseline": baseline, "estimate": (low + high) / 2, "low": low, "high": high}
    tests = {"p": 0.1, "p_holm": 0.1, "mde": 0.1}
    names = {"probe": probe, "metric": metric, "arm": arm, "versus": "base", **columns}
    return Finding(claim="", **names, **numbers, **tests, **counts, verdict=verdict, sentence="")


def level(probe, metric, estimate, arm="sft", **columns):
    ends = {"low": estimate - 0.05, "high": estimate + 0.05}
    names = {"probe": probe, "metric": metric, "arm": arm, **columns}
    return Level(**names, estimate=estimate, **ends, n_items=100, n_seeds=2, unknown=0.0)


def form(control, share, low=None, high=None, why=""):
    counts = {"n_items": 300, "n_problems": 300, "n_seeds": 2}
    names = {"probe": "accuracy", "metric": "pass@1", "control": control, "full": "sft"}
    return FormShare(**names, share=share, low=low, high=high, why=why, **counts, sentence="")


def kept(trait, low, high, verdict):
    figures = {"rate": 1.0, "base": 10.0, "kept": (low + high) / 2, "low": low, "high": high, "p_holm": 0.01}
    counts = {"n_answers": 10, "n_problems": 5, "n_seeds": 2}
    return Retention(trait=trait, arm="sft", **figures, **counts, verdict=verdict, sentence="")


NOTHING = "no share: the control gains nothing"
GAIN = finding("accuracy", "pass@1", 0.18, 0.24, baseline=0.6, verdict="better")


def cells(*rows, retained=()):
    def of(kind):
        return tuple(row for row in rows if isinstance(row, kind))

    results = Results(
        question="?",
        findings=of(Finding),
        levels=of(Level),
        baselines=(),
        form_shares=of(FormShare),
        metrics=DECLARED | MINE,
    )
    [row] = overview(results, retained).rows
    return dict(zip(("gained", "form", "lost", "away"), row.cells, strict=True))


def test_what_it_gained_with_its_interval_and_where_that_leaves_it():
    cell = cells(GAIN, level("accuracy", "pass@1", 0.81))["gained"]
    assert (cell.text, cell.of, cell.verdict) == ("+21.0 [+18.0, +24.0]", "60.0 to 81.0\u00a0%", "better")


@pytest.mark.parametrize(
    ("shares", "text", "of"),
    [
        ((), "–", "no control declared"),
        ((form("a", None, why="undefined: too small a gain"),), "undefined", "too small a gain"),
        ((form("a", None),), "undefined", ""),
        ((form("a", 0.2, 0.1, 0.3), form("b", 0.4, 0.2, 0.6), form("c", None)), "40.0\u00a0% [20.0, 60.0]", "by b"),
        ((form("a", None, why=NOTHING), form("b", None, why=NOTHING)), "no share", "the control gains nothing"),
        ((form("a", None, why=NOTHING), form("b", 0.4, 0.2, 0.6)), "40.0\u00a0% [20.0, 60.0]", "by b"),
    ],
)
def test_how_much_is_form_by_the_control_with_most_of_it(shares, text, of):
    cell = cells(GAIN, *shares)["form"]
    assert (cell.text, cell.of) == (text, of)


def test_of_an_arm_that_lost_it_is_a_share_of_the_loss():
    lost = finding("accuracy", "pass@1", -0.2, -0.1, verdict="worse")
    assert cells(lost, form("a", 0.9, 0.8, 1.0))["form"].of == "of its loss, by a"


def test_the_clearest_loss_is_the_one_of_which_least_is_left_at_best():
    errors = finding("find_error", "F1", -0.2, -0.1, baseline=0.4, verdict="worse")  # at best 75 % left
    steps = finding("process", "violated", 0.1, 0.2, baseline=0.5, verdict="worse")  # lower is better: at best 80 %
    assert cells(GAIN, errors, steps)["lost"].text == "−15.0 [−20.0, −10.0]"
    assert "lower is better" in cells(GAIN, steps)["lost"].of
    markers = kept("all markers", 0.1, 0.3, "fell")
    cell = cells(GAIN, errors, steps, retained=[markers, kept("length", 0.0, 0.1, "fell")])["lost"]
    assert (cell.text, cell.of) == ("20.0\u00a0% left [10.0, 30.0]", "All markers")


def test_nothing_seen_is_not_the_same_as_not_asked():
    assert cells(GAIN)["lost"].text == "not asked"
    assert cells(GAIN, finding("accuracy", "pass@1 lenient", -0.2, -0.1, verdict="worse"))["lost"].text == "not asked"
    cell = cells(GAIN, finding("find_error", "F1", -0.1, 0.05), retained=[kept("hedge", 0.9, 1.4, "undecided")])["lost"]
    assert (cell.text, cell.of) == ("nothing seen", "lowest of 2: Finding errors (F1) −2.5 [−10.0, +5.0]")


def test_the_worst_shift_is_the_one_lowest_against_the_untrained_model_there():
    answer = {"probe": "shift", "metric": "exact match", "condition": "answer"}
    six, seven = (Shift(axis="length", level=level, distance=1.0) for level in ("6", "7"))
    reversed_ = Shift(axis="composition reversed", level="1", distance=1.0)
    rows = [
        finding(**answer, shift=shift, low=low, high=low + 0.1, baseline=0.3)
        for shift, low in ((six, 0.1), (seven, -0.2), (reversed_, -0.9))
    ]
    rows.append(finding("shift", "edit distance", -0.9, -0.8, condition="whole", shift=six))
    stands = [level(**answer, estimate=0.8), level(**answer, estimate=0.1, shift=seven)]
    cell = cells(GAIN, *rows, *stands)["away"]
    assert cell.text == "−15.0 [−20.0, −10.0]"
    assert cell.of == "length 7: 10.0\u00a0% [5.0, 15.0] right, 80.0\u00a0% in distribution"
    assert cells(GAIN)["away"].text == "too few problems"  # the probe was asked


def test_a_probe_of_ones_own_is_looked_at_too():
    assert cells(GAIN, finding("form", "states an answer", -0.3, -0.2, verdict="worse"))["lost"].verdict == "worse"


def test_the_sentence_counts_the_arms(run: RunDir):
    found = overview(load(run).results)
    assert found.sentence.startswith("Of 5 arms, 3 came out with more right answers")
    assert [row.arm for row in found.rows] == ["sft", "rft", "cft", "shuffled_target", "answer_only"]
    assert {len(row) for row in table(found).rows} == {len(HEADINGS)}


def test_without_findings_it_says_so():
    nothing = Results(question="?", findings=(), levels=(), baselines=(), metrics=DECLARED)
    assert overview(nothing).sentence == "There are no findings yet."
    apart = msgspec.structs.replace(nothing, own={"traits": {}})
    assert overview(apart).sentence.endswith("the sections say what was found.")
    no_gain = msgspec.structs.replace(nothing, findings=(finding("find_error", "F1", 0.1, 0.2),))
    assert overview(no_gain).sentence == "Right answers in distribution were not asked for."
