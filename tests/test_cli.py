import json

import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.study import load_study

runner = CliRunner()


def test_every_stage_has_its_subcommand():
    from counterform.pipeline import STAGES

    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(STAGES) | {"run", "show", "export", "init", "audit", "trust", "claims", "compare"} == names


def test_init_writes_a_study_that_loads_and_never_overwrites(tmp_path):
    path = tmp_path / "study.toml"
    assert runner.invoke(app, ["init", str(path)]).exit_code == 0
    assert load_study(path).name == "embedded"
    path.write_text("mine")
    assert runner.invoke(app, ["init", str(path)]).exception is not None
    assert path.read_text() == "mine"


def test_audit_grades_the_graders():
    done = runner.invoke(app, ["audit", "--json"])
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    assert {row["check"] for row in rows} >= {"own solutions", "planted: arithmetic", "planted: unfinished"}
    assert all(row["passed"] >= row["required"] * row["total"] for row in rows)


@pytest.mark.parametrize("arguments", [["report", "nowhere"], ["show", "nowhere", "x"]])
def test_a_directory_that_is_no_run(arguments):
    assert "not a run directory" in str(runner.invoke(app, arguments).exception)


def test_a_policy_is_checked(tmp_path):
    path = tmp_path / "policy.py"
    rule = 'def small(state, call):\n    """Small."""\n    return "No." if call.arguments["n"] > 5 else None\n'
    path.write_text(rule)
    done = runner.invoke(app, ["guard", "check", str(path)])
    assert done.exit_code == 0
    assert "small" in done.stdout
    assert json.loads(runner.invoke(app, ["guard", "check", str(path), "--json"]).stdout)["tests"] == 0
    path.write_text(rule + "def _test_small():\n    assert False, 'no'\n")
    assert "_test_small: AssertionError: no" in str(runner.invoke(app, ["guard", "check", str(path)]).exception)


def test_trust_scores_the_answers_of_a_file(tmp_path):
    path = tmp_path / "q.jsonl"
    rows = [{"question": "Start with 7. Add 5. What is the total?", "answers": ["12", "13", "12"]}, {"question": "x"}]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    done = runner.invoke(app, ["trust", str(path), "--model", "world", "--json"])
    assert done.exit_code == 0
    assert "line 2 is left out" in done.stderr
    [found] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["says"], one["times"]) for one in found["candidates"]] == [("12", 2), ("13", 1)]
    assert all(0 < one["alone"] < 1 and 0 < one["joint"] < 1 for one in found["candidates"])
