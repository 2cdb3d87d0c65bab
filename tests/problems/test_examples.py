import json

import pytest

from counterform.errors import DataError
from counterform.problems.examples import read_examples

USER, ANSWER = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}


def written(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "Q", "completion": "A"}, "Q"),
        ({"prompt": "Q", "completion": "\nA"}, "Q"),
        ({"prompt": [USER], "completion": [ANSWER]}, "Q"),
        ({"messages": [USER, ANSWER]}, "Q"),
        ({"messages": [{"role": "system", "content": "S"}, USER, ANSWER]}, "S\n\nQ"),
        ({"instruction": "Q", "output": "A"}, "Q"),
        ({"instruction": "Q", "input": "", "output": "A", "system": "", "history": []}, "Q"),
        ({"instruction": "Q", "input": "I", "output": "A"}, "Q\nI"),
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}, "Q"),
        ({"input": "Q", "output": "A"}, "Q"),
    ],
)
def test_rows_of_other_trainers(tmp_path, row, prompt):
    [example] = read_examples(written(tmp_path, row)).examples
    assert (example.prompt, example.completion, example.attempt_ids) == (prompt, "A", ())
    assert example.problem_id.startswith("user-")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "Q A"}, "no known columns among"),
        ({"prompt": "Q", "completion": None}, "`completion` is None, not text"),
        ({"prompt": [USER], "completion": "A"}, "`prompt` is"),
        ({"messages": [USER, ANSWER, USER, ANSWER]}, "its turns are"),
        ({"messages": [USER]}, "its turns are"),
        ({"messages": "Q"}, "not a list of messages"),
        ({"messages": ["Q", "A"]}, "not a list of messages"),
        ({"messages": [USER, {"role": ["x"], "content": "A"}]}, "its turns are"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "image"}]}]}, "`content` is"),
        ({"input": "Q", "output": "A", "attempt_ids": 3}, "`attempt_ids` is 3"),
        ([1], "not an object"),
    ],
)
def test_a_row_that_cannot_be_used_is_numbered_and_the_others_are_kept(tmp_path, row, reason):
    read = read_examples(written(tmp_path, {"input": "Q", "output": "A"}, row))
    assert len(read.examples) == 1
    [(line, why)] = read.broken
    assert line == 2
    assert reason in why


def test_a_file_without_a_usable_row(tmp_path):
    with pytest.raises(DataError, match="no usable training row: 1 broken rows, the first at line 1"):
        read_examples(written(tmp_path, {"text": "Q"}))
