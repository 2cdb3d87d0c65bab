"""The study scripts that need no model, on data made up here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
