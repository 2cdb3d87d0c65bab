"""From logs to verdicts by the command line: nothing but the verdict is told, and nothing is spent that need not be."""

import json
import random
import re

import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.errors import CounterformError

runner = CliRunner()


def log(path, share, *, n=200, seed=0, start=0, model="m", prompt="what is {}?", missing=0):
    rng = random.Random(seed)
    rows = [
        {
            "id": f"q{at}",
            "prompt": prompt.format(at),
            "model": model,
            "score": None if at < missing else float(rng.random() < share),
        }
        for at in range(start, start + n)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def decide(*arguments):
    done = runner.invoke(app, ["decide", *map(str, arguments)])
    if isinstance(done.exception, CounterformError):
        raise done.exception
    return done.exit_code, done.stdout


@pytest.fixture
def ledger(tmp_path):
    base = log(tmp_path / "base.jsonl", 0.5)
    code, _ = decide(tmp_path / "ledger.jsonl", "--declare", "score: 2pt", "--base", base, "--candidates", 10)
    assert code == 0
    return tmp_path / "ledger.jsonl"


@pytest.mark.parametrize(("share", "ruling", "code"), [(0.9, "better", 0), (0.1, "worse", 1), (0.52, "not shown", 3)])
def test_the_verdict_and_its_exit_code(ledger, tmp_path, share, ruling, code):
    found, out = decide(ledger, "--candidate", log(tmp_path / "c.jsonl", share, seed=1), "--json")
    assert found == code
    told = json.loads(out)
    assert told["look"]["verdicts"][0]["ruling"] == ruling
    assert told["exit_code"] == code
    assert told["spent"] is True
    assert told["alpha_left"] == pytest.approx(0.045)


def test_no_score_stands_in_what_is_printed_or_kept(ledger, tmp_path):
    """The kind: a number from which a score could be read."""
    candidate = log(tmp_path / "c.jsonl", 0.57, seed=1)
    right = sum(json.loads(line)["score"] for line in candidate.read_text().splitlines())
    _, out = decide(ledger, "--candidate", candidate, "--json")
    told = out + ledger.read_text()
    numbers = {float(number) for number in re.findall(r"(?<![\w.-])\d+\.?\d*(?:e-?\d+)?(?![\w.-])", told)}
    assert right / 200 not in numbers
    assert right not in numbers
    assert set(json.loads(out)["look"]["verdicts"][0]) == {"task", "metric", "ruling", "buy", "more"}


def test_the_same_answers_spend_nothing_however_they_are_packed(ledger, tmp_path):
    candidate = log(tmp_path / "c.jsonl", 0.9, seed=1)
    assert decide(ledger, "--candidate", candidate)[0] == 0
    before = ledger.read_bytes()
    lines = candidate.read_text().splitlines()
    again = tmp_path / "again.jsonl"
    again.write_text("\n".join(lines[::-1]) + "\n")
    code, out = decide(ledger, "--candidate", again)
    assert code == 0
    assert "nothing was spent" in out
    assert ledger.read_bytes() == before


def test_the_base_itself_is_not_better(ledger, tmp_path):
    assert decide(ledger, "--candidate", tmp_path / "base.jsonl")[0] == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"n": 199}, "1 answers of the held-out set are missing"),
        ({"start": 1}, "missing; 1 are to other items"),
        ({"n": 201}, "1 are to other items"),
        ({"prompt": "what was {}?"}, "another question under one id"),
        ({"start": 500}, "200 answers of the held-out set are missing"),
    ],
)
def test_a_candidate_with_other_items_is_refused_and_spends_nothing(ledger, tmp_path, change, why):
    before = ledger.read_bytes()
    with pytest.raises(CounterformError, match=why):
        decide(ledger, "--candidate", log(tmp_path / "c.jsonl", 0.9, seed=1, **change))
    assert ledger.read_bytes() == before


