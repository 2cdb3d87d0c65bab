import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.metrics import Measured, Metric
from counterform.report.labels import label_of
from counterform.results import Results
from counterform.text.numbers import (
    amount,
    difference,
    level,
    nats,
    number,
    percent,
    points,
    points_interval,
    probability,
    share,
)


@given(st.floats(-1, 1))
def test_points_carry_a_sign_and_one_decimal(value: float) -> None:
    text = points(value)
    assert abs(float(text.replace("−", "-")) - 100 * value) <= 0.0501
    assert text == "0.0" or text[0] in "+−"


def test_forms_of_numbers() -> None:
    assert points(-0.00004) == "0.0"
    assert points_interval(-0.041, 0.2) == "[−4.1, +20.0]"
    assert share(0.4417) == "44.2\u00a0%"
    assert (number(1319), number(17.94), number(0)) == ("1,319", "17.9", "0")
    assert (probability(0.0004), probability(0.62)) == ("<0.001", "0.620")


@pytest.mark.parametrize("value", [-0.0, -1e-9, 0.0, 1e-9])
def test_what_rounds_to_nothing_has_no_sign(value: float) -> None:
    assert (points(value), share(value), percent(value, value, value)) == ("0.0", "0.0\u00a0%", "0 % [0, 0]")
    assert number(value) in {"0", "0.0"}
    assert (amount(-0.0), nats(-0.0)) == ("0", "0")
    assert (share(-0.1), number(-1234.5), nats(-0.5), amount(-2.0)) == ("−10.0\u00a0%", "−1,234.5", "−0.5", "−2")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_a_dash(value: float) -> None:
    assert points(value) == share(value) == probability(value) == number(value) == "–"


def test_metrics_have_readers_words(declared) -> None:
    results = Results(question="?", findings=(), levels=(), baselines=(), metrics=declared)
    assert label_of(results, Measured(probe="accuracy", metric="pass@4")).meaning.startswith(
        "At least one of 4 attempts"
    )
    assert label_of(results, Measured(probe="process", metric="violated")).lower_is_better
    few_shot = label_of(results, Measured(probe="validity", metric="right by wrong steps", condition="answer only"))
    assert few_shot.title == "Few-shot right by wrong steps, answer only exemplars"
    assert few_shot.lower_is_better


@pytest.mark.parametrize(
    ("unit", "at", "moved"),
    [
        ("share", "31.0\u00a0%", "+31.0"),
        ("count", "0.31", "+0.31"),
        ("seconds", "0.31 s", "+0.31"),
        ("nats", "0.31 nats", "+0.31"),
    ],
)
def test_a_number_is_written_in_its_own_unit(unit: str, at: str, moved: str) -> None:
    metric = Metric(name="mine", title="Mine", unit=unit)
    assert (level(metric, 0.31), difference(metric, 0.31)) == (at, moved)
