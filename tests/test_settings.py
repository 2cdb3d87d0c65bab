import pytest
from typer.testing import CliRunner

import counterform
from counterform.cli import app
from counterform.errors import StudyError
from counterform.settings import changed
from counterform.study import ArmSpec, Study, embedded_study, load_study

STUDY = Study(name="mine")


def test_a_value_is_toml_and_what_is_none_is_text():
    found = changed(
        STUDY,
        ["seeds=[3, 4]", "probe.temperature = 0.5", "model.path=org/name=1", "name='2024'", "train.sft={bf16 = true}"],
        "study.toml",
    )
    assert (found.seeds, found.probe.temperature, found.model.path) == ((3, 4), 0.5, "org/name=1")
    assert (found.name, found.train.sft) == ("2024", {"bf16": True})
    assert found.problems == STUDY.problems


def test_a_text_cannot_bring_keys_of_its_own():
    assert changed(STUDY, ["question=1\nname = 'x'"], "s").question == "1\nname = 'x'"


def test_tables_that_are_left_out_are_made():
    found = changed(STUDY, ["train.lora.r=8", "attempts.model.path=world"], "study.toml")
    assert found.train.lora == {"r": 8}
    assert found.attempts.model is not None


def test_arms_are_set_whole():
    found = changed(STUDY, ['arms=["sft", {name = "low", recipe = "cft"}]'], "study.toml")
    assert found.arms == ("sft", ArmSpec(name="low", recipe="cft"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("probe.samples=0", "Expected `int` >= 1 - at `$.probe.samples`"),
        ("probe.smaples=1", "unknown field `smaples` - at `$.probe`. Did you mean 'samples'?"),
        ("run.executor=moon", "Options: local, ray, slurm"),
        ("probe.samples", "is not of the form PATH=VALUE"),
        ("=1", "is not of the form PATH=VALUE"),
        ("probe.=1", "is not of the form PATH=VALUE"),
        ("arms.0.name=x", "$.arms is no table. Give the whole of it: --set arms=VALUE"),
        ("seeds.0.x=1", "$.seeds is no table"),
    ],
)
def test_what_cannot_be_set(setting, message):
    with pytest.raises(StudyError) as caught:
        changed(STUDY, [setting], "study.toml")
    assert message in str(caught.value)
    assert f"--set {setting}" in str(caught.value)


def test_a_set_value_is_checked_as_the_file_is_and_names_files_from_there(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('name = "mine"\n')
    study = load_study(path, settings=["problems.family=", "problems.file=rows.jsonl"])
    assert study.problems.file == str(tmp_path / "rows.jsonl")
    with pytest.raises(StudyError, match="more than the 4 samples"):
        load_study(path, settings=["probe.k=9"])


def test_the_embedded_study_and_its_quick_sister_take_settings():
    assert embedded_study(settings=["seeds=[5]"]).seeds == (5,)
    assert embedded_study(quick=True, settings=["name=again"]).name == "again"


@pytest.mark.parametrize(
    "command",
    ["run", "plan", "audit", "problems", "sample", "verify", "arms", "base", "train", "probe", "find"],
)
def test_every_command_that_takes_a_study_takes_settings(command):
    done = CliRunner().invoke(app, [command, "--set", "probe.samples=0"])
    assert "at `$.probe.samples`" in str(done.exception)


def test_the_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"counterform {counterform.__version__}\n"
