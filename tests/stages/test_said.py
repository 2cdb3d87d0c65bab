"""What did not come out as its name says is told where it is read: arms that cannot be made here, that learnt nothing, that say nothing."""

import msgspec
import pytest

import counterform
from counterform.stages.find import _no_update
from counterform.store import RunDir
from counterform.study import ArmSpec, AttemptsSpec, ModelSpec, TrainSpec
from counterform.types import Checkpoint, Problem
from counterform.types import Ledger as Cost


def changed(study, **fields):
    return msgspec.structs.replace(study, contrasts=(), probes=("accuracy",), **fields)


def test_an_arm_that_lacks_something_is_refused_until_it_is_there(study, tmp_path, monkeypatch):
    import parts_of_a_study as parts

    both = changed(study, arms=("sft", ArmSpec(name="mine", recipe="parts_of_a_study:Needy")))
    monkeypatch.setattr(parts.Needy, "missing", "a horn of plenty")
    notes = counterform.run(both, tmp_path / "run").results.notes
    assert "mine was refused: arm 'mine' needs a horn of plenty. Install it, or leave this arm out." in notes
    assert not (tmp_path / "run/checkpoints/mine").exists()
    assert (tmp_path / "run/checkpoints/sft").exists()
    monkeypatch.setattr(parts.Needy, "missing", "")
    notes = counterform.run(both, tmp_path / "run").results.notes
    assert not any(words in note for note in notes for words in ("refused", "is UNKNOWN", "was an update"))
    assert (tmp_path / "run/checkpoints/mine").exists()


def test_no_update_and_nothing_graded(study, tmp_path):
    mute = changed(
        study,
        arms=("sft",),
        model=ModelSpec(kind="parts_of_a_study:Mute", path="mute"),
        attempts=msgspec.structs.replace(
            study.attempts, model=ModelSpec(kind="parts_of_a_study:Solver", path="solver")
        ),
        train=TrainSpec(trainer="parts_of_a_study:Idle"),
    )
    notes = counterform.run(mute, tmp_path / "run").results.notes
    assert any(note.startswith("sft, seed 0: none of its 2 steps was an update") for note in notes)
    assert [note.partition(":")[0] for note in notes if "readings of accuracy is UNKNOWN" in note] == ["base", "sft"]


@pytest.mark.parametrize(
    ("objective", "why"), [("grpo", "two different rewards"), ("sdpo", "nothing to show"), ("sdft", "it wrote nothing")]
)
def test_why_no_step_was_an_update(objective, why):
    idle = Checkpoint(arm="mine", seed=0, path="", ledger=Cost(optimizer_steps=2, idle_steps=2))
    assert why in _no_update(idle, objective)


class TestGeneratedTokens:
    """Of the attempts that stand in an arm, each once; nobody knows those of recorded ones."""

    def counted(self, study, out):
        run = counterform.run(study, out, until="arms")
        return {name: RunDir(run.path).fact(f"arm/{name}", "generated_tokens") for name in ("sft", "rft", "dpo")}

    @pytest.mark.parametrize("by", ["examples", "loss_tokens"])
    def test_sampled(self, study, tmp_path, by):
        arms = changed(study, arms=("sft", "rft", "dpo"), match=msgspec.structs.replace(study.match, by=by))
        found = self.counted(arms, tmp_path / "run")
        assert found["sft"] == 0
        assert found["dpo"] > found["rft"] > 0

    def test_recorded(self, study, tmp_path):
        problems = RunDir(counterform.run(study, tmp_path / "first", until="problems").path)
        rows = [
            {"problem": p.id, "response": f"The answer is {answer}."}
            for p in problems.read_rows("problems.parquet", Problem)
            for answer in (p.answer, "0")
        ]
        (tmp_path / "attempts.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        recorded = AttemptsSpec(file=str(tmp_path / "attempts.jsonl"))
        found = self.counted(changed(study, arms=("sft", "rft", "dpo"), attempts=recorded), tmp_path / "run")
        assert found == {"sft": 0, "rft": 0, "dpo": 0}


def test_what_a_recorded_pool_lost_or_contradicts_stands_in_the_findings(study, tmp_path):
    """The kind: what was seen of the data on the way, and would be read by nobody in a record of its own."""
    problems = RunDir(counterform.run(study, tmp_path / "first", until="problems").path)
    rows = [
        {"problem": p.id, "response": text, "correct": correct}
        for at, p in enumerate(problems.read_rows("problems.parquet", Problem))
        for text, correct in (
            (f"The answer is {p.answer}.", True),
            (f"The answer is {0 if at % 3 else p.answer}.", False),
            ("", False),
        )
    ]
    (tmp_path / "attempts.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    recorded = AttemptsSpec(file=str(tmp_path / "attempts.jsonl"))
    few = changed(study, arms=("sft",), attempts=recorded, match=msgspec.structs.replace(study.match, cases=60))
    notes = counterform.run(few, tmp_path / "run").results.notes
    for said in (
        "18 of the recorded attempts cannot be used, the first at line 3: `response` is empty.",
        "6 of 36 recorded grades are the opposite of what the key says",
        "The arms are made of 12 cases, where 60 were asked for",
    ):
        assert [note for note in notes if said in note] != [], said
