import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import MissingExtra, ModelError
from counterform.models import openai_api, retrying, wire
from counterform.models.openai_api import DEAD_AFTER, OpenAIModel
from counterform.models.retrying import ATTEMPTS
from counterform.study import BASE, ChatSpec, ModelSpec

PROMPTS = ["Add 1.", "Add 2.", "Add 3."]


def chat(text, **more):
    usage = {"usage": {"completion_tokens": more.pop("tokens")}} if "tokens" in more else {}
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop", **more}], **usage})


class Endpoint:
    """A server that answers as its script says: (request body, how often this very request came) -> reply.

    A reply is text, (status, headers, text), or one of "hang", "drop", "drip".
    """

    def __init__(self, script):
        self.script, self.requests, self.headers = script, [], []
        self.at_once = self.most_at_once = 0
        self.lock, self.over = threading.Lock(), threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint.lock:
                    times = endpoint.requests.count(body)
                    endpoint.requests.append(body)
                    endpoint.headers.append(self.headers)
                    endpoint.at_once += 1
                    endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
                try:
                    self.reply(endpoint.script(body, times))
                finally:
                    with endpoint.lock:
                        endpoint.at_once -= 1

            def reply(self, reply):
                if reply == "hang":
                    endpoint.over.wait(10)
                if reply in ("hang", "drop"):
                    self.close_connection = True
                    return
                if reply == "drip":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    while not endpoint.over.wait(0.05):
                        self.wfile.write(b" ")
                    return
                status, headers, text = (200, {}, reply) if isinstance(reply, (str, bytes)) else reply
                data = text.encode() if isinstance(text, str) else text
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *args):
                pass  # A client that timed out has gone away.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def ask(monkeypatch):
    """Make (model, endpoint) out of a script; waits are short unless a test says otherwise."""
    monkeypatch.setattr(retrying, "WAIT_INITIAL", 0.001)
    monkeypatch.setattr(retrying, "WAIT_JITTER", 0.001)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    opened = []

    def make(script, **spec):
        endpoint = Endpoint(script)
        model = OpenAIModel.open(ModelSpec(kind="openai", **{"path": "m", "base_url": endpoint.url, **spec}))
        opened.extend((model, endpoint))
        return model, endpoint

    yield make
    for each in opened:
        each.close()


def generate(model, prompts=PROMPTS, *, n=1, seed=0, temperature=1.0, max_tokens=9):
    return model.generate(prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens)


