import numpy as np
import pytest
import torch

from counterform.problems.ledger import Ledger
from counterform.types import Arm, Example


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Threads of so small a model wait for each other more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def arm():
    problems = Ledger().generate(16, rng=np.random.default_rng(0), lengths=(1, 2, 5))
    examples = tuple(Example(problem_id=p.id, prompt=p.prompt, completion=p.solution) for p in problems)
    return Arm(name="sft", differs_by="the target is the worked solution", examples=examples)
