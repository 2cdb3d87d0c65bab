"""A study with [decide] reads and trains no more once its contrasts are decided, says so, and goes the same way after any interruption."""

import json

import pytest
from msgspec.structs import replace

from counterform.errors import StudyError
from counterform.pipeline import do_units, run
from counterform.stages import decide as module
from counterform.stages.unit import do
from counterform.store import RunDir
from counterform.study import ArmSpec, DecideSpec, ModelSpec, checked, load_study, to_toml

DECIDE = DecideSpec(contrasts=(("sft", "other"),), batch=10)


@pytest.fixture(scope="module")
def deciding(study):
    return replace(
        study,
        seeds=(0, 1, 2),
        model=ModelSpec(kind="parts_of_a_study:Learner", path="solver"),
        problems=replace(study.problems, held_out=60),
        probe=replace(study.probe, problems=60),
        probes=("accuracy",),
        decide=DECIDE,
    )


@pytest.fixture(scope="module")
def finished(deciding, tmp_path_factory):
    return run(deciding, tmp_path_factory.mktemp("decide") / "run")


def units(path, kind):
    return sorted(name for name in RunDir(path).records if name.startswith(f"{kind}/"))


def test_it_stops_early_and_says_how_and_at_what_share(finished):
    first, second = finished.results.notes[:2]
    assert "sft against other is better" in first
    assert "stopped with 20 of 60 problems and 2 of 3 seeds, at" in second
    decision = json.loads((finished.path / "decision.json").read_bytes())
    assert decision["contrasts"][0]["outcome"] == "better"
    assert decision["tokens"] < 0.5 * decision["most_tokens"]
    assert finished.results.notes[0] in (finished.path / "report.html").read_text()


def test_what_was_not_bought_is_neither_trained_nor_read(finished):
    assert units(finished.path, "train") == ["train/other/0", "train/other/1", "train/sft/0", "train/sft/1"]
    assert len(units(finished.path, "decide")) == 2 * 2 * 2
    finding = next(f for f in finished.results.findings if f.versus == "other" and f.metric == "pass@1")
    assert (finding.n_items, finding.n_seeds) == (20, 2)


def test_the_probes_take_the_answers_of_the_rounds(finished):
    """The kind: two readings of one model that cost twice and differ."""
    files = RunDir(finished.path)
    in_rounds, in_probe = (
        [row["completion_text"] if "completion_text" in row else str(row) for row in files.read_table(name).to_pylist()]
        for name in ("readings/decide/other-0-0.parquet", "readings/accuracy/other-0.parquet")
    )
    assert in_probe[: len(in_rounds)] == in_rounds


def test_the_same_command_does_nothing_again(deciding, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.parquet")}
    run(deciding, finished.path)
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.parquet")} == before


@pytest.mark.parametrize("done", [1, 7])
def test_after_an_interruption_it_goes_the_same_way(deciding, finished, tmp_path, monkeypatch, done):
    left = [done]

    def dying(work, unit):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return do(work, unit)

    monkeypatch.setattr(module, "do", dying)
    with pytest.raises(KeyboardInterrupt):
        run(deciding, tmp_path / "run", until="train")
    monkeypatch.undo()
    run(deciding, tmp_path / "run", until="train")
    for name in ("decision.json", "readings/decide/sft-1-10.parquet", "readings/decide/other-1-0.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (finished.path / name).read_bytes()


def test_equal_arms_are_equivalent_within_a_wide_margin(deciding, finished):
    """In the same directory, and what was decided leaves no trace in the study without [decide]."""
    equal = replace(deciding, model=ModelSpec(kind="parts_of_a_study:Solver", path="solver"))
    equal = replace(equal, decide=DecideSpec(contrasts=(("sft", "other"),), margin=0.2, batch=10))
    path = run(equal, finished.path.with_name("equal"), until="train").path
    assert json.loads((path / "decision.json").read_bytes())["contrasts"][0]["outcome"] == "equivalent"
    apart = run(replace(equal, decide=DecideSpec()), path, until="find").results
    assert not any("stopped with" in note for note in apart.notes)
    assert {f.n_items for f in apart.findings if f.metric == "pass@1"} == {60}


def test_a_contrast_with_a_refused_arm_stays_undecided_and_the_others_are_decided(deciding, tmp_path, monkeypatch):
    monkeypatch.setattr("parts_of_a_study.Needy.missing", "a thing that is not here")
    contrasts = (("sft", "needy"), *DECIDE.contrasts)
    needy = ArmSpec(name="needy", recipe="parts_of_a_study:Needy")
    study = replace(deciding, arms=(*deciding.arms, needy), decide=replace(DECIDE, contrasts=contrasts))
    notes = run(study, tmp_path / "run").results.notes
    assert "sft against needy stays undecided: an arm was refused" in notes[0]
    assert "sft against other is better" in notes[1]


def test_single_units_are_refused(finished):
    with pytest.raises(StudyError, match=r"\[decide\].*counterform run"):
        do_units(finished.path, ["find"])


@pytest.mark.parametrize(
    ("decide", "why"),
    [
        (DecideSpec(contrasts=(("sft", "othr"),)), r"\$\.decide\.contrasts\[0\].*Did you mean 'other'"),
        (DecideSpec(contrasts=(("sft", "sft"),)), "names an arm twice"),
        (DecideSpec(contrasts=(("sft", "other"), ("other", "sft"))), "stands twice"),
    ],
)
def test_what_cannot_be_decided_is_refused(deciding, decide, why):
    with pytest.raises(StudyError, match=why):
        checked(replace(deciding, decide=decide), "study.toml")
    with pytest.raises(StudyError, match="'accuracy'"):
        checked(replace(deciding, probes=("shift",)), "study.toml")


def test_it_stands_in_the_study_file(deciding, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(to_toml(deciding))
    assert load_study(path).decide == DECIDE
