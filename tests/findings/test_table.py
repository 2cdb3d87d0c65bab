"""Readings as arrays: which items stand in a table, and in which order."""

import numpy as np
import pytest

from counterform.findings.table import tables
from counterform.metrics import Metric
from counterform.types import Mark, Reading

METRICS = {"accuracy": tuple(Metric(name=name, title=name) for name in ("exact match", "kept"))}


def reading(metric, item, value=1.0, seed=0):
    mark = Mark.UNKNOWN if value is None else Mark.RIGHT
    return Reading(
        probe="accuracy", metric=metric, arm="sft", seed=seed, item_id=item, problem_id=item, mark=mark, value=value
    )


def test_one_reading_is_a_table_of_one():
    [table] = tables([reading("exact match", "p1")], METRICS)
    assert table.values["sft"].tolist() == [[1.0]]
    assert table.metric.name == "exact match"


@pytest.mark.parametrize(("aligned", "columns"), [(False, [2, 1]), (True, [3, 3])])
def test_items_of_another_measurement_are_in_a_table_only_where_tables_are_aligned(aligned, columns):
    rows = [reading("exact match", "p1"), reading("exact match", "p2"), reading("kept", "p3")]
    found = tables(rows, METRICS, **({"aligned": True} if aligned else {}))
    assert [table.values["sft"].shape[1] for table in found] == columns
    if aligned:
        assert np.isnan(found[1].values["sft"]).tolist() == [[True, True, False]]


def test_what_is_unknown_has_no_value_and_is_counted():
    [table] = tables([reading("kept", "p1"), reading("kept", "p2", None)], METRICS)
    assert np.isnan(table.values["sft"]).tolist() == [[False, True]]
    assert table.unknown == {"sft": 0.5}
