"""A study that its base shows to be void stops before anything is trained. Guards against hours of training that could not answer."""

import msgspec
import pytest

import counterform
from counterform.errors import StudyError
from counterform.findings.checks import ENOUGH
from counterform.store import RunDir
from counterform.study import ModelSpec


def of(study, model, **changes):
    spec = ModelSpec(kind=f"parts_of_a_study:{model}", path=model)
    # As many answers and items as prove something.
    problems = msgspec.structs.replace(study.problems, held_out=ENOUGH)
    probe = msgspec.structs.replace(study.probe, problems=ENOUGH)
    return msgspec.structs.replace(study, model=spec, probes=("accuracy",), problems=problems, probe=probe, **changes)


def kinds(path):
    return {unit.partition("/")[0] for unit in RunDir(path).records}


@pytest.mark.parametrize(
    ("model", "said"),
    [("Floor", "answers 0.0\u00a0% of held-out problems right"), ("Ceiling", "no arm can gain")],
)
def test_a_base_without_room_stops_the_study_before_the_first_training(study, tmp_path, model, said):
    void = of(study, model)
    with pytest.raises(StudyError, match="nothing was trained") as stopped:
        counterform.run(void, tmp_path)
    assert said in str(stopped.value)
    assert "--anyway" in str(stopped.value)
    assert {"arm", "match", "probe"} <= kinds(tmp_path)
    assert "train" not in kinds(tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    # The base was read once, and is not read again where somebody insists.
    before = {unit: record.made for unit, record in RunDir(tmp_path).records.items()}
    lines = []
    counterform.run(void, tmp_path, anyway=True, say=lines.append)
    after = RunDir(tmp_path).records
    assert all(after[unit].made == made for unit, made in before.items())
    assert {"train", "find", "report"} <= kinds(tmp_path)
    assert any(line.startswith("anyway") for line in lines)


def test_a_study_that_is_trained_is_not_stopped_any_more(study, tmp_path):
    void = of(study, "Floor")
    counterform.run(void, tmp_path, until="train", anyway=True)
    counterform.run(void, tmp_path, until="train")


def test_a_floor_under_attempts_of_somebody_else_is_a_warning(study, tmp_path):
    """An untrained base is at the floor, and that is what such a study is about."""
    attempts = msgspec.structs.replace(study.attempts, model=ModelSpec(kind="parts_of_a_study:Solver", path="solver"))
    lines = []
    counterform.run(of(study, "Floor", attempts=attempts), tmp_path, until="train", say=lines.append)
    assert any(line.startswith("warning") and "cannot be seen" in line for line in lines)
    assert "train" in kinds(tmp_path)


def test_the_base_is_read_before_the_first_arm_is_trained(study, tmp_path):
    lines = []
    counterform.run(of(study, "Solver"), tmp_path, until="probe", say=lines.append)
    stages = [line.split()[0] for line in lines if " unit" in line]
    assert stages.index("arms") < stages.index("base") < stages.index("train") < stages.index("probe")


def test_the_match_card_and_a_row_for_each_arm_are_said_when_arms_are_compiled(study, tmp_path):
    lines = []
    counterform.run(of(study, "Solver"), tmp_path, until="arms", say=lines.append)
    card = [line.removeprefix("arms").strip() for line in lines if line.startswith("arms  ")]
    assert any("cases, matched by the number of examples" in line for line in card)
    for arm in ("sft", "other"):
        [row] = [line for line in card if line.split()[0] == arm]
        assert "examples" in row
        assert "loss tokens" in row