def prompt_of(body):
    return body["messages"][0]["content"]


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TestAnswers:
    def test_in_prompt_and_sample_order_with_a_seed_of_their_own(self, ask):
        model, endpoint = ask(lambda body, _: chat(f"{prompt_of(body)} {body['seed']}"))
        rows = generate(model, n=4)
        assert [[c.text.startswith(prompt) for c in row] for prompt, row in zip(PROMPTS, rows, strict=True)] == [
            [True] * 4
        ] * 3
        assert len({body["seed"] for body in endpoint.requests}) == 12
        # Sample j of prompt i does not depend on how many others were asked for.
        assert [row[:2] for row in rows[:2]] == generate(model, PROMPTS[:2], n=2)
        assert rows != generate(model, n=4, seed=1)
        assert not model.failures

    def test_nothing_asked(self, ask):
        model, endpoint = ask(lambda body, _: chat("4"))
        assert generate(model, []) == []
        assert endpoint.requests == []

    def test_what_is_sent(self, ask, monkeypatch):
        monkeypatch.setenv("MY_KEY", "sk-secret")
        model, endpoint = ask(lambda body, _: chat("4"), api_key_env="MY_KEY", path="org/name")
        generate(model, ["Add 1."], temperature=0.5, max_tokens=7)
        body = endpoint.requests[0]
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("org/name", 0.5, 7)
        assert body["messages"] == [{"role": "user", "content": "Add 1."}]
        assert endpoint.headers[0]["Authorization"] == "Bearer sk-secret"

    @pytest.mark.parametrize(
        ("answer", "tokens", "finish"),
        [
            (chat("one two three"), 3, "stop"),
            (chat("one two three", tokens=17), 17, "stop"),
            (chat("", tokens=1), 1, "stop"),
            (chat("one", finish_reason="length"), 1, "length"),
            (chat("one", finish_reason=None), 1, "stop"),
        ],
    )
    def test_tokens_and_finish(self, ask, answer, tokens, finish):
        model, _ = ask(lambda body, _: answer)
        [[completion]] = generate(model, ["Add 1."])
        assert (completion.tokens, completion.finish) == (tokens, finish)

    def test_an_endless_text_is_cut(self, ask, monkeypatch):
        monkeypatch.setattr(wire, "MAX_CHARS", 10)
        model, _ = ask(lambda body, _: chat("a" * 11))
        [[completion]] = generate(model, ["Add 1."])
        assert (completion.text, completion.finish) == ("a" * 10, "length")

    def test_a_system_turn_and_arguments_of_the_chat_template(self, ask):
        model, endpoint = ask(
            lambda body, _: chat("4"), chat=ChatSpec(system="Be brief.", template={"enable_thinking": False})
        )
        generate(model, ["Add 1."])
        [body] = endpoint.requests
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Add 1."},
        ]
        assert body["chat_template_kwargs"] == {"enable_thinking": False}

    def test_concurrency_is_bounded(self, ask):
        def slow(body, _):
            time.sleep(0.02)
            return chat("4")

        model, endpoint = ask(slow, concurrency=3)
        generate(model, [str(i) for i in range(20)])
        assert endpoint.most_at_once == 3

    def test_inside_a_running_loop_as_in_a_notebook(self, ask):
        model, _ = ask(lambda body, _: chat("4"))

        async def cell():
            return generate(model, ["Add 1."])

        assert asyncio.run(cell())[0][0].text == "4"


class TestFailures:
    def test_429_for_a_while(self, ask):
        model, endpoint = ask(lambda body, times: (429, {}, "{}") if times < 2 else chat("4"))
        assert [row[0].text for row in generate(model)] == ["4"] * 3
        assert len(endpoint.requests) == 9
        assert not model.failures

    def test_retry_after_is_honoured_up_to_a_cap(self, ask, monkeypatch):
        monkeypatch.setattr(retrying, "RETRY_AFTER_MAX", 0.4)
        for asked in ("0.3", "86400", "Fri, 31 Dec 2999 23:59:59 GMT"):
            model, _ = ask(lambda body, times, a=asked: (429, {"Retry-After": a}, "{}") if times < 1 else chat("4"))
            started = time.monotonic()
            generate(model, ["Add 1."])
            assert 0.3 <= time.monotonic() - started < 2

    @pytest.mark.parametrize(
        ("status", "attempts"), [(500, ATTEMPTS), (503, ATTEMPTS), (429, ATTEMPTS), (408, ATTEMPTS), (400, 1), (422, 1)]
    )
    def test_one_failing_prompt_spoils_no_other(self, ask, status, attempts):
        model, endpoint = ask(lambda body, _: (status, {}, "{}") if prompt_of(body) == PROMPTS[1] else chat("4"))
        rows = generate(model, n=2)
        assert [[c.finish for c in row] for row in rows] == [["stop"] * 2, ["error"] * 2, ["stop"] * 2]
        assert all((c.text, c.tokens) == ("", 0) for c in rows[1])
        assert model.failures == {str(status): 2}
        assert sum(prompt_of(body) == PROMPTS[1] for body in endpoint.requests) == 2 * attempts

    @pytest.mark.parametrize("reply", ["hang", "drip"])
    def test_a_server_that_does_not_come_to_an_end(self, ask, monkeypatch, reply):
        monkeypatch.setattr(retrying, "REQUEST_SECONDS", 0.3)
        monkeypatch.setattr(retrying, "ATTEMPTS", 2)
        model, endpoint = ask(lambda body, _: reply)
        started = time.monotonic()
        rows = generate(model)
        assert time.monotonic() - started < 5
        assert [row[0].finish for row in rows] == ["error"] * 3
        assert model.failures == {"timeout": 3}
        assert len(endpoint.requests) == 6

    def test_no_attempt_begins_after_the_time_is_up(self, ask, monkeypatch):
        monkeypatch.setattr(retrying, "RETRY_SECONDS", 0.2)
        monkeypatch.setattr(retrying, "ATTEMPTS", 1000)
        monkeypatch.setattr(retrying, "WAIT_MAX", 0.01)
        model, _ = ask(lambda body, _: (500, {}, "{}"))
        started = time.monotonic()
        generate(model)
        assert time.monotonic() - started < 3
        assert model.failures == {"500": 3}

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "<html>It works!</html>",
            '{"choices": [{"message"',
            "[]",
            "{}",
            '{"choices": []}',
            '{"choices": null}',
            chat(["a list"]),
            chat(42),
            chat("fine", tokens="many"),
            chat("fine", tokens=-1),
            '{"choices": [{"message": {"content": "half a pair: \\ud83d"}}]}',
            b'{"choices": [{"message": {"content": "\xff"}}]}',
            '{"a": ' + "[" * 200_000,
        ],
    )
    def test_garbage_is_an_error_row(self, ask, answer):
        model, endpoint = ask(lambda body, _: answer)
        assert [row[0].finish for row in generate(model)] == ["error"] * 3
        assert model.failures == {"garbage": 3}
        assert len(endpoint.requests) == 3

    def test_a_filtered_answer_was_not_heard(self, ask):
        model, _ = ask(lambda body, _: chat("I", finish_reason="content_filter"))
        assert generate(model, ["Add 1."])[0][0].finish == "error"
        assert model.failures == {"content_filter": 1}

    def test_a_prompt_that_cannot_be_sent(self, ask):
        model, _ = ask(lambda body, _: chat("4"))
        assert [row[0].finish for row in generate(model, ["half a pair: \ud83d", "Add 1."])] == ["error", "stop"]
        assert model.failures == {"unsendable": 1}


