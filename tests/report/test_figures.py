import json
import math

import msgspec
import pytest

from counterform.report import figures
from counterform.report.data import load
from counterform.report.section import general
from counterform.store import RunDir


def compared(results, *, base: bool):
    return [f for f in general(results, results.findings) if (f.versus == "base") is base]


def of(rows, probe, metric):
    return [row for row in rows if (row.probe, row.metric) == (probe, metric)]


def test_a_forest_has_a_row_an_arm_with_its_interval_band_and_zero(run: RunDir) -> None:
    results = load(run).results
    figure = figures.forest(results, of(compared(results, base=True), "accuracy", "pass@1"))
    assert [trace.x[0] for trace in figure.data] == pytest.approx([31.1, 18.2, -11.8, -2.1, 9.4])
    assert figure.data[0].error_x.array[0] == pytest.approx(4.1)
    assert [trace.marker.symbol for trace in figure.data][2:4] == ["diamond", "circle-open"]
    bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(band.x0, band.x1) for band in bands] == [pytest.approx((-5.8, 5.8))] * 5
    assert any(shape.type == "line" and shape.x0 == shape.x1 == 0 for shape in figure.layout.shapes)
    low, high = figure.layout.xaxis.range
    assert low < -15.9
    assert high > 35.2


def test_a_contrast_names_both_arms(run: RunDir) -> None:
    results = load(run).results
    figure = figures.forest(results, compared(results, base=False)[:1])
    assert "cft − sft" in [note.text for note in figure.layout.annotations]


def test_levels_run_from_0_to_100_with_their_baselines(run: RunDir) -> None:
    results = load(run).results
    levels = of(results.levels, "accuracy", "pass@1")
    figure = figures.levels(results.metric(levels[0]), levels, results.baselines[:2])
    low, high = figure.layout.xaxis.range
    assert low <= 0
    assert high >= 100
    assert [shape.x0 for shape in figure.layout.shapes] == pytest.approx([1.0, 3.4])
    assert [shape.line.dash for shape in figure.layout.shapes] == ["dot", "dash"]
    assert len(figure.data) == 6


def test_form_shares_are_bars_between_none_and_all_and_an_undefined_one_is_said(run: RunDir) -> None:
    figure = figures.form_shares(load(run).results.form_shares)
    bars = [bar for bar in figure.layout.shapes if bar.type == "rect"]
    assert {bar.x0 for bar in bars} == {0}
    assert sorted(bar.x1 for bar in bars) == pytest.approx([-6.8, 30.2])
    assert sorted(line.x0 for line in figure.layout.shapes if line.type == "line") == [0, 100]
    low, high = figure.layout.xaxis.range
    assert low < -14.8
    assert high > 100
    assert "no share" in {note.text for note in figure.layout.annotations}


def test_what_is_not_a_number_is_not_drawn(run: RunDir) -> None:
    results = load(run).results
    finding = compared(results, base=True)[0]
    unknown = msgspec.structs.replace(finding, estimate=math.nan, low=math.nan, high=math.nan, mde=math.inf)
    figure = figures.forest(results, [unknown, finding])
    assert len(figure.data) == 1
    assert "NaN" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_no_two_of_many_arms_look_alike() -> None:
    arms = ["base", *(f"arm {at}" for at in range(14))]
    assert len({figures.arm_style(arms, arm)[:2] for arm in arms}) == 15
