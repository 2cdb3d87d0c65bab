"""A whole study that takes a second."""

import sys
from pathlib import Path

import pytest

from counterform.report import page
from counterform.study import ArmSpec, AttemptsSpec, MatchSpec, ModelSpec, ProbeSpec, ProblemsSpec, Study, TrainSpec

PARTS = Path(__file__).parent
STUDY = Study(
    name="changes",
    seeds=(0,),
    model=ModelSpec(kind="parts_of_a_study:Solver", path="solver"),
    problems=ProblemsSpec(family="ledger", train=12, held_out=6),
    attempts=AttemptsSpec(samples=4, max_tokens=40),
    match=MatchSpec(cases=8),
    arms=("sft", ArmSpec(name="other", recipe="rft")),
    contrasts=(("sft", "other"),),
    train=TrainSpec(trainer="parts_of_a_study:Copy", sft={"learning_rate": 1e-3}),
    probes=("accuracy", "find_error", "shift"),
    probe=ProbeSpec(samples=2, k=2, max_tokens=40, attempts=6, problems=6, shifted=2),
)


@pytest.fixture(scope="session", autouse=True)
def _parts():
    sys.path.insert(0, str(PARTS))
    yield
    sys.path.remove(str(PARTS))


@pytest.fixture(scope="module")
def blank_pages():
    """Pages take half the time of such a study; for tests that are not about what stands on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "write_page", lambda run: (run.path / "report.html").write_text("A page."))
        yield


@pytest.fixture(scope="session")
def study() -> Study:
    """The study."""
    return STUDY
