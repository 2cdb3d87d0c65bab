import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.guard.sse import Event, EventTooLongError, Reader, write_event


def read(*pieces):
    reader = Reader()
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_three_ways(end):
    text = b"data: a\n\ndata: b\n\n".replace(b"\n", end)
    assert read(text) == read(*(text[at : at + 1] for at in range(len(text)))) == [Event(b"a"), Event(b"b")]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
        (b"data:a\n\n", [Event(b"a")]),
        (b"data:  a\n\n", [Event(b" a")]),
        (b"data\n\n", [Event(b"")]),
        (b"data\ndata\n\n", [Event(b"\n")]),
        (b": a comment\n\ndata: a\n\n", [Event(b"a")]),
        (b": OPENROUTER PROCESSING\ndata: a\n\n", [Event(b"a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event(b"a", "error"), Event(b"b")]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [Event(b"a")]),
        (b"event: ping\n\ndata: a\n\n", [Event(b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"\n\n\n", []),
        (b"Data: a\n\n", []),
        (b" data: a\n\n", []),
        (b'data: {"a": "b: c"}\n\n', [Event(b'{"a": "b: c"}')]),
        (b"data: a\x0bb\x0cc\xc2\x85d\n\n", [Event(b"a\x0bb\x0cc\xc2\x85d")]),
    ],
)
def test_as_the_standard_says(text, events):
    assert read(text) == events


@given(st.lists(st.binary(max_size=30), max_size=5), st.lists(st.integers(1, 9), min_size=1))
def test_what_is_written_is_read_however_it_is_cut(datas, sizes):
    datas = [data.removeprefix(b"\xef\xbb\xbf") for data in datas]
    text, pieces, at = b"".join(map(write_event, datas)), [], 0
    while at < len(text):
        pieces.append(text[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    wanted = [data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for data in datas]
    assert [event.data for event in read(*pieces)] == wanted


def test_an_event_without_end():
    for line in (b"data: " + b"x" * 65_536, b": " + b"x" * 65_536 + b"\n", b"data: x\n" * 8_192):
        with pytest.raises(EventTooLongError, match="more than"):
            read(*[line] * 40)
    assert len(read(*[b"data: " + b"x" * 65_536 + b"\n\n"] * 40)) == 40


@pytest.mark.parametrize("size", [1, 10, 100_000])
def test_reading_is_linear_however_it_is_cut(size):
    def seconds(n):
        text = b"data: x\n\n" * n
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        started = time.process_time()
        assert len(read(*pieces)) == n
        return time.process_time() - started

    assert min(seconds(20_000) for _ in range(3)) < 10 * min(seconds(4_000) for _ in range(3))