class TestDeadEndpoint:
    def test_nobody_there(self, ask):
        model, _ = ask(lambda body, _: "", base_url=f"http://127.0.0.1:{closed_port()}/v1")
        started = time.monotonic()
        with pytest.raises(ModelError, match=r"127\.0\.0\.1.*Start the server.*what was finished is kept"):
            generate(model, PROMPTS * 1000)
        assert time.monotonic() - started < 5

    def test_nobody_picks_up(self, ask, monkeypatch):
        monkeypatch.setattr(openai_api, "CONNECT_SECONDS", 0.2)
        monkeypatch.setattr(retrying, "ATTEMPTS", 1)
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen(0)
            callers = [socket.socket() for _ in range(4)]
            for caller in callers:  # They fill the queue of a server that accepts nobody.
                caller.setblocking(False)
                caller.connect_ex(busy.getsockname())
            model, _ = ask(lambda body, _: "", base_url=f"http://127.0.0.1:{busy.getsockname()[1]}/v1")
            with pytest.raises(ModelError, match="Start the server"):
                generate(model)
            for caller in callers:
                caller.close()

    @pytest.mark.parametrize(("status", "fix"), [(401, "api_key_env"), (403, "api_key_env"), (404, "base_url")])
    def test_wrong_key_model_or_address(self, ask, status, fix):
        model, endpoint = ask(lambda body, _: (status, {}, '{"error": {"message": "no such thing"}}'))
        with pytest.raises(ModelError, match=f"no such thing.*{fix}"):
            generate(model, PROMPTS * 100)
        assert len(endpoint.requests) < 3 * DEAD_AFTER

    def test_a_server_that_refuses_every_prompt(self, ask):
        # `transformers serve DIR` answers 400 to a wrong model name.
        model, _ = ask(lambda body, _: (400, {}, '{"detail": "pinned to another model"}'))
        assert {row[0].finish for row in generate(model)} == {"error"}
        with pytest.raises(ModelError, match="pinned to another model"):
            generate(model, PROMPTS * 100)

    def test_an_endpoint_that_dies_on_the_way(self, ask):
        heard = []

        def dying(body, _):
            heard.append(body)
            return chat("4") if len(heard) < 20 else "drop"

        model, _ = ask(dying)
        with pytest.raises(ModelError, match="Start the server"):
            generate(model, PROMPTS * 100)

    def test_one_refusal_among_answers_is_a_row(self, ask):
        model, _ = ask(lambda body, _: (403, {}, "{}") if prompt_of(body) == PROMPTS[0] else chat("4"))
        rows = generate(model, n=2)
        assert [row[0].finish for row in rows] == ["error", "stop", "stop"]
        assert model.failures == {"403": 2}

    def test_the_key_is_never_shown(self, ask, monkeypatch, caplog, capfd):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        model, _ = ask(lambda body, _: (401, {}, '{"error": {"message": "bad key sk-secret \\u001b[31m"}}'))
        with pytest.raises(ModelError) as caught:
            generate(model)
        assert "***" in str(caught.value)
        shown = str(caught.value) + caplog.text + "".join(capfd.readouterr()) + repr(model)
        assert "sk-secret" not in shown
        assert "\x1b" not in shown


