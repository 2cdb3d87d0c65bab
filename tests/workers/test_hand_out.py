"""Units are handed out in order, as their needs allow; failures and lost workers cost no other unit."""

from collections import deque

import pytest

from counterform.errors import WorkerError
from counterform.stages.unit import Unit, do
from counterform.workers.executor import Done, Executor, Failed, Lost, Over, Said
from counterform.workers.hand_out import do_stage
from counterform.workers.progress import Progress


class Plain(Unit):
    def key(self, work):
        return f"key of {self.name}"

    def make(self, work):
        return []


class Scripted(Executor):
    """Does the job that was handed over last first; what becomes of a unit may be scripted."""

    def __init__(self, work, units, places, script=()):
        self.work, self.units, self.places = work, {unit.name: unit for unit in units}, places
        self.script = {name: deque(events) for name, events in dict(script).items()}
        self.busy, self.order, self.beside = [], [], []

    @property
    def free(self):
        return len(self.busy) < self.places

    def hand_over(self, job):
        self.busy.append((job, deque(job.units)))
        self.beside.append(sorted(name for _, left in self.busy for name in left))

    def event(self):
        job, left = self.busy[-1]
        if not left:
            self.busy.pop()
            return job, Over()
        if self.script.get(left[0]):
            event = self.script[left[0]].popleft()
            if not isinstance(event, Said):
                self.busy.pop()
            return job, event
        name = left.popleft()
        do(self.work, self.units[name])
        self.order.append(name)
        return job, Done(unit=name)

    def close(self):
        pass


def run(work, units, places=2, script=()):
    executor = Scripted(work, units, places, script)
    do_stage(work, units, executor, Progress(lambda line: None))
    return executor


def test_each_unit_is_done_once_and_what_stands_is_not_handed_out(work):
    units = [Plain(f"train/{number}") for number in range(5)]
    do(work, units[2])
    assert sorted(run(work, units).order) == ["train/0", "train/1", "train/3", "train/4"]
    assert run(work, units).order == []


def test_units_that_share_a_model_go_to_one_worker_together(work):
    units = [Plain(f"probe/{arm}/{n}", together=arm) for arm in "ab" for n in range(3)]
    executor = run(work, units)
    assert executor.beside[0] == ["probe/a/0", "probe/a/1", "probe/a/2"]
    assert executor.order[:3] == ["probe/b/0", "probe/b/1", "probe/b/2"]


@pytest.mark.parametrize("need", ["arm/0", "arm/"])
def test_a_unit_waits_for_what_it_needs_of_its_own_stage(work, need):
    units = [Plain("arm/0"), Plain("arm/1"), Plain("match", needs=[need])]
    executor = run(work, units, places=9)
    assert not any({"match", "arm/0"} <= set(names) for names in executor.beside)
    assert executor.order[-1] == "match"


def test_after_a_failure_what_is_under_way_is_finished_and_nothing_else_begun(work):
    units = [Plain(f"train/{number}") for number in range(6)]
    with pytest.raises(WorkerError, match=r"^train/1: it will not do$"):
        run(work, units, script={"train/1": [Failed(unit="train/1", message="it will not do")]})
    assert set(work.files.records) == {"train/0"}
    assert sorted(run(work, units).order) == [f"train/{number}" for number in range(1, 6)]


def test_a_lost_worker_has_its_units_done_again_but_for_those_that_stand(work, said):
    units = [Plain(f"probe/a/{n}", together="a") for n in range(3)]
    executor = run(work, units, script={"probe/a/1": [Lost(why="worker 7 ended (SIGKILL)")]})
    assert executor.order == ["probe/a/0", "probe/a/1", "probe/a/2"]
    assert said == ["worker 7 ended (SIGKILL) at probe/a/1, which is done again"]


def test_a_worker_that_is_lost_with_its_work_done_is_no_loss(work, said):
    class EndsEarly(Scripted):
        def event(self):
            job, event = super().event()
            return job, Lost(why="gone") if isinstance(event, Over) else event

    units = [Plain("train/0"), Plain("train/1")]
    executor = EndsEarly(work, units, 2)
    do_stage(work, units, executor, Progress(lambda line: None))
    assert (sorted(executor.order), said) == (["train/0", "train/1"], [])


def test_a_unit_that_ends_worker_after_worker_is_given_up(work):
    units = [Plain("train/0"), Plain("train/1")]
    with pytest.raises(WorkerError, match=r"train/1 has ended 3 workers: gone\. Does it fit the memory\?"):
        run(work, units, places=1, script={"train/1": [Lost(why="gone")] * 9})
    assert set(work.files.records) == {"train/0"}


def test_what_every_worker_says_is_said_once_a_stage(work, said):
    units = [Plain("train/0"), Plain("train/1")]
    line = Said(line="only 3 cases")
    for _ in range(2):
        run(work, units, script={"train/0": [line], "train/1": [line]})
        work.files.records.forget("train/0")
        work.files.records.forget("train/1")
    assert said == ["only 3 cases"] * 2
