"""Checkpoints that are not kept: they go once all that is read of them stands, and a later need trains them again."""

import pytest
from msgspec.structs import replace

import counterform
from counterform.errors import RunDirError
from counterform.pipeline import do_units


@pytest.fixture
def trained(monkeypatch):
    """The arms that were trained, in order."""
    import parts_of_a_study

    train, found = parts_of_a_study.Copy.train, []

    def noted(self, arm, *, out, **more):
        found.append(arm.name)
        checkpoint = train(self, arm, out=out, **more)
        if found.count(arm.name) > 2:  # as where luck is not the same twice
            (out / "weights.txt").write_text("otherwise")
        return checkpoint

    monkeypatch.setattr(parts_of_a_study.Copy, "train", noted)
    return found


def inside(run):
    return {path.name for path in (run / "checkpoints").rglob("*") if path.is_file()}


def test_a_checkpoint_goes_and_is_trained_again_where_it_is_needed(study, trained, tmp_path):
    none = replace(study, train=replace(study.train, keep="none"))
    more, most = (replace(none, probes=(*none.probes, *probes)) for probes in (("process",), ("process", "repair")))
    run = tmp_path / "run"

    counterform.run(none, run, until="train")
    assert inside(run) == {"checkpoint.json", "weights.txt"}  # nothing was read of them yet
    counterform.run(none, run)
    assert inside(run) == {"checkpoint.json"}
    assert trained == ["sft", "other"]

    counterform.run(more, run, until="base")
    with pytest.raises(RunDirError, match=r"'sft' with seed 0 was not kept .*counterform unit .* train/sft/0"):
        do_units(run, ["probe/sft/0/process"])
    again = counterform.run(more, run)
    assert trained == ["sft", "other"] * 2
    assert inside(run) == {"checkpoint.json"}
    assert not [note for note in again.results.notes if "trained again" in note]

    last = counterform.run(most, run)
    assert len([note for note in last.results.notes if "trained again" in note and "another training" in note]) == 2
