"""Logs of lm-evaluation-harness: those that come with the package, and the forms of older versions."""

import json

import pytest

from counterform.compare import example_logs
from counterform.logs.lm_eval import LmEval
from counterform.logs.reader import Broken

READER = LmEval()
NAME = "samples_sum_2026-01-01T00-00-00.000001.jsonl"


def read(path):
    broken = Broken()
    return list(READER.rows(path, broken)), broken


def test_what_lm_eval_wrote():
    path = next(example_logs()[1].glob("samples_*.jsonl"))
    rows, broken = read(path)
    assert (len(rows), broken.count) == (120, 0)
    assert {row.scores[0].scorer for row in rows} == {"exact_match,strict-match", "exact_match,flexible-extract"}
    assert {row.task for row in rows} == {"ledger"}
    assert {row.model for row in rows} == {"world-tuned"}
    assert len({row.item for row in rows}) == 60
    assert READER.direction(READER.about(path), "exact_match,strict-match") == "high"
    assert rows[0].columns["operations"] == 3


def test_equal_documents_are_samples_of_one_item_under_every_filter(tmp_path, writers):
    answers = [("q", "r", "k", 1.0), ("q", "other", "k", 0.0)]
    rows, _ = read(writers["json_lines"](tmp_path / NAME, writers["lm_eval_rows"](answers)))
    assert [(row.item, row.sample) for row in rows] == [("doc-q", 0), ("doc-q", 1)] * 2


@pytest.mark.parametrize("gone", [("filter",), ("metrics",), ("doc_hash", "prompt_hash", "target_hash")])
def test_what_older_versions_did_not_write(tmp_path, writers, gone):
    rows = [{k: v for k, v in row.items() if k not in gone} for row in writers["lm_eval_rows"](filters=("none",))]
    found, broken = read(writers["json_lines"](tmp_path / NAME, rows))
    assert broken.count == 0
    assert [score.scorer for row in found for score in row.scores] == ["exact_match,none"] * 2
    assert [row.scores[0].value for row in found] == [1.0, 0.0]
    assert len({row.item for row in found}) == 2


@pytest.mark.parametrize(
    ("resps", "text"),
    [
        ([["said"]], "said"),
        ([["one", "two"]], "one"),
        (["said"], "said"),
        ([["-1.5", "False"], ["-2.5", "True"]], None),
        ([[-1.5, True]], None),
        ([], None),
        (None, None),
    ],
)
def test_responses_and_choices_that_were_only_ranked(tmp_path, writers, resps, text):
    rows = [{**row, "resps": resps} for row in writers["lm_eval_rows"]()]
    assert {row.text for row in read(writers["json_lines"](tmp_path / NAME, rows))[0]} == {text}


@pytest.mark.parametrize("value", [[0.5, "x"], {"bleu": 1}, None, "nan"])
def test_a_metric_without_a_number_is_unscored_and_says_why(tmp_path, writers, value):
    rows = [{**row, "exact_match": value} for row in writers["lm_eval_rows"]()]
    found, _ = read(writers["json_lines"](tmp_path / NAME, rows))
    assert all(score.value is None and score.reason for row in found for score in row.scores)


@pytest.mark.parametrize(
    ("higher", "direction"), [({"exact_match": False}, "low"), ({"exact_match": True}, "high"), ({}, "high")]
)
def test_the_direction_of_a_metric_comes_from_the_results(tmp_path, writers, higher, direction):
    path = writers["json_lines"](tmp_path / NAME, writers["lm_eval_rows"]())
    results = {"higher_is_better": {"sum": higher}, "model_name": "org/m", "config": {"model_args": "pretrained=org/m"}}
    path.with_name("results_2026-01-01T00-00-00.000001.json").write_text(json.dumps(results))
    about = READER.about(path)
    assert about.model == "org/m"
    assert READER.direction(about, "exact_match,strict-match") == direction
    assert READER.direction(about, "word_perplexity,none") == "low"


@pytest.mark.parametrize("results", ["", "[", "[1]", '{"config": 7, "higher_is_better": [1]}'])
def test_results_that_cannot_be_read_are_as_none(tmp_path, writers, results):
    path = writers["json_lines"](tmp_path / NAME, writers["lm_eval_rows"]())
    path.with_name("results_2026-01-01T00-00-00.000001.json").write_text(results)
    assert READER.about(path).model == ""


def test_rows_that_are_none(tmp_path, writers):
    rows = [*writers["lm_eval_rows"](), {"doc_id": 9, "doc": None}]
    found, broken = read(writers["json_lines"](tmp_path / NAME, rows))
    assert (len(found), broken.count) == (4, 1)


def test_perplexity_of_a_document_is_a_likelihood_and_better_high(tmp_path, writers):
    rows = [
        {**row, "metrics": ["perplexity"], "perplexity": -13.5}
        for row in writers["lm_eval_rows"]([("q", "r", "k", 1.0)])
    ]
    path = writers["json_lines"](tmp_path / NAME, rows)
    [first, *_], _ = read(path)
    assert first.scores[0].value == -13.5
    assert "log-likelihoods" in first.scores[0].reason
    assert READER.direction(READER.about(path), first.scores[0].scorer) == "high"
