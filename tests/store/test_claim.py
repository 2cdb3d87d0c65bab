"""One worker a unit, whatever becomes of it."""

import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from counterform.errors import RunDirError
from counterform.store import Claimed, claim, claimed, holder_of
from counterform.store.claim import Holder

HOLD = """
import sys, time
from pathlib import Path
from counterform.store import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path, **changes):
    text = {"host": socket.gethostname(), "pid": os.getpid(), "started": "", "since": "then", "token": "t"} | changes
    path.write_bytes(msgspec.json.encode(Holder(**text)))


def test_a_second_claim_is_refused_by_name_and_free_afterwards(tmp_path):
    path = tmp_path / "units" / "a.claim"
    with claimed(path):
        assert holder_of(path).pid == os.getpid()
        with pytest.raises(Claimed, match=rf"process {os.getpid()} on"), claimed(path):
            pass
    assert holder_of(path) is None
    assert not any(path.parent.iterdir())
    with claimed(path):
        pass


def test_an_exception_gives_it_back(tmp_path):
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path / "a"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_killed_process_is_taken_over_at_once(tmp_path):
    path = tmp_path / "a"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(Claimed), claimed(path):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert path.exists()
        with claimed(path):
            assert holder_of(path).pid == os.getpid()


@pytest.mark.parametrize(
    ("changes", "silent", "stale"),
    [
        ({"host": "elsewhere"}, 0, False),
        ({"host": "elsewhere"}, 10_000, True),
        ({}, 0, False),
        ({}, 10_000, True),  # it hangs, or its machine sleeps
        ({"started": "12345"}, 0, True),  # another process has its number now
        ({"pid": 2**22 + 1}, 0, True),
    ],
)
def test_when_a_claim_is_stale(tmp_path, changes, silent, stale):
    path = tmp_path / "a"
    holder(path, **changes)
    os.utime(path, (time.time() - silent,) * 2)
    assert (holder_of(path) is None) is stale


@pytest.mark.parametrize("off", [-10_000, 10_000])
def test_a_clock_that_is_off_makes_no_claim_stale(tmp_path, monkeypatch, off):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + off)
    holder(tmp_path / "a", host="elsewhere")
    assert holder_of(tmp_path / "a").host == "elsewhere"
    with pytest.raises(Claimed), claimed(tmp_path / "a"):
        pass


def test_a_file_system_without_hard_links_has_claims_all_the_same(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    with claimed(tmp_path / "a"), pytest.raises(Claimed), claimed(tmp_path / "a"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_nobody_can_read_waits_for_its_silence(tmp_path):
    path = tmp_path / "a"
    path.write_text("{")
    with pytest.raises(Claimed, match="another process"), claimed(path):
        pass
    os.utime(path, (0, 0))
    with claimed(path):
        pass


def test_a_holder_at_work_is_never_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "BEAT_SECONDS", 0.05)
    path = tmp_path / "a"
    with claimed(path):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_whoever_was_taken_over_records_nothing(tmp_path):
    path = tmp_path / "a"
    with claimed(path) as ours:
        ours.check()
        os.utime(path, (0, 0))
        with claimed(path), pytest.raises(RunDirError, match="taken over"):
            ours.check()
        assert holder_of(path) is None


def test_of_many_takers_of_a_stale_claim_one_has_it(tmp_path, monkeypatch):
    """The kind: whoever judged a claim before another took it over. Each step of the file system may be the slow one."""
    delay = random.Random(0)

    def slow(call):
        def slowed(*args, **kwargs):
            time.sleep(delay.choice([0, 0, 0.001, 0.004]))
            return call(*args, **kwargs)

        return slowed

    for module, names in ((os, ("rename", "link", "open", "listdir")), (Path, ("read_bytes", "unlink", "stat"))):
        for name in names:
            monkeypatch.setattr(module, name, slow(getattr(module, name)))
    for trial in range(10):
        path, inside, most = tmp_path / f"{trial}" / "a", [], []
        path.parent.mkdir()
        holder(path, pid=2**22 + 1)

        def take(path=path, inside=inside, most=most):
            for _ in range(3):
                with contextlib.suppress(Claimed), claimed(path) as ours:
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.002)
                    ours.check()
                    inside.pop()

        threads = [threading.Thread(target=take) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert inside == []
        assert set(most) == {1}
        assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("point", ["before it makes its own", "when it has made its own"])
@pytest.mark.parametrize("others", [["take"], ["take", "give back"], ["take", "give back", "take"], ["take", "die"]])
def test_what_others_do_while_a_taker_looks_away(tmp_path, monkeypatch, point, others):
    path, elsewhere = tmp_path / "a", contextlib.ExitStack()
    holder(path, pid=2**22 + 1)
    real = claim._make

    def others_come_in():
        monkeypatch.setattr(claim, "_make", real)
        for what in others:
            with contextlib.suppress(Claimed):
                if what == "take":
                    elsewhere.enter_context(claimed(path))
                elif what == "give back":
                    elsewhere.close()
                else:
                    for file in tmp_path.iterdir():
                        holder(file, pid=2**22 + 1, token="dead")

    def make(own, text):
        if point.startswith("before"):
            others_come_in()
            return real(own, text)
        made = real(own, text)
        others_come_in()
        return made

    monkeypatch.setattr(claim, "_make", make)
    with elsewhere:
        held = point.startswith("before") and others[-1] == "take"
        with pytest.raises(Claimed) if held else contextlib.nullcontext(), claimed(path) as ours:
            ours.check()
            assert holder_of(path).pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_not_that_of_a_longer_name(tmp_path):
    with claimed(tmp_path / "a.claim"), claimed(tmp_path / "a"), claimed(tmp_path / "a1"), claimed(tmp_path / "a12"):
        pass