def test_a_candidate_that_leaves_out_what_it_cannot_do_is_not_better(ledger, tmp_path):
    base = [json.loads(line) for line in (tmp_path / "base.jsonl").read_text().splitlines()]
    rows = [{**row, "score": 1.0 if row["score"] else None} for row in base]
    rows[0]["score"] = 0.0
    candidate = tmp_path / "c.jsonl"
    candidate.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert decide(ledger, "--candidate", candidate)[0] == 3


def test_when_all_is_spent_no_more_is_told(tmp_path):
    base, ledger = log(tmp_path / "base.jsonl", 0.5), tmp_path / "ledger.jsonl"
    decide(ledger, "--declare", "score: 2pt", "--base", base, "--candidates", 1)
    decide(ledger, "--candidate", log(tmp_path / "a.jsonl", 0.5, seed=1))
    with pytest.raises(CounterformError, match="all 1 planned looks were taken"):
        decide(ledger, "--candidate", log(tmp_path / "b.jsonl", 0.9, seed=2))
    assert decide(ledger, "--candidate", tmp_path / "a.jsonl")[0] == 3  # what was told before may be asked again


def test_a_base_that_has_changed_is_named(ledger, tmp_path):
    log(tmp_path / "base.jsonl", 0.2, seed=5)
    with pytest.raises(CounterformError, match="have changed"):
        decide(ledger, "--candidate", log(tmp_path / "c.jsonl", 0.9, seed=1))
    (tmp_path / "base.jsonl").unlink()
    with pytest.raises(CounterformError, match=r"base\.jsonl. Put it back"):
        decide(ledger, "--candidate", tmp_path / "c.jsonl")


def test_a_base_of_several_runs_asks_for_one_more_seed(tmp_path):
    for seed in range(3):
        log(tmp_path / "base" / f"{seed}.jsonl", 0.5, seed=seed, model=f"s{seed}")
    ledger = tmp_path / "ledger.jsonl"
    decide(ledger, "--declare", "score: 2pt", "--base", tmp_path / "base")
    before = ledger.read_bytes()
    with pytest.raises(CounterformError, match="one more seed"):
        decide(ledger, "--candidate", log(tmp_path / "one.jsonl", 0.9, seed=9))
    assert ledger.read_bytes() == before
    for seed in range(3):
        log(tmp_path / "several" / f"{seed}.jsonl", 0.95, seed=10 + seed, model=f"s{seed}")
    assert decide(ledger, "--candidate", tmp_path / "several")[0] == 0


def test_the_state_of_a_ledger(ledger, tmp_path):
    decide(ledger, "--candidate", log(tmp_path / "c.jsonl", 0.9, seed=1))
    code, out = decide(ledger)
    assert code == 0
    assert "1 looks taken, 4.5 % of alpha left" in out
    assert len(json.loads(decide(ledger, "--json")[1])["looks"]) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--declare", "score: 2pt"], "needs --base"),
        (["--declare", "score", "--base", "{base}"], "cannot be read"),
        (["--declare", "score: 0pt", "--base", "{base}"], "cannot be read"),
        (["--declare", "scor: 2pt", "--base", "{base}"], "Did you mean 'score'"),
        (["--declare", "score: 2", "--base", "{base}"], "Write points as 2pt"),
        (["--declare", "score: 2pt", "--declare", "score: 1pt", "--base", "{base}"], "declared twice"),
        (["--declare", "score: 2pt", "--base", "{base}", "--alpha", "0"], "--alpha"),
        (["--declare", "score: 2pt", "--base", "{base}", "--candidates", "0"], "--candidates 0"),
        (["--declare", "score: 2pt", "--base", "nothing.jsonl"], "no such file"),
        (["--candidate", "{base}", "--alpha", "0.1"], "--candidate goes alone"),
        (["--candidate", "{base}"], "no such ledger"),
        (["--base", "{base}"], "go with --declare"),
        ([], "no such ledger"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(tmp_path, arguments, why):
    base = log(tmp_path / "base.jsonl", 0.5)
    with pytest.raises(CounterformError, match=why):
        decide(tmp_path / "new.jsonl", *[text.format(base=base) for text in arguments])
    assert [file.name for file in tmp_path.iterdir()] == ["base.jsonl"]