class TestOpen:
    @pytest.mark.parametrize(
        "url", ["", "localhost:8000", "ftp://here/v1", "http://", "http://[::1/v1", "http://u:pw@h/v1"]
    )
    def test_unusable_address(self, url):
        with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:8000/v1") as caught:
            OpenAIModel.open(ModelSpec(kind="openai", path="m", base_url=url))
        assert "pw" not in str(caught.value)

    def test_a_key_is_needed_beyond_this_machine(self, monkeypatch):
        monkeypatch.delenv("MY_KEY", raising=False)
        with pytest.raises(ModelError, match="'MY_KEY' is not set"):
            OpenAIModel.open(
                ModelSpec(kind="openai", path="m", base_url="https://api.example.com/v1", api_key_env="MY_KEY")
            )

    def test_a_proxy_is_not_asked_for_this_machine(self, ask, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
        model, _ = ask(lambda body, _: chat("4"))
        assert generate(model, ["Add 1."])[0][0].text == "4"

    def test_close_twice(self, ask):
        model, _ = ask(lambda body, _: chat("4"))
        generate(model)
        model.close()
        model.close()
        assert not [t for t in threading.enumerate() if t.name == "endpoint m" and t.is_alive()]

    @pytest.mark.parametrize("package", ["openai", "stamina"])
    def test_without_the_extra(self, monkeypatch, package):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, "counterform.models.retrying")
        monkeypatch.delitem(sys.modules, "counterform.models.wire")
        spec = importlib.util.spec_from_file_location("fresh", openai_api.__file__)
        with pytest.raises(MissingExtra, match=r"counterform\[api\]"):
            spec.loader.exec_module(importlib.util.module_from_spec(spec))


