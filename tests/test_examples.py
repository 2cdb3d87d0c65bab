"""The study scripts that need no model, on data made up here."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import counterform
from counterform.bench import Bench
from counterform.parts import made
from counterform.study import load_study

SCRIPT = Path(__file__).parents[1] / "examples" / "validity_bbh.py"


def page(data):
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--data", str(data)], capture_output=True, text=True, timeout=60
    )


def write(data, kind, name, rows):
    folder = data / f"code-davinci-002-{kind}"
    folder.mkdir(exist_ok=True)
    outputs = [{"input": f"Add.\n\nQ: {q}\nA:{cue}", "prediction": p, "target": t} for q, cue, p, t in rows]
    (folder / f"{name}.json").write_text(json.dumps({"outputs": outputs}))


@pytest.fixture
def data(tmp_path):
    """Forty sums: bare answers are right in half of them, worked ones in all; every fourth has a wrong step."""
    direct = [(f"{n} + {n}?", "", str(2 * n + n % 2), str(2 * n)) for n in range(1, 41)]
    cot = [
        (
            f"{n} + {n}?",
            " Let's think step by step.",
            f"{n} + {n} = {2 * n + (n % 4 == 0)}. So the answer is {2 * n}.",
            str(2 * n),
        )
        for n in range(1, 41)
    ]
    write(tmp_path, "direct", "sums", direct)
    write(tmp_path, "cot", "sums", cot)
    (tmp_path / "cot-prompts").mkdir()
    text = "canary\n-----\nAdd.\n\nQ: 2 + 2?\nA: 2 + 2 = 5. So the answer is 4.\n\nQ: 1 + 1?\nA: 1 + 1 = 2. So the answer is 2."
    (tmp_path / "cot-prompts" / "sums.txt").write_text(text)
    return tmp_path


def row(text, head):
    return next(line for line in text.splitlines() if line.startswith(f"| {head} |")).replace("\u00a0", " ")


def test_validity_bbh_counts_what_is_there(data):
    done = page(data)
    assert done.returncode == 0, done.stderr
    answers, processes, exemplars = done.stdout.split("\n## ")[1:4]
    cells = [cell.strip() for cell in row(answers, "sums").split("|")]
    assert (cells[3], cells[5], cells[7]) == ("50.0 %", "100.0 %", "+50.0")
    assert cells[6] == "[91.2, 100.0]"  # exact: no spread
    assert cells[11:14] == ["CoT better", "40", "40"]
    assert "differs from this at 0 of 80" in answers
    assert row(processes, "sums").endswith("| 10 of 40 | 0 of 0 |")
    assert row(exemplars, "sums") == "| sums | 2 | 2 | 1 |"
    assert "`2 + 2 = 5.` The verifier: `2 + 2 = 4.`" in exemplars
    assert "| Logically invalid rationales do nearly as well as valid ones | undecided |" in done.stdout


def test_validity_bbh_refuses_outputs_that_do_not_pair(data):
    write(data, "direct", "sums", [("1 + 1?", "", "2", "2")])
    assert "not of the same questions" in page(data).stderr
    assert "Give a checkout" in page(data / "nowhere").stderr
    (data / "code-davinci-002-direct" / "sums.json").write_text("[]")
    done = page(data)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["critique", "critique-smollm2", "erasure"])
def test_the_studies_of_failures_can_be_made(name):
    study = load_study(SCRIPT.with_name(f"{name}.toml"))
    for spec in study.arm_specs:
        assert callable(made("arm", spec.recipe, spec.options, "$.arms", bench=Bench()))


@pytest.mark.parametrize("name", ["calc", "roc"])
def test_the_studies_of_grpo_can_be_made(name):
    study = load_study(SCRIPT.with_name(f"{name}.toml"))
    for spec in study.arm_specs:
        recipe = made("arm", spec.recipe, spec.options, "$.arms", bench=Bench())
        assert callable(recipe)
    rates = {spec.options.get("tool_failures") for spec in study.arm_specs}
    assert rates == ({None} if name == "calc" else {0.0, 0.1, 0.2})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "shows"),
    [("roc_in_trl.py", "roc/"), ("watch_traits.py", "traits/tokens"), ("untrained_base.py untrained", "")],
)
def test_the_scripts_that_train_run_as_they_stand(script, shows, tmp_path):
    name, *words = script.split()
    done = subprocess.run(
        [sys.executable, str(SCRIPT.with_name(name)), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert shows in done.stdout


SMALL = ["problems.train=24", "problems.held_out=6", "match.cases=4", "attempts.samples=2"]
OF_A_FAMILY = [path for path in sorted(SCRIPT.parent.glob("*.toml")) if load_study(path).problems.family]


@pytest.mark.slow
@pytest.mark.parametrize("path", OF_A_FAMILY, ids=lambda path: path.stem)
def test_every_study_of_a_family_compiles_its_arms(path, tmp_path, monkeypatch):
    """Problems, attempts, verdicts, arms: few of them, with a model that knows the worked solutions."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    from known_answers import Known

    study = load_study(path, settings=["model.path=world"])
    if study.trained:
        study = load_study(path, settings=["model.path=world", "attempts.model={kind = 'known_answers:Known'}", *SMALL])
    run = counterform.run(study, tmp_path / "run", until="problems")
    rows = pq.read_table(run.path / "problems.parquet", columns=["prompt", "solution"]).to_pylist()
    Known.solutions = {row["prompt"]: row["solution"] for row in rows}
    counterform.run(study, tmp_path / "run", until="arms")
    assert not study.trained or list((run.path / "arms").glob("*.parquet"))
