import json
import math

import msgspec
import pytest

from counterform.report import figures
from counterform.report.data import load
from counterform.report.tables import by_arm, by_metric, contrasts, gains
from counterform.store import RunDir


def test_a_forest_has_a_row_an_arm_with_its_interval_band_and_zero(run: RunDir) -> None:
    findings = by_metric(gains(load(run).results.findings))["accuracy", "pass@1"]
    figure = figures.forest(findings)
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
    figure = figures.forest(contrasts(load(run).results.findings)[:1])
    assert "critique − imitation" in [note.text for note in figure.layout.annotations]


def test_levels_run_from_0_to_100_with_their_baselines(run: RunDir) -> None:
    results = load(run).results
    figure = figures.levels(by_metric(results.levels)["accuracy", "pass@1"], results.baselines[:2])
    low, high = figure.layout.xaxis.range
    assert low <= 0
    assert high >= 100
    assert [shape.x0 for shape in figure.layout.shapes] == pytest.approx([1.0, 3.4])
    assert [shape.line.dash for shape in figure.layout.shapes] == ["dot", "dash"]
    assert len(figure.data) == 6


def test_what_is_not_a_number_is_not_drawn(run: RunDir) -> None:
    finding = gains(load(run).results.findings)[0]
    unknown = msgspec.structs.replace(finding, estimate=math.nan, low=math.nan, high=math.nan, mde=math.inf)
    figure = figures.forest([unknown, finding])
    assert len(figure.data) == 1
    assert "NaN" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_token_shares_are_bars_from_zero_with_their_intervals(run: RunDir) -> None:
    classes = by_arm(load(run).inside.shares)["imitation"]
    figure = figures.token_shares(classes)
    assert [shape.x1 for shape in figure.layout.shapes] == pytest.approx([31, 24, 4, 6, 35])
    assert {shape.x0 for shape in figure.layout.shapes} == {0}
    assert [trace.error_x.array[0] for trace in figure.data] == pytest.approx([3] * 5)


def test_layers_show_the_arm_the_base_and_the_control(run: RunDir) -> None:
    inside = load(run).inside
    models, controls = by_arm(inside.layers), by_arm(inside.control)
    control, base, arm = figures.layers(models["critique"], models["base"], controls["critique"]).data
    assert list(arm.x) == [0, 1, 2, 3, 4]
    assert list(arm.y) == pytest.approx([50, 56, 62, 68, 74])
    assert list(arm.error_y.array) == pytest.approx([4] * 5)
    assert (base.line.dash, base.error_y.visible) == ("dash", False)
    assert control.line.color == "var(--muted)"


def test_a_layer_without_bounds_is_drawn_without_them(run: RunDir) -> None:
    level = load(run).inside.layers[0]
    unbounded = msgspec.structs.replace(level, high=math.nan)
    unknown = msgspec.structs.replace(level, estimate=math.nan, low=math.nan, high=math.nan)
    figure = figures.layers([unbounded, unknown], [], [])
    assert len(figure.data[-1].x) == 1
    assert "NaN" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_a_weight_profile_has_a_line_a_seed_and_the_other_arms_behind(run: RunDir) -> None:
    changes = load(run).inside.weights.changes
    arm = [change for change in changes if change.arm == "rejection"]
    figure = figures.weight_profile(arm, [change for change in changes if change.arm != "rejection"])
    colours = [trace.line.color for trace in figure.data]
    assert colours == ["var(--rule)"] * 8 + ["var(--accent)"] * 2
    assert list(figure.data[-1].x) == [1, 2, 3, 4]
    assert list(figure.data[-1].y) == pytest.approx([1, 2, 3, 5])
