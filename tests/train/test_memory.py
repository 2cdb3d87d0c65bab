import re
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from counterform.train.memory import process_peak_mb


@pytest.mark.parametrize(("platform", "peak"), [("linux", 300 * 2**10), ("darwin", 300 * 2**20)])
def test_the_system_s_unit_is_known(monkeypatch, platform, peak):
    """ru_maxrss is kilobytes on Linux and bytes on macOS."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=peak))
    assert process_peak_mb() == 300.0


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's /proc")
def test_it_is_what_the_system_says_of_this_process():
    said = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert 0.9 * int(said[1]) / 1024 < process_peak_mb() < 4 * int(said[1]) / 1024  # what started it may have held more


def test_no_other_file_counts_memory_by_itself():
    root = Path(__file__).parents[2]
    found = [
        p
        for folder in ("src", "bench", "examples")
        for p in (root / folder).rglob("*.py")
        if "ru_maxrss" in p.read_text()
    ]
    assert [p.name for p in found] == ["memory.py"]
