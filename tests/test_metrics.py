import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform import store
from counterform.errors import StudyError
from counterform.metrics import Measured, Metric, Shift, by_key
from counterform.results import metric_of
from counterform.types import Mark, Problem, Reading

COLUMNS = {"probe": "p", "metric": "m", "condition": "c", "against": "a", "budget": "b"}
AWAY = Shift(axis="length", level="7", distance=1.0)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_tells_one_measurement_from_another(column):
    one = Measured(**COLUMNS, shift=AWAY)
    assert Measured(**{**COLUMNS, column: "other"}, shift=AWAY).key != one.key


def test_a_shift_is_told_by_axis_and_level_and_not_by_its_distance():
    one = Measured(**COLUMNS, shift=AWAY)
    assert Measured(**COLUMNS, shift=Shift(axis="length", level="7", distance=3.0)).key == one.key
    for shift in (None, Shift(axis="length", level="8", distance=1.0), Shift(axis="noise", level="7", distance=1.0)):
        assert Measured(**COLUMNS, shift=shift).key != one.key
    assert Measured(**COLUMNS).key != Measured(**COLUMNS, shift=Shift(axis="", level="")).key


@given(st.lists(st.text(max_size=4), min_size=2, max_size=2))
def test_no_text_in_a_column_runs_into_the_next(parts):
    one, other = parts
    apart = Measured(probe="p", metric=one, condition=other), Measured(probe="p", metric=f"{one} ({other})")
    assert apart[0].key != apart[1].key


def test_in_words():
    assert Measured(probe="accuracy", metric="pass@1").words == "accuracy pass@1"
    assert Measured(**COLUMNS, shift=AWAY).words == "p m (c against a, b) at length 7"
    assert Measured(probe="trust", metric="AUROC", condition="P(True)").words == "trust AUROC (P(True))"


def test_a_title_has_the_words_of_what_was_measured():
    metric = Metric(name="m", title="M: {condition} over {against}, {budget}")
    assert Measured(**COLUMNS).fill(metric.title) == "M: c over a, b"
    assert Measured(probe="p", metric="m", condition="{0}").fill("{condition}") == "{0}"


def test_bounds_without_an_end():
    open_ended = Metric(name="m", title="M", unit="count", bounds=(0.0, None))
    assert (open_ended.least, open_ended.most) == open_ended.range == (0.0, math.inf)
    assert Metric(name="m", title="M", unit="difference", bounds=(-1.0, 1.0)).range == (-1.0, 1.0)


def test_the_declaration_is_found_or_the_others_are_named():
    metrics = {"p": (Metric(name="m", title="M"), Metric(name="n", title="N"))}
    assert metric_of(metrics, Measured(**COLUMNS)).title == "M"
    with pytest.raises(StudyError, match=r"probe 'p' .* 'x', .* It declares: 'm', 'n'"):
        metric_of(metrics, Measured(probe="p", metric="x"))


def reading(item, **columns):
    return Reading(**columns, arm="base", seed=0, item_id=item, problem_id=item, mark=Mark.RIGHT, value=1.0)


def test_rows_stand_together_in_the_order_of_their_first():
    rows = [
        reading("1", probe="p", metric="b"),
        reading("2", probe="p", metric="a"),
        reading("3", probe="p", metric="b"),
    ]
    assert [[row.item_id for row in group] for group in by_key(rows).values()] == [["1", "3"], ["2"]]


def test_readings_and_problems_come_back_from_their_files(tmp_path):
    """In distribution and away in one file, and a file in which nothing is away."""
    run = store.RunDir(tmp_path)
    rows = [reading("1", **COLUMNS, shift=AWAY), reading("2", probe="p", metric="m")]
    problems = [Problem(id="a", prompt="?", answer="1"), Problem(id="b", prompt="?", answer="1", shift=AWAY)]
    for name, some, kind in (("both", rows, Reading), ("home", rows[1:], Reading), ("problems", problems, Problem)):
        run.write_rows(f"{name}.parquet", some, kind)
        assert run.read_rows(f"{name}.parquet", kind) == some
