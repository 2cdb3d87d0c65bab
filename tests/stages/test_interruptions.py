"""Killed, interrupted, side by side: the same command goes on, and what stood is not done twice."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import counterform
from counterform.errors import DataError, RunDirError, StudyError
from counterform.pipeline import do_units
from counterform.stages import kept, unit
from counterform.store import claimed
from counterform.store.claim import holder_of
from counterform.study import to_toml

PARTS = Path(__file__).parent
SLOW = "0.01"
"""Seconds an answer takes where a study is to be met in the middle of its sampling."""


def start(*arguments, slow="0", **options):
    paths = os.pathsep.join([str(PARTS), *sys.path])
    env = {**os.environ, "PYTHONPATH": paths, "SECONDS_AN_ANSWER": slow} | options.pop("env", {})
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-m", "counterform.cli", *map(str, arguments)], env=env, **piped)


def command(*arguments, **options):
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


pytestmark = pytest.mark.usefixtures("blank_pages")


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    return counterform.run(study, tmp_path_factory.mktemp("finished") / "run").path


@pytest.fixture
def file(study, tmp_path):
    """The study as a file."""
    (tmp_path / "study.toml").write_text(to_toml(study))
    return tmp_path / "study.toml"


def standing(out):
    return {path: path.stat().st_mtime_ns for path in (out / "units").rglob("*.json")}


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def killed(file, out, finished, instants):
    """Kill a study at each of these instants, and let it end; what stood after a kill stands in the end, as it was.

    instants: each waits for one, and is told how many units stand.
    """
    made = {}
    for instant in instants:
        process = start("run", file, "--out", out, slow=SLOW, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        instant(lambda: len(standing(out)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = standing(out)
        assert made.items() <= now.items()
        made = now
    done = command("run", file, "--out", out, slow=SLOW)
    assert done.returncode == 0, done.stderr
    assert made.items() <= standing(out).items()
    for name in ("findings.json", "arms/match.json", "arms/other.parquet", "attempts/part-00000.parquet"):
        assert (out / name).read_bytes() == (finished / name).read_bytes()
    assert not list(out.rglob(".*.partial"))
    # One of the dead may lie beside a unit that stands already: nobody holds it.
    assert not any(holder_of(claim) for claim in out.rglob("*.claim"))


def test_kill_9_before_the_first_unit_in_the_middle_and_at_the_last(file, tmp_path, finished):
    units = len(standing(finished))
    waits = [lambda stand, n=n: until(lambda: stand() >= n) for n in (0, units // 3, units - 1)]
    killed(file, tmp_path / "out", finished, waits)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_9_at_fifty_instants(file, tmp_path, finished):
    started = time.monotonic()
    command("run", file, "--out", tmp_path / "whole", slow=SLOW)
    whole, rng = time.monotonic() - started, random.Random(50)
    killed(file, tmp_path / "out", finished, [lambda stand: time.sleep(rng.uniform(0, whole))] * 50)


def test_ctrl_c_is_one_line_and_exit_code_130_and_keeps_what_was_sampled(study, file, tmp_path, finished):
    out = tmp_path / "out"
    process = start("run", file, "--out", out, slow="0.1")
    until(lambda: (out / "units/sample/part-00000.claim").exists())
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        "counterform: interrupted. What was finished is kept, and the same command goes on from there."
    )
    assert "Traceback" not in err
    assert not (out / "units/sample/part-00000.json").exists()
    assert list((out / "partial").rglob("*.parquet"))
    counterform.run(study, out)
    assert (out / "findings.json").read_bytes() == (finished / "findings.json").read_bytes()
    assert not any((out / "partial").iterdir())


def test_sampling_is_written_down_every_so_often(study, tmp_path, monkeypatch, finished):
    """However an interruption comes: what was sampled up to the last writing is not sampled again."""
    import parts_of_a_study

    monkeypatch.setattr(kept, "SAVE_SECONDS", 0.0)
    asked = []

    def dying(prompt, sample):
        if len(asked) == 30:
            raise MemoryError
        asked.append((prompt, sample))
        return real(prompt, sample)

    real = parts_of_a_study.answer
    with monkeypatch.context() as patch:
        patch.setattr(parts_of_a_study, "answer", dying)
        with pytest.raises(MemoryError):
            counterform.run(study, tmp_path / "run", until="sample")
    assert len(list((tmp_path / "run" / "partial").rglob("*.parquet"))) == 30
    again = []
    with monkeypatch.context() as patch:
        patch.setattr(parts_of_a_study, "answer", lambda *args: again.append(args) or real(*args))
        counterform.run(study, tmp_path / "run", until="sample")
    assert len(again) == 18 * 4 - 30
    assert not set(again) & set(asked)
    name = "attempts/part-00000.parquet"
    assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


class TestUnits:
    """`counterform unit`: any worker, any unit."""

    def test_a_study_done_unit_by_unit_is_the_study(self, study, tmp_path, finished):
        out = tmp_path / "run"
        counterform.run(study, out, until="problems")
        names = [str(p.relative_to(finished / "units").with_suffix("")) for p in (finished / "units").rglob("*.json")]
        left = sorted(names, key=lambda name: random.Random(name).random())
        done = []
        while left:  # in any order in which they can be done
            for name in left:
                try:
                    do_units(out, [name])
                    done.append(name)
                except RunDirError:
                    continue  # what it needs does not stand yet
            assert set(left) & set(done)
            left = [name for name in left if name not in done]
        for name in ("findings.json", "arms/match.json", "readings/accuracy/other-0.parquet"):
            assert (out / name).read_bytes() == (finished / name).read_bytes()
        before = standing(out)
        counterform.run(study, out)
        assert standing(out) == before

    def test_probes_of_one_model_share_their_samples(self, study, tmp_path, monkeypatch):
        import parts_of_a_study

        study = msgspec.structs.replace(study, probes=("accuracy", "process"))
        counterform.run(study, tmp_path / "run", until="verify")
        asked, real = [], parts_of_a_study.answer
        monkeypatch.setattr(parts_of_a_study, "answer", lambda *args: asked.append(args) or real(*args))
        do_units(tmp_path / "run", ["probe/base/0/process", "probe/base/0/accuracy"])
        assert len(asked) == len(set(asked)) == 12

    def test_one_that_there_is_not(self, finished):
        with pytest.raises(StudyError, match=r"unknown unit 'train/othr/0'.*Did you mean 'train/other/0'"):
            do_units(finished, ["train/othr/0"])

    def test_one_that_stands(self, finished):
        said = []
        do_units(finished, ["train/other/0"], say=said.append)
        assert said == ["train/other/0 stands already"]

    def test_one_that_cannot_be_done_yet_says_what_it_needs(self, study, tmp_path):
        counterform.run(study, tmp_path / "run", until="sample")
        with pytest.raises(RunDirError, match=r"train/other/0 needs arm/other.*counterform unit .* arm/other"):
            do_units(tmp_path / "run", ["train/other/0"])

    def test_one_that_another_worker_is_doing(self, study, tmp_path):
        counterform.run(study, tmp_path / "run", until="problems")
        with claimed(tmp_path / "run" / "units/sample/part-00000.claim"):
            done = command("unit", tmp_path / "run", "sample/part-00000")
        assert done.returncode == 2
        assert re.search(rf"sample/part-00000 is being done by process {os.getpid()} on", done.stderr)

    def test_a_run_waits_for_a_worker_and_takes_what_it_made(self, study, tmp_path, monkeypatch):
        monkeypatch.setattr(unit, "WAIT_SECONDS", 0.05)
        out, said = tmp_path / "run", []
        counterform.run(study, out, until="problems")
        with start("unit", out, "sample/part-00000", slow="0.03") as worker:
            until(lambda: (out / "units/sample/part-00000.claim").exists() or worker.poll() is not None)
            counterform.run(study, out, until="sample", say=said.append)
        assert worker.returncode == 0
        assert any(line.startswith("waiting for sample/part-00000, which process") for line in said)
        assert not list((out / "partial").glob("*"))  # nothing was sampled once more


def test_two_runs_in_one_directory(study, tmp_path):
    from counterform.store import open_run

    with open_run(tmp_path / "run"), pytest.raises(RunDirError, match="another run is at work"):
        counterform.run(study, tmp_path / "run")


class TestWhatLeft:
    """What has left the study is in nothing that is shown or handed on, and lies on the disk until it is pruned."""

    @pytest.fixture
    def smaller(self, study, tmp_path):
        whole = msgspec.structs.replace(study, probes=("accuracy", "process", "shift"))
        counterform.run(whole, tmp_path / "run")
        return msgspec.structs.replace(study, arms=("sft",), contrasts=(), probes=("accuracy",))

    def test_it_is_nowhere(self, smaller, tmp_path):
        from counterform.export import export
        from counterform.report.data import load
        from counterform.store import finished_run

        run = counterform.run(smaller, tmp_path / "run")
        rows = run.readings.to_pylist()
        assert {row["arm"] for row in rows} == {"base", "sft"}
        assert {row["probe"] for row in rows} == {"accuracy"}
        data = load(finished_run(run.path))
        assert {attempt.arm for attempt in data.attempts} == {"base", "sft"}
        assert {checkpoint.arm for checkpoint in data.checkpoints} == {"sft"}
        assert [card.arm for card in data.card.arms] == ["sft"]
        assert not any(problem.shift for problem in data.problems.values())
        with pytest.raises(StudyError, match="unknown arm 'other'"):
            export(run.path, "other", to="trl", out=tmp_path / "out")

    def test_it_comes_back_without_being_done_again(self, study, smaller, tmp_path):
        out = tmp_path / "run"
        before = (out / "checkpoints/other/0/weights.txt").stat().st_mtime_ns
        counterform.run(smaller, out)
        assert (out / "checkpoints/other/0/weights.txt").exists()
        counterform.run(study, out)
        assert (out / "checkpoints/other/0/weights.txt").stat().st_mtime_ns == before

    def test_it_is_pruned(self, smaller, tmp_path, study):
        out = tmp_path / "run"
        run = counterform.run(smaller, out, prune_left=True)
        assert not (out / "checkpoints/other").exists()
        assert not (out / "readings/process").exists()
        assert not (out / "left").exists()
        before = standing(out)
        counterform.run(smaller, out)
        assert standing(out) == before
        assert run.results.findings

    def test_answers_that_an_arm_asked_for_go_with_it_and_not_before(self, study, tmp_path):
        asking = msgspec.structs.replace(study, arms=("sft", "own_samples"), contrasts=())
        run = counterform.run(asking, tmp_path / "run", prune_left=True).path
        assert len(list((run / "asked").iterdir())) == 1
        counterform.run(msgspec.structs.replace(asking, arms=("sft",)), run)
        assert (run / "asked").exists()
        counterform.run(msgspec.structs.replace(asking, arms=("sft",)), run, prune_left=True)
        assert not (run / "asked").exists()


def test_a_probe_that_is_added_keeps_the_attempts_of_those_before_it(study, tmp_path):
    from counterform.report.data import load
    from counterform.store import finished_run

    def ids():
        return {shown.graded.attempt.id for shown in load(finished_run(tmp_path / "run")).attempts}

    counterform.run(msgspec.structs.replace(study, probes=("shift",)), tmp_path / "run")
    before = ids()
    counterform.run(msgspec.structs.replace(study, probes=("shift", "repair")), tmp_path / "run")
    assert before <= ids()


def test_all_arms_refused_is_an_error_every_time(study, tmp_path, monkeypatch):
    from counterform.arms.imitation import Imitation

    def refuse(self, cases, rng):
        raise DataError("nothing can be imitated")

    monkeypatch.setattr(Imitation, "__call__", refuse)
    study = msgspec.structs.replace(study, arms=("sft",), contrasts=())
    for _ in range(3):
        with pytest.raises(DataError, match="no arm can be made of these cases: nothing can be imitated"):
            counterform.run(study, tmp_path / "run")


def test_what_an_unfinished_run_says(study, tmp_path):
    run = counterform.run(study, tmp_path / "run", until="verify")
    for name in ("results", "findings", "readings"):
        with pytest.raises(RunDirError, match="`counterform run` goes on"):
            getattr(run, name)


class TestOutput:
    """A terminal that takes nothing stops no study, and a finished one stays finished."""

    def test_ascii(self, file, finished):
        done = command("run", file, "--out", finished, env={"PYTHONIOENCODING": "ascii"})
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
        assert done.stdout.isascii()

    @pytest.mark.parametrize(
        "redirected", [">&-", "2>&-", ">&- 2>&-", "| true", "2>&1 | true", "2>/dev/full", ">/dev/full"]
    )
    def test_closed_or_full(self, file, tmp_path, finished, redirected):
        out = shutil.copytree(finished, tmp_path / "out")
        for left in ("find", "report", "probe/base/0/accuracy"):
            (out / "units" / f"{left}.json").unlink()
        line = f'set -o pipefail; "{sys.executable}" -m counterform.cli run "{file}" --out "{out}" {redirected}'
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PARTS), *sys.path])}
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=env, timeout=120)
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        assert done.returncode in (0, 1, 2)  # 1: nobody reads on, as of any program in a pipe
        assert (out / "findings.json").read_bytes() == (finished / "findings.json").read_bytes()
        if redirected == ">/dev/full":
            assert done.stderr.splitlines()[-1].startswith("counterform: cannot write what was to be shown")

    def test_a_file_that_may_not_grow(self, study, file, tmp_path):
        out = tmp_path / "out"
        line = f'ulimit -f 40; "{sys.executable}" -m counterform.cli run "{file}" --out "{out}"'
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PARTS), *sys.path]), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=env, timeout=120)
        assert done.returncode == 2, done.stderr
        assert "ulimit -f" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert counterform.run(study, out).results.findings

    def test_the_users_own_file_is_left_as_it_is(self, file):
        before = file.read_bytes()
        done = command("problems", file, "--out", ".", cwd=file.parent)
        assert done.returncode == 2
        assert "is not empty" in done.stderr
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == ["study.toml"]
