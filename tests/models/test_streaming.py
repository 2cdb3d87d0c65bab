import asyncio
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterform.guard import Guard
from counterform.models import streaming
from counterform.models.growing import Change, Reader
from counterform.models.openai_api import OpenAIModel
from counterform.models.streaming import StreamBroken, read_along
from counterform.study import ModelSpec
from counterform.types import Mark, Problem, StepVerdict, StepVerifier, Watch


def chunk(text, finish=None):
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=text), finish_reason=finish)])


class Upstream:
    """Streams these pieces, a list for each call; remembers what it was asked and whether it was closed early."""

    def __init__(self, *calls, finish="stop"):
        self.scripts, self.asked, self.sent, self.finish = calls, [], [], finish

    async def __call__(self, text, tokens, call):
        self.asked.append((text, tokens, call))

        async def stream():
            for piece in self.scripts[min(call, len(self.scripts) - 1)]:
                if isinstance(piece, Exception):
                    raise piece
                if piece == "stall":
                    await asyncio.sleep(10)
                self.sent.append(piece)
                yield chunk(piece)
            yield SimpleNamespace(choices=[])
            yield chunk(None, self.finish)

        return stream()


class Scissors(Reader):
    ends = "."

    def __init__(self, *changes):
        self.changes, self.seen = list(changes), []

    def read(self, text, finish):
        self.seen.append((text, finish))
        if self.changes and "bad." in text:
            return self.changes.pop(0)
        return None


def grow(upstream, reader, max_tokens=100, budget=100):
    return asyncio.run(read_along(upstream, reader, max_tokens=max_tokens, budget=budget))


def test_a_text_nobody_changes():
    upstream, reader = Upstream(["One.", " Two", ". Three."]), Scissors()
    grown = grow(upstream, reader)
    assert (grown.text, grown.sampled, grown.calls, grown.finish) == ("One. Two. Three.", 3, 1, "stop")
    assert reader.seen == [("One. Two", ""), ("One. Two. Three.", ""), ("One. Two. Three.", "stop")]


def test_a_cut_closes_the_stream_and_goes_on_behind_what_stays():
    upstream = Upstream(["Good.", " bad.", " More", " and", " more"], [" Well.", " Done."])
    grown = grow(upstream, Scissors(Change(keep=5, add=" [no]")))
    assert grown.text == "Good. [no] Well. Done."
    assert "and" not in "".join(upstream.sent)
    assert upstream.asked == [("", 100, 0), ("Good. [no]", 98, 1)]
    assert (grown.sampled, grown.told, grown.calls) == (4, 1, 2)


def test_stops_and_budgets():
    grown = grow(Upstream(["Good.", " bad.", " More"]), Scissors(Change(keep=5, stop=True)))
    assert (grown.text, grown.finish, grown.calls) == ("Good.", "stop", 1)
    reader = Scissors(*[Change(keep=0)] * 9)
    grown = grow(Upstream(["bad.", " More"]), reader, budget=5)
    assert (grown.sampled, grown.finish, reader.seen[-1][1]) == (5, "length", "budget")
    reader = Scissors()
    assert grow(Upstream(["a"] * 9), reader, max_tokens=4).finish == "length"
    assert reader.seen[-1] == ("aaaa", "length")


def test_a_stream_that_breaks_stalls_or_is_withheld(monkeypatch):
    monkeypatch.setattr(streaming, "STALL_SECONDS", 0.05)
    with pytest.raises(StreamBroken, match="broken"):
        grow(Upstream(["One.", RuntimeError("half a chunk")]), Scissors())
    with pytest.raises(TimeoutError):
        grow(Upstream(["One.", "stall"]), Scissors())
    with pytest.raises(StreamBroken, match="content_filter"):
        grow(Upstream(["One."], finish="content_filter"), Scissors())


class Numbers(StepVerifier, Watch):
    """A step with a 3 in it is wrong."""

    name = "numbers"

    def start(self, problem):
        return self

    def feed(self, step):
        return StepVerdict(mark=Mark.WRONG if "3" in step else Mark.RIGHT, rule="no 3")


