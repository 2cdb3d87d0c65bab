from pathlib import Path

import pytest

from counterform.errors import StudyError
from counterform.study import Study, checked, load_study, to_toml

HEAD = 'name = "mine"\n'


@pytest.fixture
def study_file(tmp_path):
    def write(text, name="study.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def refused(study_file):
    """The message with which a study file is refused."""

    def load(text):
        path = study_file(text)
        with pytest.raises(StudyError) as caught:
            load_study(path)
        assert str(caught.value).startswith(str(path))
        return str(caught.value).removeprefix(f"{path}: ")

    return load


# What a study file may leave out.


def test_a_name_is_enough(study_file):
    study = load_study(study_file(HEAD))
    assert study.problems.family == "ledger"
    assert [arm.name for arm in study.arm_specs] == ["sft", "rft", "cft"]
    assert [arm.recipe for arm in study.arm_specs] == ["sft", "rft", "cft"]


def test_one_recipe_under_two_names(study_file):
    text = HEAD + 'arms = ["sft", {name = "again", recipe = "sft"}]\ncontrasts = [["again", "sft"]]'
    study = load_study(study_file(text))
    assert [(arm.name, arm.recipe) for arm in study.arm_specs] == [("sft", "sft"), ("again", "sft")]


def test_an_arm_of_ones_own_bears_the_name_of_its_object(study_file):
    study = load_study(study_file(HEAD + 'arms = ["my.parts:Mine", "sft"]\ncontrasts = [["Mine", "sft"]]'))
    assert (study.arm_specs[0].name, study.arm_specs[0].recipe) == ("Mine", "my.parts:Mine")


def test_options_of_the_trainer_pass_through(study_file):
    study = load_study(study_file(HEAD + "[train.sft]\nlearning_rate = 1e-4\n[train.lora]\nr = 8"))
    assert study.train.sft == {"learning_rate": 1e-4}
    assert study.train.lora == {"r": 8}


# Every bad value is named by its path.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing required field `name`"),
        ("name = 3", "Expected `str`, got `int` - at `$.name`"),
        ('name = "../escape"', "at `$.name`"),
        (HEAD + "seeds = []", "at `$.seeds`"),
        (HEAD + "seeds = [0, 1.5]", "Expected `int`, got `float` - at `$.seeds[1]`"),
        (HEAD + "[match]\ncases = 0", "Expected `int` >= 1 - at `$.match.cases`"),
        (HEAD + '[match]\nby = "tokens"', "'tokens' - at `$.match.by`"),
        (HEAD + '[probe]\nsamples = "4"', "Expected `int`, got `str` - at `$.probe.samples`"),
        (HEAD + "[attempts]\ntemperature = -0.1", "Expected `float` >= 0.0 - at `$.attempts.temperature`"),
        (HEAD + "[attempts]\ntemperature = nan", "at `$.attempts.temperature`"),
        (HEAD + "[[attempts.responses]]\ntext = 1", "at `$.attempts.responses[0].text`"),
        (HEAD + "[verify]\nseconds = 0", "at `$.verify.seconds`"),
        (HEAD + "model = 'world'", "Expected `object`, got `str` - at `$.model`"),
        (HEAD + 'contrasts = [["sft"]]', "at `$.contrasts[0]`"),
        (HEAD + '[[arms]]\nname = "a b"\nrecipe = "sft"', "at `$.arms[0].name`"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(refused, text, message):
    assert message in refused(text)


@pytest.mark.parametrize(
    ("text", "path", "near", "option"),
    [
        ("sedes = [1]", "`sedes`", "seeds", "contrasts"),
        ("[probe]\nsample = 1", "$.probe", "samples", "max_tokens"),
        ("[attempts.model]\nbatchsize = 1", "$.attempts.model", "batch_size", "concurrency"),
        ('[[attempts.responses]]\ntxt = "x"', "$.attempts.responses[0]", "text", "correct"),
        ('[[arms]]\nname = "a"\nrecpie = "cft"', "$.arms[0]", "recipe", "name"),
    ],
)
def test_an_unknown_key_names_its_nearest_neighbour_and_the_options(refused, text, path, near, option):
    message = refused(HEAD + text)
    assert path in message
    assert f"Did you mean {near!r}?" in message
    assert option in message.partition("Options: ")[2]


@pytest.mark.parametrize(
    ("text", "path", "near"),
    [
        ('arms = ["cf"]', "$.arms[0]", "cft"),
        ('arms = ["sft", {name = "x", recipe = "rftt"}]', "$.arms[1]", "rft"),
        ('probes = ["accuracy", "find_eror"]', "$.probes[1]", "find_error"),
        ('[model]\nkind = "open_ai"', "$.model.kind", "openai"),
        ('[attempts.model]\nkind = "script"', "$.attempts.model.kind", "scripted"),
        ('[problems]\nfamily = "ledgr"', "$.problems.family", "ledger"),
        ('[train]\ntrainer = "sftt"', "$.train.trainer", "sft"),
        ('[verify]\nsteps = "arithmetics"', "$.verify.steps", "arithmetic"),
        ('contrasts = [["cft", "sftt"]]', "$.contrasts[0]", "sft"),
        ('form_shares = [["cft", "sftt"]]', "$.form_shares[0]", "sft"),
    ],
)
def test_an_unknown_part_names_its_nearest_neighbour_and_the_options(refused, text, path, near):
    message = refused(HEAD + text)
    assert message.startswith(path)
    assert f"Did you mean {near!r}?" in message
    assert near in message.partition("Options: ")[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('arms = ["cft", "cft"]', "$.arms: names must differ"),
        ('[[arms]]\nname = "base"\nrecipe = "sft"', "'base' is taken by the base model"),
        ("seeds = [1, 1]", "$.seeds: seeds must differ"),
        *(
            (
                f'arms = ["sft"]\n[train.sweep]\nchoose = "best in validation"\nlearning_rate = [1e-3, {same}]',
                "$.train.sweep.learning_rate: rates must differ (in six digits, which name their arms); got [0.001, ",
            )
            for same in ("0.001", "1.0000001e-3")
        ),
        (
            '[problems]\nfamily = "ledger"\nfile = "mine.jsonl"',
            "$.problems: give exactly one of `family`, `file`, `dataset`",
        ),
        ('[problems]\nfamily = "ledger"\nsplit = "test"', "$.problems.split: is of a `dataset`, and none is given"),
        (
            '[problems]\ndataset = "/"\nrevision = "v1"',
            "$.problems.revision: is of a hub id, and '/' lies on this machine",
        ),
        ("[problems]\ntrain = 10", "$.problems: give exactly one of `family`, `file`, `dataset`"),
        ('[problems]\nfamily = "ledger"\nshift = "kind"', "$.problems.shift: is for problems from a `file`"),
        (
            '[problems]\nfile = "a.jsonl"\nshift_file = "b.jsonl"',
            "$.problems.shift_file: is for the probe 'shift', which is not among $.probes: ['accuracy', 'find_error', 'process']",
        ),
        ('[problems]\nfile = "a.jsonl"\ntemplate = "Q:"', "$.problems.template: must contain {prompt}; got 'Q:'"),
        ("[probe]\nsamples = 2", "$.probe.k: is 4, more than the 2 samples"),
        ('probes = ["accuracy", "accuracy"]', "$.probes: "),
        ("seeds = [-1]", "$.seeds"),
        ('arms = [".x:y"]', "$.arms[0]: unknown arm"),
        (
            'arms = [{name = "a"}]',
            "$.arms[0]: the arm 'a' says nothing of who answers. Give exactly one of recipe, checkpoint",
        ),
        (
            'arms = [{name = "a", recipe = "sft", responses = "a.csv"}]',
            "$.arms[0]: the arm 'a' has recipe and responses",
        ),
        ('arms = ["sft", {name = "sft", checkpoint = "d"}]', "$.arms: names must differ"),
        ('arms = [{name = "a", checkpoint = "d", train = {lr = 1}}]', "$.arms[0].train: is for an arm with a recipe"),
        ('arms = [{name = "a", checkpoint = ["d", "d"]}]', "$.arms[0].checkpoint: names the same one twice"),
        ('arms = [{name = "a", responses = ""}]', "$.arms[0].responses: names nothing"),
        (
            'arms = [{name = "a", responses = "column"}]',
            "$.arms[0].responses: 'column' is a column of the file of problems",
        ),
        (
            'arms = [{name = "a", model = {kind = "opanai"}}]',
            "$.arms[0].model.kind: unknown model 'opanai'. Did you mean 'openai'?",
        ),
        (
            'arms = [{name = "a", model = {kind = "openai", revision = "v"}}]',
            "$.arms[0].model.revision: is of a model of kind 'hf'",
        ),
        ('arms = ["sft"]\nbase = false', "$.base: is false, and these arms are trained from the base"),
        (
            '[problems]\nfamily = "ledger"\ntrain = 0',
            "$.problems.train: is 0, and these arms are made of training problems: 'sft'",
        ),
        (
            'base = false\narms = [{name = "a", responses = "a.csv"}, {name = "b", responses = "b.csv"}]',
            '$.base: is false, so say what is compared: contrasts = [["b", "a"]]',
        ),
        (
            'arms = ["sft", {name = "b", checkpoint = "d"}]\ndoses = [["b", "sft"]]\nprobes = ["strategy"]',
            "$.doses[0]: 'b' is not trained here",
        ),
    ],
)
def test_values_that_do_not_go_together(refused, text, message):
    assert message in refused(HEAD + text)


@pytest.mark.parametrize("text", ["name = ", "not toml", HEAD + HEAD, b'name = "\xff"'])
def test_not_a_toml_file(refused, text):
    assert refused(text).startswith("not a TOML file: ")


def test_no_study_file(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(StudyError, match=r"cannot read the study file .*`counterform init` writes one"):
            load_study(path)


# Files are found from the study's own directory.


def test_relative_files_are_anchored_at_the_study(study_file, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir("/")
    text = HEAD + 'data = "data"\n[problems]\nfile = "mine.jsonl"\n[attempts]\nfile = "{data}/pool.jsonl"'
    study = load_study(study_file(text))
    assert study.file(study.problems.file) == tmp_path / "mine.jsonl"
    assert study.file(study.attempts.file) == tmp_path / "data" / "pool.jsonl"


def test_files_of_existing_arms_are_anchored_at_the_study(study_file, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "tuned").mkdir()
    arms = '[{name = "a", responses = "a.jsonl"}, {name = "b", checkpoint = ["tuned", "org/model"]}, {name = "c", checkpoint = "world"}]'
    study = load_study(study_file(f"{HEAD}arms = {arms}"))
    assert study.existing[0].answers[0][0] == str(tmp_path / "a.jsonl")
    assert study.existing[1].checkpoints == (str(tmp_path / "tuned"), "org/model")
    assert study.existing[2].checkpoints == ("world",)


def test_data_given_at_the_command_line_wins(study_file, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    path = study_file(HEAD + 'data = "no such place"\n[problems]\nfile = "{data}/mine.jsonl"')
    study = load_study(path, data="elsewhere")
    assert study.file(study.problems.file) == tmp_path / "elsewhere" / "mine.jsonl"


def test_absolute_and_home_paths_stay(study_file, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    text = HEAD + '[problems]\nfile = "~/mine.jsonl"\n[attempts]\nfile = "/pool/pool.jsonl"'
    study = load_study(study_file(text))
    assert study.file(study.problems.file) == Path("/home/somebody/mine.jsonl")
    assert study.file(study.attempts.file) == Path("/pool/pool.jsonl")


def test_data_that_is_no_directory(refused):
    message = refused(HEAD + 'data = "no such place"')
    assert "$.data is" in message
    assert "--data DIR" in message


def test_a_study_may_name_module_object_before_it_is_imported():
    study = Study(name="mine", arms=("nowhere.at_all:Mine",))
    assert checked(study, "mine.toml") is study


def test_an_answer_space_without_an_instruction(refused):
    text = HEAD + '[problems]\nfile = "x.jsonl"\nspace = "labels"'
    assert refused(text) == "$.problems.space: is the answer space of an instruction: name `instruction` too"


def test_a_tool_is_for_models_that_it_can_stop(refused):
    message = refused(HEAD + '[model]\nkind = "openai"\ntool = "calc"')
    assert message == "$.model.tool: answers inside a model of kind 'hf'; this one is 'openai'"


def test_a_chat_is_of_models_that_chat_and_is_written_down(refused, study_file):
    assert refused(HEAD + '[model]\nkind = "scripted"\nchat = { system = "Think." }').startswith("$.model.chat: is of")
    chat = 'name = "mine"\n[model.chat]\nsystem = "Think."\ntemplate = { enable_thinking = false }'
    assert 'system = "Think."' in to_toml(load_study(study_file(chat)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[run]\nexecutor = "slurn"',
            r"'slurn' - at `\$\.run\.executor`\. Did you mean 'slurm'\? Options: local, ray, slurm",
        ),
        (
            "[run.gpus]\ntrian = 1",
            r"Did you mean 'train'\? Options: sample, arm, train, probe, dose, validation, weights",
        ),
        ('[match]\nby = "x"', r"\$\.match\.by`\. Options: examples, loss_tokens"),
        ("[model.engine]\nserve = ['a']\nsecond = 2", r"Did you mean 'seconds'\? Options: serve, seconds"),
    ],
)
def test_a_value_that_is_none_of_a_few_words_is_told_which_there_are(tmp_path, text, message):
    (tmp_path / "study.toml").write_text(f'name = "s"\n{text}\n')
    with pytest.raises(StudyError, match=message):
        load_study(tmp_path / "study.toml")
