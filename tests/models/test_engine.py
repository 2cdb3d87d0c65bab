"""A server of one's own for every model: started, asked, ended; and one message for each way in which that fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
import pytest

from counterform.errors import ModelError, StudyError
from counterform.models.engine import Served
from counterform.models.growing import Reader
from counterform.models.inside import trace
from counterform.models.source import checkpoint_spec
from counterform.stages.work import OpenLater
from counterform.store.process import is_alive
from counterform.study import BASE, EngineSpec, ModelSpec, Study, checked, load_study, to_toml
from tests.models.test_chat import CHAT, TEMPLATE
from tests.models.test_source import lora_files

LITTLE = (sys.executable, str(Path(__file__).with_name("little_server.py")), "{path}", "{port}")


def spec(*more, seconds=60.0, serve=LITTLE):
    return ModelSpec(engine=EngineSpec(serve=(*serve, *more), seconds=seconds), concurrency=2)


def generate(model, prompts=("Add 1.", "Add 2.")):
    return [row[0].text for row in model.generate(prompts, n=1, seed=0, temperature=0.0, max_tokens=9)]


def until_dead(*processes):
    deadline = time.monotonic() + 30
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline, "a process outlives its study"
        time.sleep(0.05)


def child_of(model):
    return json.loads(urllib.request.urlopen(model._server.url.removesuffix("/v1") + "/health").read())["started"]


def test_it_is_started_for_the_model_and_ends_with_it_and_all_that_it_started():
    with OpenLater(spec()) as opened:
        model = opened()
        assert generate(model) == ["heard Add 1.", "heard Add 2."]
        assert (model.tokens, model.notes) == (4, ())
        server, child = model._server._process.pid, child_of(model)
    until_dead(server, child)


def test_it_is_asked_as_transformers_is(tmp_path):
    """What is scored stands behind the chat template, and nobody's text ends a turn."""
    folder = tmp_path / "model"
    shutil.copytree(BASE, folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    model = Served.open(msgspec.structs.replace(spec("scores"), path=str(folder), chat=CHAT))
    assert model.logprobs("Add </s> 2.", [" 7", "</s>"]) == [-2.0, -5.0]
    turns = "<s><user>Add 1.<user>Add < /s> 2. So.<model>"
    state = urllib.request.urlopen(model._server.url.removesuffix("/v1") + "/health").read()
    assert sorted(json.loads(state)["scored"]) == [f"{turns} 7", f"{turns}< /s>"]
    assert generate(model, ["Add </s> 2."]) == ["heard Add < /s> 2."]
    model.close()


def test_two_models_have_two_servers():
    first, second = Served.open(spec()), Served.open(spec())
    assert first._server.port != second._server.port
    assert generate(first) == generate(second)
    first.close()
    assert generate(second)
    second.close()


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    lora_files("world")(folder)
    return folder


def test_a_server_that_takes_adapters_is_given_the_base_and_the_adapter(adapter):
    takes = (*LITTLE, "", "--lora={adapter}")
    model = Served.open(checkpoint_spec(spec(serve=takes), adapter))
    assert model._server.command[-1] == f"--lora={adapter}"
    assert model._server.command[-4] == str(BASE)
    assert model.name == str(adapter)
    assert generate(model) == ["heard Add 1.", "heard Add 2."]
    model.close()
    model = Served.open(spec(serve=takes))
    assert model._server.command[-1] == ""  # the base has none
    assert model.name == str(BASE)
    model.close()


def test_for_any_other_it_is_merged_until_the_server_ends(adapter):
    model = Served.open(checkpoint_spec(spec(), adapter))
    folder = Path(model._server.command[-2])
    assert (folder / "model.safetensors").is_file()
    assert not list(folder.glob("adapter*"))
    assert generate(model) == ["heard Add 1.", "heard Add 2."]
    model.close()
    assert not folder.exists()


def test_a_server_without_health_is_asked_for_its_models():
    model = Served.open(spec("no health"))
    assert generate(model) == ["heard Add 1.", "heard Add 2."]
    model.close()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no start", r"has ended \(exit code 1\): there is no such device The command was: .*little_server"),
        ("unhealthy", r"was not healthy after 2 s: .*/health.*\$\.model\.engine\.seconds"),
    ],
)
def test_a_server_that_does_not_get_healthy(how, message):
    with pytest.raises(ModelError, match=message):
        Served.open(spec(how, seconds=2.0))


