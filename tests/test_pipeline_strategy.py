"""A small study of strategy: both formats, another domain, GRPO that is rewarded for a letter, and models between two arms."""

import msgspec
import pytest

import counterform
from counterform.errors import StudyError
from counterform.results import MatchCard, Strategies
from counterform.store import RunDir
from counterform.study import (
    ArmSpec,
    AttemptsSpec,
    MatchSpec,
    ProbeSpec,
    ProblemsSpec,
    Study,
    TrainSpec,
    checked,
)
from counterform.types import Reading


def arm(name, **options):
    return ArmSpec(name=name, recipe="format", options=options)


STUDY = Study(
    name="strategy",
    seeds=(0,),
    problems=ProblemsSpec(family="several", lengths=(3,), train=28, held_out=16),
    attempts=AttemptsSpec(samples=4, max_tokens=80),
    match=MatchSpec(cases=12),
    arms=(
        arm("free", answers="free form", domain="route"),
        arm("choice", domain="route"),
        arm("sums", domain="ledger"),
        arm("choice_grpo", domain="route", objective="grpo"),
    ),
    contrasts=(("choice", "free"), ("choice", "sums")),
    doses=(("choice", "free"),),
    train=TrainSpec(
        sft={"num_train_epochs": 1, "per_device_train_batch_size": 12, "learning_rate": 5e-4},
        grpo={"num_generations": 4, "per_device_train_batch_size": 8, "max_steps": 1, "max_completion_length": 24},
    ),
    probes=("strategy",),
    probe=ProbeSpec(samples=1, k=1, problems=8, max_tokens=48),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> counterform.Run:
    return counterform.run(STUDY, tmp_path_factory.mktemp("strategy"))


def test_every_arm_has_as_many_examples_and_its_own_problems(finished):
    card = msgspec.json.decode((finished.path / "arms/match.json").read_bytes(), type=MatchCard)
    assert {row.examples for row in card.arms} == {12}
    assert {row.arm: "route alone" in row.differs_by for row in card.arms} == {
        "free": True,
        "choice": True,
        "sums": False,
        "choice_grpo": True,
    }


def test_effects_and_the_curve_are_found_and_shown(finished):
    found = finished.results.own_of("strategy", Strategies)
    assert {effect.differs_by for effect in found.effects} <= {"format", "domain"}
    assert {dose.share for dose in found.doses} == {0.0, 0.25, 0.5, 0.75, 1.0}
    page = (finished.path / "report.html").read_text()
    assert "Between two arms" in page
    # A model between two arms is no arm.
    assert {f.arm for f in finished.results.findings} <= {"free", "choice", "sums", "choice_grpo"}


def test_models_between_are_read_once(finished):
    files = sorted((finished.path / "readings" / "doses").glob("*.parquet"))
    assert len(files) == 3
    rows = RunDir(finished.path).read_rows(f"readings/doses/{files[0].name}", Reading)
    assert {row.seed for row in rows} == {0}
    said = []
    counterform.run(STUDY, finished.path, say=said.append)
    assert not [line for line in said if line.startswith("probe ") and "seed" in line]


def test_a_dose_that_cannot_be_is_refused():
    def refused(**changes):
        with pytest.raises(StudyError) as error:
            checked(msgspec.structs.replace(STUDY, **changes), "study.toml")
        return str(error.value)

    assert "$.doses[0]: unknown arm 'base'" in refused(doses=(("base", "free"),))
    assert "'strategy' among $.probes" in refused(probes=("accuracy",))
