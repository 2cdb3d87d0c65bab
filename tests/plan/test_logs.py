"""Recorded answers say how large a comparison must be. Guards against a plan that promises what `compare` does not print."""

import json

import numpy as np
import pytest

from counterform.cli import main
from counterform.compare import compare_arms, example_logs
from counterform.errors import DataError, StudyError
from counterform.plan import plan_logs
from counterform.report.planned import LINES, as_json, log_lines


def write(path, marks, *, samples=1, extra=()):
    rows = [
        {"id": f"q{item}", "sample": sample, "question": f"What is {item}?", "response": "x", "correct": bool(mark)}
        for item, row in enumerate(marks)
        for sample, mark in enumerate(row)
    ]
    path.write_text("\n".join(json.dumps(row) for row in [*rows, *extra]) + "\n")
    return path


def marks(n=80, samples=1, seed=0, shift=0.0):
    there = np.random.default_rng(0).beta(1.2, 1.0, size=(n, 1))
    return np.random.default_rng([1, seed]).random((n, samples)) < np.clip(there + shift, 0, 1)


@pytest.mark.parametrize("samples", [1, 4])
def test_two_logs_predict_what_compare_prints_of_them(tmp_path, samples):
    paths = [write(tmp_path / f"{name}.jsonl", marks(150, samples, seed)) for seed, name in enumerate("ab")]
    [found] = compare_arms(paths).comparisons
    planned = plan_logs(paths)
    assert planned.sizes[0].effect.low == planned.sizes[0].effect.high == pytest.approx(found.mde, rel=0.15)
    assert planned.level == found.first_value
    assert planned.other_level == found.second_value


def test_one_log_with_samples_sees_how_alike_they_are(tmp_path):
    found = plan_logs([write(tmp_path / "a.jsonl", marks(300, 4))])
    there = np.random.default_rng(0).beta(1.2, 1.0, size=300)
    assert not found.assumed
    assert found.between == pytest.approx(there.var() / (there.mean() * (1 - there.mean())), abs=0.08)
    assert found.samples == 4


def test_one_log_of_single_answers_assumes_and_says_so(tmp_path):
    found = plan_logs([write(tmp_path / "a.jsonl", marks())])
    assert found.assumed
    assert "(assumed)" in "\n".join(log_lines(found))


def test_more_of_anything_is_better(tmp_path):
    sizes = plan_logs([write(tmp_path / "a.jsonl", marks(100, 2))]).sizes
    items = [size.effect.low for size in sizes if size.seeds == 1 and size.samples == 2]
    runs = [size.effect for size in sizes if size.seeds > 1]
    assert items == sorted(items, reverse=True)
    assert [run.low for run in runs] == sorted((run.low for run in runs), reverse=True)
    assert all(run.low < run.high for run in runs)
    [more_samples] = [size for size in sizes if size.samples == 8]
    assert more_samples.effect.low < items[0]


def test_the_answer_fits_twelve_lines_and_a_flat_scorer_is_passed_over():
    for paths in ([example_logs()[0]], example_logs()):
        found = plan_logs(paths)
        assert found.metric == "exact_match,flexible-extract"
        shown = log_lines(found)
        assert len(shown) <= LINES
        assert any("tells nothing" in line for line in shown)
        assert json.loads(as_json(found))["sizes"][0]["problems"] == 60


def test_what_is_unscored_is_counted_with_its_reason(tmp_path):
    unread = [
        {"id": f"q{item}", "sample": 1, "question": f"What is {item}?", "response": "", "correct": None}
        for item in range(20)
    ]
    found = plan_logs([write(tmp_path / "a.jsonl", marks(60), extra=unread)])
    assert found.unscored == pytest.approx(0.25)
    assert "25.0\u00a0% unscored (mostly: " in log_lines(found)[0]


@pytest.mark.parametrize("level", [False, True])
def test_logs_at_a_bound_promise_nothing(tmp_path, level):
    found = plan_logs([write(tmp_path / "a.jsonl", np.full((30, 2), level))])
    assert "floor or the ceiling" in found.notes[0]
    assert all(size.effect.low > 0 for size in found.sizes)


def test_columns_that_are_named_differently(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps({'qid': f'q{at}', 'ok': at % 2})}\n" for at in range(30)))
    with pytest.raises(DataError, match="--columns item=COLUMN"):
        plan_logs([path])
    assert plan_logs([path], columns={"item": ["qid"], "score": ["ok"]}).problems == 30


class TestBadInput:
    def test_too_few_items(self, tmp_path):
        with pytest.raises(DataError, match="fewest"):
            plan_logs([write(tmp_path / "a.jsonl", marks(3))])

    def test_nothing_in_common(self, tmp_path):
        first = write(tmp_path / "a.jsonl", marks())
        second = tmp_path / "b.jsonl"
        second.write_text(first.read_text().replace('"q', '"other').replace("What is", "Who is"))
        with pytest.raises(DataError, match="in common"):
            plan_logs([first, second])

    @pytest.mark.parametrize("count", [0, 3])
    def test_other_numbers_of_logs(self, tmp_path, count):
        with pytest.raises(StudyError, match="one log, or two"):
            plan_logs([write(tmp_path / "a.jsonl", marks())] * count)

    @pytest.mark.parametrize("text", ["", "{", "nothing\n", '{"a": 1}\n'])
    def test_no_log(self, tmp_path, text, monkeypatch, capsys):
        path = tmp_path / "a.jsonl"
        path.write_text(text)
        monkeypatch.setattr("sys.argv", ["counterform", "plan", "--pilot", str(path)])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert "a.jsonl" in capsys.readouterr().err

    def test_nothing_scored(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text("\n".join(json.dumps({"id": f"q{at}", "question": "?", "correct": None}) for at in range(30)))
        with pytest.raises(DataError, match="holds no score"):
            plan_logs([path])
