"""The study that takes a second, and a directory in which it is begun."""

import os
import runpy
import sys
from pathlib import Path

import pytest

from counterform.stages.work import Work
from counterform.store import open_run

PARTS = (Path(__file__).parent, Path(__file__).parent.parent / "stages")


@pytest.fixture(scope="session", autouse=True)
def _parts():
    sys.path[:0] = map(str, PARTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # of the programs that a test starts
        yield
    for path in PARTS:
        sys.path.remove(str(path))


@pytest.fixture(scope="session")
def study():
    return runpy.run_path(str(PARTS[1] / "conftest.py"))["STUDY"]


@pytest.fixture
def said():
    return []


@pytest.fixture
def work(study, tmp_path, said):
    with open_run(tmp_path / "run") as files:
        yield Work(study, files, said.append)
