import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from counterform.bench import Bench
from counterform.findings.gains import find
from counterform.metrics import Shift
from counterform.probes.shift import Shift as ShiftProbe
from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import write_page
from counterform.report.sections import shift as curves
from counterform.results import Baseline, Results
from counterform.store import RunDir
from counterform.types import Mark, Problem, Reading

SHIFTS = [
    None,
    Shift(axis="length", level="2", distance=-1.0),
    Shift(axis="length", level="6", distance=1.0),
    Shift(axis="length", level="7", distance=2.0),
    Shift(axis="vocabulary", level="words", distance=0.6),
    Shift(axis="vocabulary", level="numbers", distance=0.2),
    Shift(axis="noise delete", level="20 %", distance=0.2),
]
PROBLEMS = [
    Problem(id=f"{shift.label if shift else ''}{n}", prompt="?", answer="1", family="ledger", shift=shift)
    for shift in SHIFTS
    for n in range(8)
]
DECLARED = {"shift": ShiftProbe(Bench()).metrics}


def reading(problem: Problem, arm: str, part: curves.Part, value: float) -> Reading:
    metric, condition = part
    return Reading(
        probe="shift",
        metric=metric,
        condition=condition,
        shift=problem.shift,
        arm=arm,
        seed=0,
        item_id=problem.id,
        problem_id=problem.id,
        mark=Mark.RIGHT,
        value=value,
    )


@pytest.fixture(scope="module")
def results() -> Results:
    """Two models; the arm is 0.2 better in distribution and the same everywhere else."""
    rows = [
        reading(problem, arm, part, level - away(problem) / 10 + 0.01 * (int(problem.id[-1]) % 2))
        for part in (curves.ANSWER, curves.WHOLE)
        for arm, level in (("base", 0.5), ("sft", 0.7))
        for problem in PROBLEMS
    ]
    metric, condition = curves.ANSWER
    line = Baseline(probe="shift", metric=metric, condition=condition, shift=SHIFTS[2], name="random", value=0.01)
    gains = find(rows, DECLARED)
    return Results(
        question="?",
        findings=tuple(gains.findings),
        levels=tuple(gains.levels),
        baselines=(line,),
        metrics=DECLARED,
        sections={"shift": "shift"},
    )


def away(problem: Problem) -> float:
    return abs(problem.shift.distance) if problem.shift else 0.0


@pytest.fixture(scope="module")
def axes(results: Results) -> dict[str, curves.Axis]:
    return {axis.label.title: axis for axis in curves.axes(results, PROBLEMS)}


def test_every_axis_starts_at_home_and_goes_by_distance(axes: dict[str, curves.Axis]) -> None:
    assert list(axes) == ["Length", "Vocabulary", "Noise: words deleted"]
    assert [(stop.name, stop.distance) for stop in axes["Length"].stops] == [
        ("2", -1),
        ("in distribution", 0),
        ("6", 1),
        ("7", 2),
    ]
    assert [stop.name for stop in axes["Vocabulary"].stops] == ["in distribution", "numbers", "words"]


def test_a_curve_is_a_line_a_model_with_intervals_and_guesses(axes: dict[str, curves.Axis]) -> None:
    figure = curves.drawn(axes["Length"], curves.ANSWER)
    random, majority, base, imitation = figure.data
    assert random.y == (None, None, 1.0, None)
    assert set(majority.y) == {None}
    assert base.y == pytest.approx([40.5, 50.5, 40.5, 30.5])
    assert imitation.y == pytest.approx([60.5, 70.5, 60.5, 50.5])
    assert base.x[1] < 0 < imitation.x[1]
    assert all(array > 0 for array in imitation.error_y.array)
    assert {base.marker.symbol, imitation.marker.symbol} == {"circle-open", "circle"}
    assert len(curves.drawn(axes["Length"], curves.WHOLE).data) == 2
    assert "NaN" not in json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_levels_that_are_words_stand_side_by_side_with_their_distance(axes: dict[str, curves.Axis]) -> None:
    axis = curves.drawn(axes["Vocabulary"], curves.ANSWER).layout.xaxis
    assert axis.tickvals == (0, 1, 2)
    assert axis.ticktext[1] == "numbers<br>20.0\u00a0%"


def test_the_users_own_problems_are_counted_in_unseen_words(results: Results) -> None:
    users = [msgspec.structs.replace(problem, family="user") for problem in PROBLEMS]
    assert {axis.label.unit for axis in curves.axes(results, users)} == {
        "share of the prompt's words that no training prompt has",
        "share of the prompt's words that was edited, rounded to whole words",
    }


def test_the_table_has_a_row_a_level_and_model(axes: dict[str, curves.Axis], results: Results) -> None:
    table = curves.shift_table(axes.values(), results.findings)
    assert len(table.rows) == (4 + 3 + 2) * 2
    assert table.rows[3][:7] == (
        "Length",
        "in distribution",
        "sft",
        "0",
        "70.5\u00a0%",
        table.rows[3][5],
        "+20.0 [−16.9, +56.9]",
    )
    assert {len(row) for row in table.rows} == {len(table.headings)}
    assert curves.counted(results.findings).startswith("Of 6 comparisons")


def test_a_study_without_shifts_has_no_curves(run: RunDir) -> None:
    data = load(run)
    assert curves.axes(data.results, data.problems.values()) == []
    assert 'id="away"' not in write_page(run).read_text(encoding="utf-8")


def test_page_and_markdown_have_the_section_and_the_other_sections_have_none_of_it(
    make_run: Callable[..., RunDir], tmp_path: Path, results: Results
) -> None:
    run = make_run(tmp_path / "away", n_problems=4)
    before = load(run).results
    elsewhere = write_page(run).read_text(encoding="utf-8").count("data-figure=")
    both = msgspec.structs.replace(
        before, findings=(*before.findings, *results.findings), levels=(*before.levels, *results.levels)
    )
    run.write_text("findings.json", msgspec.json.encode(both).decode())
    run.write_rows("problems.parquet", PROBLEMS, Problem)
    html = write_page(run).read_text(encoding="utf-8")
    places = [html.index(part) for part in ('id="contrasts"', 'id="away"', 'id="matching"')]
    assert places == sorted(places)
    assert html.count("data-figure=") == elsewhere + 6
    markdown = to_markdown(load(run))
    assert "## Out of distribution" in markdown
