import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from counterform.arms.preference import Dpo, Ipo
from counterform.cli import app
from counterform.errors import DataError, RunDirError, StudyError
from counterform.export import FORMATS, export
from counterform.export.rows import PAIR_FORMATS, ROW_FORMATS, write_arm
from counterform.problems.examples import read_examples
from counterform.problems.ledger import Ledger
from counterform.problems.readers import read_attempts
from counterform.store import RunDir
from counterform.study import ArmSpec, ResponseColumns, Study, to_toml
from counterform.types import Example, Problem

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
examples = st.lists(
    st.builds(
        Example, problem_id=texts, attempt_ids=st.lists(texts, max_size=2).map(tuple), prompt=texts, completion=texts
    ),
    min_size=1,
    max_size=5,
)


def data_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != "dataset_info.json"]


@settings(max_examples=25)
@given(examples=examples)
@pytest.mark.parametrize("to", ROW_FORMATS)
def test_whatever_stands_in_an_arm_comes_back(to, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    assert write_arm(folder, "mine", examples, to) == len(examples)
    for path in data_files(folder):
        assert read_examples(path).examples == examples


@settings(max_examples=25)
@given(examples=examples, rejected=texts)
@pytest.mark.parametrize("to", PAIR_FORMATS)
def test_pairs_come_back_from_the_preference_format_of_trl(to, examples, rejected, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    pairs = [replace(example, rejected=rejected) for example in examples]
    write_arm(folder, "mine", pairs, to)
    [path] = data_files(folder)
    assert {"prompt", "chosen", "rejected"} <= json.loads(path.read_text(encoding="utf-8").splitlines()[0]).keys()
    assert read_examples(path).examples == pairs


@pytest.mark.parametrize("to", sorted(set(ROW_FORMATS) - set(PAIR_FORMATS)))
def test_a_format_without_pairs_refuses_them(run, tmp_path, to):
    pair = Example(problem_id="a", prompt="?", completion="yes", rejected="no")
    RunDir(run).write_rows("arms/texts.parquet", [pair], Example)
    with pytest.raises(DataError, match=r"learns from pairs.*--to trl or --to trl-messages"):
        export(run, "texts", to=to, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ROW_FORMATS)
def test_an_arm_of_a_run(run, tmp_path, to):
    done = export(run, "texts", to=to, out=tmp_path / "out")
    arm = RunDir(run).read_rows("arms/texts.parquet", Example)
    assert done.rows == len(arm)
    for path in data_files(tmp_path / "out"):
        assert path in done.files
        assert read_examples(path).examples == arm


def test_an_arm_that_weighs_its_examples_is_written_without_the_weights(tmp_path):
    weighed = [Example(problem_id=str(at), prompt="?", completion="yes", kind="right") for at in range(2)]
    write_arm(tmp_path, "mine", weighed, "trl")
    assert read_examples(tmp_path / "mine.jsonl").examples == [replace(example, kind="") for example in weighed]


@pytest.mark.parametrize("recipe", [Ipo(), Dpo()])
@pytest.mark.parametrize("kinds", [("", ""), ("critique", "solution")])
def test_what_no_row_can_hold_is_said(run, tmp_path, recipe, kinds):
    """The kind: an arm that another trainer makes another arm of, because nobody told it."""
    files = RunDir(run)
    rows = files.read_rows("arms/texts.parquet", Example)
    rows = [replace(row, rejected="no", kind=kinds[at % 2]) for at, row in enumerate(rows)]
    files.write_rows("arms/texts.parquet", rows, Example)
    facts = {"objective": recipe.objective, "options": recipe.options}
    files.records.write(replace(files.records.get("arm/texts"), facts=facts))
    notes = export(run, "texts", to="trl", out=tmp_path / "out").notes
    weighed = [note for note in notes if "count alike in the loss" in note]
    told = [note for note in notes if note == "the arm is what it is by loss_type = 'ipo': tell the trainer"]
    assert (len(weighed), len(told), len(notes)) == (bool(kinds[0]), recipe.name == "ipo", len(weighed) + len(told))
    assert not weighed or "(4 critique and 4 solution)" in weighed[0]


@pytest.mark.parametrize("to", ["trl", "verl-grpo"])
def test_nor_are_options_of_its_own_training_forgotten(run, tmp_path, to):
    study = Study(name="tiny", arms=(ArmSpec(name="texts", recipe="rft", train={"learning_rate": 1e-5}),))
    RunDir(run).write_text("study.toml", to_toml(study))
    assert export(run, "texts", to=to, out=tmp_path / "out").notes == (
        "the arm is what it is by learning_rate = 1e-05: tell the trainer",
    )


def test_what_does_not_read_back_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setitem(ROW_FORMATS, "trl", {"{arm}.jsonl": lambda e: {"prompt": e.prompt.strip(), "completion": "x"}})
    with pytest.raises(DataError, match=r"texts.jsonl does not read back as the arm 'texts'"):
        export(run, "texts", to="trl", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("to", "column"), [("trl", "completion"), ("openrlhf", "output")])
def test_exported_attempts_are_recorded_attempts_of_a_study(tmp_path, run, to, column):
    problems = [p for p in RunDir(run).read_rows("problems.parquet", Problem) if p.split == "train"]
    solved = [Example(problem_id=p.id, prompt=p.prompt, completion=p.solution) for p in problems]
    RunDir(run).write_rows("arms/texts.parquet", solved, Example)
    [file] = export(run, "texts", to=to, out=tmp_path / "out").files
    read = read_attempts(file, problems, problem="problem_id", responses=[ResponseColumns(text=column)])
    assert [(a.problem_id, a.completion.text.removeprefix("\n")) for a in read.attempts] == [
        (p.id, p.solution) for p in problems
    ]


class TestErrors:
    @pytest.mark.parametrize(
        ("arm", "to", "message"),
        [
            ("texts", "trll", "unknown format 'trll'. Did you mean 'trl'? Options: llama-factory, openrlhf"),
            ("text", "trl", "unknown arm 'text'. Did you mean 'texts'? Options: sampled, texts"),
            ("left the study", "trl", "unknown arm 'left the study'"),
            ("shuffled", "trl", "was refused when it was compiled: the reason"),
        ],
    )
    def test_names(self, run, tmp_path, arm, to, message):
        with pytest.raises(StudyError, match=re.escape(message)):
            export(run, arm, to=to, out=tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_directory_that_is_no_run(self, tmp_path):
        with pytest.raises(RunDirError, match="is not a run directory"):
            export(tmp_path, "texts", to="trl", out=tmp_path / "out")

    def test_a_run_that_has_no_arms_yet(self, run, tmp_path):
        (run / "units/match.json").unlink()
        with pytest.raises(StudyError, match=r"holds no arms yet\. `counterform arms` compiles them"):
            export(run, "texts", to="trl", out=tmp_path / "out")

    @pytest.mark.parametrize("to", ROW_FORMATS)
    def test_an_arm_whose_completions_the_trainer_samples(self, run, tmp_path, to):
        with pytest.raises(DataError, match=r"arm 'sampled' has no completions.*--to verl-grpo"):
            export(run, "sampled", to=to, out=tmp_path / "out")

    def test_a_folder_that_holds_something(self, run, tmp_path):
        (tmp_path / "out").mkdir()
        export(run, "texts", to="trl", out=tmp_path / "out")
        before = (tmp_path / "out/texts.jsonl").read_bytes()
        with pytest.raises(StudyError, match="is not an empty folder and is left as it is"):
            export(run, "texts", to="verl", out=tmp_path / "out")
        assert (tmp_path / "out/texts.jsonl").read_bytes() == before

    def test_a_file_where_the_folder_should_be(self, run, tmp_path):
        (tmp_path / "out").write_text("mine")
        with pytest.raises(StudyError, match="is not an empty folder"):
            export(run, "texts", to="trl", out=tmp_path / "out")


def test_the_command(run, tmp_path):
    done = CliRunner().invoke(app, ["export", str(run), "texts", "--to", "verl", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.exception
    assert done.stdout == f"8 rows of texts for verl:\n  {tmp_path}/out/texts.parquet\n"


def test_the_help_names_every_format():
    told = CliRunner().invoke(app, ["export", "--help"], env={"COLUMNS": "200"}).stdout
    assert [to for to in FORMATS if to not in told] == []


class TestLoaders:
    """The loaders of the trainers themselves see the texts as they stand in the arm."""

    @pytest.mark.parametrize("to", ROW_FORMATS)
    def test_datasets(self, run, tmp_path, to):
        datasets = pytest.importorskip("datasets")
        export(run, "texts", to=to, out=tmp_path / "out")
        for path in data_files(tmp_path / "out"):
            kind = "parquet" if path.suffix == ".parquet" else "json"
            rows = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
            (tmp_path / "again.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
            arm = RunDir(run).read_rows("arms/texts.parquet", Example)
            assert read_examples(tmp_path / "again.jsonl").examples == arm

    def test_llama_factory_finds_every_file_and_column_it_is_told_of(self, run, tmp_path):
        export(run, "texts", to="llama-factory", out=tmp_path / "out")
        info = json.loads((tmp_path / "out/dataset_info.json").read_text())
        assert list(info) == ["texts-alpaca", "texts-sharegpt"]
        for entry in info.values():
            first = json.loads((tmp_path / "out" / entry["file_name"]).read_text("utf-8").partition("\n")[0])
            assert set(entry["columns"].values()) <= set(first)

    @pytest.mark.parametrize("to", ["trl", "trl-messages"])
    def test_trl_trains_on_the_tokens_that_a_study_trains_on(self, run, tmp_path, to):
        datasets, trl = pytest.importorskip("datasets"), pytest.importorskip("trl")
        from counterform.models.loading import load
        from counterform.train.tokens import token_counter

        problems = Ledger().generate(6, rng=np.random.default_rng(1))
        solved = [Example(problem_id=p.id, prompt=p.prompt, completion=p.solution) for p in problems]
        RunDir(run).write_rows("arms/texts.parquet", solved, Example)
        [file] = export(run, "texts", to=to, out=tmp_path / "out").files
        model, tokenizer = load("world")
        if to == "trl":  # text is for a base without one
            tokenizer.chat_template = None
        rows = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
        trainer = trl.SFTTrainer(
            model=model,
            args=trl.SFTConfig(
                output_dir=str(tmp_path / "t"), report_to=[], use_cpu=True, bf16=False, disable_tqdm=True
            ),
            train_dataset=rows,
            processing_class=tokenizer,
        )
        labels = trainer.data_collator([trainer.train_dataset[index] for index in range(6)])["labels"]
        assert (labels != -100).sum(1).tolist() == token_counter(tokenizer)(solved)[1]


def test_the_messages_of_verl_are_plain_columns(run, tmp_path):
    export(run, "texts", to="verl", out=tmp_path / "out")
    assert pq.read_schema(tmp_path / "out/texts.parquet").names == ["messages", "problem_id", "attempt_ids"]
