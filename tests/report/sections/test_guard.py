import re

import msgspec
import pytest

from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import render
from counterform.report.sections import guard as of_guard
from counterform.results import Level

CONDITIONS = ("none", "check and retry", "cut back", "hint told", "hint alone")


def level(metric, arm, estimate, condition, *, against="", budget=""):
    return Level(
        probe="guard",
        metric=metric,
        condition=condition,
        against=against,
        budget=budget,
        arm=arm,
        estimate=estimate,
        low=estimate - 0.1,
        high=estimate + 0.1,
        n_items=40,
        n_seeds=2,
        unknown=0.0,
    )


@pytest.fixture
def guarded(run):
    data = load(run)
    levels = [*data.results.levels]
    for arm, more in (("untrained", 0.0), ("sft", 0.1)):
        for at, condition in enumerate(CONDITIONS):
            for budget in of_guard.BUDGETS:
                levels += [
                    level(metric, arm, value + more + at / 20, condition, budget=budget)
                    for metric, value in (("pass^1", 0.3), ("pass^4", 0.1), ("violated", 0.2), ("refused", 0.15))
                ]
            levels.append(level("tokens", arm, 1 + at / 10, condition))
        for budget in of_guard.BUDGETS:
            levels.append(level("gain", arm, 0.05, "cut back", against="check and retry", budget=budget))
            levels.append(level("gain", arm, 0.125, "hint told", against="cut back", budget=budget))
        levels.append(level("steps told", arm, 0.11, "hint told"))
    return msgspec.structs.replace(data, results=msgspec.structs.replace(data.results, levels=tuple(levels)))


def test_ways_of_guarding_stand_side_by_side(guarded):
    table = of_guard.conditions_table(guarded.results, "equal calls")
    assert table.headings == ("Model", "Guard", "pass^1", "pass^4", "Violated", "Refused", "Tokens, of none's")
    assert [row[:2] for row in table.rows[:2]] == [("untrained", "none"), ("untrained", "check and retry")]
    assert len(table.rows) == 2 * len(CONDITIONS)
    assert table.rows[0][2:4] == ("30.0\u00a0% [20.0, 40.0]", "10.0\u00a0% [0.0, 20.0]")


def test_the_hints_information_is_told_apart_from_cutting_back(guarded):
    table = of_guard.adds_table(guarded.results)
    rows = {row[1]: row[2:] for row in table.rows if row[0] == "untrained"}
    assert rows["cutting back, over a fair retry"] == ("+5.0 [−5.0, +15.0]",) * 2
    assert rows["the hint's information, where the guard cuts back"] == ("+12.5 [+2.5, +22.5]",) * 2


def test_the_page_has_a_section_and_no_figure_a_metric(guarded):
    page = render(guarded)
    assert 'id="guard"' in page
    assert "11.0\u00a0% of the steps were the guard" in page.replace("&#39;", "'")
    assert page.count('data-figure="guard-') == 2
    assert not re.search(r'data-figure="level-\d+-guard', page)


def test_a_study_without_a_guard_says_nothing_of_it(run, page_of_run):
    assert 'id="guard"' not in page_of_run
    assert "uarded" not in to_markdown(load(run))
