"""Every study that is shipped: its graders pass their audit, and its problems can be exported to verl with a reward that knows them."""

import importlib.util
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.export.verl_grpo import chosen, write_grpo
from counterform.parts import made, part
from counterform.problems.source import generated
from counterform.stages.verify import audit
from counterform.study import embedded_study, load_study

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """What stands in for GSM8K where it is not at hand, in its columns."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "gsm8k").mkdir()
    study = load_study(next(path for path in EXAMPLES if path.stem == "gsm8k"), data=folder)
    rows = []
    for n in range(40):
        right, wrong = (
            f"{n} + {n} = {2 * n}. The answer is {2 * n}.",
            f"{n} + {n} = {2 * n + 1}. The answer is {2 * n + 1}.",
        )
        row = {
            "question": f"What is {n} and {n}?",
            "ground_truth": f"{n} + {n} = <<{n}+{n}={2 * n}>>{2 * n}\n#### {2 * n}",
        }
        for at, columns in enumerate(study.attempts.responses):
            row |= {columns.text: wrong if at % 2 else right, columns.correct: not at % 2}
        rows.append(row)
    (folder / "gsm8k/example_model_solutions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_graders_of_every_shipped_study_pass(path, data):
    done = CliRunner().invoke(app, ["audit", str(path), "--data", str(data), "--json"])
    assert done.exit_code == 0, done.exception
    rows = json.loads(done.stdout)
    assert {row["check"] for row in rows} >= {"own solutions"}
    assert all(row["total"] and row["passed"] >= row["required"] * row["total"] for row in rows if row["required"])


@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if load_study(path).problems.family], ids=lambda path: path.stem
)
def test_every_shipped_study_of_a_family_exports_a_reward_that_knows_its_problems(path, data, tmp_path):
    study = load_study(path, data=data)
    spec = msgspec.structs.replace(study.problems, train=6, held_out=2)
    family = made("family", spec.family, spec.options, "$.problems.options")
    split = generated(family, spec)
    write_grpo(tmp_path, tmp_path, study, chosen("any", "sft", {}), split.train, split.held_out)
    found = importlib.util.spec_from_file_location("reward", tmp_path / "reward.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    for problem in split.train:
        facts = {
            "id": problem.id,
            "prompt": problem.prompt,
            "family": problem.family,
            "facts": json.dumps(problem.facts),
        }
        reward = module.compute_score("", problem.solution, problem.answer, facts)
        assert (reward["score"], reward["known"], reward["penalty"]) == (1.0, 1.0, 0.0), problem.solution


@pytest.mark.parametrize("families", [["ledger", "route"], ["route", "desk"], ["ledger", "desk", "route"]])
def test_a_mixed_family_is_its_own_step_verifier_with_the_options_of_the_study(families):
    """The kind: options of a family reach the verifier that is audited, also where they are not the default."""
    problems = msgspec.structs.replace(embedded_study().problems, family="several", options={"families": families})
    rows = audit(msgspec.structs.replace(embedded_study(), problems=problems))
    assert all(row.passed >= row.required * row.total for row in rows)
    assert part("step verifier", "several") is part("family", "several")
