"""Self-trust, strategy and formats on their way through a study: the cut-down copies of their examples, nothing trained."""

from pathlib import Path

import msgspec
import pytest

import counterform
from counterform.results import SelfTrust
from counterform.store import RunDir
from counterform.study import load_study

EXAMPLES = Path(__file__).parents[1] / "examples"


def cut(name, **tables):
    """An example on a few problems, with a trainer that trains nothing."""
    study = load_study(EXAMPLES / name)
    replace = msgspec.structs.replace
    return replace(
        study,
        seeds=(0,),
        problems=replace(study.problems, train=20, held_out=8),
        attempts=replace(study.attempts, samples=3),
        match=replace(study.match, cases=8),
        train=replace(study.train, trainer="dry", sft={}),
        probe=replace(study.probe, samples=2, k=2, problems=8, attempts=4, trusted=7),
        **tables,
    )


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    return counterform.run(
        cut("trust.toml", arms=("sft",), contrasts=(), probes=("accuracy", "trust")),
        tmp_path_factory.mktemp("trust"),
    )


def test_confidence_becomes_findings_and_a_section(trust):
    found = [f for f in trust.results.findings if f.probe == "trust"]
    assert {("AUROC", "P(True)"), ("ECE", "joint")} <= {(f.metric, f.condition) for f in found}
    read = trust.results.own_of("trust", SelfTrust)
    assert {one.arm for one in read.reliability} == {"base", "sft"}
    page = (trust.path / "report.html").read_text(encoding="utf-8")
    assert 'id="confidence"' in page
    assert "trust: AUROC" not in page  # every metric has a label


def test_its_samples_are_those_of_accuracy_and_only_so_many_problems_are_asked(trust):
    rows = [row for row in trust.readings.to_pylist() if row["probe"] == "trust"]
    assert len({row["problem_id"] for row in rows}) == 7
    files = RunDir(trust.path)
    ids = {
        probe: {
            row["id"] for row in files.read_table(f"readings/attempts/{probe}/base-0.parquet")["attempt"].to_pylist()
        }
        for probe in ("accuracy", "trust")
    }
    assert len(ids["accuracy"]) == 8 * 2
    assert ids["trust"] < ids["accuracy"]
