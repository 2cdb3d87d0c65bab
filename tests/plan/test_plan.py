"""A plan says what a run will find and costs nothing that stays. Guards against a plan that trains, writes, or promises too much."""

import json

import msgspec
import pytest

from counterform.cli import main
from counterform.findings.checks import ENOUGH
from counterform.findings.plan import Plan
from counterform.plan import plan_study
from counterform.report.planned import as_json, lines
from counterform.study import ArmSpec, AttemptsSpec, MatchSpec, ModelSpec, ProbeSpec, ProblemsSpec, Study, TrainSpec


@pytest.fixture(scope="module")
def plan(study) -> Plan:
    return plan_study(msgspec.structs.replace(study, probes=("accuracy",), seeds=(0, 1)))


def test_nothing_is_written_where_the_study_would_run(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    plan_study(msgspec.structs.replace(study, probes=("accuracy",)), say=said.append)
    assert list(tmp_path.iterdir()) == []
    assert said


def test_no_arm_is_trained(study, monkeypatch):
    def train(self, arm, **options):
        raise AssertionError(f"{arm.name} was trained")

    monkeypatch.setattr("parts_of_a_study.Copy.train", train)
    found = plan_study(msgspec.structs.replace(study, probes=("accuracy",)))
    # What cannot be stopped after a few steps is not tried.
    assert [note for note in found.notes if "not known before" in note] != []


def test_it_tells_the_sizes_of_the_whole_study(study, plan):
    assert (plan.seeds, plan.problems, plan.attempts) == (2, 18, 18 * 4)
    assert plan.cases == 8
    [measure] = plan.measures
    assert measure.problems == 6
    assert measure.level == pytest.approx(0.5, abs=0.05)
    assert {cost.part for cost in plan.costs} >= {"attempts", "training", "probes"}
    assert plan.contrasts == (("sft", "other"), ("sft", "base"), ("other", "base"))


def test_more_seeds_and_more_problems_buy_something(plan):
    sizes = plan.measures[0].sizes
    by_seeds = [size.effect for size in sizes if size.problems == 6]
    by_problems = [size.effect for size in sizes if size.seeds == 2]
    for effects in (by_seeds, by_problems):
        assert len(effects) == 3
        assert [effect.low for effect in effects] == sorted((effect.low for effect in effects), reverse=True)
        assert all(effect.low <= effect.high for effect in effects)


@pytest.mark.parametrize(("model", "name"), [("Floor", "base at the floor"), ("Ceiling", "base at the ceiling")])
def test_what_would_stop_the_run_is_named(study, model, name):
    spec = ModelSpec(kind=f"parts_of_a_study:{model}", path=model)
    problems = msgspec.structs.replace(study.problems, held_out=ENOUGH)
    probe = msgspec.structs.replace(study.probe, problems=ENOUGH)
    found = plan_study(msgspec.structs.replace(study, model=spec, probes=("accuracy",), problems=problems, probe=probe))
    assert name in [check.name for check in found.void]
    assert any(line.startswith("VOID") for line in lines(found))
    assert json.loads(as_json(found))["void"] is True


def test_a_study_of_which_no_arm_can_be_made_is_void_and_still_planned(study):
    spec = ModelSpec(kind="parts_of_a_study:Always", path="always")
    found = plan_study(msgspec.structs.replace(study, model=spec, probes=("accuracy",)))
    assert "no arm" in [check.name for check in found.void]
    assert found.cases == 0
    assert found.costs


def test_a_few_steps_tell_what_all_of_them_take(study):
    from parts_of_a_study import TIME

    timed = msgspec.structs.replace(
        study,
        seeds=(0, 1),
        arms=("sft", ArmSpec(name="again", recipe="sft")),
        contrasts=(),
        train=TrainSpec(trainer="parts_of_a_study:Timed", sft={"learning_rate": 1e-3}),
        probes=("accuracy",),
    )
    found = plan_study(timed, clock=lambda: TIME[0])
    [training] = [cost for cost in found.costs if cost.part == "training"]
    # Two arms with two seeds, eight cases and sixteen steps each.
    assert training.seconds == pytest.approx(4 * (3 + 16 * 0.5))
    assert training.tokens == 4 * 16 * 40
    assert 4 <= found.disk_mb < 4.2
    assert found.memory_mb == 50_000
    assert sum(cost.seconds for cost in found.costs if cost.part != "findings") == training.seconds


@pytest.mark.slow
def test_few_steps_of_a_real_training_tell_what_it_takes():
    """Sixteen steps of the tiny base."""
    small = Study(
        name="tiny",
        seeds=(0, 1),
        problems=ProblemsSpec(family="ledger", train=16, held_out=8),
        attempts=AttemptsSpec(samples=4, max_tokens=64),
        match=MatchSpec(cases=8),
        arms=("sft", ArmSpec(name="again", recipe="sft", train={"num_train_epochs": 40})),
        train=TrainSpec(sft={"num_train_epochs": 4, "per_device_train_batch_size": 2, "max_length": 512}),
        probes=("accuracy",),
        probe=ProbeSpec(samples=2, k=2, max_tokens=64),
    )
    found = plan_study(small)
    assert found.cases >= 6
    a_row = 60
    [training] = [cost for cost in found.costs if cost.part == "training"]
    assert training.tokens == pytest.approx(44 * found.cases * a_row * 2, rel=0.5)
    assert 2 * 2 * 3 < found.disk_mb < 2 * 2 * 6
    assert found.memory_mb > 100


class TestTerminal:
    def test_it_is_bounded_and_plain(self, plan):
        text = "\n".join(lines(plan))
        assert len(text.splitlines()) < 40
        assert "logits" in text
        assert "2 seeds" in text
        assert all(ord(character) >= 32 or character == "\n" for character in text)

    def test_json_has_all_of_it(self, plan):
        told = json.loads(as_json(plan))
        assert told["measures"][0]["contrast"]["low"] > 0
        assert told["void"] is False
        assert told["hours"] == pytest.approx(sum(cost["seconds"] for cost in told["costs"]) / 3600)

    def test_two_study_files_are_refused(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setattr("sys.argv", ["counterform", "plan", "a.toml", "b.toml"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert "--pilot" in capsys.readouterr().err
