"""Models as arms: asked what a log asks, as it asks it; nothing that was heard is lost, asked again, or paired with another question."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from counterform.compare import Asking, compare_arms, example_logs
from counterform.compare.places import model_of
from counterform.errors import DataError, ModelError, StudyError
from counterform.logs.answers import Answers
from counterform.logs.collect import Source
from counterform.logs.plain import Plain
from counterform.models import retrying
from counterform.testing import check_log_reader

SOURCE = Source(readers=[], plain=Plain())


class Endpoint:
    """Answers "The answer is N.", N the digits of the prompt, until `most` requests were answered; then it is down."""

    def __init__(self, most=10**9):
        self.asked = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = body["messages"][0]["content"]
                up = len(endpoint.asked) < most
                if up:
                    endpoint.asked.append(prompt)
                text = "The answer is " + "".join(sign for sign in prompt if sign.isdigit()) + ". STOP and more"
                choice = {"message": {"content": text}, "finish_reason": "stop"}
                self.send_response(200 if up else 503)
                self.end_headers()
                self.wfile.write(json.dumps({"choices": [choice]}).encode())

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # with the usual 5, some of 16 connections at once are refused now and then

        self.server = Server(("127.0.0.1", 0), Handler)
        self.name = f"http://127.0.0.1:{self.server.server_port}/v1#m"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint(monkeypatch):
    for name in ("WAIT_INITIAL", "WAIT_JITTER"):
        monkeypatch.setattr(retrying, name, 0.001)
    made = []

    def make(most=10**9):
        made.append(Endpoint(most))
        return made[-1]

    yield make
    for one in made:
        one.close()


def log(path, n=40, **more):
    """Questions of which the digits are the answer; every second one is answered right."""
    rows = [
        {
            "id": k,
            "prompt": f"What is {k}?",
            "answer": str(k),
            "response": f"The answer is {k if k % 2 else -1}.",
            **more,
        }
        for k in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_an_endpoint_against_a_log(tmp_path, endpoint):
    server = endpoint()
    found = compare_arms([log(tmp_path / "a.jsonl"), server.name], asking=Asking(folder=tmp_path / "answers"))
    strict = found.comparisons[0]
    assert (strict.metric, strict.pairs, strict.both, strict.second_only) == ("counterform strict", 40, 20, 20)
    assert strict.verdict == "better"
    assert sorted(server.asked) == sorted(f"What is {k}?" for k in range(40))
    assert any("was asked here: 40 items, 1 sample each at temperature 0" in note for note in found.notes)


def test_a_second_run_asks_nothing_and_finds_the_same(tmp_path, endpoint):
    server, asking = endpoint(), Asking(folder=tmp_path / "answers")
    arms = [log(tmp_path / "a.jsonl"), server.name]
    first = compare_arms(arms, asking=asking).comparisons
    assert compare_arms(arms, asking=asking).comparisons == first
    assert len(server.asked) == 40


def test_what_was_heard_before_an_endpoint_went_down_is_not_asked_again(tmp_path, endpoint):
    down, asking = endpoint(most=15), Asking(folder=tmp_path / "answers")
    path = log(tmp_path / "a.jsonl")
    with pytest.raises(ModelError, match="503"):
        compare_arms([path, down.name], asking=asking)
    [kept] = (tmp_path / "answers").iterdir()
    heard = [row for row in map(json.loads, kept.read_text().splitlines()) if row["response"] is not None]
    assert len(heard) == 15
    kept.write_text(kept.read_text() + '{"item": "half a li')  # killed while it wrote
    down.server.RequestHandlerClass.do_POST = endpoint().server.RequestHandlerClass.do_POST
    found = compare_arms([path, down.name], asking=asking)
    assert (found.comparisons[0].pairs, found.comparisons[0].unscored) == (40, 0)
    assert len(down.asked) == 15


def test_answers_end_where_the_log_ended_them(tmp_path, endpoint):
    folder = tmp_path / "lm-eval"
    folder.mkdir()
    row = {"doc_id": 0, "doc": {"question": "What is 7?"}, "target": "7", "arguments": {"gen_args_0": {"arg_0": "Q: What is 7?\nA:", "arg_1": {"until": [" STOP"]}}},
           "resps": [["7"]], "filtered_resps": ["7"], "filter": "none", "metrics": ["em"], "em": 1.0}  # fmt: skip
    rows = [{**row, "doc_id": n, "doc": {"question": f"What is {n}?"}} for n in range(3)]
    (folder / "samples_t_2026-01-01T00-00-00.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    server = endpoint()
    found = compare_arms([folder, server.name], asking=Asking(folder=tmp_path / "answers"))
    [kept] = (tmp_path / "answers").iterdir()
    assert {json.loads(line)["response"] for line in kept.read_text().splitlines()} == {"The answer is 7."}
    assert set(server.asked) == {"Q: What is 7?\nA:"}  # the prompt as it stands in the log
    assert found.comparisons[0].pairs == 3


def test_a_log_of_answers_is_a_log(tmp_path, endpoint):
    path = log(tmp_path / "a.jsonl")
    compare_arms([path, endpoint().name], asking=Asking(folder=tmp_path / "answers"))
    [kept] = (tmp_path / "answers").iterdir()
    (tmp_path / "copies").mkdir()
    check_log_reader(Answers(), kept, tmp_path / "copies")
    assert compare_arms([path, kept]).comparisons[0].pairs == 40


def test_models_alone_are_asked_the_items(tmp_path, endpoint):
    items = log(tmp_path / "items.jsonl")
    found = compare_arms([endpoint().name, endpoint().name], items=items, asking=Asking(folder=tmp_path / "a"))
    assert found.comparisons[0].both == 40
    with pytest.raises(DataError, match="--items FILE"):
        compare_arms([endpoint().name, endpoint().name])


def test_samples_pair_with_the_epochs_of_the_log(tmp_path, endpoint):
    rows = [
        {"id": k, "prompt": f"What is {k}?", "answer": str(k), "response": "The answer is 0.", "epoch": e}
        for k in range(9)
        for e in (1, 2)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = compare_arms(
        [path, endpoint().name], asking=Asking(folder=tmp_path / "answers", samples=2, temperature=1.0)
    )
    assert (found.comparisons[0].pairs, found.comparisons[0].clusters) == (18, 9)


def test_a_checkpoint_reads_the_prompt_as_it_stands(tmp_path):
    base = example_logs()[0]
    few = tmp_path / base.name
    few.mkdir()
    for file in base.iterdir():
        rows = file.read_text().splitlines(keepends=True)
        (few / file.name).write_text("".join(rows[:12]) if file.suffix == ".jsonl" else "".join(rows))
    found = compare_arms([few, "hf:world"], asking=Asking(folder=tmp_path / "answers", max_tokens=96))
    assert found.comparisons[0].pairs + found.comparisons[0].unscored == len(
        {json.loads(line)["doc_hash"] for line in next(few.glob("samples*")).read_text().splitlines()}
    )
    assert any("the text of the log, as it stands" in note for note in found.notes)
    assert found.comparisons[0].second_value > 0


class TestRefused:
    @pytest.mark.parametrize(
        ("arm", "said"),
        [("http://127.0.0.1/v1", "names no model"), ("hf:", "names no model"), ("https://h/v1#", "names no model")],
    )
    def test_a_name_without_a_model(self, arm, said):
        with pytest.raises(StudyError, match=said):
            model_of(arm, SOURCE)

    def test_a_folder_that_is_both(self, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "model.safetensors").write_bytes(b"")
        assert model_of(str(tmp_path), SOURCE) is not None
        rows = [{"input": "q", "output": "a", "score": 1.0, "step": 1}]
        (tmp_path / "1.jsonl").write_text(json.dumps(rows[0]) + "\n")
        from counterform.logs.verl import Verl

        with pytest.raises(DataError, match="holds a checkpoint and logs"):
            model_of(str(tmp_path), Source(readers=[Verl()], plain=Plain()))

    def test_before_anything_is_asked(self, tmp_path, endpoint):
        server = endpoint()
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps({"id": k, "prompt": f"q{k}", "score": 1}) + "\n" for k in range(3)))
        with pytest.raises(DataError, match="single key to grade by"):
            compare_arms([path, server.name])
        assert server.asked == []

    @pytest.mark.parametrize("bad", [{"samples": 0}, {"samples": 2}, {"max_tokens": 0}, {"temperature": -1.0}])
    def test_numbers_that_make_no_sense(self, bad):
        with pytest.raises(StudyError, match="--samples"):
            Asking(**bad)
