"""Problems away from training on their way through a study."""

import json
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

import counterform
from counterform.errors import DataError
from counterform.metrics import Measured, Shift
from counterform.problems.ledger import Ledger
from counterform.store import RunDir
from counterform.study import AttemptsSpec, MatchSpec, ModelSpec, ProbeSpec, ProblemsSpec, Study, TrainSpec
from counterform.text.shifts import NOISE, REVERSED
from counterform.types import Problem

TINY = Study(
    name="away",
    seeds=(0,),
    problems=ProblemsSpec(family="ledger", train=24, held_out=10, options={"without": [["add", "double"]]}),
    attempts=AttemptsSpec(samples=3, max_tokens=48),
    match=MatchSpec(cases=8),
    arms=("sft",),
    train=TrainSpec(trainer="dry"),
    probes=("accuracy", "shift"),
    probe=ProbeSpec(samples=1, k=1, max_tokens=48, shifted=6),
)


def problems(run):
    files = RunDir(run.path)
    return [
        [p for name in files.files_of(unit) for p in files.read_rows(name, Problem)] for unit in ("problems", "shifted")
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("away")
    # The probe comes later: what was sampled before must stand.
    counterform.run(msgspec.structs.replace(TINY, probes=("accuracy",)), path, until="arms")
    before = {p: p.stat().st_mtime_ns for folder in ("attempts", "verdicts", "arms") for p in (path / folder).iterdir()}
    run = counterform.run(TINY, path)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    return run


def test_shifted_problems_are_held_out_and_nobody_samples_or_trains_on_them(finished):
    home, away = problems(finished)
    assert len(home) == 34
    assert {p.split for p in away} == {"held_out"}
    assert sum(p.shift.axis in NOISE for p in away) == 6 * 12
    sampled = set(RunDir(finished.path).read_table("attempts")["problem_id"].to_pylist())
    assert sampled == {p.id for p in home}
    assert not {p.prompt for p in away if p.shift.axis in ("length", "composition", REVERSED)} & {
        p.prompt for p in home
    }


def test_only_the_shift_probe_reads_them_and_home_is_its_reference(finished):
    home, away = problems(finished)
    read = {}
    for row in finished.readings.to_pylist():
        read.setdefault(row["probe"], set()).add(row["item_id"])
    held_out = {p.id for p in home if p.split == "held_out"}
    assert read == {"accuracy": held_out, "shift": held_out | {p.id for p in away}}
    rows = [row for row in finished.readings.to_pylist() if row["item_id"] in held_out]
    assert {row["shift"] for row in rows} == {None}
    at_home = {("pass@1", ""), ("exact match", "answer"), ("edit distance", "whole")}
    assert at_home <= {(row["metric"], row["condition"]) for row in rows}


def test_findings_and_report_speak_of_every_level(finished):
    right = [f for f in finished.results.findings if (f.metric, f.condition) == ("exact match", "answer")]
    assert {f.verdict for f in right} == {"undecided"}  # nothing was trained
    found = {f.key for f in finished.results.findings if f.probe == "shift"}
    for metric, condition, shift in (
        ("exact match", "answer", None),
        ("exact match", "answer", Shift(axis="composition", level="1")),
        ("edit distance", "whole", Shift(axis="length", level="7")),
    ):
        assert Measured(probe="shift", metric=metric, condition=condition, shift=shift).key in found
    assert {line.key for line in finished.results.baselines if line.probe == "shift"} <= found
    assert 'id="away"' in (finished.path / "report.html").read_text(encoding="utf-8")


def test_dropping_the_probe_and_coming_back_finds_the_shifted_problems_again(finished, tmp_path):
    def made(*probes):
        return counterform.run(msgspec.structs.replace(TINY, probes=probes), tmp_path / "run", until="problems")

    _, first = problems(made("shift"))
    made("accuracy")
    assert problems(made("shift"))[1] == first == problems(finished)[1]


# The user's own files.


@pytest.fixture
def users(tmp_path):
    """Runs the first stage on a file of 12 problems, the last three of them labelled, and perhaps a second file."""

    def run(second=None, **columns):
        main = [
            {"prompt": f"What is {n} plus 1?", "answer": str(n + 1), "kind": "hard" if n > 8 else ""} for n in range(12)
        ]
        for name, rows in (("mine.jsonl", main), ("far.jsonl", second or main)):
            (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        spec = ProblemsSpec(file=str(tmp_path / "mine.jsonl"), train=6, held_out=3, **columns)
        if second:
            spec = msgspec.structs.replace(spec, shift_file=str(tmp_path / "far.jsonl"))
        few = msgspec.structs.replace(TINY.probe, shifted=2)
        study = msgspec.structs.replace(
            TINY, problems=spec, probe=few, model=ModelSpec(kind="scripted", path="json:dumps")
        )
        return counterform.run(study, tempfile.mkdtemp(dir=tmp_path), until="problems")

    return run


def test_a_column_takes_rows_out_of_training(users):
    home, away = problems(users(shift="kind"))
    assert len(home) == 9
    assert not [p for p in home if p.prompt in ("What is 9 plus 1?", "What is 10 plus 1?", "What is 11 plus 1?")]
    labelled = [p for p in away if p.shift.label == "hard"]
    assert len(labelled) == 2
    assert {p.split for p in labelled} == {"held_out"}
    assert all(0 < p.shift.distance < 1 for p in labelled)
    assert len(away) == len(labelled) + 12 * 2


def test_a_second_file_is_a_shift(users):
    second = [{"prompt": f"How much are {n} and {n}?", "answer": str(2 * n)} for n in range(5)]
    _, away = problems(users(second))
    assert {p.shift.label for p in away if p.shift.axis not in NOISE} == {"far"}


def test_a_second_file_that_is_the_first_is_refused(users):
    same = [{"prompt": f"What is {n} plus 1?", "answer": str(n + 1)} for n in reversed(range(12))]
    with pytest.raises(DataError, match=r"far\.jsonl is one of the study's own problems"):
        users(same)


# The studies of the examples.


@pytest.mark.parametrize("name", ["mirage", "mirage-many"])
def test_the_mirage_studies_hold_pairs_out_and_ask_for_them(name):
    study = counterform.load_study(Path(__file__).parents[1] / "examples" / f"{name}.toml")
    family = Ledger(**study.problems.options)
    trained = family.generate(1_000, rng=np.random.default_rng(0), lengths=study.problems.lengths)
    shifts = {p.shift.label for p in family.shifts(2, rng=np.random.default_rng(0), trained=trained)}
    assert "composition 1" in shifts
    assert ("composition reversed 1" in shifts) == (name == "mirage-many")
    pairs = [tuple(pair) for pair in study.problems.options["without"]]
    back = {(after, first) for first, after in pairs} - set(pairs)
    assert len(set(pairs)) == (12 if name == "mirage-many" else 1)
    assert len(back) == (12 if name == "mirage-many" else 0)
