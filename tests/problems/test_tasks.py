import json

import pytest

from counterform.errors import DataError
from counterform.problems.readers import read_problems
from counterform.problems.tasks import as_tasks
from counterform.text import wording
from counterform.types import Problem


def rows(instruction, answers, **facts):
    return [
        Problem(
            id=f"{instruction}{at}", prompt=f"text {at}", answer=answer, facts={"instruction": instruction, **facts}
        )
        for at, answer in enumerate(answers)
    ]


THREE = [
    *rows("Is it red?", ["yes", "yes", "no", "no"]),
    *rows("Big?", ["big", "small"] * 3),
    *rows("Up?", ["up", "down", "up"]),
]


def test_problems_are_composed_and_demonstrations_are_no_problems():
    problems, _ = as_tasks(THREE, held_out=0.3)
    red = [p for p in problems if p.facts["task"] == "Is it red?"]
    assert [p.id for p in red] == ["Is it red?1", "Is it red?3"]
    assert red[0].facts["demonstrations"] == [["text 0", "yes"], ["text 2", "no"]]
    assert red[0].facts["space"] == ["no", "yes"]
    assert red[0].prompt == wording.compose(red[0].facts)
    assert red[0].prompt.startswith("Is it red?\nInput: text 0\nThe answer is yes.\nInput: text 2\nThe answer is no.\n")
    assert red[0].prompt.endswith("\nInput: text 1")


def test_whole_instructions_are_held_out():
    problems, notes = as_tasks(THREE, held_out=0.3)
    held = {p.facts["task"] for p in problems if p.split == "held_out"}
    assert held == {"Is it red?"}
    assert held.isdisjoint(p.facts["task"] for p in problems if p.split == "train")
    assert notes == [
        "3 instructions, answer spaces inferred from the answers that occur with the same instruction: 2 labels "
        "(the largest, of 'Is it red?': no, yes)"
    ]


def test_with_one_instruction_nothing_is_held_out_and_that_is_said():
    problems, notes = as_tasks(rows("Big?", ["big", "small"] * 3), held_out=0.5)
    assert {p.split for p in problems} == {"train"}
    assert "share it with those of training" in notes[-1]


def test_instructions_of_few_rows_are_left_out_and_counted():
    problems, notes = as_tasks([*THREE, *rows("Once?", ["yes", "no"])], held_out=0.3)
    assert "Once?" not in {p.facts["task"] for p in problems}
    assert "1 instructions with fewer than 3 rows were left out" in notes


def test_a_given_space_is_kept_and_the_template_is_put_around():
    given = rows("Big?", ["big", "big", "big", "small"], space=["huge", "big", "small"])
    (problem, other), notes = as_tasks(given, held_out=0.5, template="Q: {prompt}")
    assert problem.facts["space"] == other.facts["space"] == ["huge", "big", "small"]
    assert problem.prompt == f"Q: {wording.compose(problem.facts)}"
    assert "answer spaces as given: 3 labels" in notes[0]


def test_an_answer_space_of_one_is_refused_with_its_label_and_the_fix():
    with pytest.raises(DataError, match=r"'Same\?' has an answer space of one: 'yes' in all of its 3 rows.*space = "):
        as_tasks([*THREE, *rows("Same?", ["yes"] * 3)], held_out=0.3)


class TestReading:
    def file(self, tmp_path, rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return path

    def row(self, **more):
        return {"input": "a cat", "label": "yes", "definition": "Is it an animal?", **more}

    def read(self, path, **columns):
        return read_problems(path, prompt="input", answer="label", instruction="definition", **columns)

    def test_facts_and_one_prompt_under_two_instructions(self, tmp_path):
        path = self.file(tmp_path, [self.row(), self.row(definition=["Is it", "a pet?"]), self.row()])
        read = self.read(path)
        assert [p.facts for p in read.problems] == [
            {"instruction": "Is it an animal?"},
            {"instruction": "Is it\na pet?"},
        ]
        assert len({p.id for p in read.problems}) == 2
        assert [(row.line, row.reason) for row in read.broken] == [(3, "same prompt as line 1")]

    @pytest.mark.parametrize("space", [["yes", "no"], "yes;no", "yes, no"])
    def test_a_space_column(self, tmp_path, space):
        path = self.file(tmp_path, [self.row(labels=space), self.row(input="a", label="maybe", labels=space)])
        read = self.read(path, space="labels")
        assert read.problems[0].facts["space"] == ["yes", "no"]
        assert "'maybe' is not in its answer space" in read.broken[0].reason

    @pytest.mark.parametrize("broken", [None, 3, "", {"a": 1}, [], [None]])
    def test_a_row_without_an_instruction_is_kept_out(self, tmp_path, broken):
        path = self.file(tmp_path, [self.row(), self.row(definition=broken)])
        assert [row.line for row in self.read(path).broken] == [2]

    @pytest.mark.parametrize("columns", [{"instruction": "task"}, {"instruction": "definition", "space": "task"}])
    def test_a_column_that_is_not_there(self, tmp_path, columns):
        path = self.file(tmp_path, [self.row()])
        with pytest.raises(DataError, match=r"no column 'task'. Found: 'input', 'label', 'definition'"):
            read_problems(path, prompt="input", answer="label", **columns)
