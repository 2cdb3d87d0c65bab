import json
from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.problems.ledger import Ledger
from counterform.problems.source import away_from, generated, read
from counterform.study import ProblemsSpec


def write(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def ids(problems):
    return [problem.id for problem in problems]


def plain(n):
    return [{"prompt": f"What is {at} + {at}?", "answer": str(2 * at)} for at in range(n)]


def numbered(n):
    return [{"id": at, **row} for at, row in enumerate(plain(n))]


def labelled(n):
    return [{**row, "kind": "hard" if at % 3 == 2 else None} for at, row in enumerate(plain(n))]


def tasks(n):
    return [
        {"instruction": f"Task {at // 10}: is it even?", "prompt": f"the number {at}", "answer": ("yes", "no")[at % 2]}
        for at in range(n)
    ]


KINDS = {
    "plain rows": (plain, {}),
    "rows with an id": (numbered, {}),
    "rows with a shift": (labelled, {"shift": "kind"}),
    "whole instructions": (tasks, {"instruction": "instruction"}),
}


class TestTheUsersFile:
    """Files are sorted: by difficulty, subject, date, answer. A split that follows the file measures that order."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_order_of_the_file_decides_nothing(self, tmp_path, kind):
        rows, options = KINDS[kind]
        spec = ProblemsSpec(file="mine.jsonl", train=30, held_out=15, **options)
        first = read(write(tmp_path / "a.jsonl", rows(90)), spec)
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(90)
            other = read(write(tmp_path / "b.jsonl", [rows(90)[at] for at in order]), spec)
            assert (ids(first.train), ids(first.held_out)) == (ids(other.train), ids(other.held_out))
        assert not set(ids(first.train)) & set(ids(first.held_out))

    @pytest.mark.parametrize("kind", ["plain rows", "rows with an id", "rows with a shift"])
    def test_both_splits_come_from_all_over_the_file(self, tmp_path, kind):
        rows, options = KINDS[kind]
        spec = ProblemsSpec(file="mine.jsonl", train=60, held_out=60, **options)
        place = {row["prompt"]: at for at, row in enumerate(rows(240))}
        split = read(write(tmp_path / "a.jsonl", rows(240)), spec)
        for part in (split.train, split.held_out):
            quarters = Counter(4 * place[problem.prompt] // 240 for problem in part)
            assert min(quarters[quarter] for quarter in range(4)) >= 5  # of 15 that are expected

    def test_another_prompt_moves_no_other_row(self, tmp_path):
        spec = ProblemsSpec(file="mine.jsonl", train=30, held_out=30)
        before = read(write(tmp_path / "a.jsonl", plain(60)), spec)
        after = read(write(tmp_path / "b.jsonl", [*plain(60)[1:], {"prompt": "New?", "answer": "1"}]), spec)
        moved = set(ids(before.train)) ^ set(ids(after.train))
        assert len(moved) <= 4

    def test_shifted_rows_are_drawn_by_hash_too(self, tmp_path):
        spec = ProblemsSpec(file="mine.jsonl", train=20, held_out=10, shift="kind")
        rows, rng = labelled(90), np.random.default_rng(0)
        drawn = []
        for name, order in (("a.jsonl", range(90)), ("b.jsonl", rng.permutation(90))):
            path = write(tmp_path / name, [rows[at] for at in order])
            split = read(path, spec)
            found, unused = away_from(split, spec, family=None, files=[path], n=8, rng=np.random.default_rng(0))
            hard = [problem.id for problem in found if problem.shift.level == "hard"]
            assert (len(hard), unused) == (8, 0)
            drawn.append(hard)
        assert drawn[0] == drawn[1]

    def test_a_shifted_row_is_in_neither_split(self, tmp_path):
        spec = ProblemsSpec(file="mine.jsonl", train=30, held_out=30, shift="kind")
        split = read(write(tmp_path / "a.jsonl", labelled(90)), spec)
        assert {problem.shift for problem in (*split.train, *split.held_out)} == {None}

    def test_too_few_are_told_with_both_numbers(self, tmp_path):
        path = write(tmp_path / "a.jsonl", labelled(90))
        with pytest.raises(DataError, match=r"60 usable problems without a shift.*train \(50\).*held_out \(11\)"):
            read(path, ProblemsSpec(file="mine.jsonl", train=50, held_out=11, shift="kind"))
        assert len(read(path, ProblemsSpec(file="mine.jsonl", train=50, held_out=10, shift="kind")).train) == 50

    def test_whole_instructions_that_do_not_fill_a_split_are_told(self, tmp_path):
        path = write(tmp_path / "a.jsonl", tasks(90))
        with pytest.raises(
            DataError, match=r"whole instructions are held out, which leaves 6\d training and 8 held-out"
        ):
            read(path, ProblemsSpec(file="mine.jsonl", train=60, held_out=9, instruction="instruction"))

    def test_broken_rows_are_kept_out_and_counted(self, tmp_path):
        path = write(tmp_path / "a.jsonl", [*plain(10), {"prompt": "No answer?", "answer": None}])
        split = read(path, ProblemsSpec(file="mine.jsonl", train=5, held_out=5))
        assert [row.line for row in split.broken] == [11]


def test_problems_of_a_family_are_split_and_templated():
    spec = ProblemsSpec(family="ledger", train=7, held_out=5, lengths=(3,), template="Q: {prompt}")
    split = generated(Ledger(), spec)
    assert (len(split.train), len(split.held_out)) == (7, 5)
    assert not {p.prompt for p in split.train} & {p.prompt for p in split.held_out}
    assert all(p.prompt.startswith("Q: ") for p in (*split.train, *split.held_out))
    assert {p.split for p in split.train} == {"train"}
    assert {p.split for p in split.held_out} == {"held_out"}


class Marked(Ledger):
    """A family that marks every so manieth problem as held out, and notes how many it was asked for."""

    def __init__(self, every):
        super().__init__()
        self.every, self.asked = every, []

    def generate(self, n, *, rng, lengths=(3,)):
        self.asked.append(n)
        found = super().generate(n, rng=rng, lengths=lengths)
        return [replace(p, split="held_out" if at % self.every == 0 else "train") for at, p in enumerate(found)]


def test_a_family_that_marks_its_own_is_asked_for_more_until_both_are_full():
    family = Marked(8)
    split = generated(family, ProblemsSpec(family="ledger", train=10, held_out=10, lengths=(3,)))
    assert (len(split.train), len(split.held_out)) == (10, 10)
    assert family.asked == [20, 40, 80]


def test_a_family_that_never_fills_a_split_is_told():
    with pytest.raises(DataError, match=r"'ledger' gives 10 training and 8 held-out problems in 160.*held_out \(10\)"):
        generated(Marked(20), ProblemsSpec(family="ledger", train=10, held_out=10, lengths=(3,)))


def test_format_noise_stands_beside_the_shifts_of_a_family():
    spec = ProblemsSpec(family="ledger", train=8, held_out=6, lengths=(3,), template="Q: {prompt}")
    split = generated(Ledger(), spec)
    found, unused = away_from(split, spec, family=Ledger(), files=[], n=4, rng=np.random.default_rng(0))
    assert unused == 0
    assert all(problem.shift and problem.split == "held_out" for problem in found)
    levels = Counter((p.shift.axis, p.shift.level) for p in found)
    assert max(levels.values()) <= 4
