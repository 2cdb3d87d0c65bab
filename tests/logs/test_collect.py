"""From a file or a folder to arms: what is one arm, what is kept apart, and what is left out and said."""

import json
import shutil
from pathlib import Path

import pytest

from counterform import parts
from counterform.errors import DataError
from counterform.logs.collect import Source, read
from counterform.logs.items import Items
from counterform.logs.plain import Plain

SOURCE = Source(readers=[parts.part("log", name)() for name in parts.PARTS["log"] if name != "plain"], plain=Plain())


def inspect_log(writers, path, values, *, status="success", task_id="t", eval_id="e", created="2026-01-01", model="m"):
    spec = {"task": "sum", "model": model, "eval_id": eval_id, "task_id": task_id, "created": created}
    samples = [
        writers["inspect_sample"](item, f"q{item}", "r", "k", {"match": {"value": value}})
        for item, value in values.items()
    ]
    return writers["eval_archive"](path, samples, {"status": status, "eval": spec})


def answers(arm, task="sum"):
    return [len(table) for table in arm.tasks[task]]


class TestFolders:
    def test_other_files_of_a_folder_are_passed_over(self, tmp_path, writers):
        inspect_log(writers, tmp_path / "a.eval", {1: "C"})
        (tmp_path / "README.md").write_text("notes")
        (tmp_path / "empty.json").write_text("")
        (tmp_path / ".hidden").write_text("x")
        writers["json_lines"](tmp_path / "other.jsonl", [{"id": 1, "score": 1}])
        [arm] = read(tmp_path, SOURCE, apart=False)
        assert [file.format for file in arm.files] == ["inspect"]

    def test_an_attempt_that_was_retried_is_left_out_and_said(self, tmp_path, writers):
        inspect_log(writers, tmp_path / "1.eval", {1: "C"}, status="error", eval_id="one")
        inspect_log(writers, tmp_path / "2.eval", {1: "C", 2: "I"}, eval_id="two", created="2026-01-02")
        [arm] = read(tmp_path, SOURCE, apart=False)
        assert answers(arm) == [2]
        assert arm.notes == ("1.eval is left out: an earlier attempt at 2.eval",)

    def test_two_evaluations_are_two_runs(self, tmp_path, writers):
        for n, values in enumerate(({1: "C", 2: "I"}, {1: "I", 2: "I"})):
            inspect_log(writers, tmp_path / f"{n}.eval", values, task_id=f"t{n}", eval_id=f"e{n}", model=f"seed{n}")
        [arm] = read(tmp_path, SOURCE, apart=False)
        assert answers(arm) == [2, 2]
        assert arm.models == ("seed0", "seed1")
        found = read(tmp_path, SOURCE, apart=True)
        assert [one.models for one in found] == [("seed0",), ("seed1",)]
        assert [[Path(file.path).name for file in one.files] for one in found] == [["0.eval"], ["1.eval"]]

    def test_shards_are_one_run(self, tmp_path, writers):
        for shard, item in enumerate((1, 2)):
            inspect_log(writers, tmp_path / "log.shards" / str(shard) / "x.eval", {item: "C"}, eval_id=f"e{shard}")
        [arm] = read(tmp_path, SOURCE, apart=False)
        assert answers(arm) == [2]

    def test_shards_that_were_merged_are_read_once(self, tmp_path, writers):
        inspect_log(writers, tmp_path / "log.eval", {1: "C", 2: "C"}, task_id="merged")
        inspect_log(writers, tmp_path / "log.shards" / "0" / "x.eval", {1: "C"}, task_id="shard")
        [arm] = read(tmp_path, SOURCE, apart=False)
        assert answers(arm) == [2]
        assert "which holds it" in arm.notes[0]

    def test_the_same_rows_twice_are_read_once_and_said(self, tmp_path, make):
        path = make("plain")
        shutil.copy(path, path.with_name("again.jsonl"))
        [arm] = read(path.parent, SOURCE, apart=False)
        assert [len(runs) for runs in arm.tasks.values()] == [1]
        assert any("the same log twice" in note for file in arm.files for note in file.notes)

    def test_all_steps_of_trl_are_one_run(self, make):
        path = make("trl")
        shutil.copy(path, path.with_name("completions_00002.parquet"))
        [arm] = read(path.parent, SOURCE, apart=False)
        [runs] = arm.tasks.values()
        assert len(runs) == 1

    def test_a_folder_of_nothing(self, tmp_path):
        with pytest.raises(DataError, match=r"holds no log. Formats: counterform, inspect, lm-eval"):
            read(tmp_path, SOURCE, apart=False)


class TestKeptApart:
    def test_the_models_of_one_file(self, tmp_path, writers):
        rows = [{"id": n, "model": model, "score": 1} for n in range(3) for model in ("small", "large")]
        arms = read(writers["json_lines"](tmp_path / "rows.jsonl", rows), SOURCE, apart=False)
        assert [arm.label.rpartition(" ")[2] for arm in arms] == ["(small)", "(large)"]
        assert [answers(arm, "") for arm in arms] == [[3], [3]]

    def test_the_tasks_of_one_file(self, tmp_path, writers):
        rows = [{"id": n, "task": task, "score": 1} for n in range(3) for task in ("sum", "product")]
        [arm] = read(writers["json_lines"](tmp_path / "rows.jsonl", rows), SOURCE, apart=False)
        assert {task: len(runs[0]) for task, runs in arm.tasks.items()} == {"sum": 3, "product": 3}

    def test_the_steps_of_a_training_run(self, tmp_path, writers):
        for step in (0, 10):
            row = {"input": "q", "output": "r", "gts": "1", "score": 1.0, "step": step}
            writers["json_lines"](tmp_path / f"{step}.jsonl", [row])
        assert [arm.label.rpartition("(")[2] for arm in read(tmp_path, SOURCE, apart=False)] == ["step 0)", "step 10)"]


