"""Any id that a run wrote is found by `counterform show`."""

import pytest

from counterform.errors import DataError, RunDirError
from counterform.report.attempts import find_attempts
from counterform.report.markdown import record
from counterform.store import Record, RunDir
from counterform.types import Attempt, Completion, Graded, Mark, Problem, Verdict

IDS = ("a", "a/b", "a/b/c", "a/b/c/0", "http://x/y", "ü/\u2028")


def graded(problem, who, text="x"):
    name = f"{problem}/{who}"
    attempt = Attempt(
        id=name, problem_id=problem, model="m", seed=0, completion=Completion(text=text, tokens=1, finish="stop")
    )
    return Graded(
        attempt=attempt, verdict=Verdict(attempt_id=name, outcome=Mark.WRONG, lenient=Mark.WRONG, verifier="v")
    )


@pytest.fixture
def run(tmp_path):
    files = RunDir(tmp_path)
    common = {"key": "k", "made": "", "seconds": 0, "versions": {}, "machine": {}}
    files.write_rows("problems.parquet", [Problem(id=name, prompt="?", answer="1") for name in IDS], Problem)
    files.records.write(Record(unit="problems", files={"problems.parquet": 1}, **common))
    for probe, who in (("accuracy", "base-0/0"), ("accuracy/again", "base-0/0"), ("repair", "base-0-repair/x/y/17")):
        name = f"readings/attempts/{probe}/base-0.parquet"
        files.write_rows(name, [graded(problem, who) for problem in IDS], Graded)
        facts = {"arm": "base", "seed": 0, "attempts": [name]}
        files.records.write(Record(unit=f"probe/base/0/{probe}", files={name: 1}, facts=facts, **common))
    return files


@pytest.mark.parametrize("problem", IDS)
@pytest.mark.parametrize("who", ["base-0/0", "base-0-repair/x/y/17"])
def test_by_the_id_of_an_attempt(run, problem, who):
    found, [one] = find_attempts(run, f"{problem}/{who}")
    assert (found.id, one.attempt.id) == (problem, f"{problem}/{who}")


@pytest.mark.parametrize("problem", IDS)
def test_by_the_id_of_a_problem_each_attempt_once(run, problem):
    found, attempts = find_attempts(run, problem)
    assert found.id == problem
    assert [g.attempt.id for g in attempts] == [f"{problem}/base-0/0", f"{problem}/base-0-repair/x/y/17"]


@pytest.mark.parametrize("name", ["nobody", "", "a/b/c/0/base-0/1", "a/"])
def test_one_that_there_is_not(run, name):
    with pytest.raises(DataError):
        find_attempts(run, name)


@pytest.mark.parametrize("name", ["../../x", "a/b", "x\n", "", ".hidden", "a" * 65, "/etc/x"])
def test_a_study_is_kept_under_a_name_and_nowhere_else(make_run, tmp_path, name):
    run = make_run(tmp_path / "run", n_problems=2)
    text = name.replace("\n", "\\n")
    run.write_text("study.toml", f'name = "{text}"\n')
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunDirError, match="is no name of a study"):
        record(run, tmp_path / "deep" / "kept")
    assert sorted(tmp_path.rglob("*")) == before
