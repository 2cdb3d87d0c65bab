"""Where a model's files come from, at which commit, and what of them is never run.

No hub can be reached from a test: the cache that huggingface_hub keeps is laid out here by hand, and read by the real code, offline.
"""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from counterform.errors import ModelError, StudyError
from counterform.models.hf import HFModel
from counterform.models.loading import load, load_tokenizer, own_dtype
from counterform.models.source import _commit, commits, files_of, pinned, source_of
from counterform.stages.keys import Keys
from counterform.stages.work import Work
from counterform.store import RunDir, open_run
from counterform.study import BASE, ArmSpec, AttemptsSpec, ModelSpec, ProblemsSpec, Study, TrainSpec, load_study
from counterform.train.dry import Dry
from counterform.types import Arm, Example

FIRST, SECOND = "1" * 40, "2" * 40


def model_key(spec):
    """The key of this model in a study that trains from it."""
    study = Study(
        name="key", model=spec, problems=ProblemsSpec(family="ledger"), arms=(ArmSpec(name="a", recipe="rft"),)
    )
    return Keys(study, {}, RunDir(Path())).base


def cached(cache, name, commit, fill, refs=()):
    """One commit of a repository in the cache, and the branches and tags that point at it."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    for ref in refs:
        (folder / "refs" / ref).write_text(commit)
    fill(folder / "snapshots" / commit)
    return folder / "snapshots" / commit


def base_files(folder):
    shutil.copytree(BASE, folder)


def lora_files(base):
    def fill(folder):
        model, tokenizer = load(str(BASE), dtype=torch.float32)
        adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
        adapted.peft_config["default"].base_model_name_or_path = base
        adapted.save_pretrained(folder, save_embedding_layers=False)
        tokenizer.save_pretrained(folder)

    return fill


@pytest.fixture
def hub(tmp_path, monkeypatch):
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    _commit.cache_clear()
    cached(cache, "us/tiny", FIRST, base_files, refs=["v1"])
    cached(cache, "us/tiny", SECOND, base_files, refs=["main"])
    return cache


class TestHub:
    @pytest.mark.parametrize(
        ("revision", "commit"), [("", SECOND), ("main", SECOND), ("v1", FIRST), (FIRST, FIRST), (SECOND, SECOND)]
    )
    def test_a_hub_id_is_loaded_at_the_commit_that_is_recorded(self, hub, revision, commit):
        spec = ModelSpec(path="us/tiny", revision=revision)
        assert commits(spec) == {"us/tiny": commit}
        assert files_of(spec).name == commit
        model, tokenizer = load(spec)
        assert commit in model.config._name_or_path  # what TRL loads a reference model from is the same commit
        assert tokenizer("7")["input_ids"] == load_tokenizer(spec)("7")["input_ids"]
        assert own_dtype(spec) == own_dtype("world")

    def test_what_moved_upstream_is_another_model_and_a_name_for_the_same_commit_is_not(self, hub):
        keys = {
            revision: model_key(ModelSpec(path="us/tiny", revision=revision)) for revision in ("", "v1", FIRST, "main")
        }
        assert keys["v1"] == keys[FIRST] != keys[""] == keys["main"]
        (hub / "models--us--tiny/refs/main").write_text(FIRST)
        _commit.cache_clear()  # the next process
        assert model_key(ModelSpec(path="us/tiny")) == keys["v1"]

    def test_what_moves_upstream_while_a_study_runs_is_not_mixed_into_it(self, hub):
        """Between the key, the first arm and the last, and in the processes of a launch: one commit, that which is recorded."""
        spec = ModelSpec(path="us/tiny")
        before = commits(spec)
        (hub / "models--us--tiny/refs/main").write_text(FIRST)
        assert commits(spec) == before
        assert files_of(spec).name == before["us/tiny"] == pinned(spec).revision == SECOND
        assert pinned("world") == ModelSpec()

    def test_the_base_of_a_lora_is_recorded_and_in_the_key_too(self, hub, tmp_path):
        cached(hub, "us/adapter", FIRST, lora_files("us/tiny"), refs=["main"])
        assert commits("us/adapter") == {"us/adapter": FIRST, "us/tiny": SECOND}
        local = ModelSpec(path=str(tmp_path / "lora"))
        lora_files("us/tiny")(tmp_path / "lora")
        assert commits(local) == {"us/tiny": SECOND}
        before = model_key(local)
        model, _ = load(local)
        assert SECOND in model.config._name_or_path
        (hub / "models--us--tiny/refs/main").write_text(FIRST)
        _commit.cache_clear()  # the next process
        assert model_key(local) != before

    @pytest.mark.parametrize(("path", "revision"), [("us/tiny", "v9"), ("us/other", ""), ("nobody", "")])
    def test_what_is_not_there_is_one_message(self, hub, path, revision):
        with pytest.raises(ModelError, match=f"cannot load the model '{path}'"):
            load(ModelSpec(path=path, revision=revision))
        with pytest.raises(ModelError, match=f"cannot load the model '{path}'"):
            commits(ModelSpec(path=path, revision=revision))

    def test_a_hub_that_cannot_be_reached_is_not_missed_where_the_files_are_here(self, hub, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # the hub's library asks again and again, for 23 s
        for revision in (SECOND, ""):
            _commit.cache_clear()
            assert load_tokenizer(ModelSpec(path="us/tiny", revision=revision)).vocab_size > 0

    def test_a_study_notes_every_commit(self, hub, tmp_path):
        study = Study(
            name="hub",
            model=ModelSpec(path="us/tiny"),
            attempts=AttemptsSpec(model=ModelSpec(path="us/tiny", revision="v1", batch_size=2)),
            problems=ProblemsSpec(family="ledger"),
            arms=(ArmSpec(name="a", recipe="rft"),),
        )
        with open_run(tmp_path / "run") as files:
            assert set(Work(study, files, print).hub_commits) == {"us/tiny"}


@pytest.mark.parametrize("path", ["world", "./here", "/there", "~/x", "a/b/c", "m.gguf", "us/m.gguf", "", ".."])
def test_what_is_no_hub_id_has_no_commit(path):
    assert commits(path) == {}
    with pytest.raises(ModelError, match="has no revision 'v1'"):
        commits(ModelSpec(path=path, revision="v1"))


def test_a_directory_is_itself_even_where_its_name_could_be_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BASE, tmp_path / "us/tiny")
    assert commits("us/tiny") == {}
    assert str(files_of("us/tiny")) == source_of("us/tiny") == "us/tiny"


@pytest.mark.parametrize("key", ['revision = "v1"', "trust_remote_code = true"])
@pytest.mark.parametrize("table", ["model", "attempts.model"])
def test_only_a_model_that_is_loaded_here_has_a_revision_and_code(tmp_path, key, table):
    path = tmp_path / "study.toml"
    path.write_text(f'name = "x"\n[{table}]\nkind = "openai"\npath = "m"\nbase_url = "http://127.0.0.1:9/v1"\n{key}\n')
    with pytest.raises(StudyError, match=rf"\$\.{table}\.{key.split()[0]}: is of a model of kind 'hf'"):
        load_study(path)


CODE = """
import pathlib
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
pathlib.Path({ran!r}).write_text("ran")
class OwnConfig(LlamaConfig):
    model_type = "own-llama"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""