class TestSaid:
    @pytest.mark.parametrize("status", ["error", "cancelled", "started"])
    def test_a_log_that_is_no_success(self, tmp_path, writers, status):
        [arm] = read(inspect_log(writers, tmp_path / "a.eval", {1: "C"}, status=status), SOURCE, apart=False)
        assert status in arm.files[0].notes[0]

    def test_answers_that_are_missing_and_rows_that_are_broken(self, tmp_path, writers):
        path = inspect_log(writers, tmp_path / "a.eval", {1: "C"})
        header = {"status": "success", "eval": {"dataset": {"sample_ids": [1, 2]}, "config": {"epochs": 2}}}
        samples = [writers["inspect_sample"](1, "q", "r", "k", {"match": {"value": "C"}})]
        writers["eval_archive"](path, samples, header)
        [arm] = read(path, SOURCE, apart=False)
        assert "1 of 4 answers are there" in arm.files[0].notes
        plain = tmp_path / "rows.jsonl"
        plain.write_text('{"id": 1, "score": 1}\n{\n')
        [arm] = read(plain, SOURCE, apart=False)
        assert arm.files[0].broken == 1
        assert "line 2" in arm.files[0].notes[0]

    def test_unscored_answers_by_scorer_and_reason(self, tmp_path, writers):
        [arm] = read(inspect_log(writers, tmp_path / "a.eval", {1: "C", 2: None, 3: "hm"}), SOURCE, apart=False)
        assert arm.files[0].unscored == {"match": {"no score": 1, "not a number: hm": 1}}


class TestItems:
    def test_only_these_items_with_their_keys_and_columns(self, tmp_path, writers):
        log = writers["json_lines"](
            tmp_path / "rows.jsonl", [{"id": n, "prompt": f"q {n}", "score": 1} for n in range(4)]
        )
        listed = writers["json_lines"](
            tmp_path / "items.jsonl", [{"id": 1, "answer": "5", "hard": True}, {"question": "q  2", "answer": 6}]
        )
        source = Source(readers=[], plain=Plain(), items=Items(listed), by="hard")
        [arm] = read(log, source, apart=False)
        [table] = arm.tasks[""]
        assert list(table.items) == ["1", "2"]
        assert table.levels == ["True", ""]

    def test_a_list_that_names_no_items(self, tmp_path, writers):
        with pytest.raises(DataError, match=r"names no items. Columns: colour"):
            Items(writers["json_lines"](tmp_path / "items.jsonl", [{"colour": "red"}]))


class TestLevels:
    def test_a_column_that_is_not_there(self, tmp_path, writers):
        log = writers["json_lines"](tmp_path / "rows.jsonl", [{"id": 1, "level": "x", "score": 1}])
        with pytest.raises(DataError, match=r"unknown column 'leve'. Did you mean 'level'"):
            read(log, Source(readers=[], plain=Plain(), by="leve"), apart=False)

    def test_a_column_that_holds_no_groups(self, tmp_path, writers):
        log = writers["json_lines"](tmp_path / "rows.jsonl", [{"id": n, "level": n, "score": 1} for n in range(99)])
        with pytest.raises(DataError, match="99 different values"):
            read(log, Source(readers=[], plain=Plain(), by="level"), apart=False)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.jsonl", "", "is empty"),
        ("results_1.json", '{"results": {}, "configs": {}}', "holds the totals"),
        ("x.txt", "hello world\n", "begins with"),
        ("x.json", json.dumps({"a": {"b": 1}}, indent=1), "which item"),
        ("x.jsonl", '{"id": 1, "score": 1', "cut off|not a JSON"),
        ("x.eval", "PK\x03\x04 and then nothing", "truncated zip archive"),
        ("x.parquet", "PAR1 and then nothing", "not a readable Parquet"),
    ],
)
def test_files_that_are_no_logs_are_one_message(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read(tmp_path / name, SOURCE, apart=False)


def test_what_is_not_there_and_how_else_a_model_is_named():
    with pytest.raises(DataError, match=r"no such file or folder.*hf:org/name if it is a model on the hub"):
        read(Path("org/name"), SOURCE, apart=False)


def test_an_id_is_the_same_as_number_text_or_what_a_table_with_a_gap_makes_of_it(tmp_path, writers):
    for at, value in enumerate((3, "3", 3.0)):
        [arm] = read(writers["json_lines"](tmp_path / f"{at}.jsonl", [{"id": value, "score": 1}]), SOURCE, apart=False)
        assert list(arm.tasks[""][0].items) == ["3"]
    (tmp_path / "nan.jsonl").write_text('{"id": NaN, "prompt": "q", "score": 1}\n')
    [arm] = read(tmp_path / "nan.jsonl", SOURCE, apart=False)
    assert arm.tasks[""][0].identified == {"content"}


def test_arms_of_one_folder_are_not_the_same_log(tmp_path, writers):
    for name, score in (("small", 0), ("large", 1)):
        rows = [{"id": n, "model": name, "score": score} for n in range(3)]
        writers["json_lines"](tmp_path / f"{name}.jsonl", rows)
    arms = read(tmp_path, SOURCE, apart=True)
    assert arms[0].identities.isdisjoint(arms[1].identities)
