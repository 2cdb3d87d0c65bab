import msgspec
import pytest

from counterform.bench import Bench
from counterform.metrics import Metric, Shift
from counterform.parts import PARTS, part
from counterform.report.data import load
from counterform.report.outline import outline
from counterform.report.overview import decides, overview, table
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
    return Level(**{"unknown": 0.0} | names, estimate=estimate, **ends, n_items=100, n_seeds=2)


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


def study(*rows):
    def of(kind):
        return tuple(row for row in rows if isinstance(row, kind))

    kinds = {"findings": of(Finding), "levels": of(Level), "form_shares": of(FormShare)}
    return Results(question="?", baselines=(), metrics=DECLARED | MINE, **kinds)


def block(kind, *rows, retained=()):
    return next(block for block in overview(study(*rows), retained).blocks if block.kind == kind)


def cells(*rows, retained=()):
    found = block("treatments", *rows, retained=retained)
    [row] = found.rows
    return dict(zip(found.headings[1:], row.cells, strict=True))


def told(*rows, retained=()):
    return [sentence.text for sentence in overview(study(*rows), retained).answer]


def test_what_it_gained_with_its_interval_and_where_that_leaves_it():
    higher = finding("accuracy", "pass@4", -0.01, 0.03, baseline=0.9)
    stands = [level("accuracy", "pass@1", 0.6, arm="base", unknown=0.02), level("accuracy", "pass@1", 0.81)]
    cell = cells(GAIN, *stands, higher)["Right answers"]
    assert (cell.text, cell.verdict, cell.decides) == ("+21.0 [+18.0, +24.0]", "better", "")
    assert cell.of.replace("\u00a0", " ") == "60.0 % (2.0 % unknown) to 81.0 %; pass@4 90.0 % to 91.0 %"


@pytest.mark.parametrize(
    ("ends", "decided_by"),
    [
        ((-0.08, 0.02), "at least 3,400 problems would decide it, if it is real (300 here)"),
        ((0.01, 0.2), "clear alone, not among all comparisons made: ask for fewer, or more problems"),
        ((-0.1, 0.1), "a difference under 10.0 points mostly goes unseen here"),
    ],
)
def test_what_would_decide_an_undecided_gain(ends, decided_by):
    results = study(finding("accuracy", "pass@1", *ends))
    assert decides(results, results.findings[0]) == decided_by


def test_of_an_unclear_difference_that_is_large_enough_for_its_problems_no_fewer_problems_are_asked_for():
    found = msgspec.structs.replace(finding("accuracy", "pass@1", -0.05, 0.33), mde=0.07)
    results = study(found)
    decided_by = "its seeds lie too far apart: more of them would decide it, if it is real"
    assert decides(results, results.findings[0]) == decided_by


@pytest.mark.parametrize(
    ("shares", "text", "of"),
    [
        ((form("a", None, why="undefined: too small a gain"),), "undefined", "too small a gain (a)"),
        ((form("a", 0.2, 0.1, 0.3), form("b", 0.4, 0.2, 0.6), form("c", None)), "40.0\u00a0% [20.0, 60.0]", "by b"),
        ((form("a", None, why=NOTHING), form("b", -2.7, -3.2, -2.2)), "no share", "the control gains nothing (a, b)"),
        ((form("a", None, why=NOTHING), form("b", 0.4, 0.2, 0.6)), "40.0\u00a0% [20.0, 60.0]", "by b"),
    ],
)
def test_how_much_is_form_by_the_control_with_most_of_it(shares, text, of):
    cell = cells(GAIN, *shares)["Of that, form"]
    assert (cell.text, cell.of) == (text, of)


def test_of_an_arm_that_lost_it_is_a_share_of_the_loss():
    lost = finding("accuracy", "pass@1", -0.2, -0.1, verdict="worse")
    assert cells(lost, form("a", 0.9, 0.8, 1.0))["Of that, form"].of == "of its loss, by a"


