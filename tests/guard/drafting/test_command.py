"""`counterform guard draft` as a user runs it: interrupted, refused, accepted, and never over anybody's file."""

import json

import msgspec
import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.guard.check import check_policy, require
from counterform.guard.drafting.drafting import Drafted
from counterform.guard.policy import load_policy
from counterform.models.scripted import ScriptedAnswer
from tests.guard.drafting.library import CODE, POLICY, REST, TOOLS, Desk, block

pytest.importorskip("z3")
runner = CliRunner()
MODEL = "tests.guard.drafting.test_command:"
desk = Desk(
    block("five_books") + block("fee_of_20") + block("renew_on_time", CODE["renew_on_time"].replace("!=", "==")) + REST
)
model = ScriptedAnswer(desk)
heard = {"calls": 0}


@ScriptedAnswer
def breaks_down(prompt, sample):
    """An endpoint that goes away after a few calls."""
    heard["calls"] += 1
    return desk(prompt, sample) if heard["calls"] <= 13 else None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.md").write_text(POLICY)
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    return tmp_path


def run(*arguments, name="model"):
    return runner.invoke(
        app, ["guard", "draft", "policy.md", "--tools", "tools.json", "--model", MODEL + name, *map(str, arguments)]
    )


def test_accepted_rules_are_a_policy_that_the_guard_loads(folder):
    talk = [
        {"role": "user", "content": "Six please."},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "function": {"name": "lend_books", "arguments": json.dumps({"books": list("abcdef")})}}
            ],
        },
        {"role": "assistant", "tool_calls": [{"id": "2", "function": {"name": "waive_fee", "arguments": "{}"}}]},
    ]
    (folder / "talk.json").write_text(json.dumps(talk))
    done = run("--accept", "rules.py", "--rule", "five_books", "--traces", "talk.json", "--json")
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode((folder / "policy.draft" / "draft.json").read_bytes(), type=Drafted)
    assert [rule.proof.name for rule in found.rules if rule.accepted] == ["five_books", "fee_of_20"]
    five, fee = (rule.traces for rule in found.rules if rule.accepted)
    assert five
    assert fee
    assert (five.calls, five.broken, five.unknown, five.shown[0].message) == (2, 1, 0, 1)
    assert (fee.broken, fee.unknown) == (0, 1)
    (rule,) = load_policy("rules.py")
    assert rule.text == "Each member can borrow at most five books."
    checked = check_policy("rules.py")
    require(checked)
    assert (checked.tests, checked.rules[0].seen_broken, checked.rules[0].seen_kept) == (1, True, True)
    again = run("--accept", "rules.py")
    assert again.exit_code != 0
    assert "exists and is left as it is" in str(again.exception)


def test_an_endpoint_that_goes_away_loses_nothing(folder):
    heard["calls"] = 0
    first = run(name="breaks_down")
    assert first.exit_code != 0
    assert "run the same command again" in str(first.exception)
    kept = (folder / "policy.draft" / "replies.jsonl").read_bytes()
    assert kept.count(b"\n") == 13
    assert b"the model was not heard" in (folder / "policy.draft" / "draft.json").read_bytes()
    (folder / "policy.draft" / "replies.jsonl").write_bytes(kept[:-20])  # and the machine went down while it wrote
    heard["calls"] = -1000
    done = run(name="breaks_down")
    assert done.exit_code == 0, done.output
    assert heard["calls"] < -1000 + 150
    asked = heard["calls"]
    assert run(name="breaks_down").exit_code == 0
    assert heard["calls"] == asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rule", "five_books"), "--rule chooses"),
        (("--out", "policy.md"), "is no folder"),
        (("--out", "."), "holds other things"),
        (("--traces", "tools.json"), "holds no conversation"),
        (("--accept", "tools.json"), "exists and is left"),
    ],
)
def test_nothing_is_written_over(folder, arguments, message):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run(*arguments)
    assert done.exit_code != 0
    assert message in str(done.exception)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_broken_file_of_replies_is_named(folder):
    (folder / "policy.draft").mkdir()
    (folder / "policy.draft" / "replies.jsonl").write_text("{}\nnonsense\n")
    assert "line 1" in str(run().exception)