def echo(tokens, logprobs, offsets):
    return json.dumps(
        {"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets}}]}
    )


class TestLogprobs:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(echo(["Yes", "?", " no", "!", " So"], [None, -1, -2, -3, -9], [0, 3, 4, 7, 8]), id="plain"),
            pytest.param(
                echo(["</s>", "Yes", "?", " no", "!", " So"], [None, -7, -1, -2, -3, -9], [0, 4, 7, 8, 11, 12]),
                id="vllm counts the begin token",
            ),
            pytest.param(echo(["Yes", "? no", "!", " So"], [None, -2, -3, -9], [0, 3, 7, 8]), id="token over the seam"),
        ],
    )
    def test_only_the_continuation_counts(self, ask, answer):
        model, endpoint = ask(lambda body, _: answer)
        assert model.logprobs("Yes?", [" no!"]) == [-5.0]
        assert endpoint.requests[0]["prompt"] == "Yes? no!"
        assert endpoint.requests[0]["echo"] is True

    def test_order_and_empty(self, ask):
        def script(body, _):
            return echo(
                ["A", body["prompt"][1:], "."], [None, -float(len(body["prompt"])), -9.0], [0, 1, len(body["prompt"])]
            )

        model, _ = ask(script)
        assert model.logprobs("A", [" bbb", "", " c"]) == [-5.0, 0.0, -3.0]
        assert model.logprobs("A", []) == []

    @pytest.mark.parametrize(
        "answer",
        [
            '{"choices": [{"text": "The"}]}',
            '{"choices": [{"text": "The", "logprobs": null}]}',
            echo([], [], []),
            echo(["Yes", "? no!"], [None], [0, 3]),
            echo([" no!"], [-1.0], [0]),  # Not echoed: the model's own next words.
            echo(["Yes", "?", " yes"], [None, -1, -2], [0, 3, 4]),
        ],
    )
    def test_a_server_without_them(self, ask, answer):
        model, _ = ask(lambda body, _: answer)
        with pytest.raises(ModelError, match="does not return the log-probabilities"):
            model.logprobs("Yes?", [" no!"])

    def test_the_first_token_has_none(self, ask):
        model, _ = ask(lambda body, _: echo(["Yes", "."], [None, -1], [0, 3]))
        with pytest.raises(ModelError):
            model.logprobs("", ["Yes"])

    def test_a_server_that_refuses_to_echo(self, ask):
        model, _ = ask(lambda body, _: (400, {}, '{"error": {"message": "echo is not supported"}}'))
        with pytest.raises(ModelError, match=r"echo is not supported.*Use a server that scores"):
            model.logprobs("Yes?", [" no!"])

    def test_a_failing_server(self, ask):
        model, _ = ask(lambda body, _: (500, {}, '{"error": {"message": "out of memory"}}'))
        with pytest.raises(ModelError, match="out of memory"):
            model.logprobs("Yes?", [" no!"])


@given(st.text() | st.sampled_from(["nan", "inf", "-inf", "-5", "1e999", "Thu, 99 Foo 0000 00:00:00 GMT"]))
def test_any_retry_after_header_is_read(header):
    seconds = retrying._seconds(header)
    assert seconds is None or 0.0 <= min(max(seconds, 0.0), 30.0) <= 30.0


@given(st.integers(), st.integers(0), st.integers(0))
def test_every_server_takes_the_seed(seed, index, sample):
    assert 0 <= openai_api._seed(seed, index, sample) < 2**31


