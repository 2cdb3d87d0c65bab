import json
import math

import msgspec
import pytest

from counterform.report.data import load
from counterform.report.sections import inside as figures_inside
from counterform.report.tables import by_arm
from counterform.results import Inside
from counterform.store import RunDir


def inside_of(run: RunDir) -> Inside:
    found = load(run).results.own_of("internals", Inside)
    assert found is not None
    return found


def test_token_shares_are_bars_from_zero_with_their_intervals(run: RunDir) -> None:
    classes = by_arm(inside_of(run).shares)["sft"]
    figure = figures_inside.token_shares(classes)
    assert [shape.x1 for shape in figure.layout.shapes] == pytest.approx([31, 24, 4, 6, 35])
    assert {shape.x0 for shape in figure.layout.shapes} == {0}
    assert [trace.error_x.array[0] for trace in figure.data] == pytest.approx([3] * 5)


def test_layers_show_the_arm_the_base_and_the_control(run: RunDir) -> None:
    inside = inside_of(run)
    models, controls = by_arm(inside.layers), by_arm(inside.control)
    control, base, arm = figures_inside.layers(models["cft"], models["base"], controls["cft"]).data
    assert list(arm.x) == [0, 1, 2, 3, 4]
    assert list(arm.y) == pytest.approx([50, 56, 62, 68, 74])
    assert list(arm.error_y.array) == pytest.approx([4] * 5)
    assert (base.line.dash, base.error_y.visible) == ("dash", False)
    assert control.line.color == "var(--muted)"


def test_a_layer_without_bounds_is_drawn_without_them(run: RunDir) -> None:
    level = inside_of(run).layers[0]
    unbounded = msgspec.structs.replace(level, high=math.nan)
    unknown = msgspec.structs.replace(level, estimate=math.nan, low=math.nan, high=math.nan)
    figure = figures_inside.layers([unbounded, unknown], [], [])
    assert len(figure.data[-1].x) == 1
    assert "NaN" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_a_weight_profile_has_a_line_a_seed_and_the_other_arms_behind(run: RunDir) -> None:
    changes = inside_of(run).weights.changes
    arm = [change for change in changes if change.arm == "rft"]
    figure = figures_inside.weight_profile(arm, [change for change in changes if change.arm != "rft"])
    colours = [trace.line.color for trace in figure.data]
    assert colours == ["var(--rule)"] * 8 + ["var(--accent)"] * 2
    assert list(figure.data[-1].x) == [1, 2, 3, 4]
    assert list(figure.data[-1].y) == pytest.approx([1, 2, 3, 5])
