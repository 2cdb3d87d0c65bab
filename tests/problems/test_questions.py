import json

import pytest

from counterform.errors import DataError
from counterform.problems.questions import read_questions


def write(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_usable_rows_are_read_and_the_others_numbered_with_their_reason(tmp_path):
    rows = [
        {"question": "2 + 2?", "answers": ["4", "5", "4"]},
        {"question": "", "answers": ["4"]},
        {"answers": ["4"]},
        {"question": "2 + 2?", "answers": []},
        {"question": "2 + 2?", "answers": "4"},
        {"question": "2 + 2?", "answers": ["4", None]},
        {"question": "2 + 2?", "answers": [str(n) for n in range(26)]},
        "{broken",
        [1],
    ]
    read = read_questions(write(tmp_path / "q.jsonl", rows))
    assert [(q.line, q.question, q.answers) for q in read.questions] == [(1, "2 + 2?", ("4", "5", "4"))]
    reasons = {row.line: row.reason for row in read.broken}
    assert set(reasons) == set(range(2, 10))
    assert reasons[2] == "`question` is '', not text"
    assert reasons[3] == "no `question`; its columns: 'answers'"
    assert reasons[4] == "`answers` is [], not a list of at least one text"
    assert reasons[6] == "an answer is None, not text"
    assert reasons[7] == "26 different answers; at most 25 can be compared"


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "is empty"), ([{"question": "x"}], "holds no usable question with its answers: 1 broken rows, the first at")],
)
def test_a_file_without_a_usable_row_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_questions(write(tmp_path / "q.jsonl", rows))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_questions(tmp_path / "none.jsonl")
