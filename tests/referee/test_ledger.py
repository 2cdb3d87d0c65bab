"""A ledger that was changed releases nothing and says what was done to it; one whose writer was killed goes on."""

import json
import multiprocessing

import pytest

from counterform.errors import DataError, RunDirError
from counterform.findings.ruling import Buy, Ruling
from counterform.referee import ledger as module
from counterform.referee.entries import Contrast, Declared, Look, Verdict
from counterform.referee.ledger import Ledger, begin, head_of, held

DECLARED = Declared(
    contrasts=(Contrast(task="", metric="m", margin=0.02, share=True, up=True),),
    base="base.jsonl", base_digest="b", held_out="h", items=9, runs=1, alpha=0.05, candidates=0, when="2026-11-29 00:00:00",
)  # fmt: skip


def look(number):
    verdict = Verdict(task="", metric="m", ruling=Ruling.NOT_SHOWN, buy=Buy.ITEMS, more=100)
    return Look(number=number, candidate=f"c{number}", log="l", level=0.001, verdicts=(verdict,), when="now")


@pytest.fixture
def path(tmp_path):
    book = begin(tmp_path / "ledger.jsonl", DECLARED)
    for number in (1, 2, 3):
        book.add(look(number))
    return tmp_path / "ledger.jsonl"


def edited(lines, at, old, new):
    assert old in lines[at]
    return [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]


CHANGES = {
    "line 2 was edited": lambda lines: edited(lines, 1, "not shown", "better"),
    "line 1 was edited": lambda lines: edited(lines, 0, "0.05", "0.5"),
    "line 4 was edited": lambda lines: edited(lines, 3, '"line":4', '"line": 4'),
    "line 2 was removed": lambda lines: [lines[0], *lines[2:]],
    "line 1 was removed": lambda lines: lines[1:],
    "line 2 was moved": lambda lines: [lines[0], lines[2], lines[1], lines[3]],
    "line 3 repeats line 2": lambda lines: [*lines[:2], lines[1], *lines[3:4]],
    "truncated, 1 of 4": lambda lines: lines[:3],
    "truncated, 4 of 4": lambda lines: [],
    "line 3 is no line": lambda lines: [*lines[:2], "{", lines[3]],
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_named(path, what):
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in CHANGES[what](lines)))
    with pytest.raises(DataError, match=what):
        Ledger(path)


def test_a_line_whose_own_hash_was_made_again_is_found_by_the_next_and_the_last_by_the_head(path):
    for at, other in ((1, 2), (3, 4)):
        before = path.read_text()
        lines = before.splitlines()
        line = module.msgspec.json.decode(lines[at], type=module.Line)
        verdict = module.msgspec.structs.replace(line.entry.verdicts[0], ruling=Ruling.BETTER)
        line = module.msgspec.structs.replace(
            line, entry=module.msgspec.structs.replace(line.entry, verdicts=(verdict,))
        )
        lines[at] = module.msgspec.json.encode(module.msgspec.structs.replace(line, hash=line.hashed())).decode()
        path.write_text("".join(f"{text}\n" for text in lines))
        with pytest.raises(DataError, match=f"line {other} was edited"):
            Ledger(path)
        path.write_text(before)


def test_half_a_last_line_is_a_truncated_ledger(path):
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="truncated"):
        Ledger(path)


@pytest.mark.parametrize("text", [None, "{}", "\x00"])
def test_a_ledger_does_not_hold_without_its_head(path, text):
    if text is None:
        head_of(path).unlink()
    else:
        head_of(path).write_text(text)
    with pytest.raises(DataError, match=r"ledger\.jsonl\.head"):
        Ledger(path)


def test_what_stands_at_the_path_is_left_as_it_is(path):
    before = path.read_bytes()
    with pytest.raises(RunDirError, match="stands already"):
        begin(path, DECLARED)
    assert path.read_bytes() == before


@pytest.mark.parametrize("killed_at", ["next", "half", "line", "head"])
def test_a_writer_that_is_killed_anywhere_leaves_its_line_to_the_next(path, killed_at, monkeypatch):
    book = Ledger(path)
    append = module._append

    def die(*_):
        raise KeyboardInterrupt

    if killed_at == "next":
        monkeypatch.setattr(module, "_append", die)
    elif killed_at == "half":
        monkeypatch.setattr(module, "_append", lambda at, text: (append(at, text[:50]), die()))
    elif killed_at == "line":
        monkeypatch.setattr(module, "_append", lambda at, text: (append(at, text), die()))
    else:
        appearing, calls = module.appearing, []
        monkeypatch.setattr(
            module, "appearing", lambda at: appearing(at) if not calls.append(at) and len(calls) == 1 else die()
        )
    with pytest.raises(KeyboardInterrupt):
        book.add(look(4))
    monkeypatch.undo()
    assert [found.number for found in Ledger(path).looks] == [1, 2, 3, 4]
    assert [json.loads(line)["line"] for line in path.read_text().splitlines()] == [1, 2, 3, 4, 5]
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.jsonl", "ledger.jsonl.head"]


def add_some(path, own):
    for _ in range(3):
        with held(path):
            book = Ledger(path)
            book.add(look(own))


def test_writers_at_the_same_time_leave_one_chain(path):
    workers = [multiprocessing.get_context("fork").Process(target=add_some, args=(path, n)) for n in (11, 12, 13)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    numbers = [found.number for found in Ledger(path).looks]
    assert sorted(numbers) == [1, 2, 3, *[11] * 3, *[12] * 3, *[13] * 3]