def test_the_clearest_loss_is_the_one_of_which_least_is_left_at_best():
    errors = finding("find_error", "F1", -0.2, -0.1, baseline=0.4, verdict="worse")  # at best 75 % left
    steps = finding("process", "violated", 0.1, 0.2, baseline=0.5, verdict="worse")  # lower is better: at best 80 %
    assert cells(GAIN, errors, steps)["Lost most clearly"].text == "−15.0 [−20.0, −10.0]"
    assert "lower is better" in cells(GAIN, steps)["Lost most clearly"].of
    markers = kept("all markers", 0.1, 0.3, "fell")
    cell = cells(GAIN, errors, steps, retained=[markers, kept("length", 0.0, 0.1, "fell")])["Lost most clearly"]
    assert (cell.text, cell.of) == ("20.0\u00a0% left [10.0, 30.0]", "All markers")


def test_no_share_of_a_gain_that_is_not_clear():
    unclear = finding("accuracy", "pass@1", -0.1, 0.2)
    assert cells(unclear, form("a", 0.4, 0.2, 0.6))["Of that, form"].of == "no clear gain to take a share of"


def test_nothing_seen_is_not_the_same_as_not_asked():
    assert list(cells(GAIN)) == ["Right answers", "Worst OOD"]  # the probe `shift` was asked, and read too few problems
    assert "Lost most clearly" not in cells(GAIN, finding("accuracy", "pass@1 lenient", -0.2, -0.1, verdict="worse"))
    kept_more = [kept("hedge", 0.9, 1.4, "undecided")]
    cell = cells(GAIN, finding("find_error", "F1", -0.1, 0.05), retained=kept_more)["Lost most clearly"]
    assert (cell.text, cell.of) == (
        "nothing seen",
        "in 2 readings; nearest to it: Finding errors (F1) −2.5 [−10.0, +5.0]",
    )


def test_a_loss_is_neither_a_gain_nor_something_that_nobody_could_read():
    fewer = finding("process", "violated", -0.2, -0.1, baseline=0.5, verdict="better")
    assert cells(GAIN, fewer)["Lost most clearly"].of == "in 1 reading"
    more = finding("process", "violated", 0.1, 0.2, baseline=0.5, verdict="worse")
    errors = finding("find_error", "F1", -0.1, 0.05)
    cell = cells(GAIN, more, errors, level("process", "violated", 0.65, unknown=0.6))["Lost most clearly"]
    assert (cell.text, cell.of[:12]) == ("nothing seen", "in 1 reading")


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
    cell = cells(GAIN, *rows, *stands)["Worst OOD"]
    assert cell.text == "−15.0 [−20.0, −10.0]"
    assert cell.of == "length 7: 10.0\u00a0% right, 80.0\u00a0% in distribution"


def test_a_probe_of_ones_own_is_looked_at_too():
    assert (
        cells(GAIN, finding("form", "states an answer", -0.3, -0.2, verdict="worse"))["Lost most clearly"].verdict
        == "worse"
    )


def test_contrasts_come_first_and_controls_last_each_sorted(run: RunDir):
    found = overview(load(run).results)
    assert [(b.kind, [row.name for row in b.rows]) for b in found.blocks] == [
        ("contrasts", ["cft − sft"]),
        ("treatments", ["sft", "cft"]),
        ("controls", ["rft", "answer_only", "shuffled_target"]),
    ]
    for one in found.blocks:
        assert {len(row) for row in table(one).rows} == {len(one.headings)}


def test_what_a_control_makes_of_a_gain():
    control = finding("accuracy", "pass@1", 0.02, 0.08, arm="a", verdict="better")
    [row] = block("controls", GAIN, control, form("a", 0.24, 0.1, 0.4)).rows
    assert row.cells[1].text == "of sft's: 24.0\u00a0% [10.0, 40.0]"


def test_a_contrast_names_what_else_differs():
    rows = [finding("accuracy", "pass@1", -0.3, -0.1, versus="rft", verdict="worse")]
    rows += [finding("find_error", "F1", 0.1, 0.2, versus="rft", verdict="better")]
    [row] = block("contrasts", *rows).rows
    assert (row.cells[1].text, row.cells[1].of) == ("1 better", "● Finding errors (F1) +15.0 [+10.0, +20.0]")


