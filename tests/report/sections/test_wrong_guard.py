import msgspec
import pytest

from counterform.findings.wrong_guard import DRAFTS, GAIN, NONE, REMOVED, Way, find_harm
from counterform.metrics import Metric
from counterform.report.data import load
from counterform.report.page import render
from counterform.report.sections import wrong_guard as of_wrong
from counterform.specs import VerifierErrors
from counterform.types import Mark, Reading

METRICS = {
    "wrong_guard": (
        Metric(name="pass^1", title="Right"),
        Metric(name=GAIN, title="Gain", unit="difference", bounds=(-1.0, 1.0)),
    )
}
WAYS = [
    Way(draft, errors)
    for errors in (VerifierErrors(), *(VerifierErrors(false_alarms=rate) for rate in (0.05, 0.1, 0.2)))
    for draft in DRAFTS
]
GAINS = {0.0: 0.3, 0.05: 0.2, 0.1: 0.0, 0.2: -0.3}
"""Over no guard, by rate of false alarms."""


def readings():
    for way in (None, *WAYS):
        right = 0.5 + (GAINS[way.errors.rate] if way else 0.0)
        values = [("pass^1", right, ""), *([(GAIN, right - 0.5, NONE)] if way else [])]
        if way and way.draft != REMOVED:
            values.append((GAIN, 0.05, msgspec.structs.replace(way, draft=REMOVED).words))
        for metric, value, against in values:
            for item in range(20):
                yield Reading(
                    probe="wrong_guard",
                    metric=metric,
                    condition=way.words if way else NONE,
                    against=against,
                    budget="equal tokens",
                    arm="base",
                    seed=0,
                    item_id=f"p{item}",
                    problem_id=f"p{item}",
                    mark=Mark.RIGHT,
                    value=value + (0.1 if item % 2 else -0.1),
                )


@pytest.fixture(scope="module")
def found():
    return find_harm(list(readings()), METRICS, WAYS)


def test_where_it_helps_and_where_it_hurts(found):
    assert {(one.draft, one.errors) for one in found.harm} == {(draft, "false alarms") for draft in DRAFTS}
    assert {(one.helps_up_to, one.hurts_from) for one in found.harm} == {(0.05, 0.2)}
    table = of_wrong.harm_table(found)
    assert table.rows[0] == ("base", "false alarms", REMOVED, "5.0\u00a0% / 20.0\u00a0%")


def test_every_way_stands_in_the_table_with_its_gains(found):
    rows = {row[2:4]: row for row in of_wrong.ways_table(found).rows}
    assert len(rows) == 1 + len(WAYS)
    assert rows["no guard", ""][-2:] == ("–", "–")
    gain, over = rows["false alarms 20 %", "left in context"][-2:]
    assert gain.startswith("−30.0 [")
    assert over.startswith("+5.0 [")


def test_the_page_has_the_section(run, found):
    data = load(run)
    own = {**data.results.own, "wrong_guard": msgspec.to_builtins(found)}
    shown = msgspec.structs.replace(
        data,
        results=msgspec.structs.replace(
            data.results, own=own, sections={**data.results.sections, "wrong_guard": "wrong_guard"}
        ),
    )
    page = render(shown)
    assert 'id="wrong-guard"' in page
    assert page.count('data-figure="wrong-guard-') == 1
    assert "removed from 80.0\u00a0% to 20.0\u00a0%" in page
    assert 'id="wrong-guard"' not in render(data)
