"""The tests look among fewer cases than a user's run does."""

import pytest

from counterform.guard.drafting import search


@pytest.fixture(autouse=True, scope="session")
def fewer_cases():
    patch = pytest.MonkeyPatch()
    patch.setattr(search, "MOST_SINGLE", 300)
    patch.setattr(search, "MOST_DOUBLE", 100)
    yield
    patch.undo()