@pytest.fixture(scope="module")
def served():
    """The tiny base behind `transformers serve`, as a stranger would start it."""
    command = Path(sys.executable).with_name("transformers")
    if not command.exists() or not BASE.is_dir() or importlib.util.find_spec("fastapi") is None:
        pytest.skip("needs transformers[serving] and the tiny base model")
    port = closed_port()
    server = subprocess.Popen(
        [command, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", str(BASE)],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not come up"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class TestRealServer:
    @pytest.fixture
    def model(self, served):
        model = OpenAIModel.open(ModelSpec(kind="openai", path=str(BASE), base_url=served))
        yield model
        model.close()

    def test_greedy_answers_are_the_models_own(self, model):
        from counterform.models.hf import HFModel

        prompts = ["Start with 7. Add 5. Double it. What is the total?", "Start with 3. Triple it. What is the total?"]
        local = HFModel.open(ModelSpec(path=str(BASE)))
        asked = {"n": 1, "seed": 0, "temperature": 0.0, "max_tokens": 12}
        served, own = model.generate(prompts, **asked), local.generate(prompts, **asked)
        assert [row[0].text.strip() for row in served] == [row[0].text.strip() for row in own]
        assert all(0 < row[0].tokens <= 12 for row in served)
        assert not model.failures

    def test_sampling_length_and_seed(self, model):
        asked = {"n": 3, "seed": 5, "temperature": 1.0, "max_tokens": 3}
        [row] = model.generate(["Start with 7. Add 5. What is the total?"], **asked)
        assert [(c.tokens, c.finish) for c in row] == [(3, "length")] * 3

    def test_log_probabilities_are_refused_plainly(self, model):
        with pytest.raises(ModelError, match="does not return the log-probabilities"):
            model.logprobs("Start with 7.", [" Add 5."])

    def test_a_wrong_model_name_stops_the_study(self, served):
        model = OpenAIModel.open(ModelSpec(kind="openai", path="another/model", base_url=served))
        with pytest.raises(ModelError, match="another/model"):
            model.generate(PROMPTS * 10, n=1, seed=0, temperature=0.0, max_tokens=3)
        model.close()


class TestWhatEndpointsSpeak:
    """Shapes that endpoints were seen to answer with: each is an answer, a cut one or a failure, and none is taken for another."""

    @pytest.mark.parametrize(
        ("message", "reason", "text", "finish"),
        [
            ({"content": None, "reasoning_content": "let me think"}, "length", "", "length"),
            ({"content": None, "reasoning": "let me think"}, "length", "", "length"),
            ({"content": None}, "stop", "", "stop"),
            ({}, "stop", "", "stop"),
            ({"content": None, "tool_calls": []}, "tool_calls", "", "stop"),
            ({"content": None, "refusal": "I cannot."}, "stop", "I cannot.", "stop"),
            ({"content": "The answer is 4.", "reasoning_content": "2 + 2 = 5"}, "stop", "The answer is 4.", "stop"),
            ({"content": [{"type": "text", "text": "The"}, {"type": "text", "text": " 4"}]}, "stop", "The 4", "stop"),
            ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "4"}]}, "stop", "4", "stop"),
            ({"content": "The answer"}, "model_length", "The answer", "length"),
            ({"content": "The answer"}, "max_tokens", "The answer", "length"),
            ({"content": "The answer"}, "MAX_TOKENS", "The answer", "length"),
            ({"content": "The answer"}, "eos_token", "The answer", "stop"),
            ({"content": "The ans"}, "error", "", "error"),
            ({"content": "The ans"}, "abort", "", "error"),
            ({"content": "The ans"}, "SAFETY", "", "error"),
        ],
    )
    def test_content_and_finish(self, ask, message, reason, text, finish):
        model, _ = ask(lambda body, _: json.dumps({"choices": [{"message": message, "finish_reason": reason}]}))
        [[completion]] = generate(model, ["Add 1."])
        assert (completion.text, completion.finish) == (text, finish)
        assert sum(model.failures.values()) == (finish == "error")

    def test_what_was_thought_counts_as_tokens_where_the_server_counts_none(self, ask):
        answer = {"choices": [{"message": {"content": None, "reasoning_content": "a b c"}, "finish_reason": "length"}]}
        model, _ = ask(lambda body, _: json.dumps(answer))
        assert generate(model, ["Add 1."])[0][0].tokens == 3

    @pytest.mark.parametrize(
        ("code", "attempts", "kind"), [(429, ATTEMPTS, "429"), (400, 1, "400"), (0, ATTEMPTS, "broken")]
    )
    def test_an_error_that_comes_with_status_200(self, ask, code, attempts, kind):
        model, endpoint = ask(lambda body, _: json.dumps({"error": {"code": code, "message": "no"}}))
        assert generate(model, ["Add 1."])[0][0].failure == kind
        assert len(endpoint.requests) == attempts


