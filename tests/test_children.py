"""What a killed study has started ends with it, whatever that has started itself, and writes nothing afterwards."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from counterform.children import run_child

PARENT = """
import sys
from counterform.children import run_child
run_child([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
"""
CHILD = """
import subprocess, sys
from counterform.children import end_with_parent
end_with_parent()
subprocess.run([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
"""
WRITER = """
import itertools, pathlib, sys, time
from counterform.children import end_with_parent
end_with_parent()
for n in itertools.count():
    pathlib.Path(sys.argv[1]).write_text(str(n))
    time.sleep(0.02)
"""


def moves(path):
    before = path.read_text() if path.exists() else ""
    time.sleep(0.3)
    return path.exists() and path.read_text() != before


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_and_their_children_end_with_the_study(tmp_path, number):
    path = tmp_path / "n"
    study = subprocess.Popen([sys.executable, "-c", PARENT, CHILD, WRITER, str(path)], stderr=subprocess.DEVNULL)
    until(lambda: moves(path))
    os.kill(study.pid, number)
    study.wait(20)
    until(lambda: not moves(path))


def test_a_child_that_ends_is_heard():
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = run_child([sys.executable, "-c", textwrap.dedent(code)])
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