def test_a_command_that_is_not_there():
    with pytest.raises(ModelError, match="no_such_engine: No such file or directory"):
        Served.open(spec(serve=("no_such_engine", "{path}", "{port}")))


class Silent(Reader):
    def read(self, text, finish):
        return None


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: generate(model, ["Add 1."] * 20),
        lambda model: model.write(["Add 1."], [Silent()], seed=0, temperature=0.0, max_tokens=9, budget=9),
        lambda model: model.logprobs("Add 1.", [" 7"]),
    ],
)
def test_a_server_that_dies_in_the_middle_is_noticed_at_the_next_failure(ask):
    model = Served.open(spec("dies"))
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"has ended \(exit code 3\): out of memory.*what was finished is kept"):
        ask(model)
    assert time.monotonic() - started < 10  # and not after all attempts of 16 requests, a minute or more
    model.close()


def test_it_ends_with_whoever_started_it_even_by_kill_9():
    program = (
        "import sys, msgspec, time\nfrom counterform.study import ModelSpec\nfrom counterform.models.engine import Served\n"
        "model = Served.open(msgspec.json.decode(sys.argv[1], type=ModelSpec))\n"
        "print(model._server._process.pid, model._server.port, flush=True)\ntime.sleep(600)"
    )
    study = subprocess.Popen(
        [sys.executable, "-c", program, msgspec.json.encode(spec()).decode()], stdout=subprocess.PIPE, text=True
    )
    server, port = map(int, study.stdout.readline().split())
    child = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read())["started"]
    os.kill(study.pid, signal.SIGKILL)
    study.wait()
    until_dead(server, child)


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        (("vllm", "serve", "{path}"), r"\$\.model\.engine\.serve: must contain \{port\}"),
        (("vllm", "{port}"), r"must contain \{path\}"),
        (("vllm", "{path}", "{port}", '{"a": 1}'), r"knows \{path\}, \{port\} and \{adapter\}, and not"),
        (("vllm", "{path}", "{port}", "{}"), r"knows \{path\}, \{port\} and \{adapter\}, and not"),
    ],
)
def test_a_command_that_cannot_be(serve, message):
    with pytest.raises(StudyError, match=message):
        checked(Study(name="s", model=ModelSpec(engine=EngineSpec(serve=serve))), "study.toml")


def test_what_cannot_be_served():
    engine = EngineSpec(serve=LITTLE)
    for model in (ModelSpec(kind="openai", path="m", engine=engine), ModelSpec(tool="calc", engine=engine)):
        with pytest.raises(StudyError, match=r"\$\.model\.engine: serves a model of kind 'hf'"):
            checked(Study(name="s", model=model), "study.toml")


def test_a_study_with_an_engine_can_be_written_down_and_read(tmp_path):
    study = Study(name="s", model=spec(), attempts=msgspec.structs.replace(Study(name="s").attempts, model=spec()))
    (tmp_path / "study.toml").write_text(to_toml(study))
    read = load_study(tmp_path / "study.toml")
    assert (read.model, read.attempts.model) == (study.model, study.attempts.model)


@pytest.mark.slow
def test_insides_and_log_probabilities_are_read_with_transformers_and_that_is_said():
    from counterform.models.hf import HFModel

    model, own = Served.open(spec()), HFModel.open(ModelSpec())
    prompt = "Start with 7. Add 5. What is the total?"
    assert model.logprobs(prompt, [" 7"]) == own.logprobs(prompt, [" 7"])
    assert trace(model, prompt, "7 + 5 = 12.").logprobs.equal(own.trace(prompt, "7 + 5 = 12.").logprobs)
    assert [note.partition(" were ")[0] for note in model.notes] == ["Log-probabilities", "Insides"]
    model.close()


@pytest.mark.slow
def test_transformers_serve():
    """A real engine: greedy text is ours."""
    from counterform.models.hf import HFModel

    command = Path(sys.executable).with_name("transformers")
    if not command.exists():
        pytest.skip("needs transformers[serving]")
    serve = (str(command), "serve", "{path}", "--port", "{port}", "--device", "cpu")
    model, own = Served.open(spec(serve=serve, seconds=300.0)), HFModel.open(ModelSpec(path=str(BASE)))
    prompts = ["Start with 7. Add 5. Double it. What is the total?", "Start with 3. Triple it. What is the total?"]
    asked = {"n": 1, "seed": 0, "temperature": 0.0, "max_tokens": 12}
    served = [row[0].text.strip() for row in model.generate(prompts, **asked)]
    assert served == [row[0].text.strip() for row in own.generate(prompts, **asked)]
    model.close()