REFUSALS = [
    (
        "max_tokens",
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    ("max_tokens", 400, "Use 'max_completion_tokens' instead"),
    (
        "temperature",
        400,
        "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
    ),
    ("temperature", 400, "temperature is deprecated for this model"),
    (
        "seed",
        422,
        '{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}',
    ),
    ("seed", 400, "Unknown name 'seed': Cannot find field."),
    ("top_p", 400, "`top_p` is not supported"),
]


class TestDialect:
    @pytest.mark.parametrize(("refused", "status", "said"), REFUSALS)
    def test_a_parameter_that_is_refused_is_not_sent_again(self, ask, refused, status, said):
        model, endpoint = ask(
            lambda body, _: (status, {}, json.dumps({"error": {"message": said}})) if refused in body else chat("4"),
            concurrency=1,
        )
        rows = generate(model, PROMPTS, n=2, temperature=0.7)
        assert {c.text for row in rows for c in row} == {"4"}
        assert not model.failures
        assert sum(refused in body for body in endpoint.requests) == 1
        others = {"max_tokens", "max_completion_tokens", "seed", "temperature", "top_p"} - {refused}
        last = endpoint.requests[-1]
        assert others - set(last) == ({"max_completion_tokens"} if refused != "max_tokens" else set())

    def test_all_that_may_be_refused_is_learnt_under_way(self, ask):
        def script(body, _):
            for refused, status, said in REFUSALS:
                if refused in body:
                    return status, {}, json.dumps({"error": {"message": said}})
            return chat("4")

        model, _ = ask(script)
        assert [c.text for row in generate(model, n=3, temperature=0.0) for c in row] == ["4"] * 9
        assert [note.split()[3] for note in model.notes] == ["no", "no"]
        assert "not at 0.0" in model.notes[1]

    def test_temperature_1_is_what_such_an_endpoint_answers_at(self, ask):
        said = '{"error": {"message": "temperature: only the default (1) value is supported"}}'
        model, _ = ask(lambda body, _: (400, {}, said) if "temperature" in body else chat("4"))
        generate(model, temperature=1.0)
        assert model.notes == ()

    @pytest.mark.parametrize(
        "said",
        [
            "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length is 400 tokens.",
            "This model's maximum context length is 2048 tokens.",
            "seed 7 of the prompt is broken",
        ],
    )
    def test_another_refusal_is_that_of_a_prompt(self, ask, said):
        refusal = (400, {}, json.dumps({"error": {"message": said}}))
        model, endpoint = ask(lambda body, _: refusal if prompt_of(body) == PROMPTS[1] else chat("4"))
        assert [row[0].finish for row in generate(model)] == ["stop", "error", "stop"]
        assert len(endpoint.requests) == 3

    def test_retry_after_ms(self, ask):
        model, _ = ask(lambda body, times: (429, {"Retry-After-Ms": "300"}, "{}") if times < 1 else chat("4"))
        started = time.monotonic()
        assert generate(model, ["Add 1."])[0][0].text == "4"
        assert time.monotonic() - started >= 0.3


class TestLogprobsByCount:
    """vLLM 0.32 says its tokens without their spaces; then only their number tells where the continuation begins."""

    @pytest.mark.parametrize("usage", [True, False])
    @pytest.mark.parametrize("begin", [[], ["<s>"]])
    def test_tokens_without_their_spaces(self, ask, usage, begin):
        def script(body, _):
            words = [*begin, *body["prompt"].split()]
            counted = {"usage": {"prompt_tokens": len(words)}} if usage else {}
            values = [None, *(-float(n) for n in range(1, len(words) + 1))]
            found = {"tokens": [*words, "next"], "token_logprobs": values, "text_offset": [0] * (len(words) + 1)}
            return json.dumps({"choices": [{"logprobs": found}], **counted})

        model, _ = ask(script)
        first = len(begin) + 2
        assert model.logprobs("Is it", [" so yes", " no"]) == [-float(first + first + 1), -float(first)]

    def test_a_token_over_the_seam_counts_whole(self, ask):
        answers = {"ab": (["a", "b", "x"], [None, -1.0, -9.0]), "abc": (["a", "bc", "x"], [None, -2.0, -9.0])}

        def script(body, _):
            tokens, values = answers[body["prompt"]]
            found = {"tokens": tokens, "token_logprobs": values, "text_offset": [0] * 3}
            return json.dumps({"choices": [{"logprobs": found}], "usage": {"prompt_tokens": 2}})

        model, _ = ask(script)
        assert model.logprobs("ab", ["c"]) == [-2.0]

    def test_a_server_that_does_not_echo_is_refused(self, ask):
        def script(body, _):
            found = {"tokens": ["no"], "token_logprobs": [-1.0], "text_offset": [0]}
            return json.dumps({"choices": [{"logprobs": found}], "usage": {"prompt_tokens": 4}})

        model, _ = ask(script)
        with pytest.raises(ModelError, match="does not return the log-probabilities"):
            model.logprobs("Is it so?", [" no"])
