"""Somebody who looks on sees how far it is, and what took how long."""

import pytest

from counterform.workers import progress
from counterform.workers.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_half_minute_and_one_at_the_end(clock, said):
    shown = Progress(said.append)
    with shown.stage("probe"):
        shown.begin(10)
        shown.stood(2)
        for number in range(8):
            clock[0] += 20
            shown.done(f"probe/{number}", 60_000)
    assert said == [
        "probe     4/10 units, 3.0 k tokens/s, 2 min left",
        "probe     6/10 units, 3.0 k tokens/s, 80 s left",
        "probe     8/10 units, 3.0 k tokens/s, 40 s left",
        "probe      160.0 s  8 units, 3.0 k tokens/s",
    ]
    shown.end()
    assert said[-1] == "total      160.0 s: probe 160.0"


def test_a_stage_with_nothing_to_do_says_only_its_time(clock, said):
    shown = Progress(said.append)
    with shown.stage("train"):
        shown.begin(3)
        clock[0] += 40
        shown.stood(3)
    shown.end()
    assert said == ["train       40.0 s", "total       40.0 s: train 40.0"]


def test_a_stage_that_failed_is_not_said_to_be_over(clock, said):
    shown = Progress(said.append)
    with pytest.raises(ValueError, match="broken"), shown.stage("train"):
        raise ValueError("broken")
    assert said == []
