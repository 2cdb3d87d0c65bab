"""Arms on the way of their training, and arms at several learning rates, through one whole study."""

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file

import counterform
from counterform.errors import StudyError
from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.results import Rate, Sweep
from counterform.specs import SweepSpec
from counterform.stages.validation import stands_for
from counterform.store import RunDir
from counterform.study import (
    BASE,
    ArmSpec,
    AttemptsSpec,
    MatchSpec,
    ProbeSpec,
    ProblemsSpec,
    Study,
    TrainSpec,
    checked,
)

LOW, HIGH = "sft-lr1e-05", "sft-lr0.003"
STUDY = Study(
    name="budgets",
    seeds=(0,),
    problems=ProblemsSpec(family="ledger", train=40, held_out=22, lengths=(5, 6)),
    attempts=AttemptsSpec(samples=3, max_tokens=64),
    match=MatchSpec(cases=8),
    arms=("sft", ArmSpec(name="own", recipe="rft", train={"learning_rate": 1e-4})),
    contrasts=(("sft", "own"),),
    train=TrainSpec(
        sft={"max_steps": 4, "per_device_train_batch_size": 8},
        readings=(0.5,),
        sweep=SweepSpec(learning_rate=(1e-5, 3e-3), choose="best in validation"),
    ),
    probes=("accuracy",),
    probe=ProbeSpec(samples=2, k=2, max_tokens=64, problems=22, temperature=0.0),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return counterform.run(STUDY, tmp_path_factory.mktemp("budgets") / "run", anyway=True)


@pytest.mark.slow
class TestWholeStudy:
    def test_every_reading_is_reported_and_none_is_picked(self, run):
        results = run.results
        parts = {"sft-lr1e-05-at-50", "sft-lr0.003-at-50", "own-at-50"}
        assert set(results.partway) == parts
        assert {f.arm for f in results.findings if f.versus == "base"} == parts | {LOW, HIGH, "own"}
        text = to_markdown(load(RunDir(run.path)))
        assert "## Over the budget" in text
        assert "| Arm | 50 % of its steps | all |" in text.replace("Metric | ", "")
        assert "## Over learning rates" in text

    def test_what_was_kept_on_the_way_lies_between_the_base_and_the_end(self, run):
        base = load_file(BASE / "model.safetensors")
        end = run.path / "checkpoints" / HIGH / "0"

        def moved(folder):
            after = load_file(folder / "model.safetensors")
            return sum(float(np.abs(after[name] - base[name].astype(np.float32)).sum()) for name in base)

        assert 0 < moved(end / "at-50") < moved(end)

    def test_a_contrast_means_the_rate_that_was_best_in_validation(self, run):
        [sweep] = run.results.sweeps
        assert (sweep.arm, [rate.name for rate in sweep.rates]) == ("sft", [LOW, HIGH])
        assert all(rate.n_problems >= 20 for rate in sweep.rates)
        contrast = {(f.arm, f.versus) for f in run.results.findings if f.versus != "base"}
        assert contrast == {(sweep.chosen, "own")}

    def test_validation_problems_are_those_of_no_case(self, run):
        files = RunDir(run.path)
        used = {row["problem_id"] for row in files.read_table("arms/own.parquet").to_pylist()}
        train = [row["id"] for row in files.read_table("problems.parquet").to_pylist() if row["split"] == "train"]
        [sweep] = run.results.sweeps
        assert {rate.n_problems for rate in sweep.rates} == {min(22, len(train) - len(used))}


class TestNames:
    def test_every_rate_and_every_reading_is_an_arm(self):
        assert [spec.name for spec in STUDY.arm_specs] == [LOW, HIGH, "own"]
        assert [spec.train for spec in STUDY.arm_specs] == [{"learning_rate": rate} for rate in (1e-5, 3e-3, 1e-4)]
        assert STUDY.partway == {f"{name}-at-50": (name, 0.5) for name in (LOW, HIGH, "own")}
        checked(replace(STUDY, contrasts=(("sft", "own"), (LOW, f"{HIGH}-at-50"))), "study.toml")

    def test_without_them_an_arm_is_itself(self):
        plain = replace(STUDY, train=TrainSpec())
        assert ([spec.name for spec in plain.arm_specs], plain.partway) == (["sft", "own"], {})


class TestTheRule:
    def rate(self, name, right, learning_rate):
        return Rate(name=name, learning_rate=learning_rate, right=right, unknown=0.0, n_problems=20)

    def test_most_right_answers_and_of_two_alike_the_lower_rate(self):
        low, high = self.rate("low", 0.5, 1e-4), self.rate("high", 0.6, 1e-3)
        assert Sweep(arm="a", rates=(low, high)).chosen == "high"
        assert Sweep(arm="a", rates=(replace(high, right=0.5), low)).chosen == "low"
        assert Sweep(arm="a", rates=(replace(high, right=None), low)).chosen == "low"
        assert Sweep(arm="a", rates=(replace(high, right=None),)).chosen is None

    def test_a_pair_of_which_nothing_could_be_read_is_left_out(self):
        swept = (Sweep(arm="a", rates=(self.rate("a-lr1", 0.5, 1.0),)), Sweep(arm="b", rates=()))
        assert stands_for(swept, (("a", "c"), ("b", "c"))) == (("a-lr1", "c"),)


class TestWhatCannotBe:
    @pytest.mark.parametrize(
        ("train", "words"),
        [
            ({"readings": (0.5,), "launch": ("--num_processes", "2")}, r"\$\.train\.readings: .*Leave `launch` out"),
        ],
    )
    def test_told_before_anything_runs(self, train, words):
        with pytest.raises(StudyError, match=words):
            checked(replace(STUDY, train=TrainSpec(**train)), "study.toml")

    def test_a_trainer_that_keeps_nothing_of_its_way(self, tmp_path):
        dry = replace(STUDY, train=TrainSpec(trainer="dry", readings=(0.5,)))
        with pytest.raises(StudyError, match=r"\$\.train\.readings: the trainer 'dry' keeps nothing of its way"):
            counterform.run(dry, tmp_path / "run", until="base")

    def test_where_nothing_is_trained(self):
        none = replace(STUDY, arms=(ArmSpec(name="own", checkpoint="world"),), contrasts=())
        with pytest.raises(
            StudyError, match=r"\$\.train\.readings: is of arms that are trained here, and there is none"
        ):
            checked(none, "study.toml")

    def test_a_name_that_a_variant_needs(self):
        with pytest.raises(StudyError, match=r"\$\.arms: names must differ"):
            checked(replace(STUDY, arms=("sft", ArmSpec(name=LOW, recipe="rft", train={"learning_rate": 1.0}))), "s")

    @pytest.mark.slow
    def test_too_few_problems_to_choose_by(self, tmp_path):
        few = replace(STUDY, problems=replace(STUDY.problems, train=20), name="few")
        with pytest.raises(StudyError, match=r"\$\.train\.sweep\.choose: .*at least 20 are needed"):
            counterform.run(few, tmp_path / "few", anyway=True)
