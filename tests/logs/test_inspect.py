"""Logs of inspect_ai: those it wrote itself, and every oddity of theirs that is known."""

import json
import zipfile

import pytest

from counterform.errors import DataError
from counterform.logs.inspect import Inspect
from counterform.logs.reader import Broken
from counterform.types import Mark

READER = Inspect()


def read(path):
    broken = Broken()
    return list(READER.rows(path, broken)), broken


def marks(rows, scorer):
    return {(row.item, row.sample): score.mark for row in rows for score in row.scores if score.scorer == scorer}


class TestWhatInspectWrote:
    def test_an_archive_of_zstandard_members(self, data):
        rows, broken = read(data / "inspect" / "first.eval")
        assert broken.count == 0
        assert len(rows) == 12
        assert {row.sample for row in rows} == {1, 2}
        about = READER.about(data / "inspect" / "first.eval")
        assert (about.status, about.model, about.expected) == ("success", "mockllm/first", 12)
        unscored = [row.scores[0] for row in rows if row.scores[0].value is None]
        assert [score.reason for score in unscored] == ["invalid_response_format"] * 4
        assert sum(mark is Mark.RIGHT for mark in marks(rows, "includes").values()) == 6

    def test_json_with_bare_nan_says_the_same(self, data):
        of = [read(data / "inspect" / name)[0] for name in ("second.eval", "second-json.json")]
        assert len(of[0]) == 12
        assert {str(row.scores) + row.text for row in of[0]} == {str(row.scores) + row.text for row in of[1]}

    def test_chunked_samples_say_the_same(self, data):
        plain, chunked = (read(data / "inspect" / name)[0] for name in ("second.eval", "second-chunked.eval"))
        assert sorted(plain, key=str) == sorted(chunked, key=str)
        assert plain[0].columns == {"operations": 3}

    def test_long_texts_of_chunked_samples_are_put_back(self, data):
        rows, _ = read(data / "inspect" / "long-chunked.eval")
        assert all(row.prompt.startswith("Read with care. Read with care.") for row in rows)

    def test_an_evaluation_that_failed(self, data):
        about = READER.about(data / "inspect" / "cut.eval")
        assert about.status == "error"
        assert "ran out of values" in about.error
        rows, _ = read(data / "inspect" / "cut.eval")
        assert len(rows) < about.expected
        assert [row.failure for row in rows if not row.scores]

    def test_samples_that_failed_are_unscored_with_the_error(self, data):
        rows, _ = read(data / "inspect" / "some-errors.eval")
        failed = [row for row in rows if row.failure]
        assert len(failed) == 3
        assert all("ran out of values" in row.failure for row in failed)


def one(tmp_path, writers, sample, header=None):
    path = writers["eval_archive"](tmp_path / "log.eval", [sample], header or writers["inspect_header"]())
    rows, broken = read(path)
    assert broken.count == 0
    return rows[0]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("C", 1.0),
        ("I", 0.0),
        ("P", 0.5),
        ("N", 0.0),
        ("yes", 1.0),
        ("False", 0.0),
        (True, 1.0),
        (1, 1.0),
        ("0.25", 0.25),
        (3.5, 3.5),
    ],
)
def test_values_are_read_as_inspect_reads_them(tmp_path, writers, value, found):
    row = one(tmp_path, writers, writers["inspect_sample"](1, "q", "r", "k", {"s": {"value": value}}))
    assert row.scores[0].value == found
    assert bool(row.scores[0].reason) == (value == "N")


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ({"value": float("nan"), "reason": "timeout"}, "timeout"),
        ({"value": float("nan"), "metadata": {"unscored_reason": "parse"}}, "parse"),
        ({"value": float("nan")}, "no score"),
        ({"value": None}, "no score"),
        ({"value": "maybe"}, "not a number: maybe"),
        ({"value": "nan"}, "no score"),
        ({}, "no score"),
    ],
)
def test_what_is_not_scored_is_unknown_with_its_reason(tmp_path, writers, score, reason):
    row = one(tmp_path, writers, writers["inspect_sample"](1, "q", "r", "k", {"s": score}))
    assert row.scores[0].mark is Mark.UNKNOWN
    assert row.scores[0].reason == reason


