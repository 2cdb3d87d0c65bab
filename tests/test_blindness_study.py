"""The study script `examples/blindness.py`, on data made up here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from counterform.guard.check import check_policy

SCRIPT = Path(__file__).parents[1] / "examples" / "blindness.py"


def page(data):
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--data", str(data)], capture_output=True, text=True, timeout=60
    )


def write(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))


def message(role, content, *calls, id=None):
    made = [{"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for i, n, a in calls]
    return (
        {"role": role, "content": content}
        | ({"tool_calls": made} if made else {})
        | ({"tool_call_id": id} if id else {})
    )


def talk(task, trial, reward, yes, refused=False):
    booked = {
        "reservation_id": "R",
        "cabin": "business",
        "created_at": "2024-05-01T00:00:00",
        "insurance": "no",
        "flights": [{"flight_number": "F", "date": "2024-06-01"}],
    }
    traj = [
        message("user", "Cancel R."),
        message("assistant", None, ("1", "get_reservation_details", {"reservation_id": "R"})),
        message("tool", json.dumps(booked), id="1"),
        message("assistant", "Cancel it?"),
        message("user", "Yes" if yes else "Why do you ask?"),
        message("assistant", None, ("2", "cancel_reservation", {"reservation_id": "R"})),
        message("tool", "Error: no" if refused else json.dumps(booked), id="2"),
    ]
    return {"task_id": task, "trial": trial, "reward": reward, "traj": traj}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Eight traces, half of them with a wrong stack, of which two are labelled elsewhere; four talks, two without a yes."""
    data = tmp_path_factory.mktemp("data")
    sound = ["( ; stack: (", "Now, we have reached the end.", "So the answer is )"]
    broken = ["( ; stack: [", "Now, we have reached the end.", "So the answer is )"]
    rows = [
        {
            "input": "(",
            "target": ")",
            "answer": ")",
            "steps": broken if n % 2 else sound,
            "mistake_index": (0 if n < 4 else 1) if n % 2 else None,
        }
        for n in range(8)
    ]
    write(data / "bb_mistake/dyck_languages.jsonl", rows)
    attempts = [
        {"question": f"{n}?", "model": {"is_correct": n < 2, "solution": f"{n} + 1 = {n + 1 + n % 2}."}}
        for n in range(4)
    ]
    write(data / "gsm8k/example_model_solutions.jsonl", attempts)
    (data / "tau_bench").mkdir()
    talks = [talk(n // 2, n % 2, float(n % 2), yes=n < 2, refused=n == 2) for n in range(4)]
    (data / "tau_bench/gpt-4o-airline.json").write_text(json.dumps(talks))
    done = page(data)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\u00a0", " ")


def row(text, head):
    return [
        cell.strip() for cell in next(line for line in text.splitlines() if line.startswith(f"| {head} |")).split("|")
    ][1:-1]


def test_agreement_is_counted_on_each_half(text):
    even = row(text, r"dyck_languages | even (fitted)")
    odd = row(text, r"dyck_languages | odd (held back)")
    assert (even[2], even[4]) == ("100.0 % (4 of 4)", "100.0 % (4 of 4)")
    assert odd[4] == "50.0 % (2 of 4)"


def test_blindness_is_counted(text):
    pool = row(text.split("## Right by wrong steps")[1], "dyck_languages")
    assert (pool[1], pool[3], pool[5]) == ("100.0 % (4 of 4)", "50.0 % (4 of 8)", "50.0 % (4 of 8)")
    free = row(text, "GSM8K, model")
    assert (free[1], free[3], free[5]) == ("50.0 % (1 of 2)", "25.0 % (1 of 4)", "50.0 % (1 of 2)")


def test_rules_stand_against_reward(text):
    against = row(text, "consent")
    assert (against[1], against[3], against[5]) == ("50.0 % (1 of 2)",) * 3
    assert row(text.split("| rule |")[1], "consent") == ["consent", "2", "1", "2", "1", "0"]
    assert row(text, "rewarded")[1] == "50.0 %"


def test_every_rule_of_the_airline_is_seen_broken_and_kept():
    found = check_policy(SCRIPT.with_name("airline_policy.py"))
    assert found.failures == ()
    assert [rule.rule for rule in found.rules if not (rule.seen_broken and rule.seen_kept)] == []


def test_what_is_not_there_is_one_message(tmp_path):
    done = page(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    (tmp_path / "bb_mistake").mkdir()
    (tmp_path / "bb_mistake/word_sorting.jsonl").write_text("{")
    done = page(tmp_path)
    assert "one JSON object a line" in done.stderr
    assert "Traceback" not in done.stderr