@pytest.fixture
def with_code(tmp_path):
    """A model directory that can only be loaded by the Python file in it, and where that file says that it was run."""
    folder, ran = tmp_path / "own", tmp_path / "ran"
    shutil.copytree(BASE, folder)
    config = json.loads((folder / "config.json").read_text()) | {
        "model_type": "own-llama",
        "architectures": ["OwnModel"],
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(CODE.format(ran=str(ran)))
    return folder, ran


class TestCode:
    @pytest.mark.parametrize("opened", [load, own_dtype], ids=lambda opened: opened.__name__)
    def test_code_beside_the_weights_is_not_run_and_nobody_is_asked(self, with_code, monkeypatch, opened):
        """In a terminal transformers asks; a study that runs overnight has nobody to answer, and a tired one says yes."""
        folder, ran = with_code
        monkeypatch.setattr("builtins.input", lambda *words: pytest.fail("asked"))
        with pytest.raises(
            ModelError, match=r"comes with code of its own, which is not run\. .*trust_remote_code = true"
        ):
            opened(str(folder))
        assert not ran.exists()

    def test_a_tokenizer_s_own_code_is_not_run(self, with_code, monkeypatch):
        folder, ran = with_code
        shutil.copy(BASE / "config.json", folder / "config.json")
        named = json.loads((folder / "tokenizer_config.json").read_text())
        named |= {"auto_map": {"AutoTokenizer": [None, "own.OwnTokenizer"]}, "tokenizer_class": "OwnTokenizer"}
        (folder / "tokenizer_config.json").write_text(json.dumps(named))
        monkeypatch.setattr("builtins.input", lambda *words: pytest.fail("asked"))
        with pytest.raises(ModelError, match=r"comes with code of its own, which is not run"):
            load_tokenizer(str(folder))
        assert not ran.exists()

    def test_one_option_allows_it_and_is_part_of_what_the_model_is(self, with_code, tmp_path):
        folder, ran = with_code
        spec = ModelSpec(path=str(folder), trust_remote_code=True)
        model = HFModel.open(spec)
        assert ran.exists()
        assert type(model.model).__name__ == "OwnModel"
        assert model_key(spec) != model_key(ModelSpec(path=str(folder)))
        # Its checkpoints carry the code, and are opened by the same spec.
        example = Example(problem_id="p", attempt_ids=(), prompt="7", completion="8")
        arm = Arm(name="a", differs_by="", examples=(example,))
        Dry(TrainSpec(trainer="dry")).train(arm, base=spec, seed=0, out=tmp_path / "out")
        assert (
            type(HFModel.open(ModelSpec(path=str(tmp_path / "out"), trust_remote_code=True)).model).__name__
            == "OwnModel"
        )


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class TestPickles:
    """To read a pickle is to run it. Weights are safetensors, in whatever form a directory offers others."""

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "adapter_model.bin"])
    def test_weights_in_a_pickle_are_refused_unread(self, tmp_path, name):
        folder, ran = tmp_path / "model", tmp_path / "ran"
        if name.startswith("adapter"):
            lora_files(str(BASE))(folder)
        else:
            shutil.copytree(BASE, folder)
            index = {"metadata": {}, "weight_map": {"model.norm.weight": name}}
            (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        for path in folder.glob("*.safetensors"):
            path.unlink()
        (folder / name).write_bytes(pickle.dumps(Bomb(ran)))
        with pytest.raises(ModelError, match=f"{name}', a pickle"):
            load(str(folder))
        assert not ran.exists()

    def test_a_pickle_beside_safetensors_is_left_alone(self, tmp_path):
        folder, ran = tmp_path / "model", tmp_path / "ran"
        shutil.copytree(BASE, folder)
        for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "rng_state.pth"):
            (folder / name).write_bytes(pickle.dumps(Bomb(ran)))
        load(str(folder))
        assert not ran.exists()
