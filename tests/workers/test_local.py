"""Processes of one machine: the same results, whatever becomes of any of them, and none is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest

import counterform
from counterform.errors import StudyError, WorkerError
from counterform.store import RunDir, holder_of
from counterform.store.process import is_alive
from counterform.study import RunSpec, to_toml


@pytest.fixture(scope="module")
def alone(study, tmp_path_factory):
    return counterform.run(study, tmp_path_factory.mktemp("alone") / "run", until="find").path


def results(run):
    """Everything that was made of the study but for the page, with its dates."""
    patterns = ("attempts/*", "verdicts/*", "arms/*", "readings/**/*.parquet", "findings.json")
    return {p.relative_to(run): p.read_bytes() for pattern in patterns for p in run.glob(pattern) if p.is_file()}


def with_trainer(study, name):
    return msgspec.structs.replace(study, train=msgspec.structs.replace(study.train, trainer=f"parts_that_fail:{name}"))


def until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found


def worker_at(run, kind):
    """The process that is doing a unit of this kind."""
    holders = [holder_of(path) for path in (run / "units" / kind).rglob("*.claim")]
    return next((holder.pid for holder in holders if holder is not None), None)


def test_any_number_of_workers_makes_the_same_bytes_and_more_than_units_do_no_harm(study, tmp_path, alone, said):
    run = counterform.run(study, tmp_path / "run", until="find", workers=30, say=said.append).path
    assert results(run) == results(alone)
    assert [line.split()[0] for line in said if " unit" in line] == [
        "problems",
        "sample",
        "verify",
        "arms",
        "base",
        "train",
        "probe",
        "find",
    ]
    assert not list(run.rglob("*.claim"))
    said.clear()
    counterform.run(study, run, until="find", workers=2, say=said.append)
    assert not any("unit" in line for line in said)


def test_a_worker_that_is_killed_has_its_unit_done_again(study, tmp_path, alone, said, monkeypatch):
    monkeypatch.setenv("SECONDS_AN_ANSWER", "0.02")
    killed = []

    def kill():
        killed.append(until(lambda: worker_at(tmp_path / "run", "probe")))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run = counterform.run(study, tmp_path / "run", until="probe", workers=2, say=said.append).path
    thread.join()
    assert [line for line in said if line.startswith(f"worker {killed[0]} ended (SIGKILL")]
    assert results(run).items() <= results(alone).items()
    assert len(list(run.rglob("readings/*/*.parquet"))) == 9


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_a_run_that_is_ended(study, tmp_path, end):
    (tmp_path / "study.toml").write_text(to_toml(study))
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "counterform.cli", "sample", tmp_path / "study.toml", "--out", run, "--workers", "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "SECONDS_AN_ANSWER": "0.2"},
        stderr=subprocess.PIPE,
        text=True,
    )
    worker = until(lambda: worker_at(run, "sample") or process.poll())
    time.sleep(2)
    process.send_signal(end)
    _, err = process.communicate(timeout=60)
    until(lambda: not is_alive(worker))
    if end == signal.SIGINT:
        assert process.returncode == 130
        assert err.splitlines()[-1].startswith("counterform: interrupted.")
        assert list((run / "partial").rglob("*.parquet"))  # what the worker has heard already
    assert "Traceback" not in err


def test_an_error_of_one_unit_is_told_once_by_its_name_and_the_others_stand(study, tmp_path):
    with pytest.raises(WorkerError) as told:
        counterform.run(with_trainer(study, "Refuses"), tmp_path / "run", until="train", workers=2)
    assert str(told.value) == "train/other/0: it will not do"
    assert "train/sft/0" in RunDir(tmp_path / "run").records


@pytest.mark.slow
def test_an_unforeseen_error_is_named_and_its_trace_is_shown(study, tmp_path, said):
    study = msgspec.structs.replace(with_trainer(study, "Breaks"), run=RunSpec(workers=2))
    with pytest.raises(WorkerError, match=r"train/sft/0: ZeroDivisionError: by nothing"):
        counterform.run(study, tmp_path / "run", until="train", say=said.append)
    assert any("Traceback" in line for line in said)


@pytest.mark.slow
def test_a_unit_that_kills_whoever_does_it_is_given_up(study, tmp_path):
    one = msgspec.structs.replace(with_trainer(study, "Dies"), arms=("sft",), contrasts=())
    with pytest.raises(WorkerError, match=r"train/sft/0 has ended 3 workers: worker \d+ ended \(SIGKILL\)"):
        counterform.run(one, tmp_path / "run", until="train", workers=2)


def test_what_cannot_be_trained_is_refused_before_anything_is_sampled(study, tmp_path):
    for workers in (1, 2):
        with pytest.raises((StudyError, WorkerError), match=r"\$\.train\.sft\.learning_rate: is too large"):
            counterform.run(with_trainer(study, "NeedsAnother"), tmp_path / str(workers), workers=workers)
        assert not RunDir(tmp_path / str(workers)).records
