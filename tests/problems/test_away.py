import json

import pytest

from counterform.errors import DataError
from counterform.metrics import Shift
from counterform.problems.away import read_shift_file, some_of_each
from counterform.problems.readers import MAX_SHIFTS, read_problems
from counterform.text.shifts import shift_of
from counterform.types import Problem


@pytest.fixture
def jsonl(tmp_path):
    def write(rows, name="mine.jsonl"):
        path = tmp_path / name
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path

    return write


def rows(*prompts, **more):
    return [{"id": n, "prompt": prompt, "answer": "4", **more} for n, prompt in enumerate(prompts)]


# A column of the problems' own file.


def test_a_column_labels_a_row_and_an_empty_one_is_as_in_training(jsonl):
    labels = ["", None, "hard", " length  7 ", 2025]
    path = jsonl([{"prompt": f"{n}?", "answer": "4", "kind": label} for n, label in enumerate(labels)])
    shifts = [p.shift for p in read_problems(path, shift="kind").problems]
    assert [shift and (shift.axis, shift.level) for shift in shifts] == [
        None,
        None,
        ("", "hard"),
        ("length", "7"),
        ("", "2025"),
    ]
    assert {p.shift for p in read_problems(path).problems} == {None}


def test_what_is_no_label_is_a_broken_row(jsonl):
    bad = [["hard"], True, "x" * 61, 1.5]
    path = jsonl([{"prompt": f"{n}?", "answer": "4", "kind": label} for n, label in enumerate([*bad, "hard"])])
    read = read_problems(path, shift="kind")
    assert [p.shift for p in read.problems] == [Shift(axis="", level="hard")]
    assert [line for line, _ in read.broken] == [1, 2, 3, 4]
    assert "not a label" in read.broken[0].reason


def test_a_column_that_is_not_there_or_names_too_many_shifts(jsonl):
    path = jsonl([{"prompt": f"{n}?", "answer": "4", "kind": str(n)} for n in range(MAX_SHIFTS + 1)])
    with pytest.raises(DataError, match=r"no column 'kid'.*'kind'.*\[problems\] shift"):
        read_problems(path, shift="kid")
    with pytest.raises(DataError, match=r"'kind'.*25 different labels"):
        read_problems(path, shift="kind")


# A second file.


def test_a_second_file_is_one_shift_named_after_it(jsonl):
    known = read_problems(jsonl(rows("1?", "2?"))).problems
    found, unused = read_shift_file(jsonl(rows("2?", "3?", "4?"), "year 2025.jsonl"), known)
    year = Shift(axis="", level="year-2025")
    assert [(p.id, p.prompt, p.shift) for p in found] == [
        ("year-2025:1", "3?", year),
        ("year-2025:2", "4?", year),
    ]
    assert unused == 1


def test_a_shift_file_that_equals_the_training_file_is_refused(jsonl):
    path = jsonl(rows("1?", "2?"))
    with pytest.raises(DataError, match=r"every problem of .*again\.jsonl is one of the study's own.*shift_file"):
        read_shift_file(jsonl(rows("2?", "1?"), "again.jsonl"), read_problems(path).problems)


def test_at_most_so_many_a_label_with_their_distance_in_words():
    trained = [Problem(id="t", prompt="Add two and two.", answer="4")]
    away = [
        Problem(id=f"{label}{n}", prompt="Add two eggs.", answer="4", shift=shift_of(label))
        for n in range(3)
        for label in "ab"
    ]
    found = some_of_each(away, 2, trained=trained)
    assert [p.id for p in found] == ["a0", "a1", "b0", "b1"]
    assert {(p.split, p.shift.distance) for p in found} == {("held_out", 1 / 3)}