@pytest.fixture
def endpoint():
    """A server that streams what `script` says of a request, as server-sent events."""
    requests, script = [], {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append(body)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for piece in script["of"](body):
                if isinstance(piece, bytes):
                    self.wfile.write(piece)
                    return
                data = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
                data["choices"] = [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]
                self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
            data["choices"] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
            self.wfile.write(f"data: {json.dumps(data)}\n\ndata: [DONE]\n\n".encode())

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *args):
            pass  # a client that has seen enough goes away

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/v1", requests=requests, script=script)
    server.shutdown()
    server.server_close()


def test_a_guard_around_an_endpoint(endpoint):
    def stream(body):
        if body["messages"][-1]["role"] == "assistant":
            return [" Two.", " Four."]
        return ["One.", " 3.", " Five."] if body["messages"][0]["content"] != "Break" else ["One.", b"data: {half"]

    endpoint.script["of"] = stream
    model = OpenAIModel.open(ModelSpec(kind="openai", path="m", base_url=endpoint.url))
    prompts = ["Count", "Break"]
    problems = [Problem(id=prompt, prompt=prompt, answer="") for prompt in prompts]
    guarded = Guard(Numbers()).around(model, problems)
    [[count], [broken]] = guarded.answer(prompts, n=1, seed=0, temperature=1.0, max_tokens=50)
    assert (count.completion.text, count.refused, count.calls) == ("One. Two. Four.", False, 2)
    assert [step.step for step in count.interventions] == ["3."]
    assert (broken.completion.finish, broken.completion.text, broken.refused) == ("error", "", True)
    assert sum(model.failures.values()) == 1
    second = next(body for body in endpoint.requests if len(body["messages"]) == 2)
    assert second["messages"][1] == {"role": "assistant", "content": "One."}
    assert (second["continue_final_message"], second["add_generation_prompt"]) == (True, False)
    model.close()


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=30))
def test_a_violated_step_is_stopped_before_more_of_the_next_one_is_sent(sizes):
    text, pieces, at = "One. Two. 3. Five. Six. Seven.", [], 0
    for size in (*sizes, *[4] * 10):
        pieces.append(text[at : at + size])
        at += size
    upstream = Upstream([piece for piece in pieces if piece])
    watching = Guard(Numbers(), "stop").watch(Problem(id="p", prompt="p", answer=""))
    grown = grow(upstream, watching)
    assert grown.text == "One. Two."
    # The stream is closed at the very piece that shows the step's end: what came before it did not.
    assert not re.search(r"3\.\s", "".join(upstream.sent[:-1]))


@pytest.mark.parametrize(
    "choices",
    [
        [None],
        [[]],
        [7],
        "text",
        {"0": {}},
        [SimpleNamespace(delta=None, finish_reason=None)],
        [SimpleNamespace(finish_reason=None)],
        [SimpleNamespace(delta=[], finish_reason=None)],
        [SimpleNamespace(delta=7, finish_reason=None)],
        [SimpleNamespace(delta=SimpleNamespace(), finish_reason=None)],
        [SimpleNamespace(delta=SimpleNamespace(content=["a"]), finish_reason=None)],
        [SimpleNamespace(delta=SimpleNamespace(content=7), finish_reason=None)],
        [SimpleNamespace(delta=SimpleNamespace(content={"text": "a"}), finish_reason=None)],
        [SimpleNamespace(delta=SimpleNamespace(content="half a pair: \ud83d"), finish_reason=None)],
        [SimpleNamespace(delta=SimpleNamespace(content="a"), finish_reason=7)],
        [SimpleNamespace(delta=SimpleNamespace(content="a"), finish_reason=["stop"])],
        [SimpleNamespace(delta=SimpleNamespace(content="a"))],
    ],
)
def test_a_chunk_that_is_none_breaks_its_own_stream_in_one_word(choices):
    """Whatever a server sends, it costs this text and no other: openai_api.py counts a StreamBroken and goes on."""

    async def upstream(text, tokens, call):
        async def stream():
            yield chunk("One.")
            yield SimpleNamespace(choices=choices)
            yield chunk(None, "stop")

        return stream()

    with pytest.raises(StreamBroken, match="garbage"):
        asyncio.run(read_along(upstream, Scissors(), max_tokens=9, budget=9))
