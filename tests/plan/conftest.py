"""The study of tests/stages, whose parts cost nothing."""

import sys
from pathlib import Path

import pytest

STAGES = Path(__file__).parent.parent / "stages"


@pytest.fixture(scope="session")
def study():
    """A whole study that takes a second."""
    sys.path.insert(0, str(STAGES))
    yield __import__("runpy").run_path(str(STAGES / "conftest.py"))["STUDY"]
    sys.path.remove(str(STAGES))
