"""A worker reads jobs and writes events, whatever the texts hold."""

import io

from counterform.errors import DataError
from counterform.workers.executor import Done, Failed, Over
from counterform.workers.serving import sendable, serve


class Hands:
    """Does units whose name does not begin with a word for trouble."""

    class work:  # noqa: N801
        @staticmethod
        def check_trainers(*, needed):
            if needed:
                raise DataError("no trainer")

    def do(self, name):
        if name.startswith("data"):
            raise DataError("half a pair: \ud83d")
        if name.startswith("bug"):
            raise KeyError(name)

    def close(self):
        self.closed = True


def told(*lines):
    events, hands = [], Hands()
    serve(io.BytesIO(b"".join(line + b"\n" for line in lines)), lambda: hands, events.append)
    assert hands.closed
    return events


def test_a_job_is_told_unit_by_unit_and_one_that_fails_ends_there():
    job = b'{"units": ["a", "data", "b"]}'
    assert told(job, b'{"units": ["c"]}') == [
        Done(unit="a"),
        Failed(unit="data", message="half a pair: \\ud83d"),
        Done(unit="c"),
        Over(),
    ]


def test_an_error_nobody_foresaw_comes_with_its_trace():
    [event] = told(b'{"units": ["bug"]}')
    assert (event.unit, event.message) == ("bug", "KeyError: 'bug'")
    assert event.trace.startswith("Traceback")


def test_what_cannot_be_trained_is_told_before_the_first_unit():
    assert told(b'{"units": ["a"], "trains": true}') == [Failed(unit="", message="no trainer")]


def test_half_a_character_can_be_sent():
    assert sendable("a\ud83db").encode()