def test_the_answer_says_gain_form_loss_and_where_it_fails():
    answer = {"probe": "shift", "metric": "exact match", "condition": "answer"}
    six = Shift(axis="length", level="6", distance=1.0)
    gained, form_, lost, away = told(
        GAIN,
        finding("accuracy", "pass@4", -0.02, 0.03, baseline=0.9),
        finding("accuracy", "pass@1", -0.05, 0.03, arm="cft"),
        finding("find_error", "F1", 0.02, 0.1, arm="cft", verdict="better"),
        finding("accuracy", "pass@1", -0.5, -0.4, arm="a", verdict="worse"),
        form("a", None, why=NOTHING),
        level(**answer, estimate=0.8),
        level(**answer, estimate=0.1, shift=six),
        level(**answer, estimate=0.06, shift=six, arm="base"),
        retained=[kept("backtrack", 0.1, 0.3, "fell")],
    )
    assert gained.replace("\u00a0", " ") == (
        "Over the base model's 60.0 % right answers, sft gained +21.0 points [+18.0, +24.0]; undecided: cft −1.0 points [−5.0, +3.0]. "
        "Sharpened, not extended: pass@4 did not follow (from 90.0 %: sft +0.5 [−2.0, +3.0])."
    )
    assert form_ == "None of sft's gain is form as far as its controls tell: a did not gain."
    assert lost.startswith(
        "Gained besides: cft in finding errors (F1) (+6.0 [+2.0, +10.0]). Lost most clearly: sft in turning back (20.0"
    )
    assert away.replace("\u00a0", " ") == (
        "Out of distribution, at length 6, right answers fall: sft 10.0 % [5.0, 15.0] (from 80.0 %); the base model 6.0 % [1.0, 11.0]."
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict", "words"),
    [
        (0.05, 0.15, "better", "Extended: pass@4 rose too"),
        (0.05, 0.15, "undecided", "Sharpened or extended: open"),  # clear alone, and not corrected
        (-0.02, 0.2, "undecided", "Sharpened or extended: open"),  # as high as the gain itself, it may be
        (-0.02, 0.1, "undecided", "Sharpened, not extended"),
        (-0.2, -0.1, "worse", "Sharpened, not extended"),
    ],
)
def test_sharpened_or_extended_by_pass_at_k_beside_pass_at_1(low, high, verdict, words):
    assert words in told(GAIN, finding("accuracy", "pass@4", low, high, verdict=verdict))[0]


def test_many_arms_are_counted():
    arms = [finding("accuracy", "pass@1", 0.1 * n, 0.1 * n + 0.1, arm=f"arm{n}", verdict="better") for n in range(1, 6)]
    assert "5 of 5 arms gained, most arm5 +55.0 points [+50.0, +60.0]" in told(*arms)[0]
    assert [row.name for row in block("treatments", *arms).rows] == ["arm5", "arm4", "arm3", "arm2", "arm1"]


def test_without_a_base_the_contrasts_are_the_answer():
    rows = [finding("accuracy", "pass@1", 0.1, 0.2, versus="other", verdict="better")]
    assert told(*rows)[0].startswith("No arm was compared with a base model. Arm against arm: sft − other +15.0 points")


def test_an_arm_that_is_full_elsewhere_is_no_control():
    shares = [form("a", 0.4, 0.2, 0.6), msgspec.structs.replace(form("b", 0.4, 0.2, 0.6), full="a")]
    others = [finding("accuracy", "pass@1", 0.1, 0.2, arm=arm) for arm in ("a", "b")]
    assert outline(study(GAIN, *others, *shares)).controls == ("b",)


def test_without_findings_it_says_so():
    nothing = Results(question="?", findings=(), levels=(), baselines=(), metrics=DECLARED)
    assert [s.text for s in overview(nothing).answer] == ["There are no findings yet."]
    assert told(finding("find_error", "F1", 0.1, 0.2))[0] == "Right answers in distribution were not asked for."
    own = Results(question="?", findings=(), levels=(), baselines=(), metrics=DECLARED, own={"guard": {}})
    assert overview(own).answer[0].text.startswith("No arms were compared by their right answers")
