"""Workers that stand elsewhere: what became of a job is read off the run directory, and every trouble of a node is named."""

import re
import sys

import msgspec
import pytest

import counterform
from counterform.children import PARENT
from counterform.errors import MissingExtra
from counterform.study import RunSpec
from counterform.workers.apart import Ended, do_job, events_of, gpus_of
from counterform.workers.executor import Done, Failed, Job, Lost, Over, Said


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    return counterform.run(study, tmp_path_factory.mktemp("apart") / "run", until="problems").path


def job(run, *units, version=counterform.__version__):
    return msgspec.convert(do_job(str(run), list(units), version, PARENT), Ended)


def test_a_job_is_the_command_and_its_units_are_done_by_their_records(run):
    units = Job(("problems", "sample/part-00000"))
    ended = job(run, *units.units)
    assert list(events_of(run, units, ended)) == [Done(unit="problems"), Done(unit="sample/part-00000"), Over()]
    assert ended.said.splitlines() == ["problems stands already", "sample/part-00000 is done"]


def test_a_refusal_is_a_failure_of_the_unit(run):
    units = Job(("train/sft/0",))
    [event] = events_of(run, units, job(run, *units.units))  # and it is not said once more
    assert isinstance(event, Failed)
    assert event.unit == "train/sft/0"
    assert event.message.startswith("train/sft/0 needs arm/sft, which does not stand.")


def test_what_was_done_before_a_command_broke_stands(run):
    units, said = Job(("problems", "train/sft/0")), "only 3 cases\nproblems is done\nSegmentation fault\n"
    first, second, done, lost = events_of(run, units, Ended(-11, said))
    assert (first, second, done) == (Said(line="only 3 cases"), Said(line="Segmentation fault"), Done(unit="problems"))
    assert isinstance(lost, Lost)
    assert "exit code -11" in lost.why


def test_a_unit_that_only_says_that_it_is_done_is_not(run):
    units = Job(("train/sft/0",))
    [event] = events_of(run, units, Ended(0, "train/sft/0 is done\n"))
    assert isinstance(event, Lost)


@pytest.mark.parametrize(
    ("there", "version", "message"),
    [
        (True, "9.9.9", r"node .* has counterform .*, and the driver has 9\.9\.9\. Install the same on all nodes"),
        (False, counterform.__version__, r"node .* sees no run directory at .*nowhere\. Mount it there on all nodes"),
    ],
)
def test_a_node_that_cannot_do_it_says_so(run, there, version, message):
    units = Job(("problems",))
    [event] = events_of(run, units, job(run if there else run / "nowhere", "problems", version=version))
    assert isinstance(event, Failed)
    assert re.search(message, event.message)


def test_a_job_needs_what_the_kinds_of_its_units_need():
    spec = RunSpec(gpus={"train": 4.0, "probe": 0.5})
    assert [gpus_of(spec, Job(units)) for units in (("train/sft/0",), ("probe/a/0/x", "probe/a/0/y"), ("find",))] == [
        4.0,
        0.5,
        0.0,
    ]


@pytest.mark.parametrize(("executor", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_without_its_package_an_executor_is_refused_at_once(study, tmp_path, monkeypatch, executor, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr("counterform.workers.apart.check_trainers", lambda run: None)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed.*counterform\[{executor}\]"):
        counterform.run(msgspec.structs.replace(study, run=RunSpec(executor=executor)), tmp_path / "run")
