import json
import unicodedata

import pytest
from typer.testing import CliRunner

from counterform.cli import app, main
from counterform.stages.verify import verdict_table
from counterform.store import Record, RunDir
from counterform.study import Study, load_study, to_toml
from counterform.types import Attempt, Completion, Graded, Mark, Problem, StepVerdict, Verdict

runner = CliRunner()


def test_every_stage_has_its_subcommand():
    from counterform.pipeline import STAGES

    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert (
        set(STAGES)
        | {"run", "plan", "unit", "show", "export", "init", "audit", "grade", "trust", "claims", "compare", "decide"}
        == names
    )


def test_init_writes_a_study_that_loads_and_never_overwrites(tmp_path):
    path = tmp_path / "study.toml"
    assert runner.invoke(app, ["init", str(path)]).exit_code == 0
    assert load_study(path).name == "study"
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


HOSTILE = "a\x1b[31mb\u202ec\x9bd\re"
"""What a study's name, an id, a path or a prompt may hold."""


def printed_by_main(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["counterform", *arguments])
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", HOSTILE],
        ["audit", HOSTILE],
        ["report", HOSTILE],
        ["show", HOSTILE, HOSTILE],
        ["show", "{run}", HOSTILE],
        ["show", "{run}", "{id}"],
        ["show", "{run}", "{id}", "--json"],
        ["report", "{run}"],
        ["export", HOSTILE, HOSTILE, "--to", "trl", "--out", "x"],
        ["export", "{run}", HOSTILE, "--to", HOSTILE, "--out", "x"],
        ["init", HOSTILE],
        ["init", "{run}/" + HOSTILE],
        ["claims", HOSTILE],
        ["trust", HOSTILE, "--model", "world"],
        ["guard", "check", HOSTILE],
        ["guard", "judge", HOSTILE, "--policy", HOSTILE],
        ["guard", "serve", "--policy", HOSTILE, "--upstream", HOSTILE],
        ["run", "{study}"],
        ["problems", "{study}"],
        ["audit", "{study}"],
        [HOSTILE],
    ],
    ids=repr,
)
def test_nothing_that_a_command_prints_drives_the_terminal(arguments, hostile_run, monkeypatch, capsys):
    """The kind: whatever a user's file or argument holds, what is printed holds no control character but the line's end."""
    given = [word.replace("{run}", str(hostile_run)).replace("{id}", HOSTILE) for word in arguments]
    given = [word.replace("{study}", str(hostile_run.parent / "study.toml")) for word in given]
    monkeypatch.chdir(hostile_run.parent)
    code, said = printed_by_main(given, monkeypatch, capsys)
    assert said
    assert not [c for c in said if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"], said
    assert code in (0, 2)


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run of which the problem, its id and the attempt are hostile, and a study file that names hostile things."""
    folder = tmp_path_factory.mktemp("hostile")
    toml = json.dumps(HOSTILE)
    (folder / "study.toml").write_text(f'name = "x"\narms = [{toml}]\n[problems]\nfamily = {toml}\n')
    files = RunDir(folder / "run")
    problem = Problem(id=HOSTILE, prompt=HOSTILE, answer=HOSTILE)
    said = Completion(text=f"1 + 1 = 3. {HOSTILE}", tokens=1, finish="stop")
    attempt = Attempt(id=HOSTILE, problem_id=HOSTILE, model=HOSTILE, seed=0, completion=said)
    step = StepVerdict(mark=Mark.WRONG, rule=HOSTILE, hint=HOSTILE, span=(0, len(said.text)))
    verdict = Verdict(attempt_id=HOSTILE, outcome=Mark.WRONG, lenient=Mark.WRONG, steps=(step,), verifier=HOSTILE)
    files.write_rows("problems.parquet", [problem], Problem)
    files.write_rows("attempts/part-00000.parquet", [attempt], Attempt)
    files.write_table("verdicts/part-00000.parquet", verdict_table([Graded(attempt=attempt, verdict=verdict)]))
    files.write_text("study.toml", to_toml(Study(name="x")))
    files.write_mark(b"null")
    common = {
        "key": HOSTILE,
        "made": HOSTILE,
        "seconds": 0.0,
        "versions": {HOSTILE: HOSTILE},
        "machine": {HOSTILE: HOSTILE},
    }
    said_of = {"counts": {HOSTILE: 1}, "notes": (HOSTILE,), "facts": {HOSTILE: HOSTILE}}
    for unit, name in (("problems", "problems.parquet"), ("verify/part-00000", "verdicts/part-00000.parquet")):
        files.records.write(Record(unit=unit, files=files.sizes([name]), **common, **said_of))
    return folder / "run"
