import pytest

from counterform.bench import Bench
from counterform.errors import StudyError
from counterform.metrics import Measured, Metric
from counterform.parts import PARTS, part
from counterform.probes.probe import Context, Probe
from counterform.study import ProbeSpec
from counterform.types import Mark, Reading


class Two(Probe):
    name = "two"
    metrics = (Metric(name="a", title="A"), Metric(name="b", title="B"))

    def __call__(self, model, items, *, arm, seed):
        return []


def reading(metric, probe="two"):
    return Reading(
        probe=probe, metric=metric, arm="base", seed=0, item_id="i", problem_id="p", mark=Mark.RIGHT, value=1.0
    )


def test_all_that_a_probe_reads_enters_the_comparison_unless_it_knows_better():
    rows = [reading("a"), reading("b")]
    found = Two(Bench()).find(rows, Context())
    assert (found.readings, found.own, found.notes) == (rows, None, ())


@pytest.mark.parametrize("stray", [reading("c"), reading("a", probe="other")])
def test_a_reading_that_the_probe_does_not_declare_is_refused(stray):
    probe = Two(Bench())
    assert list(probe.checked([reading("a")])) == [reading("a")]
    with pytest.raises(StudyError, match=rf"probe '{stray.probe}' gave a reading of the metric '{stray.metric}'"):
        probe.checked([reading("a"), stray])


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("name", PARTS["probe"])
def test_every_probe_of_ours_declares_what_a_reader_needs(name, k):
    """One declaration a name, words for the reader that any measurement can fill, and bounds that suit the unit."""
    probe = part("probe", name)(Bench(spec=ProbeSpec(k=k)))
    assert probe.needs
    names = [metric.name for metric in probe.metrics]
    assert names
    assert len(set(names)) == len(names)
    of = Measured(probe=probe.name, metric="m", condition="cut back", against="none", budget="equal calls")
    for metric in probe.metrics:
        assert of.fill(metric.title)
        assert "{" not in of.fill(metric.title) + of.fill(metric.meaning)
        assert metric.least < metric.most
        assert (metric.least < 0) == (metric.unit == "difference")
        assert metric.unit != "share" or (metric.least, metric.most) == (0, 1)
        assert metric.better != "neither" or not metric.headline
