from __future__ import annotations

import csv
import io
import json
import sys

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.errors import DataError
from counterform.grading import grade_file
from counterform.types import Mark

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN

ROWS = [
    {"answer": "18", "response": "The answer is 18.", "correct": True},
    {"answer": "18", "response": "The answer is 19.", "correct": True},
    {"answer": "9 * 2 = 18\n#### 18", "response": "\\boxed{18}", "correct": False},
]


def jsonl(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_the_same_rows_in_any_format(tmp_path, monkeypatch):
    path = jsonl(tmp_path, *ROWS)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["answer", "response", "correct"])
        writer.writeheader()
        writer.writerows(ROWS)
    graded = [
        list(grade_file(tmp_path / name, against="correct")) for name in ("rows.jsonl", "rows.parquet", "rows.csv")
    ]
    assert graded[0] == graded[1] == graded[2]
    assert [grade.strict for _, _, grade in graded[0]] == [R, W, R]
    assert [row.recorded for _, row, _ in graded[0]] == [R, R, W]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert [grade.strict for _, _, grade in grade_file(type(path)("-"))] == [R, W, R]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"response": "The answer is 1."}, "no column `answer`"),
        ({"answer": None, "response": "x"}, "`answer` is None, not text"),
        ({"answer": "", "response": "x"}, "`answer` is '', not text"),
        ({"answer": ["1", "2"], "response": "x"}, "`answer` is ['1', '2'], not text"),
        ({"answer": True, "response": "x"}, "`answer` is True, not text"),
        ('{"answer": Infinity, "response": "x"}', "`answer` is inf"),
        ({"answer": "1"}, "`response` is None, not text"),
        ({"answer": "1", "response": 7}, "`response` is 7, not text"),
        ({"answer": "1", "response": "x", "correct": "perhaps"}, "`correct` is 'perhaps', not true"),
        ("not json", "not JSON"),
        ("[1]", "not an object: [1]"),
        ({"answer": "\\frac{1", "response": "The answer is 2."}, "the answer key: "),
        ({"answer": "9" * 100_000, "response": "The answer is 2."}, "more than 1,000 characters"),
    ],
)
def test_a_row_that_cannot_be_graded_is_unknown_in_its_place(tmp_path, row, reason):
    path = jsonl(tmp_path, ROWS[0], row, ROWS[1])
    graded = list(grade_file(path, against="correct"))
    assert [line for line, _, _ in graded] == [1, 2, 3]
    assert [grade.strict for _, _, grade in graded] == [R, U, W]
    assert reason in graded[1][2].reason


@pytest.mark.parametrize(
    ("key", "response", "mark"),
    [
        (18.0, "The answer is 18.", R),
        (1e-07, "The answer is 0.0000001.", R),
        (["18"], "The answer is 18.", R),
        ("18", [{"role": "assistant", "content": "The answer is 18."}], R),
    ],
)
def test_keys_and_responses_as_others_write_them(tmp_path, key, response, mark):
    [(_, _, grade)] = grade_file(jsonl(tmp_path, {"answer": key, "response": response}))
    assert grade.strict is mark


def test_the_key_of_a_worked_solution(tmp_path):
    row = {"solution": "We get $9+11=\\boxed{20}$.", "response": "The answer is 20."}
    [(_, read, grade)] = grade_file(jsonl(tmp_path, row))
    assert (read.answer, read.solution, grade.strict) == ("20", row["solution"], R)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no row"),
        ([{"answer": "1", "text": "x"}], "has no column 'response', 'correct'. Found: 'answer', 'text'"),
        ([{"key": "1", "response": "x"}], "has no column 'answer'"),
        ([{"answer": "1", "response": "x"}], "has no column 'correct'"),
    ],
)
def test_a_file_without_the_columns_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        list(grade_file(jsonl(tmp_path, *rows), against="correct"))


def test_more_rows_than_are_held_at_once_keep_their_order(tmp_path):
    path = jsonl(tmp_path, *({"answer": str(n), "response": f"The answer is {n % 7}."} for n in range(300)))
    marks = [(line, grade.strict) for line, _, grade in grade_file(path)]
    assert marks == [(n + 1, R if n < 7 else W) for n in range(300)]


def test_json_lines_in_exactly_this_form(tmp_path):
    path = jsonl(tmp_path, {"answer": "18", "response": "9 * 2 = 18. The answer is 18."})
    done = CliRunner().invoke(app, ["grade", str(path), "--json"])
    [line] = done.stdout.splitlines()
    row = msgspec.json.decode(line)
    assert list(row) == ["strict", "lenient", "stated", "reason", "steps"]
    assert (row["strict"], row["lenient"], row["stated"], row["reason"]) == ("right", "right", "18", "")
    assert row["steps"][0] == {"mark": "right", "rule": "arithmetic", "hint": "", "start": 0, "end": 11}


def test_the_table_counts_and_names_what_disagrees(tmp_path):
    path = jsonl(tmp_path, *ROWS, {"answer": "1", "response": "[bold]17[/bold] it may be", "correct": False})
    done = CliRunner().invoke(app, ["grade", str(path), "--against", "correct"])
    assert done.exit_code == 0
    assert "4 rows" in done.stdout
    assert "no answer is stated" in done.stdout
    assert "[bold]00[/bold] it may be" in done.stdout
    assert "line 2: recorded right, here wrong; key '18', stated '19'" in done.stdout
    assert "line 3: recorded wrong, here right" in done.stdout
