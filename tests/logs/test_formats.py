"""Oddities of the other formats, each as its tool writes it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterform.errors import DataError, StudyError
from counterform.logs.archive import names
from counterform.logs.lighteval import Lighteval
from counterform.logs.opencompass import NO_SCORE, OpenCompass
from counterform.logs.plain import Plain, parse_columns
from counterform.logs.prime_rl import PrimeRL
from counterform.logs.reader import Broken
from counterform.logs.skyrl import SkyRL
from counterform.logs.streams import head
from counterform.logs.tinker import Tinker
from counterform.logs.trl import Trl
from counterform.logs.verl import Verl


def read(reader, path):
    return list(reader.rows(path, Broken()))


def scores(row):
    return {score.scorer: score.value for score in row.scores}


class TestLighteval:
    def test_pairs_by_content_for_a_document_id_is_a_place(self, make):
        rows = read(Lighteval(), make("lighteval"))
        assert {row.identified for row in rows} == {"content"}
        assert rows[0].model == "org/model"
        assert rows[0].task == "sum|0"

    @pytest.mark.parametrize(("gold", "key"), [(0, "a"), ([1], "b"), ([0, 1], None), (7, None), (None, None)])
    def test_the_key_is_the_one_right_choice(self, tmp_path, gold, key):
        doc = {"query": "q", "choices": ["a", " b"], "gold_index": gold}
        path = tmp_path / "details_t_2026-01-01T00-00-00.1.parquet"
        pq.write_table(
            pa.Table.from_pylist([{"doc": doc, "model_response": {"text": ["r"]}, "metric": {"em": 1.0}}]), path
        )
        assert read(Lighteval(), path)[0].key == key


class TestTrl:
    def test_a_reward_of_none_is_unscored_and_the_advantage_no_reward(self, make):
        rows = read(Trl(), make("trl"))
        assert scores(rows[0]) == {"accuracy": 1.0, "brevity": -0.07}
        assert scores(rows[1]) == {"accuracy": None, "brevity": -0.07}

    def test_the_steps_of_a_folder_are_one_run(self, tmp_path):
        reader = Trl()
        assert reader.run(tmp_path / "completions_00001.parquet") == reader.run(tmp_path / "completions_00002.parquet")

    def test_prompts_of_plain_text(self, tmp_path):
        row = {"step": 1, "prompt": "q", "completion": "r", "accuracy": 1.0, "advantage": 0.0}
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "completions_00001.parquet")
        [found] = read(Trl(), tmp_path / "completions_00001.parquet")
        assert (found.prompt, found.text, found.key) == ("q", "r", None)


class TestVerl:
    def test_uid_is_new_in_every_run_and_plays_no_part(self, tmp_path, writers):
        row = {"input": "q", "output": "r", "gts": "5", "score": 1.0, "step": 3, "acc": True, "pred": "5"}
        paths = [writers["json_lines"](tmp_path / f"{uid}.jsonl", [{**row, "uid": uid}]) for uid in "ab"]
        first, second = ([found.item for found in read(Verl(), path)] for path in paths)
        assert first == second
        [found] = read(Verl(), paths[0])
        assert scores(found) == {"score": 1.0, "acc": 1.0}
        assert found.step == 3

    def test_one_prompt_with_two_keys_is_two_items(self, tmp_path, writers):
        rows = [{"input": "q", "output": "r", "gts": key, "score": 0, "step": 0} for key in ("5", "6", None)]
        assert len({row.item for row in read(Verl(), writers["json_lines"](tmp_path / "0.jsonl", rows))}) == 3


class TestSkyRL:
    def test_rewards_of_tokens_are_summed_and_the_step_is_in_the_path(self, make):
        rows = read(SkyRL(), make("skyrl"))
        assert [scores(row) for row in rows] == [{"score": 1.0}, {"score": 0.0}]
        assert {row.step for row in rows} == {5}
        assert {row.task for row in rows} == {"org/sum"}

    @pytest.mark.parametrize("score", [None, [0.0, None], "x", []])
    def test_scores_that_are_none(self, tmp_path, writers, score):
        row = {"input_prompt": "q", "output_response": "r", "score": score, "env_class": "e", "env_extras": None}
        [found] = read(SkyRL(), writers["json_lines"](tmp_path / "x.jsonl", [row]))
        assert found.scores[0].value == (0.0 if score == [] else None)


class TestPrimeRL:
    def test_named_rewards_before_their_weights_and_their_sum(self, make):
        rows = read(PrimeRL(), make("prime-rl"))
        assert scores(rows[0]) == {"correct": 1.0, "format": 1.0, "reward": 1.5, "turns": 1.0}
        assert (rows[0].item, rows[0].step, rows[0].task) == ("key-What is 2 + 3?", 7, "sum")

    def test_rewards_of_none_and_of_errors_are_unscored(self, tmp_path, writers):
        trace = {"nodes": [], "rewards": {"a": None, "b": {"score": 1.0}}, "metrics": {}}
        error = {"type": "Timeout", "message": "slow"}
        base = {"env": {"id": "e"}, "task": {"data": {"prompt": "q"}}}
        rows = [{**base, "traces": [trace]}, {**base, "traces": [{"nodes": [], "rewards": {}, "errors": [error]}]}]
        rows += [{**base, "traces": [], "errors": [error]}, {**base, "traces": []}]
        found = read(PrimeRL(), writers["json_lines"](tmp_path / "traces.jsonl", rows))
        assert scores(found[0]) == {"a": None, "b": 1.0, "reward": None}
        assert [row.failure for row in found] == ["", "error: Timeout slow", "error: Timeout slow", "never scored"]

    def test_an_episode_has_a_new_id_each_time_and_is_the_same_item(self, tmp_path, writers):
        base = {"env": {"id": "e"}, "task": {"data": {"prompt": "q", "idx": 1}}, "traces": []}
        rows = [{**base, "id": "one"}, {**base, "id": "two"}]
        assert len({row.item for row in read(PrimeRL(), writers["json_lines"](tmp_path / "traces.jsonl", rows))}) == 1


class TestTinker:
    def test_a_trajectory_that_failed_has_a_reward_that_means_nothing(self, tmp_path, writers):
        row = {"idx": 0, "turns": [], "reward": 0.0, "metrics": {"correct": 0.0}, "logs": {}, "error": "timed out"}
        [found] = read(Tinker(), writers["json_lines"](tmp_path / "sum" / "trajectories.jsonl", [row]))
        assert (found.scores, found.failure, found.task) == ((), "error: timed out", "sum")

    def test_the_model_is_in_the_metadata_of_the_run(self, make):
        path = make("tinker")
        (path.parent.parent / "metadata.json").write_text(json.dumps({"model_name": "m", "checkpoint": None}))
        assert Tinker().about(path).model == "m"

    def test_old_files_without_an_example_id_go_by_their_first_turns(self, tmp_path, writers):
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]
        rows = [{"idx": n, "turns": turns, "reward": 1.0, "metrics": {}} for n in (0, 1)]
        found = read(Tinker(), writers["json_lines"](tmp_path / "sum" / "trajectories.jsonl", rows))
        assert {row.identified for row in found} == {"content"}
        assert len({row.item for row in found}) == 1


class TestOpenCompass:
    def test_predictions_hold_no_score(self, make):
        rows = read(OpenCompass(), make("opencompass"))
        assert {row.failure for row in rows} == {NO_SCORE}
        assert OpenCompass().about(make("opencompass", "other")).model == "model"

    def test_several_predictions_are_several_samples(self, tmp_path):
        path = tmp_path / "t.json"
        path.write_text(json.dumps({"0": {"origin_prompt": "q", "prediction": ["a", "b"], "gold": "a"}}))
        assert [row.text for row in read(OpenCompass(), path)] == ["a", "b"]


class TestPlain:
    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (True, 1.0),
            ("false", 0.0),
            ("Correct", 1.0),
            ("I", 0.0),
            ("0.25", 0.25),
            (None, None),
            ("", None),
            ("unknown", None),
            ("?", None),
            ("nan", None),
        ],
    )
    def test_scores_of_numbers_and_of_words(self, tmp_path, writers, value, found):
        path = writers["json_lines"](tmp_path / "rows.jsonl", [{"id": 1, "score": value}])
        [row] = read(Plain(), path)
        assert row.scores[0].value == found
        assert (found is None) == bool(row.scores[0].reason)

    @pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "csv"])
    def test_one_set_of_rows_in_every_container(self, tmp_path, kind):
        rows = [{"qid": "a", "ask": "q", "said": "r", "ok": 1}, {"qid": "b", "ask": "p", "said": "s", "ok": 0}]
        path = tmp_path / f"rows.{kind}"
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif kind == "csv":
            path.write_text("qid,ask,said,ok\n" + "".join(",".join(map(str, row.values())) + "\n" for row in rows))
        else:
            path.write_text(json.dumps(rows, indent=1) if kind == "json" else "\n".join(map(json.dumps, rows)))
        found = read(Plain(parse_columns("item=qid,prompt=ask,text=said,score=ok")), path)
        assert [(row.item, row.prompt, row.text, scores(row)) for row in found] == [
            ("a", "q", "r", {"ok": 1.0}),
            ("b", "p", "s", {"ok": 0.0}),
        ]

    def test_several_scores_and_samples_and_models(self, tmp_path, writers):
        row = {"id": 1, "epoch": 2, "model": "m", "task": "t", "style": 1, "truth": 0}
        [found] = read(Plain({"score": ["style", "truth"]}), writers["json_lines"](tmp_path / "r.jsonl", [row]))
        assert (found.sample, found.model, found.task, scores(found)) == (2, "m", "t", {"style": 1.0, "truth": 0.0})

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ({"colour": "red", "score": 1}, "which item"),
            ({"id": 1, "colour": "red"}, "holds a score"),
            ({"id": 1, "response": "r"}, "holds a score"),
        ],
    )
    def test_what_is_missing_is_named_with_the_columns_there_are(self, tmp_path, writers, row, said):
        beginning = head(writers["json_lines"](tmp_path / "r.jsonl", [row]), names)
        assert not Plain().recognises(beginning)
        with pytest.raises(DataError, match=rf"{said}.*Columns: .*--columns"):
            Plain().columns(beginning)

    def test_a_column_that_is_not_there(self, tmp_path, writers):
        beginning = head(writers["json_lines"](tmp_path / "r.jsonl", [{"id": 1, "score": 1}]), names)
        with pytest.raises(DataError, match=r"unknown column 'scor'. Did you mean 'score'"):
            Plain({"score": ["scor"]}).columns(beginning)

    @pytest.mark.parametrize("text", ["score", "score=", "colour=red", "=x"])
    def test_columns_that_cannot_be_read(self, text):
        with pytest.raises(StudyError, match=r"--columns.*item, prompt"):
            parse_columns(text)

    @pytest.mark.parametrize("indent", [None, 1])
    def test_a_column_that_the_first_row_lacks(self, tmp_path, writers, indent):
        rows = [{"id": 1}, {"id": 2, "score": 1}]
        path = writers["json_lines"](tmp_path / "r.jsonl", rows)
        if indent:
            path.write_text(json.dumps(rows, indent=indent))
        assert [row.scores[0].value for row in read(Plain(), path)] == [None, 1.0]

    def test_without_an_id_the_content_is_the_item(self, tmp_path, writers):
        rows = [{"prompt": "q", "answer": "5", "score": s} for s in (1, 0)] + [
            {"prompt": "q", "answer": "6", "score": 1}
        ]
        found = read(Plain(), writers["json_lines"](tmp_path / "r.jsonl", rows))
        assert [row.identified for row in found] == ["content"] * 3
        assert found[0].item == found[1].item != found[2].item
