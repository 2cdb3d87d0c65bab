"""One worker a unit, whatever becomes of it."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time

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


def test_of_many_takers_of_a_stale_claim_one_has_it(tmp_path):
    path, inside, most = tmp_path / "a", [], []
    holder(path, pid=2**22 + 1)

    def take():
        try:
            with claimed(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.02)
                inside.pop()
        except Claimed:
            pass

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most
    assert max(most) == 1
