"""Real clusters on one machine: two raylets of Ray, submitit's own stand-in for SLURM. Whatever is killed, the findings are the same."""

import os
import signal
import sys
import threading
import time

import msgspec
import pytest

import counterform
from counterform.errors import StudyError
from counterform.store import holder_of
from counterform.study import RunSpec

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def cluster():
    """A head and one node more, each a raylet with one core."""
    pytest.importorskip("ray", reason="needs the extra ray: `make test-ray` installs it")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "600")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.other = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    yield cluster
    del os.environ["RAY_ADDRESS"]
    cluster.shutdown()


@pytest.fixture(scope="module")
def alone(study, tmp_path_factory):
    return counterform.run(study, tmp_path_factory.mktemp("alone") / "run", until="find").path


def results(run):
    patterns = ("attempts/*", "arms/*", "readings/**/*.parquet", "findings.json")
    return {p.relative_to(run): p.read_bytes() for pattern in patterns for p in run.glob(pattern) if p.is_file()}


def holders(run):
    return [holder for path in run.rglob("units/**/*.claim") if (holder := holder_of(path)) is not None]


def when(condition, act):
    def look():
        while not (found := condition()):
            time.sleep(0.05)
        act(found)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread


def test_more_than_any_node_has_is_refused_at_once(study, tmp_path, cluster):
    with pytest.raises(
        StudyError, match=r"\$\.run\.gpus asks for 1 GPUs .* no node of the Ray cluster has more than 0 \(2 nodes\)"
    ):
        counterform.run(
            msgspec.structs.replace(study, run=RunSpec(executor="ray", gpus={"train": 1.0})), tmp_path / "run"
        )


def test_a_worker_killed_and_a_node_killed_and_a_claim_left_stale(study, tmp_path, cluster, alone, said, monkeypatch):
    monkeypatch.setenv("SECONDS_AN_ANSWER", "0.02")
    run = tmp_path / "run"
    (run / "units/train/sft").mkdir(parents=True)
    (run / "run.json").write_bytes((alone / "run.json").read_bytes())
    (run / "units/train/sft/0.claim").write_text(
        '{"host": "another", "pid": 1, "started": "", "since": "", "token": "x"}'
    )
    os.utime(run / "units/train/sft/0.claim", (0, 0))
    worker = when(lambda: holders(run), lambda found: os.kill(found[0].pid, signal.SIGKILL))
    node = when(
        lambda: (run / "units/train").exists() and len(list((run / "units/train").rglob("*.json"))) >= 1,
        lambda _: cluster.remove_node(cluster.other, allow_graceful=False),
    )
    spec = RunSpec(executor="ray", workers=2)
    counterform.run(msgspec.structs.replace(study, run=spec), run, until="find", say=said.append)
    worker.join(1)
    node.join(60)
    assert any("which is done again" in line for line in said)
    assert results(run) == results(alone)
    assert not sys.modules["ray"].is_initialized()  # a cluster that was joined is left


def test_slurm_through_submitits_stand_in(study, tmp_path, alone, said, monkeypatch):
    pytest.importorskip("submitit", reason="needs the extra slurm: `make test-ray` installs it")
    from counterform.workers.on_slurm import Slurm

    monkeypatch.setattr("counterform.workers.on_slurm.LOOK_SECONDS", 0.1)
    monkeypatch.setattr(
        "counterform.pipeline._executor",
        lambda work, workers, *, trains: Slurm(work.files.path, work.study.run, cluster="local"),
    )
    run = tmp_path / "run"
    when(lambda: holders(run), lambda found: os.kill(found[0].pid, signal.SIGKILL))
    counterform.run(study, run, until="find", say=said.append)
    assert any("which is done again" in line for line in said)
    assert results(run) == results(alone)


def test_slurm_options_that_are_none(study, tmp_path):
    pytest.importorskip("submitit", reason="needs the extra slurm: `make test-ray` installs it")
    from counterform.workers.on_slurm import Slurm

    with pytest.raises(StudyError, match=r"\$\.run\.slurm: .*no_such_option"):
        Slurm(tmp_path, RunSpec(slurm={"no_such_option": 1}), cluster="local")
