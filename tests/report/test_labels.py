import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.report.labels import metric_label
from counterform.text.numbers import number, points, points_interval, probability, share


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


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_a_dash(value: float) -> None:
    assert points(value) == share(value) == probability(value) == number(value) == "–"


def test_metrics_have_readers_words_and_strangers_their_own_name() -> None:
    assert metric_label("accuracy", "pass@8 lenient").meaning.startswith("At least one of 8 attempts")
    assert metric_label("process", "violated").lower_is_better
    few_shot = metric_label("validity", "right by wrong steps (answer only)")
    assert few_shot.title == "Few-shot right by wrong steps, answer only exemplars"
    assert few_shot.lower_is_better
    assert metric_label("mine", "depth").title == "mine: depth"
