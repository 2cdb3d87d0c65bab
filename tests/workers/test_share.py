"""What each worker has of a machine, and what is refused at once because no machine has it."""

import msgspec
import pytest

from counterform.errors import StudyError
from counterform.study import ModelSpec, RunSpec, Study
from counterform.workers import share

WORLD, OTHER = ModelSpec(), ModelSpec(kind="openai", path="m", base_url="http://127.0.0.1:1/v1")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Four cores, two accelerators."""
    monkeypatch.setattr(share, "cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")


def threads(model, workers):
    return {place["OMP_NUM_THREADS"] for place in share.places(RunSpec(), model, workers)}


def test_a_small_model_has_one_thread_however_many_workers_there_are():
    assert [threads(WORLD, workers) for workers in (1, 2, 9)] == [{"1"}, {"1"}, {"1"}]
    assert [threads(OTHER, workers) for workers in (1, 2, 9)] == [{"4"}, {"2"}, {"1"}]


def test_threads_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert all("OMP_NUM_THREADS" not in place for place in share.places(RunSpec(), WORLD, 2))


@pytest.mark.parametrize(
    ("need", "workers", "expected"),
    [(0.0, 3, ["4", "7", "4"]), (1.0, 2, ["4", "7"]), (2.0, 1, ["4,7"]), (0.5, 4, ["4", "4", "7", "7"])],
)
def test_accelerators_are_shared_out(need, workers, expected):
    spec = RunSpec(gpus={"train": need} if need else {})
    assert [place["CUDA_VISIBLE_DEVICES"] for place in share.places(spec, WORLD, workers)] == expected


@pytest.mark.parametrize(
    ("gpus", "workers", "message"),
    [
        ({"train": 3.0}, 1, r"\$\.run\.gpus asks for 3 GPUs for one unit, and this machine has 2"),
        ({"train": 1.0, "probe": 2.0}, 2, r"2 workers of 2 GPUs each .* Give --workers 1"),
    ],
)
def test_accelerators_that_are_not_there_are_refused_at_once(gpus, workers, message):
    with pytest.raises(StudyError, match=message):
        share.places(RunSpec(gpus=gpus), WORLD, workers)


def test_as_many_workers_as_pay(monkeypatch):
    study = Study(name="s")
    large = msgspec.structs.replace(study, model=OTHER)
    assert share.workers_that_pay(study) == 2
    assert share.workers_that_pay(msgspec.structs.replace(study, run=RunSpec(gpus={"train": 2.0}))) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert (share.workers_that_pay(study), share.workers_that_pay(large)) == (4, 1)
