import json

import pytest

from counterform.errors import RunDirError
from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.report.page import render
from counterform.report.sections import steps as of_steps


def write(run, arm, seed, lines):
    run.write_text(f"checkpoints/{arm}/{seed}/steps.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def run(make_run, tmp_path):
    run = make_run(tmp_path / "run", n_problems=4)
    for seed, rise in ((0, 0.01), (1, 0.03)):
        steps = [{"entropy": 1.0 + rise * at, "roc/used": 1.5, "loss": 0.1, "reward": None} for at in range(10)]
        write(run, "cft", seed, [*steps, {"train_runtime": 3.0}])
    write(run, "sft", 0, [{"entropy": 2.0}, {"entropy": "high"}])
    return run


def test_the_table_has_both_ends_over_seeds(run):
    steps = load(run).steps
    assert {(one.arm, one.name, len(one.values)) for one in steps} == {
        ("cft", "entropy", 10),
        ("cft", "roc/used", 10),
        ("sft", "entropy", 1),
    }
    rows = {row[:2]: row[2:] for row in of_steps.table(steps).rows}
    assert rows["Token entropy", "cft"] == ("1.01", "1 to 1.02", "1.17", "1.08 to 1.25", "10", "2")
    assert rows["Rollouts sampled", "cft"] == ("1.5", "1.5 to 1.5", "1.5", "1.5 to 1.5", "10", "2")
    assert rows["Token entropy", "sft"][-1] == "1"


def test_the_curve_is_the_mean_over_seeds(run):
    arms = of_steps.by_measure(load(run).steps)["entropy"]
    line = next(trace for trace in of_steps.curves(arms).data if len(trace.x) == 10)
    assert list(line.y) == pytest.approx([1 + 0.02 * at for at in range(10)])
    assert "cft from 1.01 to 1.17" in of_steps.summary(arms)


def test_the_page_and_the_markdown_have_the_section(run, make_run, tmp_path):
    page, text = render(load(run)), to_markdown(load(run))
    assert '<section id="steps">' in page
    assert "| Token entropy | cft | 1.01 |" in text
    plain = make_run(tmp_path / "plain", n_problems=4)
    assert '<section id="steps">' not in render(load(plain))
    assert "While they learnt" not in to_markdown(load(plain))


def test_a_broken_file_is_named(run):
    run.write_text("checkpoints/cft/0/steps.jsonl", "{")
    with pytest.raises(RunDirError, match=r"steps\.jsonl cannot be read"):
        load(run)