def test_a_value_of_several_numbers_is_several_scorers(tmp_path, writers):
    scores = {"s": {"value": {"style": 1, "truth": "I"}}, "t": {"value": [1, 0.5]}}
    row = one(tmp_path, writers, writers["inspect_sample"](1, "q", "r", "k", scores))
    assert {score.scorer: score.value for score in row.scores} == {"s/style": 1, "s/truth": 0, "t/0": 1, "t/1": 0.5}


def test_the_first_format_had_one_score(tmp_path, writers):
    row = one(tmp_path, writers, writers["inspect_sample"](1, "q", "r", "k", None, score={"value": "C"}))
    assert [(score.scorer, score.value) for score in row.scores] == [("score", 1.0)]


@pytest.mark.parametrize(
    ("more", "failure"),
    [
        ({"invalidation": {"reason": "leak"}}, "invalidated"),
        ({"scores": {}, "error": {"message": "Boom\nmore"}}, "error: Boom"),
        ({"scores": None}, "never scored"),
    ],
)
def test_samples_without_a_score_that_counts(tmp_path, writers, more, failure):
    sample = {**writers["inspect_sample"](1, "q", "r", "k", {"s": {"value": "C"}}), **more}
    row = one(tmp_path, writers, sample)
    assert (row.scores, row.failure) == ((), failure)


def test_a_response_in_parts_and_a_prompt_of_messages(tmp_path, writers):
    sample = writers["inspect_sample"](1, [{"role": "user", "content": "ask"}], "", ["k"], {"s": {"value": "C"}})
    sample["output"] = {
        "choices": [{"message": {"content": [{"type": "reasoning"}, {"type": "text", "text": "said"}]}}]
    }
    row = one(tmp_path, writers, sample)
    assert (row.prompt, row.text, row.key) == ("ask", "said", "k")


def test_long_texts_are_taken_from_the_attachments(tmp_path, writers):
    sample = writers["inspect_sample"](
        1, "attachment://h1", "r", "k", {"s": {"value": "C"}}, attachments={"h1": "long"}
    )
    assert one(tmp_path, writers, {**sample, "attachments": {"h1": "long"}}).prompt == "long"


def test_an_evaluation_without_a_header_was_never_finished(tmp_path, writers):
    sample = writers["inspect_sample"](1, "q", "r", "k", {"s": {"value": "C"}})
    header = writers["inspect_header"]()
    path = tmp_path / "log.eval"
    members = {"_journal/start.json": {"eval": header["eval"]}, "samples/1_epoch_1.json": sample}
    writers["write_zip"](path, {name: json.dumps(value).encode() for name, value in members.items()})
    assert READER.about(path).status == "started"
    assert len(read(path)[0]) == 1


def test_one_broken_sample_is_counted_and_the_others_read(tmp_path, writers):
    path = tmp_path / "log.eval"
    good = json.dumps(writers["inspect_sample"](1, "q", "r", "k", {"s": {"value": "C"}})).encode()
    members = {"header.json": json.dumps(writers["inspect_header"]()).encode(), "samples/1_epoch_1.json": good}
    members |= {"samples/2_epoch_1.json": b'{"id": 2, "scores": [1]}', "samples/3_epoch_1.json": b"{"}
    writers["write_zip"](path, members, zipfile.ZIP_STORED)
    rows, broken = read(path)
    assert (len(rows), broken.count) == (1, 2)
    assert broken.examples[0].startswith("samples/2_epoch_1.json")


@pytest.mark.parametrize("header", [b"{", b"[]", b'{"status": "success"}', b'{"status": 7, "eval": 7}'])
def test_a_header_that_cannot_be_read_is_one_message(tmp_path, writers, header):
    path = tmp_path / "log.eval"
    writers["write_zip"](path, {"header.json": header})
    with pytest.raises(DataError, match="header of the inspect log"):
        READER.about(path)


def test_shards_are_one_run_and_other_logs_are_their_own(tmp_path):
    shard = tmp_path / "log.shards" / "0" / "a.eval"
    assert READER.run(shard) == READER.run(tmp_path / "log.shards" / "1" / "b.eval") == str(tmp_path / "log.shards")
    assert READER.run(tmp_path / "a.eval") != READER.run(tmp_path / "b.eval")
