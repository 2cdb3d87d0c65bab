"""Requirements are read as they are written, and judged by the interval."""

import pytest
from msgspec.structs import replace

from counterform.errors import StudyError
from counterform.findings.paired import Comparison
from counterform.findings.require import judge, judge_all, parse

BASE = Comparison(
    first="A", second="B", task="", metric="m", pairs=9, both=1, neither=1, first_only=1, second_only=1, clusters=9,
    mcnemar_p=1.0, estimate=0.0, low=0.0, high=0.0, verdict="undecided", unscored=0, only_in_first=0, only_in_second=0,
    first_value=0.5, second_value=0.5, share=True, better="high", p=1.0, mde=0.1, runs=1,
)  # fmt: skip


def at(low, high, **more):
    return replace(BASE, low=low, high=high, estimate=(low + high) / 2, **more)


@pytest.mark.parametrize(
    ("text", "greater", "less", "margin", "metric"),
    [
        ("B > A", "B", "A", 0.0, ""),
        ("B >= A - 1pt", "B", "A", -0.01, ""),
        ("B>=A-1.5 pt", "B", "A", -0.015, ""),
        ("B > A + 2 points", "B", "A", 0.02, ""),
        ("A < B", "B", "A", 0.0, ""),
        ("A <= B + 1%", "B", "A", -0.01, ""),
        ("exact_match,strict-match: B >= A - 0.5", "B", "A", -0.5, "exact_match,strict-match"),
    ],
)
def test_what_is_required(text, greater, less, margin, metric):
    found = parse(text)
    assert (found.greater, found.less, found.metric) == (greater, less, metric)
    assert found.margin == pytest.approx(margin)


@pytest.mark.parametrize("text", ["", "B", "B > ", "B = A", "B >> A", "B > A > C", "A > A", "B > A - pt", "m: "])
def test_what_cannot_be_read(text):
    with pytest.raises(StudyError, match=r"--require .* cannot be read"):
        parse(text)


@pytest.mark.parametrize("text", ["A != B", "B == A", "B = A", "B => A"])
def test_equality_is_refused_with_what_can_be_required_instead(text):
    with pytest.raises(StudyError, match=r"two requirements, B >= A - 1pt and B <= A \+ 1pt"):
        parse(text)


def test_fewer_than_six_items_show_nothing():
    assert judge(parse("B > A"), [at(0.2, 1.0, clusters=5)]) == "undecided"
    assert judge(parse("B > A"), [at(0.2, 1.0, clusters=6)]) == "shown"


@pytest.mark.parametrize(
    ("text", "low", "high", "outcome"),
    [
        ("B > A", 0.01, 0.05, "shown"),
        ("B > A", -0.01, 0.05, "undecided"),
        ("B > A", -0.05, -0.01, "otherwise"),
        ("A > B", -0.05, -0.01, "shown"),
        ("A > B", 0.01, 0.05, "otherwise"),
        ("B >= A - 1pt", -0.005, 0.05, "shown"),
        ("B >= A - 1pt", -0.02, 0.05, "undecided"),
        ("B >= A - 1pt", -0.05, -0.02, "otherwise"),
        ("A >= B - 1pt", -0.05, 0.005, "shown"),
    ],
)
def test_the_interval_decides(text, low, high, outcome):
    assert judge(parse(text), [at(low, high)]) == outcome


def test_all_metrics_must_show_it_unless_one_is_named():
    both = [at(0.01, 0.1), at(-0.1, 0.1, metric="n")]
    assert judge(parse("B > A"), both) == "undecided"
    assert judge(parse("m: B > A"), both) == "shown"
    assert judge(parse("B > A"), [*both, at(-0.2, -0.1, metric="o")]) == "otherwise"


def test_the_exit_code_is_the_worst():
    one = [at(0.01, 0.1)]
    assert judge_all([], one) == (0, [])
    assert judge_all([parse("B > A")], one)[0] == 0
    assert judge_all([parse("B > A"), parse("B > A + 5pt")], one)[0] == 3
    assert judge_all([parse("A > B"), parse("B > A + 5pt")], one) == (
        1, [("A > B", "shown to be otherwise"), ("B > A + 5pt", "undecided")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [("C > A", "Compared: B against A"), ("x: B > A", "no metric 'x'. Metrics: m"), ("B > A - 1pt", "is no share")],
)
def test_what_was_not_compared_or_is_no_share(text, said):
    with pytest.raises(StudyError, match=said):
        judge(parse(text), [at(0, 1, share=False)])
