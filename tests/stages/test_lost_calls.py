"""A failed call that may succeed the next time is no data: it is made again on the next run, and by nothing else."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

import counterform
from counterform.errors import ModelError
from counterform.models import retrying
from counterform.store import RunDir
from counterform.study import ArmSpec, ModelSpec
from counterform.types import Attempt


class Endpoint:
    """Answers as its script says, (prompt, how often it was asked) -> text or status; remembers what it answered."""

    def __init__(self, script):
        self.script, self.asked, self.answered = script, [], []
        lock, endpoint = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = body["messages"][0]["content"]
                with lock:
                    endpoint.asked.append((prompt, body["seed"]))
                reply = endpoint.script(prompt, endpoint.asked.count((prompt, body["seed"])))
                status, text = reply if isinstance(reply, tuple) else (200, reply)
                if status == 200:
                    with lock:
                        endpoint.answered.append((prompt, body["seed"]))
                    choice = {"message": {"content": text}, "finish_reason": "stop"}
                    text = json.dumps({"choices": [choice]}) if isinstance(text, str) else text
                data = text if isinstance(text, bytes) else text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # with the usual 5, some of 16 connections at once are refused now and then

        self.server = Server(("127.0.0.1", 0), Handler)
        self.spec = ModelSpec(kind="openai", path="m", base_url=f"http://127.0.0.1:{self.server.server_port}/v1")
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setattr(retrying, "WAIT_INITIAL", 0.001)
    monkeypatch.setattr(retrying, "WAIT_JITTER", 0.001)
    monkeypatch.setattr(retrying, "ATTEMPTS", 2)
    opened = []

    def make(script):
        opened.append(Endpoint(script))
        return opened[-1]

    yield make
    for each in opened:
        each.server.shutdown()
        each.server.server_close()


def solved(prompt):
    import parts_of_a_study

    parts_of_a_study.Solver.open(None)
    return f"The answer is {parts_of_a_study.SOLVED[prompt]}."


def sampling(study, endpoint):
    attempts = msgspec.structs.replace(study.attempts, model=endpoint.spec)
    return msgspec.structs.replace(study, attempts=attempts, probes=("accuracy",))


def pool(path):
    return RunDir(path).read_rows("attempts/part-00000.parquet", Attempt)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_a_few_that_failed_are_asked_again_and_those_alone(study, tmp_path, endpoint, status):
    well, seen = [], []

    def script(prompt, times):
        if prompt not in seen:
            seen.append(prompt)
        if not well and seen.index(prompt) % 6 == 0:
            return status, '{"error": "busy"}'
        return solved(prompt) if hash(prompt) % 2 else "The answer is 7."

    there = endpoint(script)
    changed = sampling(study, there)
    run = counterform.run(changed, tmp_path, until="verify")
    lost = [a for a in pool(tmp_path) if a.completion.finish == "error"]
    assert {a.completion.failure for a in lost} == {str(status)}
    assert 0 < len(lost) < len(pool(tmp_path))
    assert RunDir(run.path).counts["model calls that failed"] == len(lost)
    well.append(True)
    before = len(there.answered)
    counterform.run(changed, tmp_path, until="verify")
    assert len(there.answered) - before == len(lost)
    assert len(set(there.answered)) == len(there.answered) == len(pool(tmp_path))
    assert not [a for a in pool(tmp_path) if a.completion.finish == "error"]
    assert "model calls that failed" not in RunDir(run.path).counts
    asked = len(there.asked)
    counterform.run(changed, tmp_path, until="verify")
    assert len(there.asked) == asked


def test_what_was_made_of_them_is_made_again_and_is_as_if_none_had_failed(study, tmp_path, endpoint):
    well, seen = [], []

    def script(prompt, times):
        if prompt not in seen:
            seen.append(prompt)
        return solved(prompt) if well or seen.index(prompt) % 6 else (429, "no quota")

    changed = sampling(study, endpoint(script))
    counterform.run(changed, tmp_path / "once", until="verify")
    first = pool(tmp_path / "once")
    well.append(True)
    counterform.run(changed, tmp_path / "once", until="verify")
    counterform.run(changed, tmp_path / "whole", until="verify")
    assert first != pool(tmp_path / "once") == pool(tmp_path / "whole")
    for name in ("verdicts/part-00000.parquet", "attempts/part-00000.parquet"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("status", [429, 500])
def test_an_endpoint_that_only_fails_stops_early_with_its_own_words_and_goes_on_once_it_is_mended(
    study, tmp_path, endpoint, status
):
    well = []
    there = endpoint(lambda prompt, _: solved(prompt) if well else (status, '{"error": "insufficient_quota"}'))
    changed = sampling(study, there)
    with pytest.raises(ModelError, match=rf"{status}.*insufficient_quota.*what was finished is kept"):
        counterform.run(changed, tmp_path, until="sample")
    assert len(there.asked) < 72  # of 72 calls, twice each
    well.append(True)
    counterform.run(changed, tmp_path, until="sample")
    assert not [a for a in pool(tmp_path) if a.completion.finish == "error"]


def test_a_call_that_is_refused_for_good_is_data(study, tmp_path, endpoint):
    seen = []

    def script(prompt, times):
        if prompt not in seen:
            seen.append(prompt)
        return solved(prompt) if seen.index(prompt) % 6 else (400, "too long")

    there = endpoint(script)
    changed = sampling(study, there)
    counterform.run(changed, tmp_path, until="sample")
    assert {a.completion.failure for a in pool(tmp_path) if a.completion.finish == "error"} == {"400"}
    asked = len(there.asked)
    counterform.run(changed, tmp_path, until="sample")
    assert len(there.asked) == asked


def test_a_critic_that_was_not_heard_is_asked_again(study, tmp_path, endpoint):
    well, seen = [], []

    def script(prompt, times):
        if prompt not in seen:
            seen.append(prompt)
        fails = not well and seen.index(prompt) % 3 == 0
        return (429, "busy") if fails else "Step 1 is wrong: it is not that.\nConclusion: wrong"

    there = endpoint(script)
    options = {"critic": "model", "critic_options": {"model": msgspec.to_builtins(there.spec)}}
    changed = msgspec.structs.replace(
        study, arms=("sft", ArmSpec(name="judged", recipe="cft", options=options)), contrasts=()
    )
    for _ in range(3):
        with contextlib.suppress(counterform.CounterformError):
            counterform.run(changed, tmp_path, until="arms")
        well.append(True)
    assert len(set(there.answered)) == len(there.answered)
    assert {prompt for prompt, _ in there.answered} == set(seen)
    record = RunDir(tmp_path).records["arm/judged"]
    assert record.lost == 0


@pytest.mark.parametrize(
    "odd",
    [
        b'{"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": 99999999999999999999999}}',
        b'{"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": 9223372036854775808}}',
        b'{"choices": [{"message": {"content": "half a pair: \\ud83d"}}]}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": ["a"]}}]}',
        b"12",
        b"",
    ],
)
def test_whatever_one_row_holds_it_is_one_unknown_row(study, tmp_path, endpoint, odd):
    seen = []

    def script(prompt, times):
        if prompt not in seen:
            seen.append(prompt)
        return solved(prompt) if seen.index(prompt) else odd

    there = endpoint(lambda prompt, times: (200, odd) if script(prompt, times) == odd else script(prompt, times))
    counterform.run(sampling(study, there), tmp_path, until="verify")
    failed = [a.problem_id for a in pool(tmp_path) if a.completion.finish == "error"]
    assert len(failed) == 4
    assert len(set(failed)) == 1
    assert len(pool(tmp_path)) == 72


def test_a_models_own_odd_rows(study, tmp_path, monkeypatch):
    """Not of an endpoint: whatever a part of the user's own gives."""
    import parts_of_a_study

    real = parts_of_a_study.answer
    monkeypatch.setattr(parts_of_a_study, "answer", lambda p, s: "half: \ud83d" if "Start with 1" in p else real(p, s))
    counterform.run(study, tmp_path, until="verify")
    assert {a.completion.failure for a in pool(tmp_path)} == {"", "unreadable"}
